"""OAuth grants: what is stored of them, and how they are rotated."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime

from shared.domain import rotation
from shared.domain.connection import Credential, Health, Row
from shared.domain.creation import Proof
from shared.domain.entra_errors import judge
from shared.domain.errors import BadRequest, ConcurrentChange, GrantRefused, NotFound, UpstreamError
from shared.domain.schedule import IntervalUnit, Trigger
from shared.services.ports import Clock, Entra, Grant, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)


def credential_of(grant: Grant, now: datetime) -> str:
    """The JSON value for Key Vault."""
    return Credential(tenant_id=grant.tenant_id, refresh_token=grant.refresh_token, issued_at=now).model_dump_json()


def proof_of(grant: Grant, *, tenant: str | None, now: datetime) -> Proof:
    """What a fresh grant proves. Raises `BadRequest` when it was made in another tenant than the one asked for."""
    if tenant is not None and grant.tenant_id != tenant:
        raise BadRequest(
            "Failed to get access token: the sign-in was made in another tenant than the connection asks for. "
            "Start again and choose an account of the right tenant."
        )
    return Proof(
        public={"tenantId": grant.tenant_id},
        submitted={"tenantId": grant.tenant_id, "accountId": grant.account_id},
        secret=credential_of(grant, now),
        account_id=grant.account_id,
    )


class GrantRotation:
    """Exchanges the refresh token for a new one: new secret version first, then one row write that promotes it."""

    def __init__(self, *, rows: Rows, vault: Vault, entra: Entra, clock: Clock, unit: IntervalUnit) -> None:
        self._rows = rows
        self._vault = vault
        self._entra = entra
        self._clock = clock
        self._unit = unit

    async def rotate(self, stored: Stored) -> None:
        """One try of the run that the row owes; a scheduled run is begun here."""
        row = rotation.requested(stored.row, str(uuid.uuid4()), Trigger.SCHEDULED, self._clock())
        stored = await self._rows.save(stored, rotation.attempted(row))
        try:
            await self._exchange(stored)
        except GrantRefused as refused:
            await self._fail(stored, refused.friendly, judge(refused.refusal))
        except NotFound:
            reason = "The stored credential is missing from Key Vault. Reconnect: open a new connect link and sign in."
            await self._fail(stored, reason, Health.NEEDS_RECONNECT)

    async def _exchange(self, stored: Stored) -> None:
        row = stored.row
        if row.active_version is None or row.run is None:
            raise NotFound("no credential")
        present = Credential.model_validate_json(await self._vault.get(row.active_version))
        grant = await self._entra.refresh(present.tenant_id, present.refresh_token)
        tags = {"connectionId": row.id, "rotationId": row.run.id, "attempt": str(row.run.attempt)}
        version = await self._vault.put(row.secret_name, credential_of(grant, self._clock()), tags=tags)
        after = rotation.succeeded(row, version.id, swept=version.maybe_repeated, now=self._clock(), unit=self._unit)
        try:
            await self._rows.save(stored, after)
        except ConcurrentChange:
            await self._discard(row, version.id)
            raise
        log.info(
            "rotation.succeeded orgId=%s connectionId=%s rotationId=%s version=%s",
            row.org_id, row.id, row.run.id, version.id.rsplit("/", 1)[-1],
        )  # fmt: skip

    async def _discard(self, row: Row, version_id: str) -> None:
        """Another worker went first: our version is nobody's. Left behind, the next rotation's sweep finds it."""
        try:
            await self._vault.disable(version_id)
        except UpstreamError as fault:
            log.warning("rotation.version-left connectionId=%s reason=%s", row.id, fault.service)

    async def _fail(self, stored: Stored, reason: str, state: Health) -> None:
        row = stored.row
        await self._rows.save(stored, rotation.failed(row, reason, state=state, now=self._clock(), unit=self._unit))
        log.warning("rotation.failed orgId=%s connectionId=%s reason=%s", row.org_id, row.id, reason)
