"""What does a row owe, and when? The background work is this question asked again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain import debts, expiry, keep_alive
from shared.domain.connection import Lifecycle, Row

MAX_TRIES = 5
"""Passing faults in a row after which a rotation run is given up until its next date."""


class Action(StrEnum):
    """The things a row can owe."""

    CLEAN_UP_RESERVATION = "clean-up-reservation"
    SETTLE = "settle"
    PUBLISH = "publish"
    SWEEP = "sweep"
    FORGET_KEY = "forget-key"
    CLEAR_LEFTOVERS = "clear-leftovers"
    VERIFY = "verify"
    REVOKE = "revoke"
    SWEEP_PASSWORDS = "sweep-passwords"
    PURGE = "purge"
    ROTATE = "rotate"
    KEEP_ALIVE = "keep-alive"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing owed, and from when on (UTC)."""

    action: Action
    at: datetime


def next_owed(row: Row) -> Owed | None:
    """The first thing that `row` owes, or None when it owes nothing until a caller changes it."""
    return min((_held(row, owed) for owed in _owed(row)), key=lambda owed: owed.at, default=None)


def first_due(row: Row, now: datetime) -> Owed | None:
    """The earliest thing to do at `now`, but publishing last: a slow topic keeps nothing waiting."""
    due = [owed for owed in (_held(row, each) for each in _owed(row)) if owed.at <= now]
    return min(due, key=lambda owed: (owed.action is Action.PUBLISH, owed.at), default=None)


def owed_by(row: Row, until: datetime) -> list[Action]:
    """All that `row` owes by then."""
    return [owed.action for owed in (_held(row, each) for each in _owed(row)) if owed.at <= until]


def _held(row: Row, owed: Owed) -> Owed:
    hold = row.holds.get(owed.action)
    return owed if hold is None or hold.until <= owed.at else Owed(owed.action, hold.until)


def _owed(row: Row) -> Iterator[Owed]:
    records = [entry.at for entry in row.outbox if entry.kind != "event"]
    events = [entry.at for entry in row.outbox if entry.kind == "event"]
    if records:
        yield Owed(Action.SETTLE, min(records))
    if events:
        yield Owed(Action.PUBLISH, min(events))
    if row.idempotency is not None:
        yield Owed(Action.FORGET_KEY, row.idempotency.expires_at)
    if row.leftovers:
        yield Owed(Action.CLEAR_LEFTOVERS, max(leftover.at for leftover in row.leftovers))
    if row.lifecycle is Lifecycle.CREATING and row.deadline is not None:
        yield Owed(Action.CLEAN_UP_RESERVATION, row.deadline)
    elif row.lifecycle is Lifecycle.DELETING and row.deadline is not None:
        payable = [debts.payable_at(group) for group in debts.groups(row)]
        yield Owed(Action.REVOKE, max(row.deadline, min(payable))) if payable else Owed(Action.PURGE, row.deadline)
    elif row.lifecycle is Lifecycle.ACTIVE:
        yield from _owed_while_active(row)


def _owed_while_active(row: Row) -> Iterator[Owed]:
    if row.superseded:
        yield Owed(Action.SETTLE, row.connection.updated_at)
    if row.sweep_at is not None and row.run is None and row.exchange is None:
        yield Owed(Action.SWEEP, row.sweep_at)
    if row.debts:
        yield Owed(Action.REVOKE, min(debts.payable_at(group) for group in debts.groups(row)))
    if (warning := expiry.next_warning(row)) is not None:
        yield Owed(Action.WARN, warning)
    if row.run is not None:
        pending = row.passwords.pending if row.passwords else None
        yield Owed(Action.VERIFY, pending.check_at) if pending else Owed(Action.ROTATE, row.run.started_at)
        return
    if row.sweep_passwords_at is not None:
        yield Owed(Action.SWEEP_PASSWORDS, row.sweep_passwords_at)
    if (renewal := keep_alive.renewal_at(row)) is not None:
        yield Owed(Action.KEEP_ALIVE, renewal)
    rotation = row.connection.rotation
    if keep_alive.waits_for_a_person(row):
        return  # its date stays, and the run comes once it is mended
    if row.connection.is_auto_rotation_enabled and rotation is not None and rotation.next_rotation_at is not None:
        yield Owed(Action.ROTATE, rotation.next_rotation_at)
