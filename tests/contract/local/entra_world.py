"""A running Entra stand-in with the clients that tests drive it with."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msal
import pytest
import requests
from yarl import URL

from local.entra import seed
from local.entra.keys import SigningKey
from local.entra.server import Running, running

PUBLIC_URL = "http://127.0.0.1:7071"
CALLBACK = PUBLIC_URL + seed.CALLBACK_PATH
VAULT_SCOPE = "https://vault.azure.net/user_impersonation"
VAULT_DEFAULT = "https://vault.azure.net/.default"
GRAPH_DEFAULT = "https://graph.microsoft.com/.default"
SECRET = "an-oauth-client-secret-for-tests"

Answer = tuple[int, dict[str, Any]]


@dataclass
class Clock:
    """The machine's clock, moved by `offset`."""

    offset: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass
class World:
    """The stand-in, the clock it reads, and an http client that trusts it."""

    entra: Running
    clock: Clock
    http: aiohttp.ClientSession
    msal_sessions: list[requests.Session] = field(default_factory=list)

    def authority(self, tenant: str = seed.CONTOSO_TENANT_ID) -> str:
        return f"{self.entra.authority}/{tenant}"

    async def control(self, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        async with self.http.post(f"{self.entra.authority}/_control/{path}", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == status, answer
            return answer

    async def set_oauth_secret(self) -> None:
        """Let the service's app sign in with `SECRET`."""
        await self.control(f"applications/{seed.OAUTH_CLIENT_ID}/passwords", {"secretText": SECRET})

    async def code(self, **changes: Any) -> str:
        """An authorization code, without the browser."""
        body = {
            "tenant": seed.CONTOSO_TENANT_ID,
            "clientId": seed.OAUTH_CLIENT_ID,
            "redirectUri": CALLBACK,
            "user": "ada@contoso.example",
        }
        return str((await self.control("codes", body | changes))["code"])

    async def token(self, tenant: str = seed.CONTOSO_TENANT_ID, **form: str) -> Answer:
        """What the token endpoint says to the form."""
        async with self.http.post(f"{self.authority(tenant)}/oauth2/v2.0/token", data=form) as response:
            return response.status, await response.json()

    async def redeem(self, code: str, tenant: str = seed.CONTOSO_TENANT_ID, **changes: str) -> Answer:
        """Redeem a code as the service's app."""
        form = {
            "grant_type": "authorization_code",
            "client_id": seed.OAUTH_CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uri": CALLBACK,
            "code": code,
        }
        return await self.token(tenant, **(form | changes))

    async def refresh(self, token: str, tenant: str = seed.CONTOSO_TENANT_ID, **changes: str) -> Answer:
        """Use a refresh token as the service's app."""
        form = {
            "grant_type": "refresh_token",
            "client_id": seed.OAUTH_CLIENT_ID,
            "client_secret": SECRET,
            "refresh_token": token,
        }
        return await self.token(tenant, **(form | changes))

    async def msal(self, tenant: str = seed.CONTOSO_TENANT_ID, **changes: Any) -> msal.ConfidentialClientApplication:
        """MSAL, as the product uses it."""

        def build() -> msal.ConfidentialClientApplication:
            session = requests.Session()
            self.msal_sessions.append(session)
            session.trust_env = False
            session.verify = str(self.entra.certificate)
            arguments = {"client_id": seed.OAUTH_CLIENT_ID, "client_credential": SECRET} | changes
            return msal.ConfidentialClientApplication(
                authority=self.authority(tenant), instance_discovery=False, http_client=session, **arguments
            )

        return await asyncio.to_thread(build)

    async def page(self, url: str) -> tuple[int, str]:
        """A page as a browser sees it."""
        async with self.http.get(URL(url, encoded=True), allow_redirects=False) as response:
            return response.status, await response.text()

    async def press(self, url: str, decision: str, account: str = seed.CONTOSO_ADA_ID) -> aiohttp.ClientResponse:
        """Press a button on the consent page."""
        form = {"account": account, "decision": decision}
        async with self.http.post(URL(url, encoded=True), data=form, allow_redirects=False) as response:
            await response.read()
            return response


@asynccontextmanager
async def entra_world(tmp_path: Path, factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A fresh stand-in; the slow keys are made once per test run."""
    shared = factory.getbasetemp() / "entra"
    SigningKey.load(shared / "signing-key.pem")
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    shutil.copy(shared / "signing-key.pem", state)
    async with restarted(tmp_path, shared) as world:
        yield world


@asynccontextmanager
async def restarted(tmp_path: Path, certificates: Path) -> AsyncIterator[World]:
    """A stand-in that continues from what `tmp_path` holds."""
    clock = Clock()
    async with running(
        state=tmp_path / "state", certificates=certificates, public_url=PUBLIC_URL, clock=clock
    ) as entra:
        trust = ssl.create_default_context(cafile=str(entra.certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            world = World(entra, clock, http)
            yield world
            for session in world.msal_sessions:
                session.close()


def form_of(html: str) -> dict[str, str]:
    """The fields of a form that carries an answer."""
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', html)}


def query_of(location: str) -> dict[str, str]:
    """The parameters of a redirect."""
    return dict(parse_qsl(urlsplit(location).query))


def aadsts(answer: Answer) -> tuple[int, str, int]:
    """Status, OAuth error and AADSTS number of a refusal."""
    status, body = answer
    return status, body["error"], body["error_codes"][0]
