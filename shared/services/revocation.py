"""Removing app passwords: those that are owed, and those of ours that no row knows."""

from __future__ import annotations

import logging
from datetime import timedelta

from pydantic import ValidationError

from shared.domain import debts
from shared.domain.audit import SYSTEM
from shared.domain.audit import Action as AuditAction
from shared.domain.connection import Lifecycle, Row
from shared.domain.credential import ClientSecret
from shared.domain.errors import BadRequest, ConcurrentChange, DirectoryRefused, GrantRefused, NotFound, UpstreamError
from shared.domain.owed import MAX_TRIES, Action
from shared.domain.passwords import PRODUCT, Debt, Passwords, attempt_of
from shared.domain.standing import SPREADING
from shared.services.ports import Clock, Graph, GraphSession, ListedPassword, Registration, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)

SWEEP_AGAIN = timedelta(days=1)


class Revocation:
    """Steps for `Advance`; each one is done again without harm."""

    def __init__(self, *, rows: Rows, vault: Vault, graph: Graph, clock: Clock) -> None:
        self._rows = rows
        self._vault = vault
        self._graph = graph
        self._clock = clock

    async def revoke(self, stored: Stored) -> None:
        """Remove what is owed by now, at each app for itself: one that refuses keeps no other waiting."""
        faults = []
        for group in debts.groups(stored.row):
            if debts.payable_at(group) > self._clock():
                continue
            try:
                await self._revoke(stored, group)
            except UpstreamError as fault:
                faults.append(fault)
        if faults:
            raise max(faults, key=lambda fault: fault.retry_after or 0)

    async def _revoke(self, stored: Stored, group: list[Debt]) -> None:
        row, signing = stored.row, group[0].auth_version or stored.row.active_version
        try:
            session = await self._graph.sign_in(await stored_secret(self._vault, signing))
        except (GrantRefused, NotFound, ValidationError) as refusal:
            await self._without_way_in(stored, group, signing, refusal)
            return
        except UpstreamError as fault:
            await self._out_of_reach(stored, group, fault)
            return
        group.sort(key=lambda debt: debt.version == signing)  # the one that signs in goes last
        paid: list[Debt] = []
        left = list(group)
        try:
            for debt in group:
                if debt.version == signing and paid:  # afterwards nobody can sign in: the others must be settled
                    await self._settle(row, paid)
                    paid.clear()
                await self._pay(row, session, debt)
                paid.append(debt)
                left.remove(debt)
        except DirectoryRefused as refusal:
            await self._given_up_or_later(stored, left, refusal)
        except UpstreamError as fault:
            await self._out_of_reach(stored, left, fault)
        finally:
            if paid:
                await self._settle(row, paid)

    async def _pay(self, row: Row, session: GraphSession, debt: Debt) -> None:
        if debt.key_id is not None:
            await session.remove_password(debt.object_id, debt.key_id)
            return
        app = await session.registration()
        for stray in strays(row, app, before=debt.before) if app else ():
            await session.remove_password(app.object_id if app else "", stray.key_id)

    async def _without_way_in(self, stored: Stored, group: list[Debt], signing: str | None, refusal: Exception) -> None:
        """The secret does not sign in any more. Once it went itself, after all others, that is the end of it.

        A replica that does not know it yet says the same, so it must have had the time to spread.
        """
        last = len(group) == 1 and group[0].version == signing and self._clock() >= group[0].since + SPREADING
        if last and isinstance(refusal, GrantRefused) and refusal.refusal.error == "invalid_client":
            await self._settle(stored.row, group)
            return
        await self._given_up_or_later(stored, group, refusal)

    async def _out_of_reach(self, stored: Stored, left: list[Debt], fault: UpstreamError) -> None:
        """What fails for a week does not pass by itself, and blocks no deletion for ever. Until then: as it was."""
        overdue = left and self._clock() >= min(debt.since for debt in left) + debts.PATIENCE
        hold = stored.row.holds.get(Action.REVOKE)
        persists = hold is not None and hold.tries >= MAX_TRIES  # not the first fault after a week without a try
        if stored.row.lifecycle is not Lifecycle.DELETING or not overdue or not persists:
            raise fault
        await self._given_up_or_later(stored, left, fault)

    async def _given_up_or_later(self, stored: Stored, group: list[Debt], refusal: Exception) -> None:
        """After a week nobody can be waited for: say which passwords are left, and until when they are good."""
        row, now = stored.row, self._clock()
        is_former_app = row.lifecycle is Lifecycle.DELETING or all(debt.auth_version for debt in group)
        if not is_former_app or now < min(debt.since for debt in group) + debts.PATIENCE:
            raise UpstreamError("Microsoft Entra ID", "The app's client secrets cannot be removed yet") from refusal
        left = ", ".join(_described(debt) for debt in group)
        log.error("rotation.passwords-left connectionId=%s keys=%s", row.id, left)

        def edit(present: Row) -> Row:
            line = present.line(AuditAction.PASSWORDS_LEFT, SYSTEM, now, reason=f"Could not be removed: {left}")
            return debts.settled(present, group).released(Action.REVOKE).recording(line)

        await self._rows.change(row.org_id, row.id, edit)

    async def _settle(self, row: Row, paid: list[Debt]) -> None:
        await self._rows.change(
            row.org_id, row.id, lambda present: debts.settled(present, paid).released(Action.REVOKE)
        )
        log.info("rotation.revoked orgId=%s connectionId=%s keyIds=%s", row.org_id, row.id, [d.key_id for d in paid])

    async def sweep(self, stored: Stored) -> None:
        """Remove the passwords with our names that the row does not know."""
        swept = await self.remove_strays(stored)
        again = None if swept is not None else self._clock() + SWEEP_AGAIN
        done = stored.row.having(sweep_passwords_at=again).released(Action.SWEEP_PASSWORDS)
        await self._rows.save(stored, done)

    async def remove_strays(self, stored: Stored) -> int | None:
        """The same, and how many there were; None when the app does not let us look.

        None are looked for while a run is under way, whose own try sees to it.

        Whoever adds a password has written the row first. So the row is read again after the listing: unchanged, it
        proves that none of the list can still be promoted.
        """
        row = stored.row
        if row.run is not None or row.active_version is None:
            return 0
        try:
            session = await self._graph.sign_in(await stored_secret(self._vault, row.active_version))
            app = await session.registration()
            found = strays(row, app, before=row.attempts + 1) if app else []
            present = await self._rows.read(row.org_id, row.id) if found else stored
            if present is None or present.etag != stored.etag:
                raise ConcurrentChange
            for stray in found:
                await session.remove_password(app.object_id if app else "", stray.key_id)
        except (BadRequest, NotFound, ValidationError) as refusal:
            log.warning("rotation.strays-not-swept connectionId=%s reason=%s", row.id, type(refusal).__name__)
            return None
        return len(found)


def _described(debt: Debt) -> str:
    """A password as people find it in the portal."""
    if debt.key_id is None:
        return f"any of app {debt.client_id} whose name begins with {PRODUCT}"
    return f"{debt.key_id} ({f'ends {debt.ends_at:%Y-%m-%d}' if debt.ends_at else 'end unknown'})"


async def stored_secret(vault: Vault, version: str | None) -> ClientSecret:
    """The client secret in a version. Raises `NotFound`, or pydantic's `ValidationError` when it is unreadable."""
    if version is None:
        raise NotFound("no credential")
    return ClientSecret.model_validate_json(await vault.get(version))


def strays(row: Row, app: Registration, *, before: int) -> list[ListedPassword]:
    """Passwords of this connection's attempts `before` that one, which stand nowhere in the row.

    A later attempt's is another worker's, and may be in use by now.
    """
    recorded = {debt.key_id for debt in row.debts} | (row.passwords or Passwords(object_id="")).key_ids
    return [
        password
        for password in app.passwords
        if password.key_id not in recorded
        and (attempt := attempt_of(password.display_name, row.id)) is not None
        and attempt < before
    ]
