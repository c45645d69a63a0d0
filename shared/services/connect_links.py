"""Connect links: what a caller asks for, and somebody with rights in the tenant opens."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import quote

from shared.domain.audit import Origin
from shared.domain.caller import Caller
from shared.domain.creation import NewConnection
from shared.domain.credential import Method
from shared.domain.editing import check_rotation_supported
from shared.domain.errors import BadRequest
from shared.domain.sealing import digest
from shared.services.connections import Connections
from shared.services.creating import name_taken
from shared.services.ports import Clock, FlowTable, Link
from shared.services.proving import Proving

LINK_LIFETIME = timedelta(hours=24)


class FlowState(StrEnum):
    """How a link stands. A failed one can be opened again until it expires."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NewLink:
    """The answer to `authorize`."""

    secret: str = field(repr=False)
    link: Link


class ConnectLinks:
    """Makes links. `OAuthFlow` is what happens to them."""

    def __init__(self, *, flows: FlowTable, connections: Connections, proving: Proving, clock: Clock) -> None:
        self._flows = flows
        self._connections = connections
        self._proving = proving
        self._clock = clock

    async def authorize(self, caller: Caller, new: NewConnection, *, return_url: str | None) -> NewLink:
        """A link for somebody with rights in the tenant to open. Checks now what can be checked now.

        It is written while the name is looked up: one that is then refused is known to nobody, and expires.
        """
        check_rotation_supported(new.method, enabled=new.is_auto_rotation_enabled, rotation=new.rotation)
        await self._connections.project_for(caller, new.project_id)
        tenant = await self._proving.tenant_id(new.tenant)
        link, is_taken = await asyncio.gather(
            self._linked(caller, new, tenant, connection_id=str(uuid.uuid4()), return_url=return_url),
            self._connections.is_taken(caller.org_id, new.name, new.project_id),
        )
        if is_taken:
            raise name_taken(new.name)
        return link

    async def authorize_again(
        self, caller: Caller, connection_id: str, *, return_url: str | None, allow_different_account: bool
    ) -> NewLink:
        """A link that gives an existing connection another grant. The one in use works until then.

        Raises `NotFound`, and `BadRequest` for a connection that is no person's grant.
        """
        row = await self._connections.get(caller, connection_id)
        if row.connection.method is not Method.OAUTH:
            raise BadRequest("Only connections with method oauth are reconnected by a link; submit new credentials")
        tenant = None if allow_different_account else row.connection.credentials["tenantId"]
        new = NewConnection(name=row.connection.name, method=Method.OAUTH, project_id=row.connection.project_id)
        return await self._linked(
            caller,
            new,
            tenant,
            connection_id=connection_id,
            return_url=return_url,
            reconnect=True,
            allow_different_account=allow_different_account,
        )

    async def _linked(
        self,
        caller: Caller,
        new: NewConnection,
        tenant: str | None,
        *,
        connection_id: str,
        return_url: str | None,
        reconnect: bool = False,
        allow_different_account: bool = False,
    ) -> NewLink:
        secret, now = secrets.token_urlsafe(32), self._clock()
        link = Link(
            flow_id=flow_id_of(secret),
            org_id=caller.org_id,
            connection_id=connection_id,
            tenant=tenant,
            requested=Origin.of(caller),
            body=new.model_dump(mode="json"),
            created_at=now,
            expires_at=now + LINK_LIFETIME,
            state=FlowState.PENDING,
            message=None,
            return_url=return_url,
            reconnect=reconnect,
            allow_different_account=allow_different_account,
        )
        await self._flows.put_link(link)
        return NewLink(secret=secret, link=link)


def connect_path(link_secret: str) -> str:
    """The path of the link's page below the API's base."""
    return f"/api/v1/app-connections/azure-key-vault/oauth/connect/{quote(link_secret, safe='')}"


def flow_id_of(link_secret: str) -> str:
    """The flow's public id: the hash of its secret, so the table never holds what opens the link."""
    return str(uuid.UUID(digest(link_secret)[:32], version=4))
