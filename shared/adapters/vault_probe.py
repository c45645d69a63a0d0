"""Asking a customer's Key Vault, through azure-core's own pipeline.

Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from pydantic_core import from_json

from shared.adapters.azure_errors import retry_seconds
from shared.domain import vault_answers
from shared.domain.vault_answers import Probed

OPTIONS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 5}
"""What the transport must be made with, seconds."""
LONGEST_SECONDS = 10.0
"""For all of it: a name server or a body that drips is no matter of the transport's time-outs."""
MAX_BODY = 64 * 1024
"""Bytes; one secret of a list with all its tags is an eighth of it."""


class AzureVaultProbe:
    """`VaultProbe` over HTTPS. The pipeline has no policy that would follow a redirect or send a request again."""

    def __init__(self, transport: AsyncHttpTransport[Any, Any], *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            "https://vault.invalid", policies=[UserAgentPolicy("keyvault-connections")], transport=transport
        )
        self._longest_seconds = longest_seconds

    async def probe(self, origin: str, access_token: str) -> Probed:
        """See `VaultProbe`."""
        request = HttpRequest(
            "GET",
            f"{origin}/secrets",
            params={"maxresults": "1", "api-version": "7.4"},
            headers={
                "Authorization": f"Bearer {access_token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # what is small on the wire shall be small in memory
            },
        )
        try:
            async with asyncio.timeout(self._longest_seconds):
                answer = await self._client.send_request(request, stream=True)
                try:
                    return _verdict(answer, await _beginning(answer))
                finally:
                    await answer.close()
        except (TimeoutError, ServiceResponseError):
            return vault_answers.SILENT
        except AzureError as error:
            cause = getattr(error, "inner_exception", None)
            untrusted = isinstance(cause, aiohttp.ClientSSLError)
            return vault_answers.UNTRUSTED if untrusted else vault_answers.UNREACHABLE


async def _beginning(answer: AsyncHttpResponse) -> bytes:
    """The body, read no further than just past what a vault would send."""
    body = b""
    async for part in answer.iter_raw():
        body += part
        if len(body) > MAX_BODY:
            break
    return body


def _verdict(answer: AsyncHttpResponse, body: bytes) -> Probed:
    """What the status says. The body tells a vault from anything else, and is never shown."""
    document = _object(body)
    if answer.status_code == 200:
        return vault_answers.ALLOWED if isinstance(document.get("value"), list) else vault_answers.NO_VAULT
    return vault_answers.refused(answer.status_code, _inner_code(document), retry_seconds(answer.headers))


def _inner_code(document: dict[str, Any]) -> str | None:
    """`error.innererror.code`, where the body has one."""
    found: Any = document
    for member in ("error", "innererror", "code"):
        found = found.get(member) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; an empty one where there is none."""
    if len(body) > MAX_BODY:
        return {}
    try:
        document = from_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
