"""Nothing secret leaks: every secret that passes through is known here, and looked for everywhere afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableServiceClient

from local.client import KEY_VAULT, Client
from local.entra import seed
from shared.adapters.tables.keys import FLOWS
from shared.domain.sealing import digest, unseal
from shared.services.oauth_flow import SEAL_PURPOSE
from tests.e2e.apps import App, key_pair
from tests.e2e.browser import Attempt, Link
from tests.e2e.conftest import Break
from tests.e2e.storage import every_message, every_row
from tests.e2e.world import DAILY_AT_THREE, Customer, Reply, create, eventually, raw


@dataclass(slots=True)
class Canaries:
    """The secrets by what they are, and every answer that callers and browsers saw."""

    client: Client
    customer: Customer
    break_entra: Break
    secrets: dict[str, str] = field(default_factory=dict)
    browser_only: dict[str, str] = field(default_factory=dict)
    """What a browser must be told, and nobody else."""
    answers: list[str] = field(default_factory=list)

    def plant(self, what: str, value: str | None = None) -> str:
        """Remember a secret; a new one, distinct from all others, unless a value is given."""
        self.secrets[what] = value or f"canary-{what.replace(' ', '-')}-{uuid4().hex}"
        return self.secrets[what]

    async def provider_says(self, what: str, **claims: str) -> None:
        """The next answer of the token endpoint: a grant whose tokens are canaries."""
        wanted = {"tenant": self.customer.tenant, "oid": self.customer.user, "audience": seed.OAUTH_CLIENT_ID}
        id_token = (await self.client.entra("POST", "tokens", wanted | claims))["accessToken"]
        body = {
            "token_type": "Bearer",
            "expires_in": 4500,
            "access_token": self.plant(f"access token of the {what}"),
            "refresh_token": self.plant(f"refresh token of the {what}"),
            "id_token": self.plant(f"ID token of the {what}", id_token),
        }
        await self.break_entra(self.customer.token_endpoint, status=200, body=body)

    async def provider_refuses(self, what: str) -> None:
        """The next answer of the token endpoint: a refusal that repeats secrets, as texts of a provider might."""
        text = f"AADSTS70008: {self.plant(f'error text of the {what}')}"
        body = {
            "error": "invalid_grant",
            "error_description": text,
            "error_codes": [70008],
            "suberror": self.plant(f"suberror of the {what}"),
            "claims": self.plant(f"claims of the {what}"),
        }
        await self.break_entra(self.customer.token_endpoint, status=400, body=body)

    async def ask(self, method: str, path: str, body: Any = None, **request: Any) -> Reply:
        """A call whose answer is kept."""
        headers = {"Authorization": f"Bearer {self.client.token}"}
        return self.keep(await raw(self.client, method, path, **{"json": body, "headers": headers, **request}))

    def keep(self, reply: Reply) -> Reply:
        """Keep an answer, headers included."""
        self.answers.append(f"{dict(reply.headers)} {reply.text}")
        return reply

    async def body(self, what: str, **changes: Any) -> dict[str, Any]:
        """A create body whose code and verifier are canaries."""
        code = self.plant(f"code of the {what}")
        verifier = self.plant(f"verifier of the {what}")
        credentials = {"code": code, "codeVerifier": verifier, "tenantId": self.customer.tenant}
        return {"name": "prod", "method": "oauth", "credentials": credentials, "rotation": DAILY_AT_THREE} | changes

    async def leaks(self) -> set[tuple[str, str]]:
        """Which secret is where but in Key Vault."""
        stack = self.client.stack
        at_rest = {
            "log": (stack.state / "logs" / "host.log").read_text(errors="replace"),
            "table": await every_row(stack.storage),
            "queue": "\n".join(await every_message(stack.storage)),
            "event": json.dumps(await self.client.events()),
        }
        everywhere = {**at_rest, "answer": "\n".join(self.answers)}
        found = {
            (what, place) for what in self.secrets for place in everywhere if self.secrets[what] in everywhere[place]
        }
        return found | {
            (what, place)
            for what in self.browser_only
            for place in at_rest
            if self.browser_only[what] in at_rest[place]
        }

    async def in_the_vault(self) -> set[str]:
        """Which secrets Key Vault holds."""
        state = json.dumps(await self.client.vault("GET", "state"))
        return {what for what, secret in self.secrets.items() if secret in state}


@pytest.fixture
async def canaries(client: Client, customer: Customer, break_entra: Break) -> AsyncIterator[Canaries]:
    planted = Canaries(client, customer, break_entra)
    planted.plant("bearer token", client.token)
    yield planted
    assert await planted.leaks() == set()


async def test_the_search_finds_what_is_there(
    client: Client, customer: Customer, org_id: str, break_entra: Break
) -> None:
    control = Canaries(client, customer, break_entra)
    control.plant("organisation", org_id)
    control.plant("nowhere")
    assert (await control.ask("POST", KEY_VAULT, await customer.body(client))).status == 200
    places = {("organisation", place) for place in ("log", "table", "answer", "event")}
    await eventually(control.leaks, lambda found: found == places)


async def test_a_life_from_creation_to_deletion_leaks_nothing(client: Client, canaries: Canaries) -> None:
    await canaries.provider_says("creation")
    made = (await canaries.ask("POST", KEY_VAULT, await canaries.body("creation"))).connection
    path = f"{KEY_VAULT}/{made['id']}"
    await canaries.provider_says("rotation")
    await canaries.ask("POST", f"{path}/rotate-credentials")
    await eventually(lambda: client.versions(made["id"]), lambda found: len(found) == 2 and not found[0]["enabled"])
    await canaries.provider_refuses("refused rotation")
    await canaries.ask("POST", f"{path}/rotate-credentials")

    async def look() -> str:
        return str((await canaries.ask("GET", path)).connection["rotation"]["rotationStatus"])

    await eventually(look, lambda status: status == "failed")
    await canaries.ask("GET", KEY_VAULT)
    await canaries.ask("DELETE", path)
    assert await canaries.in_the_vault() == {"refresh token of the creation", "refresh token of the rotation"}


async def test_refused_creations_leak_nothing(canaries: Canaries, break_vault: Break) -> None:
    await canaries.provider_refuses("refused creation")
    assert (await canaries.ask("POST", KEY_VAULT, await canaries.body("refused creation"))).status == 400
    await canaries.break_entra(canaries.customer.token_endpoint, status=200, body=canaries.plant("nonsense"))
    assert (await canaries.ask("POST", KEY_VAULT, await canaries.body("nonsense creation"))).status == 503
    await canaries.break_entra(
        canaries.customer.token_endpoint, status=400, body={"error": canaries.plant("odd error")}
    )
    assert (await canaries.ask("POST", KEY_VAULT, await canaries.body("oddly refused creation"))).status == 400
    await canaries.provider_says("creation without a vault")
    refusal = {"error": {"code": canaries.plant("vault's code"), "message": canaries.plant("vault's text")}}
    await break_vault("PUT /secrets/conn-", status=400, body=refusal, times=20)  # rotations of other tests meet it too
    assert (await canaries.ask("POST", KEY_VAULT, await canaries.body("creation without a vault"))).status == 502
    assert await canaries.in_the_vault() == set()


async def test_input_that_breaks_rules_is_not_repeated(client: Client, canaries: Canaries) -> None:
    wrong = {
        "name": canaries.plant("name") + " ",
        "description": canaries.plant("description") * 9,
        "method": canaries.plant("method"),
        "projectId": canaries.plant("project") + "/",
        "credentials": {
            "code": canaries.plant("long code") * 200,
            "tenantId": canaries.plant("tenant"),
            "codeVerifier": canaries.plant("odd verifier") + "!",
            "redirectUri": canaries.plant("redirect URI"),
        },
        "rotation": {"rotationInterval": canaries.plant("interval")},
        "gatewayId": canaries.plant("gateway"),
    }
    assert (await canaries.ask("POST", KEY_VAULT, wrong)).status == 422
    link = {"name": "prod", "method": "oauth", "returnUrl": f"https://{canaries.plant('return URL')}.example/"}
    assert (await canaries.ask("POST", f"{KEY_VAULT}/oauth/authorize", link)).status == 422
    json_headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    cut_short = f'{{"credentials": {{"code": "{canaries.plant("cut short")}"'
    assert (await canaries.ask("POST", KEY_VAULT, json=None, data=cut_short, headers=json_headers)).status == 400
    form = {"code": canaries.plant("form")}
    assert (await canaries.ask("POST", KEY_VAULT, json=None, data=form)).status == 415
    assert (await canaries.ask("GET", f"{KEY_VAULT}?cursor={canaries.plant('cursor')}")).status == 422
    assert (await canaries.ask("GET", f"{KEY_VAULT}/{canaries.plant('id')}")).status == 422
    for what in ("wrong token", "token.with.dots"):
        headers = {"Authorization": f"Bearer {canaries.plant(what)}"}
        assert (await canaries.ask("GET", KEY_VAULT, headers=headers)).status == 401


async def test_the_credentials_of_apps_leak_nothing(client: Client, customer: Customer, canaries: Canaries) -> None:
    app = await App.new(client, customer, certificates=[key_pair().body])
    canaries.secrets["first secret"] = f"1{uuid4().hex}"  # 50 characters at most
    canaries.secrets["second secret"] = f"2{uuid4().hex}"
    canaries.secrets["wrong secret"] = f"3{uuid4().hex}"
    canaries.plant("private key", key_pair().private().splitlines()[5])
    for what in ("first secret", "second secret"):
        await app.add_password(client, canaries.secrets[what])
    key = canaries.plant("idempotency key")
    headers = {"Authorization": f"Bearer {client.token}", "Idempotency-Key": key}

    def body(what: str, **changes: Any) -> dict[str, Any]:
        submitted = app.submits(clientSecret=canaries.secrets[what])
        return {"name": "app", "method": "client-secret", "credentials": submitted} | changes

    made = (await canaries.ask("POST", KEY_VAULT, body("first secret"), headers=headers)).connection
    assert (await canaries.ask("POST", KEY_VAULT, body("first secret"), headers=headers)).connection == made
    assert (await canaries.ask("POST", KEY_VAULT, body("wrong secret", name="b"), headers=headers)).status == 422
    path = f"{KEY_VAULT}/{made['id']}"
    assert (await canaries.ask("PATCH", path, body("second secret"))).status == 200
    assert (await canaries.ask("PATCH", path, body("wrong secret"))).status == 400
    odd = {"credentials": {"clientSecret": canaries.plant("odd secret"), "clientId": canaries.plant("odd client")}}
    assert (await canaries.ask("PATCH", path, odd)).status == 400
    pem = app.submits(certificateBody=key_pair().body, privateKey=key_pair().private())
    certificate = {"name": "certificate", "method": "certificate", "credentials": pem}
    assert (await canaries.ask("POST", KEY_VAULT, certificate)).status == 200
    broken = pem | {"privateKey": f"{canaries.plant('no key')}\n{key_pair().private()}".replace("BEGIN", "begin")}
    assert (await canaries.ask("POST", KEY_VAULT, certificate | {"credentials": broken})).status == 422
    await canaries.ask("GET", "/api/v1/audit-logs")
    assert await canaries.in_the_vault() == {"first secret", "second secret", "private key"}


async def test_what_a_caller_writes_into_a_connection_stays_out_of_the_logs(client: Client, customer: Customer) -> None:
    text = f"canary-{uuid4().hex}"
    assert (await create(client, customer, text, description=text)).status == 200
    assert text not in (client.stack.state / "logs" / "host.log").read_text()


async def test_a_connect_link_leaks_nothing_whichever_way_it_ends(
    client: Client, customer: Customer, canaries: Canaries
) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    canaries.browser_only["link secret"] = link.secret
    await canaries.ask("GET", link.path)
    declined = await _attempt(canaries, link, "declined sign-in")
    error = {"error": "access_denied", "error_description": f"AADSTS65004: {canaries.plant('text of the decline')}"}
    assert canaries.keep(await declined.answer(client, **error)).status == 400
    refused = await _attempt(canaries, link, "refused sign-in")
    await canaries.provider_refuses("refused sign-in")
    assert canaries.keep(await refused.answer(client, code=canaries.plant("refused code"))).status == 400
    stolen = await _attempt(canaries, link, "stolen sign-in")
    cookie = f"{stolen.cookie.key}={canaries.plant('wrong cookie')}"
    assert canaries.keep(await stolen.answer(client, cookie=cookie, code=canaries.plant("stolen code"))).status == 400
    made_up = await stolen.answer(client, state=canaries.plant("made-up state"), code=canaries.plant("idle code"))
    assert canaries.keep(made_up).status == 400
    accepted = await _attempt(canaries, link, "accepted sign-in")
    await canaries.provider_says("accepted sign-in", nonce=accepted.authorize["nonce"])
    assert canaries.keep(await accepted.answer(client, code=canaries.plant("accepted code"))).status == 200
    await canaries.ask("GET", f"{KEY_VAULT}/oauth/flows/{link.flow_id}")
    await canaries.ask("GET", link.path)
    assert await canaries.in_the_vault() == {"refresh token of the accepted sign-in"}


async def _attempt(canaries: Canaries, link: Link, what: str) -> Attempt:
    """Press the button and learn all of the attempt's secrets; the raw state opens its row, the row alone nothing."""
    attempt = await Attempt.begin(canaries.client, link)
    canaries.browser_only |= {f"state of the {what}": attempt.state, f"cookie of the {what}": attempt.cookie.value}
    async with TableServiceClient.from_connection_string(canaries.client.stack.storage) as service:
        row = await service.get_table_client(FLOWS).get_entity(digest(attempt.state), "attempt")
    opened = unseal(row["sealed"], attempt.state, SEAL_PURPOSE)
    assert opened is not None
    assert unseal(row["sealed"], digest(attempt.state), SEAL_PURPOSE) is None
    flow = json.loads(opened)["flow"]
    canaries.plant(f"verifier of the {what}", flow["code_verifier"])
    canaries.plant(f"nonce of the {what}", flow["nonce"])
    return attempt
