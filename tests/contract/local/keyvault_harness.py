"""What the tests of the Key Vault stand-in share: an issuer of tokens, a served vault, a client for it."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.keyvault.secrets.aio import SecretClient
from cryptography.hazmat.primitives.asymmetric import rsa

from local.certificate import ensure_certificate, server_context
from local.keyvault.server import create_app
from local.keyvault.store import Store
from local.keyvault.tokens import KeyFinder

AUTHORITY = "https://127.0.0.1:1/8d1f2f0e-5b0f-4c0e-9a55-0d8d3f6c9a11"
ROOT = Path(__file__).parents[3]


class Issuer:
    """A signing key, what it publishes, and the tokens it signs."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        self.published = {"keys": [public | {"kid": "test-key", "use": "sig", "alg": "RS256"}]}
        self._keys = {"test-key": jwt.PyJWK(self.published["keys"][0])}

    async def find_key(self, key_id: str) -> jwt.PyJWK:
        return self._keys[key_id]

    def token(self, *, kid: str = "test-key", **claims: Any) -> str:
        usual = {"aud": "https://vault.azure.net", "exp": int(time.time()) + 600, "oid": "an-oid", "azp": "an-app"}
        return jwt.encode(usual | claims, self._private, algorithm="RS256", headers={"kid": kid})


class StaticToken:
    """A credential that always hands out the same token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        assert scopes == ("https://vault.azure.net/.default",)
        return AccessToken(self._token, int(time.time()) + 600)

    async def close(self) -> None:
        return None

    async def __aenter__(self) -> StaticToken:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        return None


@dataclass
class Running:
    """A vault that answers at `url`, and the client of a caller with rights."""

    url: str
    client: SecretClient
    connect: Callable[[str], SecretClient]
    session: aiohttp.ClientSession

    async def control(self, method: str, path: str, body: object = None) -> Any:
        async with self.session.request(method, f"{self.url}/_control/{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def serving(app: web.Application, certificates: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(*ensure_certificate(certificates))).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def client_for(url: str, token: str, certificates: Path) -> SecretClient:
    return SecretClient(
        url,
        StaticToken(token),
        verify_challenge_resource=False,
        connection_verify=str(certificates / "loopback.pem"),
        retry_total=0,
    )


@asynccontextmanager
async def running(
    store: Store, issuer: Issuer, certificates: Path, find_key: KeyFinder | None = None
) -> AsyncIterator[Running]:
    trust = ssl.create_default_context(cafile=certificates / "loopback.pem")
    async with AsyncExitStack() as stack:
        app = create_app(store, authority=AUTHORITY, find_key=find_key or issuer.find_key)
        url = await stack.enter_async_context(serving(app, certificates))
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        await stack.enter_async_context(session)

        def connect(token: str) -> SecretClient:
            client = client_for(url, token, certificates)
            stack.push_async_callback(client.close)
            return client

        yield Running(url, connect(issuer.token()), connect, session)


def inner_code(error: HttpResponseError) -> str | None:
    assert error.error is not None
    return (error.error.innererror or {}).get("code")


@asynccontextmanager
async def process(
    certificates: Path, state: Path, entra_port: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.keyvault", "--port", "0", "--entra-port", str(entra_port)),
        *("--tenant", "a-tenant", "--state", str(state), "--certificates", str(certificates)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        ready = await asyncio.wait_for(started.stdout.readline(), 20)
        yield started, ready.decode().split()[-1]
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
