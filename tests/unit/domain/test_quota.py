"""The plan of the coming seconds: what has room when, and what is left for the next tick."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.quota import (
    APP_WRITES_A_SECOND,
    PACES,
    PERIOD,
    TENANT_WRITES_A_SECOND,
    UNKNOWN,
    VAULT_CALLS_A_SECOND,
    VERSIONS_A_SECOND,
    Cost,
    Lane,
    Plan,
)

SECONDS = 10
ROTATION = Cost(tenant_id="t", client_id="c", versions=1)

tenants = st.sampled_from(["a", "b", "c"])
costs = st.builds(
    Cost,
    tenant_id=tenants,
    client_id=st.sampled_from(["x", "y"]),
    versions=st.integers(0, 1),
    vault_calls=st.integers(0, 40),
    graph_writes=st.integers(0, 12),
)


def placed(plan: Plan, cost: Cost, times: int) -> Counter[int | None]:
    """How many of the same cost found room in each second."""
    return Counter(plan.place(cost) for _ in range(times))


def test_the_paces_stay_below_what_is_published() -> None:
    seconds = PERIOD.total_seconds()
    assert VERSIONS_A_SECOND * seconds < 300
    assert VAULT_CALLS_A_SECOND * seconds < 4000
    assert TENANT_WRITES_A_SECOND < 60
    assert APP_WRITES_A_SECOND < 20
    assert VERSIONS_A_SECOND * 2 > TENANT_WRITES_A_SECOND, "the rest of a tenant's writes is what removes passwords"


def test_each_second_is_filled_before_the_next_and_what_is_over_is_left() -> None:
    found = placed(Plan(seconds=2), ROTATION, 2 * VERSIONS_A_SECOND + 3)
    assert found == {0: VERSIONS_A_SECOND, 1: VERSIONS_A_SECOND, None: 3}


def test_nothing_is_placed_before_its_time_and_what_is_for_the_next_plan_is_left_to_it() -> None:
    plan = Plan(seconds=SECONDS)
    assert plan.place(ROTATION, earliest=4) == 4
    assert plan.place(ROTATION, earliest=SECONDS) is None
    assert Plan(seconds=-3).place(ROTATION) is None
    assert plan.taken == 0


def test_one_tenants_writes_leave_the_others_theirs() -> None:
    plan = Plan(seconds=1)
    for app in range(3):
        placed(plan, Cost(tenant_id="a", client_id=str(app), graph_writes=1), APP_WRITES_A_SECOND)
    assert plan.place(Cost(tenant_id="a", client_id="another", graph_writes=1)) is None
    assert plan.place(Cost(tenant_id="b", client_id="another", graph_writes=1)) == 0


def test_one_app_writes_no_more_than_its_own_pace() -> None:
    found = placed(Plan(seconds=1), Cost(tenant_id="a", client_id="x", graph_writes=1), 30)
    assert found[0] == APP_WRITES_A_SECOND


def test_what_is_more_than_a_second_carries_goes_alone_and_does_not_wait_for_ever() -> None:
    plan = Plan(seconds=3)
    much = Cost(tenant_id="a", client_id="x", graph_writes=200)
    assert [plan.place(much) for _ in range(3)] == [0, 1, 2]
    assert plan.place(Cost(tenant_id="a", client_id="x", graph_writes=1)) is None


def test_seconds_are_given_away_only_where_something_had_to_wait() -> None:
    plan = Plan(seconds=SECONDS)
    placed(plan, ROTATION, VERSIONS_A_SECOND)
    plan.place(ROTATION, earliest=5)
    assert plan.taken == 0
    plan.place(ROTATION)
    assert plan.taken == 2
    placed(plan, ROTATION, SECONDS * VERSIONS_A_SECOND)
    assert plan.taken == SECONDS


def test_a_lane_is_told_by_what_may_be_short() -> None:
    assert Cost(versions=1, graph_writes=1).lane is Lane.VERSIONS
    assert Cost(graph_writes=1, vault_calls=1).lane is Lane.WRITES
    assert Cost(vault_calls=1).lane is Lane.REST
    assert UNKNOWN.lane is Lane.VERSIONS


@given(st.lists(costs, max_size=200))
def test_no_second_is_given_more_than_the_pace_unless_to_one_alone(wanted: list[Cost]) -> None:
    plan = Plan(seconds=3)
    seconds: list[list[Cost]] = [[], [], []]
    for cost in wanted:
        second = plan.place(cost)
        if second is not None:
            seconds[second].append(cost)
    for given_to in seconds:
        spent: Counter[tuple[str, ...]] = Counter()
        for cost in given_to:
            spent.update(cost.amounts())
        assert all(amount <= PACES[quota[0]] for quota, amount in spent.items())
