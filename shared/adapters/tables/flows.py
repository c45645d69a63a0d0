"""Table `oauthflows`: connect links and their attempts, keyed by hashes only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ConfigDict

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.audit import Origin
from shared.domain.model import Record
from shared.services.ports import Attempt, Link

LINK = "link"
ATTEMPT = "attempt"
SUCCEEDED = "succeeded"
MAX_RACES = 5


class Kept(Record):
    """What of a link never changes, in one property: the client takes its time for each."""

    model_config = ConfigDict(from_attributes=True)

    org_id: str
    connection_id: str
    tenant: str | None
    requested: Origin
    body: dict[str, Any]
    created_at: datetime
    return_url: str | None
    reconnect: bool
    allow_different_account: bool


class AzureFlowTable:
    """`FlowTable` on Azure Table Storage."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def put_link(self, link: Link) -> None:
        """See `FlowTable`."""
        entity = {
            "PartitionKey": keys.safe(link.flow_id),
            "RowKey": LINK,
            "link": Kept.model_validate(link).model_dump_json(),
            "expiresAt": link.expires_at,
            "state": link.state,
            "message": link.message or "",
        }
        with translated(SERVICE):
            await self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def get_link(self, flow_id: str) -> Link | None:
        """See `FlowTable`."""
        entity = await self._get(flow_id, LINK)
        if entity is None:
            return None
        return Link(
            **dict(Kept.model_validate_json(entity["link"])),
            flow_id=flow_id,
            expires_at=entity["expiresAt"],
            state=entity["state"],
            message=entity["message"] or None,
            etag=entity.metadata["etag"],
        )

    async def settle_link(self, flow_id: str, state: str, message: str | None) -> None:
        """See `FlowTable`."""
        change = {"PartitionKey": keys.safe(flow_id), "RowKey": LINK, "state": state, "message": message or ""}
        for _ in range(MAX_RACES):
            link = await self.get_link(flow_id)
            if link is None or link.state == SUCCEEDED or (link.state, link.message) == (state, message):
                return
            with translated(SERVICE):
                try:
                    await self._client.update_entity(
                        change, mode=UpdateMode.MERGE, etag=link.etag, match_condition=MatchConditions.IfNotModified
                    )
                except (ResourceModifiedError, ResourceNotFoundError):
                    continue
            return

    async def remove_expired(self, before: datetime, *, limit: int) -> int:
        """See `FlowTable`."""
        removed = 0
        with translated(SERVICE):
            entities = self._client.query_entities(
                "expiresAt lt @before",
                parameters={"before": before},
                select=["PartitionKey", "RowKey"],
                results_per_page=min(limit, 1000),
            )
            async for entity in entities:
                if removed == limit:
                    break
                await self._client.delete_entity(entity["PartitionKey"], entity["RowKey"])
                removed += 1
        return removed

    async def put_attempt(self, attempt: Attempt) -> None:
        """See `FlowTable`."""
        entity = {
            "PartitionKey": keys.safe(attempt.state_hash),
            "RowKey": ATTEMPT,
            "flowId": attempt.flow_id,
            "cookieHash": attempt.cookie_hash,
            "sealed": attempt.sealed,
            "expiresAt": attempt.expires_at,
        }
        with translated(SERVICE):
            await self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def get_attempt(self, state_hash: str) -> Attempt | None:
        """See `FlowTable`."""
        entity = await self._get(state_hash, ATTEMPT)
        if entity is None:
            return None
        return Attempt(
            state_hash=state_hash,
            flow_id=entity["flowId"],
            cookie_hash=entity["cookieHash"],
            sealed=entity["sealed"],
            expires_at=entity["expiresAt"],
            etag=entity.metadata["etag"],
        )

    async def remove_attempt(self, attempt: Attempt) -> bool:
        """See `FlowTable`.

        Sent once: were a lost answer sent again, our own success would look like somebody else's. A transaction of one,
        because the client's `delete_entity` takes 404 for done.
        """
        key = {"PartitionKey": keys.safe(attempt.state_hash), "RowKey": ATTEMPT}
        unchanged = {"etag": attempt.etag, "match_condition": MatchConditions.IfNotModified}
        with translated(SERVICE):
            try:
                await self._client.submit_transaction([("delete", key, unchanged)], retry_total=0)
            except TableTransactionError as error:
                if error.status_code not in (404, 412):
                    raise
                return False
        return True

    async def _get(self, partition: str, row: str) -> Any | None:
        with translated(SERVICE):
            try:
                return await self._client.get_entity(keys.safe(partition), row)
            except ResourceNotFoundError:
                return None
