"""What the contract tests of the authority share: the authorities under test, and the browser of those who sign in."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from requests.adapters import HTTPAdapter
from yarl import URL

from local.entra import seed
from local.entra.directory import Password
from local.entra.server import Running, running
from shared.adapters.entra import MsalEntra
from shared.adapters.http_session import EntraSession
from shared.domain.errors import GrantRefused
from shared.services.ports import Entra
from tests.fakes.clock import FakeClock
from tests.fakes.entra import Account, FakeEntra
from tests.fakes.faults import Faults

PUBLIC_URL = "https://connections.example"
REDIRECT_URI = PUBLIC_URL + seed.CALLBACK_PATH
SCOPE = "https://vault.azure.net/user_impersonation"
APP_SECRET = "oauth-app-local-development-only"
READ_SECONDS = 2.0

MSAL_WARNINGS = [
    # The flow that MSAL would rather see checks a nonce of its own making; a code that a caller brings has another's.
    pytest.mark.filterwarnings("ignore:.*auth_code_flow:DeprecationWarning"),
    # `form_post` needs https to come back to, which a callback on loopback does not have.
    pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended:UserWarning"),
]


@dataclass(slots=True)
class OwnSecret:
    """The service's own app secret, as `OwnCredential` gives it out."""

    value: str
    forgotten: int = 0

    async def __call__(self) -> str:
        """The secret as it is now."""
        return self.value

    def forget(self) -> None:
        """Count that it was refused."""
        self.forgotten += 1


class Browser(Protocol):
    """What people do at the authority."""

    async def sign_in(self, url: str, account: Account) -> dict[str, str]:
        """Choose the account and accept; what comes back to the callback."""

    async def decline(self, url: str) -> dict[str, str]:
        """Decline."""

    async def code_for(self, account: Account, verifier: str | None = None) -> str:
        """A code that a caller obtained without us."""

    async def revoke(self, account: Account) -> None:
        """End the account's grants."""


async def refusal_of(act: Awaitable[object]) -> tuple[str, int | None]:
    """How the authority refused: the OAuth error and the AADSTS number."""
    with pytest.raises(GrantRefused) as caught:
        await act
    return caught.value.refusal.error, caught.value.refusal.aadsts


@dataclass(frozen=True, slots=True)
class EntraUnderTest:
    """One implementation, and the people who sign in there."""

    entra: Entra
    browser: Browser
    clock: FakeClock


@dataclass(frozen=True, slots=True)
class RealEntra(EntraUnderTest):
    """The real adapter over the stand-in."""

    control: Control
    own: OwnSecret
    """The service's own app secret, which a test may replace."""


class FakeBrowser:
    """`Browser` at the fake."""

    def __init__(self, entra: FakeEntra) -> None:
        self._entra = entra

    async def sign_in(self, url: str, account: Account) -> dict[str, str]:
        """See `Browser`."""
        return self._entra.sign_in(url, account)

    async def decline(self, url: str) -> dict[str, str]:
        """See `Browser`."""
        return self._entra.decline(url)

    async def code_for(self, account: Account, verifier: str | None = None) -> str:
        """See `Browser`."""
        return self._entra.code_for(account, REDIRECT_URI, verifier)

    async def revoke(self, account: Account) -> None:
        """See `Browser`."""
        self._entra.revoke(account)


class Control:
    """The stand-in's control plane, and `Browser` at the stand-in."""

    def __init__(self, session: aiohttp.ClientSession, authority: str) -> None:
        self._session = session
        self._authority = authority

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Turn something."""
        async with self._session.post(f"{self._authority}/_control/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def fault(self, match: str, **fault: Any) -> None:
        """Let something go wrong with the next request that matches."""
        await self.post("faults", {"match": match, **fault})

    async def sign_in(self, url: str, account: Account) -> dict[str, str]:
        """See `Browser`."""
        return await self._decide(url, {"decision": "accept", "account": account.object_id})

    async def decline(self, url: str) -> dict[str, str]:
        """See `Browser`."""
        return await self._decide(url, {"decision": "decline"})

    async def code_for(self, account: Account, verifier: str | None = None) -> str:
        """See `Browser`."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=") if verifier else None
        wanted = {
            "tenant": account.tenant_id,
            "clientId": seed.OAUTH_CLIENT_ID,
            "redirectUri": REDIRECT_URI,
            "user": account.object_id,
            "codeChallenge": challenge,
        }
        return str((await self.post("codes", wanted))["code"])

    async def revoke(self, account: Account) -> None:
        """See `Browser`."""
        await self.post("grants", {"user": account.object_id})

    async def _decide(self, url: str, form: dict[str, str]) -> dict[str, str]:
        async with self._session.post(URL(url, encoded=True), data=form, allow_redirects=False) as answer:
            if answer.status == 303:
                return dict(URL(answer.headers["Location"]).query)
            page = _HiddenFields()
            page.feed(await answer.text())
            return page.fields


class _HiddenFields(HTMLParser):
    """Reads the form that carries an answer in `form_post` mode."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect hidden inputs."""
        found = dict(attrs)
        if tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"] or ""] = found["value"] or ""


def fake_entra() -> EntraUnderTest:
    """In memory."""
    clock = FakeClock()
    entra = FakeEntra(clock, Faults())
    return EntraUnderTest(entra, FakeBrowser(entra), clock)


@asynccontextmanager
async def stand_in(folder: Path, state: Path) -> AsyncIterator[tuple[Running, Control]]:
    """A new stand-in. `folder` keeps what takes long to make: key and certificate."""
    key = folder / "signing-key.pem"
    if key.exists():
        shutil.copy(key, state / key.name)
    async with running(state=state, certificates=folder, public_url=PUBLIC_URL) as made:
        shutil.copy(state / key.name, key)
        trust = ssl.create_default_context(cafile=made.certificate)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            try:
                yield made, Control(http, made.authority)
            finally:
                await asyncio.sleep(0.01)  # the server's half of each TLS connection needs a moment to see the end


@asynccontextmanager
async def real_entra(folder: Path, state: Path) -> AsyncIterator[RealEntra]:
    """The real adapter, with a new stand-in behind it."""
    async with stand_in(folder, state) as (made, control):
        app = made.entra.directory.application(seed.OAUTH_CLIENT_ID)
        assert app is not None
        app.passwords = [Password.of(APP_SECRET, now=made.entra.now())]
        clock, own = FakeClock(), OwnSecret(APP_SECRET)
        session = EntraSession(str(made.certificate), read_seconds=READ_SECONDS)

        entra = MsalEntra(
            client_id=seed.OAUTH_CLIENT_ID,
            authority_host=made.authority,
            scope=SCOPE,
            app_credential=own,
            clock=clock,
            session=session,
            instance_discovery=False,
        )
        try:
            yield RealEntra(entra, control, clock, control, own)
        finally:
            close(session, made.authority)


def close(session: EntraSession, url: str) -> None:
    """Close its connections now: by itself, urllib3 waits until no caught exception refers to an answer any more."""
    adapter = session.get_adapter(url)
    assert isinstance(adapter, HTTPAdapter)
    pools = adapter.poolmanager.pools
    for key in pools.keys():  # noqa: SIM118  # not a dict: it cannot be iterated over
        pools[key].close()
    session.close()
