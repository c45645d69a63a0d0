"""A thin HTTP client of a running stack: the product's API with a token, and the stand-ins' control planes."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self

import aiohttp

from local.entra import seed
from local.environment import CERTIFICATES
from local.stack import Stack

KEY_VAULT = "/api/v1/app-connections/azure-key-vault"


class Client:
    """Speaks to one stack. `api` returns status and JSON; the control methods raise on any error."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.stack = stack
        self.token = token
        context = ssl.create_default_context(cafile=CERTIFICATES / "loopback.pem")
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """A call with the bearer token; `path` begins with a slash."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self._session.request(method, f"{self.stack.api}{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def raw(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, str], bytes]:
        """A call exactly as given."""
        async with self._session.request(method, f"{self.stack.api}{path}", allow_redirects=False, **request) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    async def run_now(self, function: str) -> None:
        """Run a timer function now, as the portal's "Test/Run" does."""
        async with self._session.post(f"{self.stack.api}/admin/functions/{function}", json={}) as answer:
            answer.raise_for_status()

    async def code(self, *, user: str = seed.CONTOSO_ADA_ID, tenant: str = seed.CONTOSO_TENANT_ID) -> str:
        """An authorization code, as if `user` had signed in and consented."""
        wanted = {
            "tenant": tenant,
            "user": user,
            "clientId": seed.OAUTH_CLIENT_ID,
            "redirectUri": self.stack.api + seed.CALLBACK_PATH,
        }
        return str((await self.entra("POST", "codes", wanted))["code"])

    async def revoke_grants(self, user: str) -> None:
        """Refuse every sign-in of `user` from now on, as after a password reset."""
        await self.entra("POST", "grants", {"user": user})

    async def entra(self, method: str, what: str, body: Any = None) -> Any:
        """The Entra stand-in's control plane."""
        return await self.json(method, f"{self.stack.entra}/_control/{what}", body)

    async def vault(self, method: str, what: str, body: Any = None) -> Any:
        """The Key Vault stand-in's control plane."""
        return await self.json(method, f"{self.stack.vault}/_control/{what}", body)

    async def versions(self, connection_id: str) -> list[dict[str, Any]]:
        """The secret versions of a connection, oldest first; empty when the secret is deleted or was never made."""
        state = await self.vault("GET", "state")
        return [
            version
            for name, secret in state["secrets"].items()
            if name.startswith(f"conn-{connection_id}") and not secret["deletion"]
            for version in secret["versions"]
        ]

    async def json(self, method: str, url: str, body: Any = None) -> Any:
        """A call of any other part of the stack; raises on any error."""
        async with self._session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()
