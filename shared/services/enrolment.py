"""Letting this service rotate an app's passwords: one connection an app, from a password that is the app's."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from shared.domain.connection import LONGEST_RUN, Lifecycle, Row
from shared.domain.creation import Enrolled
from shared.domain.credential import ClientSecret, Method
from shared.domain.errors import BadRequest, DirectoryRefused, ProductError, UpstreamError
from shared.domain.graph_errors import HOME_TENANT
from shared.services.ports import Claim, ClaimTable, Clock, Graph, ListedPassword
from shared.services.rows import Rows

log = logging.getLogger(__name__)

KEY_ID_REQUIRED = "Client Secret Key ID is required when enabling credential rotation."
HINT_CHARS = 3
"""Graph lists the first three characters of each secret."""
COMFORT_SECONDS = 5.0
"""How long a caller waits for what is good to know and not needed."""


class Claims:
    """Which connection rotates which app. A claim counts only while its connection's row bears it out."""

    def __init__(self, *, table: ClaimTable, rows: Rows, clock: Clock, own_apps: frozenset[str]) -> None:
        self._table = table
        self._rows = rows
        self._clock = clock
        self._own_apps = own_apps

    async def ensure(self, org_id: str, connection_id: str, credential: ClientSecret) -> None:
        """Hold the claim on the credential's app. Raises `BadRequest` when another connection does, or none may."""
        if credential.client_id.lower() in self._own_apps:
            raise BadRequest("This service does not manage the secrets of its own app registrations")
        claim = Claim(credential.tenant_id, credential.client_id, org_id, connection_id, self._clock())
        standing = await self._table.take(claim)
        is_own = standing.connection_id == connection_id
        if is_own and standing.claimed_at == claim.claimed_at:
            return
        holder = None if is_own else await self._holder(standing)
        # One's own that is older is renewed: it would not keep others off until the row bears it out.
        if holder is not None or not await self._table.take_over(standing, claim):
            raise BadRequest(_taken(standing, holder, org_id))

    async def release(self, row: Row, *, now: Row | None = None) -> None:
        """Give up the claim that `row` had, unless it still has it `now`. What a fault leaves counts for nothing."""
        credentials = row.connection.credentials
        if row.connection.method is not Method.CLIENT_SECRET or not credentials:
            return
        claim = Claim(credentials["tenantId"], credentials["clientId"], row.org_id, row.id, self._clock())
        if now is not None and _bears_out(now, claim):
            return
        try:
            await self._table.release(claim.tenant_id, claim.client_id, row.id)
        except UpstreamError as fault:
            log.warning("claim.left connectionId=%s reason=%s", row.id, fault.code)

    async def _holder(self, standing: Claim) -> Row | None:
        """The row that bears the claim out or may be about to; None when there is none such."""
        stored = await self._rows.read(standing.org_id, standing.connection_id)
        if stored is None or stored.row.lifecycle is Lifecycle.DELETING:
            return None
        is_fresh = self._clock() < standing.claimed_at + LONGEST_RUN
        return stored.row if is_fresh or _bears_out(stored.row, standing) else None


class Enrolment:
    """What an app registration says of the client secret that was submitted; above all, whether rotation will work."""

    def __init__(self, *, claims: Claims, graph: Graph) -> None:
        self._claims = claims
        self._graph = graph

    async def enrol(self, org_id: str, connection_id: str, credential: ClientSecret, key_id: str | None) -> Enrolled:
        """The app that may be managed from now on. Raises `BadRequest` that says what stands in the way."""
        if key_id is None:
            raise BadRequest(KEY_ID_REQUIRED)
        session = await self._graph.sign_in(credential)
        app = await session.registration()
        if app is None:
            raise DirectoryRefused(HOME_TENANT)
        password = next((password for password in app.passwords if password.key_id == key_id), None)
        if password is None:
            raise BadRequest(
                "The Client Secret Key ID is not among the client secrets of the app registration. Copy the Secret ID "
                "of the client secret that you submit."
            )
        if password.hint is None:
            raise BadRequest(
                "The app registration does not tell how the client secret of that Key ID begins, so it cannot be told "
                "whether it is the one submitted. Create a new client secret and submit that with its Secret ID."
            )
        if not _is_of(password, credential):
            raise BadRequest(
                "The Client Secret Key ID belongs to another client secret than the one submitted. Copy the Secret ID "
                "of the client secret that you submit."
            )
        await self._claims.ensure(org_id, connection_id, credential)
        return Enrolled(object_id=app.object_id, key_id=key_id, ends_at=password.ends_at)

    async def end_of(self, credential: ClientSecret, key_id: str | None) -> datetime | None:
        """When a secret ends that this service does not manage; None where that cannot be known.

        Most apps may not read their own registration, and nobody needs the answer: nothing that goes wrong is told.
        """
        if key_id is None:
            return None
        try:
            async with asyncio.timeout(COMFORT_SECONDS):
                app = await (await self._graph.sign_in(credential)).registration()
        except (ProductError, TimeoutError) as fault:
            log.info("credential.end-unknown clientId=%s reason=%s", credential.client_id, type(fault).__name__)
            return None
        listed = app.passwords if app is not None else ()
        ends = (each.ends_at for each in listed if each.key_id == key_id and _is_of(each, credential))
        return next(ends, None)


def _is_of(listed: ListedPassword, credential: ClientSecret) -> bool:
    """Whether a listed password can be the submitted one."""
    return listed.hint == credential.client_secret[:HINT_CHARS]


def _bears_out(row: Row, claim: Claim) -> bool:
    """Whether the row rotates the app that is claimed."""
    credentials = row.connection.credentials
    return (
        row.lifecycle is Lifecycle.ACTIVE
        and row.connection.method is Method.CLIENT_SECRET
        and (credentials.get("tenantId"), credentials.get("clientId")) == (claim.tenant_id, claim.client_id)
        and (row.connection.is_auto_rotation_enabled or row.run is not None)
    )


def _taken(standing: Claim, holder: Row | None, org_id: str) -> str:
    """What whoever comes second is told: that rotation of the app is on elsewhere, or may be in a moment."""
    named = f' "{holder.connection.name}"' if holder is not None and _may_be_named(holder, org_id) else ""
    is_on = holder is not None and holder.connection.is_auto_rotation_enabled and _bears_out(holder, standing)
    does, remedy = (
        ("rotates the client secrets of this app already", "Switch rotation off there")
        if is_on
        else ("is rotating the client secrets of this app, or about to", "Try again in a few minutes")
    )
    return (
        f"Another App Connection{named} {does}; two would revoke each other's. {remedy}, or use an app registration of "
        "its own."
    )


def _may_be_named(holder: Row, org_id: str) -> bool:
    """Whether somebody of that organisation may know of the holder, whoever they are."""
    return holder.org_id == org_id and not holder.project_restricted
