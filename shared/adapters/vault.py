"""Key Vault through the official async client: the only place that holds secrets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.rest import HttpRequest
from azure.keyvault.secrets import KeyVaultSecretIdentifier
from azure.keyvault.secrets.aio import SecretClient

from shared.adapters import transport
from shared.adapters.azure_errors import translated
from shared.adapters.throttling import TOO_MANY
from shared.domain.errors import NotFound
from shared.services.ports import StoredVersion

SERVICE = "Key Vault"
API_VERSION = "7.6"
CONTENT_TYPE = "application/json"

OPTIONS: dict[str, Any] = {
    "api_version": API_VERSION,
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "logging_enable": False,
    **transport.OPTIONS,
}


class _NotWhenThrottled(AsyncRetryPolicy[Any, Any]):
    """The client's usual retries, but throttling is for the caller, or for the row, to sit out.

    azure-core would sleep as long as `Retry-After` says, in time that is billed, and then ask for more.
    """

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """See `AsyncRetryPolicy`."""
        return response.http_response.status_code != TOO_MANY and super().is_retry(settings, response)


def secret_client(url: str, credential: AsyncTokenCredential, **options: Any) -> SecretClient:
    """The official client with the options of this module, and others on top."""
    options = {**OPTIONS, **options}
    return SecretClient(url, credential, retry_policy=_NotWhenThrottled(**options), **options)


class AzureVault:
    """`Vault` on Azure Key Vault."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client

    async def put(self, name: str, value: str, *, tags: Mapping[str, str]) -> StoredVersion:
        """See `Vault`.

        Each request that acted makes a version, so a request is not sent again when its answer was lost: its version is
        looked for by its write id. A cut connection, though, looks to the client like one that was never made.
        """
        responses: list[Any] = []
        write_id = uuid.uuid4().hex
        with translated(SERVICE):
            try:
                secret = await self._client.set_secret(
                    name,
                    value,
                    content_type=CONTENT_TYPE,
                    tags={**tags, "writeId": write_id},
                    retry_read=0,
                    raw_response_hook=responses.append,
                )
            except ServiceResponseError:
                found = await self._version_of(name, write_id)
                if found is None:
                    raise
                return StoredVersion(found, maybe_repeated=True)  # earlier tries of a request that failed are not told
        # The retry policy leaves its history in the context after the hook has run.
        return StoredVersion(str(secret.id), maybe_repeated=bool(responses[-1].context.get("history")))

    async def get(self, version_id: str) -> str:
        """See `Vault`."""
        name, version = _parse(version_id)
        with translated(SERVICE):
            try:
                secret = await self._client.get_secret(name, version)
            except ResourceNotFoundError as error:
                raise NotFound("The secret version does not exist") from error
            except HttpResponseError as error:
                if _is_disabled(error):
                    raise NotFound("The secret version is disabled") from error
                raise
        return secret.value or ""

    async def newest(self, name: str) -> str:
        """The value of the newest version of the service's own secret `name`."""
        with translated(SERVICE):
            return (await self._client.get_secret(name)).value or ""

    async def check(self) -> None:
        """Raise `UpstreamError` unless secrets can be listed."""
        with translated(SERVICE):
            async for _ in self._client.list_properties_of_secrets(max_page_size=1):
                return

    async def disable(self, version_id: str) -> None:
        """See `Vault`."""
        name, version = _parse(version_id)
        with translated(SERVICE):
            try:
                await self._client.update_secret_properties(name, version, enabled=False)
            except ResourceNotFoundError:
                return

    async def readable_versions(self, name: str) -> Sequence[str]:
        """See `Vault`."""
        with translated(SERVICE):
            try:
                versions = self._client.list_properties_of_secret_versions(name)
                return [str(item.id) async for item in versions if item.enabled]
            except ResourceNotFoundError:
                return []

    async def delete(self, name: str) -> None:
        """See `Vault`.

        Soft delete, done when accepted: the client's own method polls until the name shows among the deleted ones,
        which nothing here waits for.
        """
        request = HttpRequest("DELETE", f"/secrets/{quote(name, safe='')}?api-version={API_VERSION}")
        with translated(SERVICE):
            response = await self._client.send_request(request)
            if response.status_code != 404:
                response.raise_for_status()

    async def _version_of(self, name: str, write_id: str) -> str | None:
        try:
            async for item in self._client.list_properties_of_secret_versions(name):
                if (item.tags or {}).get("writeId") == write_id:
                    return str(item.id)
        except ResourceNotFoundError:
            pass
        return None


def _parse(version_id: str) -> tuple[str, str]:
    identifier = KeyVaultSecretIdentifier(version_id)
    return identifier.name, identifier.version or ""


def _is_disabled(error: HttpResponseError) -> bool:
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    return error.status_code == 403 and inner.get("code") == "SecretDisabled"
