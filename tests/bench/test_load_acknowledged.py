"""The load run's verdicts on what callers were told: no change answered 200 is overwritten, no rotation lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bench.load.acknowledged import WRITING, check_changes, check_requests
from bench.load.evidence import Shown
from bench.load.ledger import Change
from tests.bench.load_world import CODE, ROTATED, SECRET, untouched

RAN = datetime.fromisoformat(ROTATED)
LATER = RAN + 2 * WRITING


def change(text: str, begun: float, ended: float, *, acknowledged: bool = True, **more: Any) -> Change:
    return Change({"description": text, **more}, begun, ended, acknowledged)


def said(changes: list[Change], *, described: str | None, **shown: Any) -> list[str]:
    """What is found when these changes were made and the connection shows this."""
    ledger, found = untouched()
    ledger.wishes[0].changes = changes
    connection = found.shown["by-code"].connection
    assert connection is not None
    connection |= {"description": described, **shown}
    return list(check_changes(ledger, found))


ONE_BY_ONE = [change("first", 1, 2), change("second", 3, 4)]


@pytest.mark.parametrize("described", ["first", None])
def test_an_acknowledged_change_that_was_overwritten_is_found(described: str | None) -> None:
    finding = f"by-code ({CODE}): description is {described!r}, and should be 'second'"
    assert said(ONE_BY_ONE, described=described) == [finding]
    assert said(ONE_BY_ONE, described="second") == []


def test_a_value_that_nobody_set_is_found() -> None:
    assert said([], described="whose?") == [f"by-code ({CODE}): description is 'whose?', and should be None"]


def test_of_changes_at_one_moment_either_may_stand_and_no_earlier_one() -> None:
    changes = [change("first", 1, 2), change("second", 3, 6), change("third", 5, 7)]
    assert [said(changes, described=text) for text in ("second", "third")] == [[], []]
    assert said(changes, described="first") == [
        f"by-code ({CODE}): description is 'first', and should be 'second' or 'third'"
    ]


def test_a_change_without_a_clear_answer_may_have_happened_or_not_until_another_is_acknowledged() -> None:
    unclear = [change("first", 1, 2), change("unclear", 3, 4, acknowledged=False)]
    assert [said(unclear, described=text) for text in ("first", "unclear")] == [[], []]
    assert said([*unclear, change("last", 5, 6)], described="unclear")


def test_the_schedule_is_compared_field_by_field() -> None:
    faster = Change({"rotation": {"rotationInterval": 50}}, 1, 2, acknowledged=True)
    off = Change({"isAutoRotationEnabled": False}, 3, 4, acknowledged=True)
    stale = {"rotation": {"rotationInterval": 60}, "isAutoRotationEnabled": True}
    assert said([faster, off], described=None, **stale) == [
        f"by-code ({CODE}): isAutoRotationEnabled is True, and should be False",
        f"by-code ({CODE}): rotationInterval is 60, and should be 50",
    ]


def rotated(*asked: datetime, shown: Shown | None = None) -> list[str]:
    """What is found when these requests were accepted, and one run ended at `RAN`."""
    ledger, found = untouched()
    ledger.wishes[1].rotations = list(asked)
    found.shown["by-secret"] = shown or found.shown["by-secret"]
    return list(check_requests(ledger, found))


def test_a_request_to_rotate_is_served_by_a_run_that_ended_since() -> None:
    assert rotated(RAN - timedelta(hours=1), RAN, RAN + WRITING) == []


def test_an_accepted_rotation_that_never_ran_is_found() -> None:
    assert rotated(RAN, LATER, LATER) == [
        f"by-secret ({SECRET}): 2 accepted requests to rotate, and no run ended since"
    ]
    _, found = untouched()
    never = Shown(200, found.shown["by-secret"].connection)
    assert rotated(RAN, shown=never) == [f"by-secret ({SECRET}): 1 accepted requests to rotate, and no run ended since"]


def test_a_deleted_connection_need_not_rotate() -> None:
    assert rotated(LATER, shown=Shown(404)) == []
