"""The due row that a connection needs: when to look at it next, and what that look will spend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.domain.connection import DueHint, Row
from shared.domain.credential import Method
from shared.domain.owed import Action, next_owed, owed_by
from shared.domain.quota import Cost

RESEND_AFTER = timedelta(minutes=5)
"""A due row that was sent to the queue is sent again after this long, in case the message was lost."""


def plan_hint(row: Row, now: datetime, nonce: str) -> DueHint | None:
    """The due row that `row` needs: the present one where it serves, else a new one under `nonce`.

    What is owed at a later date is hinted at exactly then. What is owed already travels by queue message, so its hint
    is only the safety net for a lost one and may be late by `RESEND_AFTER`.
    """
    owed = next_owed(row)
    if owed is None:
        return None
    overdue = owed.at <= now
    cost = cost_of(row, max(now, owed.at))
    if row.due is not None and row.due.cost is not None and row.due.cost.covers(cost):
        if overdue and now < row.due.at <= now + RESEND_AFTER + timedelta(minutes=2):
            return row.due
        if row.due.at == _whole_second(owed.at):
            return row.due
    return DueHint(at=_whole_second(now + RESEND_AFTER if overdue else owed.at), nonce=nonce, cost=cost)


def cost_of(row: Row, until: datetime) -> Cost:
    """What doing all that `row` owes by `until` spends at most, and what follows from it at once."""
    actions = owed_by(row, until)
    spent = [_SPENDING[action](row) for action in actions if action in _SPENDING]
    tenant_id, client_id = _app(row, actions)
    return Cost(
        tenant_id=tenant_id,
        client_id=client_id,
        versions=sum(versions for versions, _, _ in spent),
        vault_calls=sum(calls for _, calls, _ in spent),
        graph_writes=sum(writes for _, _, writes in spent),
    )


def _app(row: Row, actions: list[Action]) -> tuple[str, str]:
    """Whose Graph writes they are. Those owed at a former app are signed for by that one, and done first."""
    former = next((debt for debt in row.debts if debt.auth_version), None)
    if former is not None and Action.REVOKE in actions:
        return former.tenant_id, former.client_id
    credentials = row.connection.credentials
    return credentials.get("tenantId", ""), credentials.get("clientId", "")


def _rotate(row: Row) -> tuple[int, int, int]:
    """Read the present credential, write the next, read it back to prove it; remove what is left of former ones."""
    if row.connection.method is not Method.CLIENT_SECRET:
        return 1, 2, 0
    former_try = row.run is not None and row.run.attempt > 0
    return 1, 2, 1 + former_try + sum(debt.auth_version is None for debt in row.debts)


def _verify(row: Row) -> tuple[int, int, int]:
    """The second proof promotes: the former version is disabled, what it makes superfluous removed."""
    passwords = row.passwords
    if passwords is None or passwords.pending is None or passwords.pending.proven_at is None:
        return 0, 1, 0
    former = passwords.active is not None and not passwords.active.issued
    removed = (passwords.inactive is not None) + former
    return 0, 2 + 2 * removed, removed


_SPENDING: dict[Action, Callable[[Row], tuple[int, int, int]]] = {
    Action.ROTATE: _rotate,
    Action.KEEP_ALIVE: lambda _: (1, 2, 0),
    Action.VERIFY: _verify,
    Action.REVOKE: lambda row: (0, 1 + len(row.debts), len(row.debts)),
    Action.SWEEP_PASSWORDS: lambda _: (0, 1, 1),
    Action.SWEEP: lambda _: (0, 2, 0),
    Action.SETTLE: lambda row: (0, len(row.superseded), 0),
    Action.CLEAR_LEFTOVERS: lambda row: (0, len(row.leftovers), 0),
    Action.PURGE: lambda row: (0, 1 + len(row.leftovers), 0),
}
"""By action: new secret versions, other calls to the vault, Graph writes. Actions without a line spend nothing."""


def _whole_second(moment: datetime) -> datetime:
    """Rounded up: a due row names its second, and waking before the action is owed would do nothing."""
    return moment if not moment.microsecond else moment.replace(microsecond=0) + timedelta(seconds=1)
