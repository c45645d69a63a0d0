"""Rotating an app's own password through Microsoft Graph: issue, verify, promote.

Graph is called as the connection's own app. Whatever dies whenever: the active credential works, and each password that
was added is recorded, or found by its name and removed.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import ValidationError

from shared.domain import password_rotation, rotation
from shared.domain.connection import Health, Row
from shared.domain.credential import ClientSecret
from shared.domain.entra_errors import WRONG_SECRET
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    DirectoryRefused,
    GrantRefused,
    NotFound,
    ProductError,
    UpstreamError,
)
from shared.domain.graph_errors import HOME_TENANT
from shared.domain.passwords import AppKey, display_name
from shared.domain.schedule import IntervalUnit, Trigger
from shared.services.enrolment import HINT_CHARS, Claims
from shared.services.ports import (
    AppAuthority,
    Clock,
    Graph,
    GraphSession,
    NewPassword,
    Registration,
    Stored,
    StoredVersion,
    Vault,
)
from shared.services.revocation import stored_secret, strays
from shared.services.rows import Rows

log = logging.getLogger(__name__)

UNUSABLE = "The stored client secret is missing from Key Vault or unreadable. Submit it again."
NOT_ACCEPTED = "The new client secret was not accepted within 15 minutes; the present one stays in use"
LOST = "The new client secret is missing from Key Vault or unreadable; the present one stays in use."


class PasswordRotation:
    """Steps for `Advance`."""

    def __init__(
        self,
        *,
        rows: Rows,
        vault: Vault,
        apps: AppAuthority,
        graph: Graph,
        claims: Claims,
        clock: Clock,
        unit: IntervalUnit,
        lease: timedelta = rotation.LEASE,
    ) -> None:
        self._rows = rows
        self._vault = vault
        self._apps = apps
        self._graph = graph
        self._claims = claims
        self._clock = clock
        self._unit = unit
        self._lease = lease

    async def issue(self, stored: Stored) -> None:
        """One try at adding a password; a scheduled run is begun here."""
        now = self._clock()
        row = rotation.requested(stored.row, str(uuid.uuid4()), Trigger.SCHEDULED, now)
        row = (await self._rows.save(stored, rotation.attempted(row, now, self._lease))).row
        await self._or_fail(row, lambda: self._issue(row))

    async def verify(self, stored: Stored) -> None:
        """One look whether the new password works; the second success, later, promotes it."""
        row = stored.row
        await self._or_fail(row, lambda: self._verify(row))

    async def _issue(self, row: Row) -> None:
        credential = await stored_secret(self._vault, row.active_version)
        await self._claims.ensure(row.org_id, row.id, credential)
        session = await self._graph.sign_in(credential)
        app = await session.registration()
        if app is None:
            raise DirectoryRefused(HOME_TENANT)
        tried = password_rotation.known(row, app.object_id, _own_key(row, credential, app))
        if app.holds_two and row.passwords and row.passwords.inactive:
            await self._change(row, lambda present: password_rotation.making_room(present, self._clock()))
            return
        for key_id in _spare(tried, app):
            await session.remove_password(app.object_id, key_id)
        await self._add(tried, session, app.object_id, credential)

    async def _add(self, tried: Row, session: GraphSession, object_id: str, credential: ClientSecret) -> None:
        if tried.run is None:
            raise ConcurrentChange
        name = display_name(tried.id, tried.attempts, tried.run.id)
        until = password_rotation.ends_at(tried, self._clock(), self._unit)
        added = await session.add_password(object_id, display_name=name, ends_at=until)
        version = None
        try:
            version = await self._store(tried, credential, added)
            key = AppKey(key_id=added.key_id, version=version.id, ends_at=added.ends_at)
            await self._record(tried, key, repeated=version.maybe_repeated)
        except UpstreamError:
            raise  # what was written is not known: the next attempt, or the sweep, finds what no row names
        except Exception:  # it will not be promoted, for certain, and nobody else knows of it
            await self._take_back(tried, session, object_id, added, version)
            raise

    async def _record(self, tried: Row, key: AppKey, *, repeated: bool) -> None:
        """Write down that the password is there. Raises `ConcurrentChange` when this try is no longer the row's."""

        def issued(row: Row) -> Row:
            if row.passwords is not None and key.key_id in row.passwords.key_ids:
                return row  # our own write won, its answer was lost, and somebody wrote since
            if not rotation.is_same_try(row, tried):
                raise ConcurrentChange
            recognised = row if row.passwords is not None else row.having(passwords=tried.passwords)
            return password_rotation.issued(recognised, key, self._clock(), repeated=repeated)

        await self._rows.change(tried.org_id, tried.id, issued)

    async def _store(self, row: Row, credential: ClientSecret, added: NewPassword) -> StoredVersion:
        renewed = credential.model_copy(update={"client_secret": added.secret})
        attempt = str(row.run.attempt) if row.run else ""
        tags = {"connectionId": row.id, "keyId": added.key_id, "attempt": attempt}
        return await self._vault.put(row.secret_name, renewed.model_dump_json(), tags=tags)

    async def _take_back(
        self, row: Row, session: GraphSession, object_id: str, added: NewPassword, version: StoredVersion | None
    ) -> None:
        try:
            await session.remove_password(object_id, added.key_id)
            if version is not None:
                await self._vault.disable(version.id)
        except ProductError as fault:
            log.warning("rotation.password-left connectionId=%s keyId=%s reason=%s", row.id, added.key_id, fault.code)

    async def _verify(self, row: Row) -> None:
        pending = row.passwords.pending if row.passwords else None
        if pending is None:
            raise ConcurrentChange
        try:
            credential = await stored_secret(self._vault, pending.key.version)
        except (NotFound, ValidationError):
            raise BadRequest(LOST) from None
        try:
            await self._apps.app_token(credential)
        except GrantRefused as refused:
            if password_rotation.is_hopeless(row, self._clock()):
                raise BadRequest(_not_accepted(refused)) from None
            await self._change(row, lambda present: password_rotation.refused(present, self._clock()))
        except UpstreamError:
            if password_rotation.is_hopeless(row, self._clock()):
                raise BadRequest(f"{NOT_ACCEPTED}.") from None
            raise
        else:
            await self._change(row, lambda present: password_rotation.proven(present, self._clock(), unit=self._unit))

    async def _or_fail(self, row: Row, act: Callable[[], Awaitable[None]]) -> None:
        """Do it, or end the run with the reason. The active credential stays as it is."""
        try:
            await act()
        except GrantRefused as refused:
            await self._fail(row, refused.friendly)
        except BadRequest as refusal:
            await self._fail(row, refusal.message)
        except (NotFound, ValidationError):  # the text of the latter could quote what it could not read
            await self._fail(row, UNUSABLE)

    async def _fail(self, tried: Row, reason: str) -> None:
        log.warning("rotation.failed orgId=%s connectionId=%s reason=%s", tried.org_id, tried.id, reason)
        await self._change(
            tried,
            lambda row: rotation.failed(row, reason, state=Health.DEGRADED, now=self._clock(), unit=self._unit),
        )

    async def _change(self, tried: Row, edit: Callable[[Row], Row]) -> None:
        """Apply `edit` to the newest row, if that has the same try of the same password under way."""

        def same(row: Row) -> Row:
            if not rotation.is_same_try(row, tried) or _pending_key(row) != _pending_key(tried):
                raise ConcurrentChange
            return edit(row)

        await self._rows.change(tried.org_id, tried.id, same)


def _not_accepted(refused: GrantRefused) -> str:
    """The friendly text for a wrong secret speaks to whoever pasted it; this one nobody did."""
    if refused.refusal.aadsts != WRONG_SECRET:
        return f"{NOT_ACCEPTED}. {refused.friendly}"
    support = refused.refusal.correlation_id
    return f"{NOT_ACCEPTED}. Rotate again later.{f' Correlation id: {support}.' if support else ''}"


def _own_key(row: Row, credential: ClientSecret, app: Registration) -> AppKey | None:
    """The user's own password in the registration, if they told its key id and it is the one in use."""
    for password in app.passwords:
        if password.key_id == row.secret_key_id and password.hint == credential.client_secret[:HINT_CHARS]:
            return AppKey(
                key_id=password.key_id, version=row.active_version or "", issued=False, ends_at=password.ends_at
            )
    return None


def _spare(row: Row, app: Registration) -> list[str]:
    """What is removed before a password is added: strays of older attempts, and what is owed at this app.

    The latter is fenced off already. An app whose former passwords cannot be removed gets no further ones.
    """
    owed = [debt.key_id for debt in row.debts if debt.key_id is not None and debt.auth_version is None]
    return [*owed, *(stray.key_id for stray in strays(row, app, before=row.attempts))]


def _pending_key(row: Row) -> str | None:
    pending = row.passwords.pending if row.passwords else None
    return pending.key.key_id if pending else None
