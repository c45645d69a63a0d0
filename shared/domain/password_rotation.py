"""Rotating an app's password as changes of the row: issued, proven, promoted, the former ones owed.

At every moment the active credential is one that has been proven or that the user submitted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain import rotation
from shared.domain.connection import Hold, Row
from shared.domain.debts import owing
from shared.domain.owed import Action
from shared.domain.passwords import AppKey, Passwords, Pending
from shared.domain.schedule import IntervalUnit

PROVE_APART = timedelta(seconds=15)
"""Two successes this far apart: one does not prove that all replicas of Entra know a password."""

PROVE_WITHIN = timedelta(minutes=15)
"""A fresh password may be refused for seconds, on bad days for ten minutes."""

LONGEST_CHECK_PAUSE = timedelta(minutes=2)

ROOM_PAUSE = timedelta(seconds=5)

SPARE_LIFE = timedelta(days=3)


def ends_at(row: Row, now: datetime, unit: IntervalUnit) -> datetime:
    """How long a password issued now may live: two intervals, and three days for whatever goes wrong."""
    schedule = row.connection.rotation
    intervals = 2 * (schedule.rotation_interval if schedule else 0)
    return now + timedelta(**{unit.value: intervals}) + SPARE_LIFE


def known(row: Row, object_id: str, active: AppKey | None) -> Row:
    """The row that knows its app and, where it can be told, the password in use."""
    if row.passwords is not None:
        return row
    return row.having(passwords=Passwords(object_id=object_id, active=active))


def issued(row: Row, key: AppKey, now: datetime, *, repeated: bool) -> Row:
    """A password was added and stored; it is proven next."""
    passwords = _managed(row)
    pending = Pending(key=key, issued_at=now, check_at=now, repeated=repeated)
    return row.having(passwords=passwords.model_copy(update={"pending": pending})).released(Action.ROTATE)


def making_room(row: Row, now: datetime) -> Row:
    """The former password is removed before another is added: the app holds no more than two."""
    hold = Hold(until=now + ROOM_PAUSE, tries=0, reason="making room for a new password")
    waiting = row.having(holds={**row.holds, Action.ROTATE: hold})
    if row.passwords is None:
        return waiting
    spared = waiting.having(passwords=row.passwords.model_copy(update={"inactive": None}))
    return owing(spared, [row.passwords.inactive], now)


def proven(row: Row, now: datetime, *, unit: IntervalUnit) -> Row:
    """The password worked: once more later, or it is promoted now."""
    passwords, pending = _pending(row)
    if pending.proven_at is None or now < pending.proven_at + PROVE_APART:
        proven_at = pending.proven_at or now
        checked = pending.model_copy(update={"proven_at": proven_at, "check_at": proven_at + PROVE_APART})
        return row.having(passwords=passwords.model_copy(update={"pending": checked}))
    return _promoted(row, passwords, pending, now, unit)


def refused(row: Row, now: datetime) -> Row:
    """The password did not work: later again, from the beginning.

    Every 15 seconds for the two minutes that most need at most, then ever more rarely.
    """
    passwords, pending = _pending(row)
    pause = min(max((now - pending.issued_at) / 8, PROVE_APART), LONGEST_CHECK_PAUSE)
    checked = pending.model_copy(update={"proven_at": None, "check_at": now + pause})
    return row.having(passwords=passwords.model_copy(update={"pending": checked}))


def is_hopeless(row: Row, now: datetime) -> bool:
    """Whether the password had all the time that there is."""
    _, pending = _pending(row)
    return now >= pending.issued_at + PROVE_WITHIN


def _promoted(row: Row, passwords: Passwords, pending: Pending, now: datetime, unit: IntervalUnit) -> Row:
    """The new password is in use. The former stays valid until the next rotation for whoever still holds it.

    The user's own original does not stay: they gave it away to be replaced.
    """
    former = passwords.active
    keeps_former = former is not None and former.issued
    after = row.having(
        passwords=passwords.model_copy(
            update={"active": pending.key, "inactive": former if keeps_former else None, "pending": None}
        )
    )
    after = rotation.succeeded(
        after,
        pending.key.version,
        repeated=pending.repeated,
        now=now,
        unit=unit,
        key_id=pending.key.key_id,
        former_key_id=former.key_id if former else None,
    )
    graph_answered = after.released(Action.REVOKE)
    return owing(graph_answered, [passwords.inactive, None if keeps_former else former], now)


def _managed(row: Row) -> Passwords:
    if row.passwords is None:
        raise ValueError("the app is not known")
    return row.passwords


def _pending(row: Row) -> tuple[Passwords, Pending]:
    passwords = _managed(row)
    if passwords.pending is None:
        raise ValueError("no password is under way")
    return passwords, passwords.pending
