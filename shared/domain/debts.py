"""Passwords that are to be removed: fence, then clean.

A password joins the debts in the same row write that makes its promotion impossible, and is removed from Entra only
after. Row first, Graph after, always.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.domain.connection import LONGEST_RUN, Row
from shared.domain.credential import Method
from shared.domain.passwords import AppKey, Debt

PATIENCE = timedelta(days=7)
"""How long a password of an app that is no more in use is tried to be removed."""


def owing(row: Row, keys: Iterable[AppKey | None], now: datetime) -> Row:
    """The row with `keys` to be removed and their secret versions to be disabled; what is owed already is skipped."""
    if row.passwords is None:
        return row
    known = {debt.key_id for debt in row.debts}
    wanted = [key for key in keys if key is not None and key.key_id not in known]
    credentials = row.connection.credentials
    debts = [
        Debt(
            key_id=key.key_id,
            version=key.version,
            tenant_id=credentials["tenantId"],
            client_id=credentials["clientId"],
            object_id=row.passwords.object_id,
            since=now,
            issued=key.issued,
            ends_at=key.ends_at,
        )
        for key in wanted
    ]
    spare = [key.version for key in wanted if key.version not in (row.active_version, *row.superseded)]
    return row.having(debts=(*row.debts, *debts), superseded=(*row.superseded, *spare))


def _attempts(row: Row, since: datetime) -> tuple[Debt, ...]:
    """What tries may have left at an app that this row is about to turn away from, to be looked for at `since`."""
    if not (row.sweep_passwords_at or (row.run and row.run.attempt)):
        return ()
    credentials = row.connection.credentials
    return (
        Debt(
            key_id=None,
            version="",
            tenant_id=credentials["tenantId"],
            client_id=credentials["clientId"],
            object_id=row.passwords.object_id if row.passwords else "",
            since=since,
            before=row.attempts + 1,
        ),
    )


def without_pending(row: Row, now: datetime) -> Row:
    """The row in which the password under way will not be promoted."""
    passwords = row.passwords
    if passwords is None or passwords.pending is None:
        return row
    given_up = row.having(passwords=passwords.model_copy(update={"pending": None}))
    return owing(given_up, [passwords.pending.key], now)


def without_passwords(row: Row, now: datetime) -> Row:
    """The row of a connection that has no more use for any password that this service issued.

    The one in use goes last: it signs in to remove the others. The user's own stays theirs.
    """
    passwords = row.passwords
    if passwords is None:
        return row
    pending = passwords.pending.key if passwords.pending else None
    issued = [key for key in (pending, passwords.inactive, passwords.active) if key is not None and key.issued]
    return owing(row, issued, now).having(passwords=None)


def ended(row: Row, now: datetime) -> Row:
    """The row of a connection that is deleted: nothing of this service's stays at its app.

    The patience with what is owed there already begins anew.
    """
    return _turned_away(row, now, attempts_since=now)


def handed_over(row: Row, auth_version: str | None, now: datetime) -> Row:
    """The row whose app is about to be another: what is owed at the former one is signed for by its last secret.

    A try under way may still add a password there, so what tries have left is looked for when they must be over.
    """
    owed = _turned_away(row, now, attempts_since=now + LONGEST_RUN)
    debts = tuple(
        debt if debt.auth_version else debt.model_copy(update={"auth_version": auth_version}) for debt in owed.debts
    )
    return owed.having(debts=debts)


def _turned_away(row: Row, now: datetime, *, attempts_since: datetime) -> Row:
    if row.connection.method is not Method.CLIENT_SECRET:
        return row
    attempts = _attempts(row, attempts_since)
    debts = tuple(debt if debt.auth_version else debt.model_copy(update={"since": now}) for debt in row.debts)
    owed = without_passwords(row.having(debts=debts), now)
    return owed.having(debts=(*owed.debts, *attempts), sweep_passwords_at=None)


def groups(row: Row) -> list[list[Debt]]:
    """What is owed, by the secret that signs in for it: None, the one in use, or the last one of a former app."""
    return [
        [debt for debt in row.debts if debt.auth_version == auth]
        for auth in dict.fromkeys(debt.auth_version for debt in row.debts)
    ]


def payable_at(group: Iterable[Debt]) -> datetime:
    """When `group` may be paid: as a whole, since a former app's last secret goes with it."""
    return max(debt.since for debt in group)


def settled(row: Row, paid: Iterable[Debt]) -> Row:
    """The row with these debts paid; a secret version that only signed in for them is to be disabled."""
    gone = {(debt.key_id, debt.auth_version) for debt in paid}
    left = tuple(debt for debt in row.debts if (debt.key_id, debt.auth_version) not in gone)
    needed = {debt.auth_version for debt in left}
    spare = {debt.auth_version for debt in row.debts if debt.auth_version} - needed - {row.active_version}
    return row.having(debts=left, superseded=(*row.superseded, *sorted(version for version in spare if version)))
