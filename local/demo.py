"""`make demo`: the whole main job over real HTTP in one go, on a stack of its own that is gone afterwards.

Rotation intervals count seconds here (a development setting), so that a scheduled rotation can be watched.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from typing import Any

from local.claim import claimed
from local.client import KEY_VAULT, Client
from local.entra import seed
from local.environment import CERTIFICATES, STATE
from local.ports import Refused, base_port
from local.processes import StackError, until_signal
from local.stack import Stack
from local.visitor import Visitor
from shared.domain.caller import Permission

PORT = 7271
TITLE_WIDTH = 32
PATIENCE_SECONDS = 25.0
DAILY_AT_THREE = {"rotationInterval": 2, "rotateAtUtc": {"hours": 3, "minutes": 0}}


class DemoError(Exception):
    """Something did not happen as it should."""


async def begin_app_rotation(client: Client) -> list[str]:
    """Contoso's own app signs in with a client secret; a rotation adds a new one, which is proven before it is used."""
    body = {
        "name": "contoso-deployment",
        "method": "client-secret",
        "credentials": {
            "tenantId": seed.CONTOSO_TENANT_ID,
            "clientId": seed.CONTOSO_APP_ID,
            "clientSecret": seed.CONTOSO_APP_SECRET,
            "clientSecretKeyId": seed.CONTOSO_APP_SECRET_KEY_ID,
        },
        "isAutoRotationEnabled": True,
        "rotation": {**DAILY_AT_THREE, "rotationInterval": 365},
    }
    connection = (await _ok(client.api("POST", KEY_VAULT, body)))["appConnection"]
    await _ok(client.api("POST", f"{KEY_VAULT}/{connection['id']}/rotate-credentials"))
    passwords = await _until("the new password", lambda: _passwords(client), lambda found: len(found) == 2)
    return ["two passwords on the application:", *(_described(password) for password in passwords)]


async def end_app_rotation(client: Client) -> list[str]:
    """The new password has worked twice, 15 seconds apart: it is in use, and the user's own is revoked."""
    passwords = await _until("the old password's end", lambda: _passwords(client), lambda found: len(found) == 1)
    connection = await _find(client, "contoso-deployment")
    rotation = connection["rotation"]
    return [
        "one password left:",
        _described(passwords[0]),
        f"rotated {rotation['lastRotatedAt']}, next {rotation['nextRotationAt']}",
    ]


async def connect_by_link(client: Client) -> list[str]:
    """An administrator of Contoso opens a connect link, signs in and consents."""
    wish = {"name": "contoso-prod", "method": "oauth", "credentials": {"tenantId": seed.CONTOSO_DOMAIN}}
    link = await _ok(client.api("POST", f"{KEY_VAULT}/oauth/authorize", wish))
    async with Visitor(str(CERTIFICATES / "loopback.pem")) as visitor:
        page = await visitor.connect(link["connectUrl"], account=seed.CONTOSO_ADA_ID)
    flow = await _ok(client.api("GET", f"{KEY_VAULT}/oauth/flows/{link['flowId']}"))
    if page.status != 200 or flow["state"] != "succeeded":
        raise DemoError(f"the connect link ended with: {page.text}")
    return [f"connection {link['connectionId']} is active", f'the administrator read: "{page.text[:60]}…"']


async def connect_by_code(client: Client) -> list[str]:
    """A program brings an authorization code and turns rotation on; the timer and the queue do the rest."""
    connection = await _create(client, "contoso-ci", seed.CONTOSO_BEN_ID, enabled=True)
    first = (await client.versions(connection["id"]))[-1]["version"]
    return [f"connection {connection['id']} is active", f"secret version {first[:8]}…, kept in Key Vault only"]


async def rotate_on_schedule(client: Client) -> list[str]:
    """The rotation of the connection made before comes due; nobody asks for it."""
    connection = await _find(client, "contoso-ci")
    rotated = await _until(
        "the scheduled rotation",
        lambda: _get(client, connection["id"]),
        lambda found: found["rotation"]["lastRotatedAt"] is not None,
    )
    versions = await _until(
        "the old version's end",
        lambda: client.versions(connection["id"]),
        lambda found: len(found) > 1 and not found[0]["enabled"],
    )
    return [
        f"old version {versions[0]['version'][:8]}… (disabled), new version {versions[1]['version'][:8]}…",
        f"rotated {rotated['rotation']['lastRotatedAt']}, next {rotated['rotation']['nextRotationAt']}",
    ]


async def fail_to_rotate(client: Client) -> list[str]:
    """A password reset revoked the sign-in; the rotation says so in words, and what to do."""
    user = seed.FABRIKAM_FAY_ID
    connection = await _create(client, "fabrikam-test", user, tenant=seed.FABRIKAM_TENANT_ID, enabled=False)
    await client.revoke_grants(user)
    await _ok(client.api("POST", f"{KEY_VAULT}/{connection['id']}/rotate-credentials"))
    failed = await _until(
        "the failed rotation",
        lambda: _get(client, connection["id"]),
        lambda found: found["rotation"]["rotationStatus"] == "failed",
    )
    return [f"{failed['status']['state']}: {failed['rotation']['lastRotationMessage']}"]


async def show_list(client: Client) -> list[str]:
    """What an operator sees."""
    found = await _ok(client.api("GET", KEY_VAULT))
    return [
        f"{item['name']:<20}{item['status']['state']:<17}rotation "
        + (f"{item['rotation']['rotationStatus']}" if item["rotation"] else "off")
        for item in found["appConnections"]
    ]


STEPS: list[tuple[str, Callable[[Client], Awaitable[list[str]]]]] = [
    ("an app's own secret", begin_app_rotation),
    ("connect link and consent page", connect_by_link),
    ("authorization code", connect_by_code),
    ("scheduled rotation", rotate_on_schedule),
    ("failed rotation", fail_to_rotate),
    ("the app's rotation", end_app_rotation),
    ("list", show_list),
]


async def run(stack: Stack) -> int:
    """Start the stack, do every step, print one row per step. Whoever calls ends the processes."""
    began = time.monotonic()
    stack.forget()
    print("Starting a stack for the demo …", flush=True)
    try:
        await stack.start_emulators()
        await stack.start_host()
        token = await stack.token(roles=[permission.value for permission in Permission])
        async with Client(stack, token) as client:
            for title, step in STEPS:
                lines = await step(client)
                print(row(title, lines, width=shutil.get_terminal_size((100, 24)).columns), flush=True)
    except (StackError, DemoError) as error:
        print(f"The demo failed: {error}\nLogs: {stack.state}/logs/", file=sys.stderr)
        return 1
    print(f"Done in {time.monotonic() - began:.1f} s.")
    return 0


def row(title: str, lines: list[str], *, width: int) -> str:
    """A row of the table: the step's title, and beside it its lines, wrapped so that none is wider than `width`."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, max(width - TITLE_WIDTH, 20))]
    return f"{title:<{TITLE_WIDTH}}" + f"\n{'':<{TITLE_WIDTH}}".join(wrapped)


def main() -> int:
    """Parse the command line and run; answers the exit code, 2 when nothing was started."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--port", default=str(PORT), help="base port of the demo's own stack")
    try:
        base = base_port(parser.parse_args().port)
        settings = {"ROTATION_INTERVAL_UNIT": "seconds", "WORK_SCHEDULE": "* * * * * *"}
        stack = Stack(base, state=STATE / "demo", settings=settings)
        with claimed(base, stack.ports.all()):
            code = asyncio.run(until_signal(run(stack), at_end=stack.processes.stop_all))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    if code is None:
        print("\nStopped before its end.", file=sys.stderr)
        return 1
    return code


async def _create(
    client: Client, name: str, user: str, *, tenant: str = seed.CONTOSO_TENANT_ID, enabled: bool
) -> dict[str, Any]:
    body = {
        "name": name,
        "method": "oauth",
        "credentials": {"code": await client.code(user=user, tenant=tenant), "tenantId": tenant},
        "isAutoRotationEnabled": enabled,
        "rotation": DAILY_AT_THREE,
    }
    created: dict[str, Any] = (await _ok(client.api("POST", KEY_VAULT, body)))["appConnection"]
    return created


async def _passwords(client: Client) -> list[dict[str, Any]]:
    """The passwords of Contoso's app in the directory."""
    state = await client.entra("GET", "state")
    apps = state["directory"]["applications"]
    found: list[dict[str, Any]] = next(app for app in apps if app["appId"] == seed.CONTOSO_APP_ID)["passwords"]
    return found


def _described(password: dict[str, Any]) -> str:
    return f"  {password['keyId'][:8]}… {str(password['displayName'])[:40]}, ends {password['endDateTime'][:10]}"


async def _get(client: Client, connection_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await _ok(client.api("GET", f"{KEY_VAULT}/{connection_id}")))["appConnection"]
    return found


async def _find(client: Client, name: str) -> dict[str, Any]:
    found = (await _ok(client.api("GET", KEY_VAULT)))["appConnections"]
    return next(item for item in found if item["name"] == name)


async def _ok(call: Awaitable[tuple[int, Any]]) -> Any:
    status, body = await call
    if status != 200:
        raise DemoError(f"{status}: {body.get('message', body)}")
    return body


async def _until(what: str, look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = await look()
        if good(found):
            return found
        await asyncio.sleep(0.2)
    raise DemoError(f"{what} did not come within {PATIENCE_SECONDS:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
