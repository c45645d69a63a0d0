"""The examples of docs/api.md are true: each is run as it stands, in order, in one shell."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from local.client import Client
from shared.web.docs import OPENAPI
from tests.e2e.apps import App, key_pair
from tests.e2e.world import Customer

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
MARK = "--- example "
LIMIT_SECONDS = 60


def examples() -> list[str]:
    """Every `sh` block of the document."""
    return re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


async def environment(client: Client, customer: Customer, folder: Path) -> dict[str, str]:
    """What the text asks its readers to export."""
    pair = key_pair()
    app = await App.new(client, customer, certificates=[pair.body])
    for secret in ("the-first-secret", "the-second-secret"):
        await app.add_password(client, secret)
    trusting = await App.new(client, customer)
    await trusting.trust_identity(client)
    (folder / "certificate.pem").write_text(pair.body)
    (folder / "key.pem").write_text(pair.private())
    return {
        "PATH": os.environ["PATH"],
        "NO_PROXY": "*",
        "API": f"{client.stack.api}/api",
        "TOKEN": client.token,
        "TENANT_ID": customer.tenant,
        "CLIENT_ID": app.client_id,
        "CLIENT_SECRET": "the-first-secret",
        "NEW_CLIENT_SECRET": "the-second-secret",
        "CERTIFICATE_FILE": str(folder / "certificate.pem"),
        "PRIVATE_KEY_FILE": str(folder / "key.pem"),
        "FEDERATED_CLIENT_ID": trusting.client_id,
        "CODE": await customer.code(client),
    }


async def test_every_example_works_in_the_order_of_the_document(
    client: Client, customer: Customer, tmp_path: Path
) -> None:
    blocks = examples()
    script = "set -euo pipefail\n" + "".join(
        f"echo '{MARK}{number}' >&2\n{block}" for number, block in enumerate(blocks)
    )
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script,
        cwd=tmp_path,
        env=await environment(client, customer, tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = await asyncio.wait_for(shell.communicate(), LIMIT_SECONDS)
    finally:
        if shell.returncode is None:
            shell.kill()
    reached = int(errors.decode().rpartition(MARK)[2].split()[0])
    assert shell.returncode == 0, f"{blocks[reached]}\n{out.decode()[-600:]}\n{errors.decode()[-600:]}"
    assert reached == len(blocks) - 1


def called() -> Iterator[tuple[str, str]]:
    """Method and path of every curl command, its variables as the path's parameters."""
    text = "\n".join(examples()).replace("\\\n", " ")
    for line in re.findall(r"curl [^\n]*", text):
        url = re.search(r'"(\$(?:API|KV|CONNECT_URL)[^"?]*)', line)
        assert url is not None, line
        path = url[1].replace("$KV", "/api/v1/app-connections/azure-key-vault").replace("$API", "/api")
        path = path.replace("$CONNECT_URL", "/api/v1/app-connections/azure-key-vault/oauth/connect/{}")
        explicit = re.search(r"-X (\w+)", line)
        method = explicit[1] if explicit else "POST" if "--json" in line else "GET"
        yield method, re.sub(r"\$\w+|(?<=connection-name/)\w+", "{}", path)


def test_every_route_has_an_example() -> None:
    routes = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in json.loads(OPENAPI.read_text())["paths"].items()
        for method in methods
    }
    assert routes - set(called()) == set()
