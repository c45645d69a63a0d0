"""Rotating an OAuth grant: the refresh token is exchanged for a new one."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import timedelta

from pydantic import ValidationError

from shared.domain import rotation, standing
from shared.domain.connection import Health, Row
from shared.domain.credential import OAuthGrant
from shared.domain.entra_errors import judge
from shared.domain.errors import ConcurrentChange, GrantRefused, NotFound
from shared.domain.schedule import IntervalUnit, Trigger
from shared.services.ports import Clock, Entra, Stored, StoredVersion, Vault
from shared.services.promoting import promote
from shared.services.rows import Rows

log = logging.getLogger(__name__)


class GrantExchange:
    """`await exchange(row, tags)`: a new secret version with a new refresh token, which no row names yet."""

    def __init__(self, *, vault: Vault, entra: Entra, clock: Clock) -> None:
        self._vault = vault
        self._entra = entra
        self._clock = clock

    async def __call__(self, row: Row, tags: Mapping[str, str]) -> StoredVersion:
        """Raises `GrantRefused`, `UpstreamError`; `NotFound` or `ValidationError` when there is none to exchange."""
        if row.active_version is None:
            raise NotFound("no credential")
        present = OAuthGrant.model_validate_json(await self._vault.get(row.active_version))
        grant = await self._entra.refresh(present.tenant_id, present.refresh_token)
        renewed = OAuthGrant(tenant_id=grant.tenant_id, refresh_token=grant.refresh_token, issued_at=self._clock())
        return await self._vault.put(row.secret_name, renewed.model_dump_json(), tags={"connectionId": row.id, **tags})


class GrantRotation:
    """New secret version first, then one row write that promotes it."""

    def __init__(
        self,
        *,
        rows: Rows,
        vault: Vault,
        exchange: GrantExchange,
        clock: Clock,
        unit: IntervalUnit,
        lease: timedelta = rotation.LEASE,
    ) -> None:
        self._rows = rows
        self._vault = vault
        self._exchange = exchange
        self._clock = clock
        self._unit = unit
        self._lease = lease

    async def rotate(self, stored: Stored) -> Stored | None:
        """One try of the run that the row owes; a scheduled run is begun here."""
        now = self._clock()
        row = rotation.requested(stored.row, str(uuid.uuid4()), Trigger.SCHEDULED, now)
        begun = await self._rows.save(stored, rotation.attempted(row, now, self._lease))
        row = begun.row
        try:
            tags = {"rotationId": row.run.id, "attempt": str(row.run.attempt)} if row.run else {}
            version = await self._exchange(row, tags)
        except GrantRefused as refused:
            await self._fail(row, refused.friendly, judge(refused.refusal))
        except (NotFound, ValidationError):  # the text of the latter could quote what it could not read
            await self._fail(row, standing.unreadable_text(row), Health.NEEDS_RECONNECT)
        else:
            return await self._promote(begun, version)
        return None

    async def _promote(self, begun: Stored, version: StoredVersion) -> Stored | None:
        tried = begun.row

        def in_use(row: Row) -> Row:
            return rotation.succeeded(
                row, version.id, repeated=version.maybe_repeated, now=self._clock(), unit=self._unit
            )

        after = await promote(
            self._rows, self._vault, begun, version, is_same=lambda row: rotation.is_same_try(row, tried), in_use=in_use
        )
        if after is not None and tried.run is not None:
            log.info(
                "rotation.succeeded orgId=%s connectionId=%s rotationId=%s version=%s",
                tried.org_id, tried.id, tried.run.id, version.id.rsplit("/", 1)[-1],
            )  # fmt: skip
        return after

    async def _fail(self, tried: Row, reason: str, state: Health) -> None:
        def failed(row: Row) -> Row:
            if not rotation.is_same_try(row, tried):
                raise ConcurrentChange
            return rotation.failed(row, reason, state=state, now=self._clock(), unit=self._unit)

        await self._rows.change(tried.org_id, tried.id, failed)
        log.warning("rotation.failed orgId=%s connectionId=%s reason=%s", tried.org_id, tried.id, reason)
