"""Asking a customer's Key Vault, through azure-core's own pipeline.

Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets
"""

from __future__ import annotations

from typing import Any

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.adapters.azure_errors import retry_seconds
from shared.services.ports import Probed

MAX_BODY = 16_384
_MISSING = (
    'The vault answers but does not let this connection list its secrets. Assign it the role "Key Vault Secrets User" '
    "(or a role with Microsoft.KeyVault/vaults/secrets/readMetadata/action; with access policies: secrets, List)"
)
_FIREWALL = "The vault's firewall does not admit this service: add its network, or allow trusted access"
_TENANT = "The vault belongs to another tenant than the connection: choose a vault of the connection's tenant"
_UNREACHABLE = "No vault answers at that address: check its name, and whether it admits public access"


class AzureVaultProbe:
    """`VaultProbe` over HTTPS. The pipeline has no policy that would follow a redirect or send a request again."""

    def __init__(self, transport: AsyncHttpTransport[Any, Any]) -> None:
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            "https://vault.invalid", policies=[UserAgentPolicy("keyvault-connections")], transport=transport
        )

    async def probe(self, origin: str, access_token: str) -> Probed:
        """See `VaultProbe`."""
        request = HttpRequest(
            "GET",
            f"{origin}/secrets",
            params={"maxresults": "1", "api-version": "7.4"},
            headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
        )
        try:
            answer = await self._client.send_request(request)
        except AzureError:
            return Probed(can_list_secrets=False, message=_UNREACHABLE)
        return _read(answer)


def _read(answer: AsyncHttpResponse) -> Probed:
    """What the status says; the body only chooses between the reasons of a 403, and is never shown."""
    status = answer.status_code
    if status == 200:
        return Probed(can_list_secrets=True)
    if status == 401:
        return Probed(can_list_secrets=False, message=_TENANT)
    if status == 403:
        text = answer.text()[:MAX_BODY]
        firewall = "ForbiddenByFirewall" in text or "ForbiddenByConnection" in text
        return Probed(can_list_secrets=False, message=_FIREWALL if firewall else _MISSING)
    if status == 429:
        wait = retry_seconds(answer.headers)
        when = f"in {wait:.0f} seconds" if wait else "in a minute"
        return Probed(can_list_secrets=False, message=f"The vault is being throttled: try again {when}")
    return Probed(can_list_secrets=False, message=f"The vault answered with status {status}: try again later")
