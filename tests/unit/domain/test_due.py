"""What the next look at a connection will spend, told from its row alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.domain import password_rotation, rotation
from shared.domain.connection import DueHint, Leftover, Row
from shared.domain.credential import Method
from shared.domain.due import cost_of, plan_hint
from shared.domain.passwords import AppKey, Debt, Passwords, Pending
from shared.domain.quota import Cost
from shared.domain.schedule import IntervalUnit, Trigger
from tests.unit.domain.rows import FIRST_VERSION, NOW, SECOND_VERSION, active

TENANT, APP = "22222222-2222-4222-8222-222222222222", "an-app"
HOUR = timedelta(hours=1)
FORMER, PRESENT, NEXT = (AppKey(key_id=name, version=f"{FIRST_VERSION}/{name}") for name in ("former", "now", "next"))


def app_row(**changes: Any) -> Row:
    """A connection whose app's password is rotated."""
    row = active().showing(method=Method.CLIENT_SECRET, credentials={"tenantId": TENANT, "clientId": APP})
    passwords = Passwords(object_id="an-object", active=PRESENT, inactive=FORMER)
    return row.having(passwords=passwords, stored_at=None, **changes)


def verifying(*, proven: bool, **changes: Any) -> Row:
    """The same with a new password under way."""
    row = rotation.requested(app_row(**changes), "a-run", Trigger.SCHEDULED, NOW)
    pending = Pending(key=NEXT, issued_at=NOW, check_at=NOW, proven_at=NOW if proven else None)
    assert row.passwords is not None
    return row.having(passwords=row.passwords.model_copy(update={"pending": pending}))


def debt(key_id: str, **changes: Any) -> Debt:
    """A password to be removed."""
    return Debt(key_id=key_id, version="", tenant_id=TENANT, client_id=APP, object_id="an-object", since=NOW, **changes)


def spent(row: Row) -> tuple[int, int, int]:
    """New versions, vault calls, Graph writes of all that is owed now."""
    cost = cost_of(row, NOW)
    return cost.versions, cost.vault_calls, cost.graph_writes


def due_now(row: Row) -> Row:
    """The same, its rotation due now."""
    return row.rotating(next_rotation_at=NOW)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(active(), (0, 0, 0), id="nothing"),
        pytest.param(due_now(active()), (1, 2, 0), id="rotation of a grant"),
        pytest.param(active(enabled=False, stored_at=NOW - timedelta(days=9)), (1, 2, 0), id="keep-alive"),
        pytest.param(due_now(app_row()), (1, 2, 1), id="rotation of a password"),
        pytest.param(
            rotation.attempted(rotation.requested(app_row(), "run", Trigger.MANUAL, NOW), NOW, timedelta()),
            (1, 2, 2),
            id="a second try removes what the first left",
        ),
        pytest.param(verifying(proven=False), (0, 1, 0), id="the first proof"),
        pytest.param(verifying(proven=True), (0, 4, 1), id="the second proof, which promotes and removes"),
        pytest.param(app_row(debts=(debt("a"), debt("b"))), (0, 3, 2), id="revocation"),
        pytest.param(app_row(sweep_passwords_at=NOW), (0, 1, 1), id="sweep of passwords"),
        pytest.param(active(sweep_at=NOW), (0, 2, 0), id="sweep of versions"),
        pytest.param(active(superseded=(FIRST_VERSION, SECOND_VERSION)), (0, 2, 0), id="settling"),
        pytest.param(active(leftovers=(Leftover(secret_name="s", at=NOW),)), (0, 1, 0), id="leftovers"),
    ],
)
def test_a_row_tells_what_its_next_look_spends(row: Row, expected: tuple[int, int, int]) -> None:
    assert spent(row) == expected


def test_the_writes_are_those_of_the_connections_own_app() -> None:
    cost = cost_of(due_now(app_row()), NOW)
    assert (cost.tenant_id, cost.client_id) == (TENANT, APP)


def test_what_is_owed_at_a_former_app_counts_there() -> None:
    former = debt("a", auth_version=FIRST_VERSION).model_copy(update={"tenant_id": "t", "client_id": "former"})
    cost = cost_of(app_row(debts=(former,)), NOW)
    assert (cost.tenant_id, cost.client_id, cost.graph_writes) == ("t", "former", 1)


def test_all_that_is_owed_by_then_is_added_up_and_nothing_that_is_owed_later() -> None:
    row = due_now(app_row(debts=(debt("a"),)))
    assert spent(row) == (1, 4, 3)
    later = app_row(debts=(debt("a"),)).rotating(next_rotation_at=NOW + HOUR)
    assert spent(later) == (0, 2, 1)


def test_what_promotion_really_owes_was_reckoned_with() -> None:
    row = verifying(proven=True)
    promoted = password_rotation.proven(row, NOW + password_rotation.PROVE_APART, unit=IntervalUnit.DAYS)
    owed = cost_of(promoted, NOW + password_rotation.PROVE_APART)
    assert owed.graph_writes == cost_of(row, NOW).graph_writes == 1


def test_a_due_row_carries_its_cost() -> None:
    hint = plan_hint(app_row().rotating(next_rotation_at=NOW + HOUR), NOW, "n")
    assert hint is not None
    assert hint.cost == Cost(tenant_id=TENANT, client_id=APP, versions=1, vault_calls=2, graph_writes=1)


def test_a_due_row_that_reckons_with_too_little_or_with_nothing_is_written_anew() -> None:
    row = app_row().rotating(next_rotation_at=NOW + HOUR)
    for cost in (None, Cost(), Cost(tenant_id=TENANT, client_id="another", versions=1, vault_calls=2, graph_writes=1)):
        stands = DueHint(at=NOW + HOUR, nonce="old", cost=cost)
        hint = plan_hint(row.having(due=stands), NOW, "new")
        assert hint is not None
        assert hint.nonce == "new"


def test_a_due_row_that_reckons_with_more_serves() -> None:
    row = app_row().rotating(next_rotation_at=NOW + HOUR)
    stands = DueHint(
        at=NOW + HOUR,
        nonce="old",
        cost=Cost(tenant_id=TENANT, client_id=APP, versions=1, vault_calls=9, graph_writes=3),
    )
    assert plan_hint(row.having(due=stands), NOW, "new") == stands
