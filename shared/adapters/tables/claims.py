"""Table `claims`: which connection rotates which app's passwords. One partition a tenant, one row an app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translate, translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.services.ports import Claim


class AzureClaimTable:
    """`ClaimTable` on Azure Table Storage."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def take(self, claim: Claim) -> Claim:
        """See `ClaimTable`. On any doubt the claim is read: ours or another's, it stands."""
        try:
            written = await self._client.create_entity(_entity(claim))
        except AzureError as error:
            standing = await self._standing(claim)
            if standing is None:
                raise translate(SERVICE, error) from error
            return standing
        return replace(claim, etag=str(written["etag"]))

    async def take_over(self, standing: Claim, claim: Claim) -> bool:
        """See `ClaimTable`.

        The pipeline sends again what got no answer, so our own success can come back as 412: on any doubt the claim is
        read. The same connection's counts, since it is the connection that holds a claim, not one of its workers.
        """
        try:
            await self._client.update_entity(
                _entity(claim),
                mode=UpdateMode.REPLACE,
                etag=standing.etag,
                match_condition=MatchConditions.IfNotModified,
            )
        except AzureError as error:
            present = await self._standing(claim)
            if present is not None and _holder(present) == _holder(claim):
                return True
            if isinstance(error, ResourceModifiedError | ResourceNotFoundError):
                return False
            raise translate(SERVICE, error) from error
        return True

    async def release(self, tenant_id: str, client_id: str, connection_id: str) -> None:
        """See `ClaimTable`. The client takes 404 for done."""
        standing = await self._read(tenant_id, client_id)
        if standing is None or standing.connection_id != connection_id:
            return
        with translated(SERVICE):
            try:
                await self._client.delete_entity(
                    *_key(tenant_id, client_id), etag=standing.etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:  # another has taken it over
                return

    async def _standing(self, claim: Claim) -> Claim | None:
        return await self._read(claim.tenant_id, claim.client_id)

    async def _read(self, tenant_id: str, client_id: str) -> Claim | None:
        with translated(SERVICE):
            try:
                entity = await self._client.get_entity(*_key(tenant_id, client_id))
            except ResourceNotFoundError:
                return None
        return Claim(
            tenant_id=tenant_id,
            client_id=client_id,
            org_id=entity["orgId"],
            connection_id=entity["connectionId"],
            claimed_at=entity["claimedAt"],
            etag=str(entity.metadata["etag"]),
        )


def _holder(claim: Claim) -> tuple[str, str]:
    return claim.org_id, claim.connection_id


def _key(tenant_id: str, client_id: str) -> tuple[str, str]:
    return keys.safe(tenant_id), keys.safe(client_id)


def _entity(claim: Claim) -> dict[str, Any]:
    partition, row = _key(claim.tenant_id, claim.client_id)
    return {
        "PartitionKey": partition,
        "RowKey": row,
        "orgId": claim.org_id,
        "connectionId": claim.connection_id,
        "claimedAt": claim.claimed_at,
    }
