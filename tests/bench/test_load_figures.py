"""The load run's figures, and which answers it takes for expected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bench.load import report
from bench.load.evidence import Evidence
from bench.load.expectations import unexpected
from bench.load.ledger import TAIL, Ledger, Wish, leaks
from bench.load.samples import NO_ANSWER, Gap, Phase, Sample, Samples, percentile
from bench.load.settling import owed_soon
from shared.domain.connection import Lifecycle
from tests.bench.load_world import NOW, untouched


def sample(begun: float, seconds: float, status: int = 200, route: str = "GET connection") -> Sample:
    return Sample(route, status, begun, begun + seconds, Phase.HOLD)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 100]
    assert percentile([3.0], 0.95) == 3
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.95)


def test_what_met_the_host_while_it_was_down_is_counted_apart() -> None:
    samples = Samples(gaps=[Gap(killed=10, ready=12)])
    samples.taken = [
        sample(8, 1),
        sample(9, 1.5, NO_ANSWER),  # under way when the host died
        sample(11, 0.01, NO_ANSWER),  # refused
        sample(11.5, 0.8),  # answered by a host that was not ready
        sample(12.5, 0.1, NO_ANSWER),  # cut for another reason
        sample(13, 0.2, 503),
    ]
    assert samples.under_way_at_a_kill == 1
    assert samples.gap_counts() == {"200": 1, "no answer": 2}
    assert samples.by_status(Phase.HOLD) == {"GET connection": {"200": 1, "503": 1, "no answer": 1}}
    assert samples.times(Phase.HOLD)["all"] == {"count": 2, "p50": 200.0, "p95": 1000.0, "p99": 1000.0}
    assert [each.begun for each in samples.answered(Phase.HOLD, since=10)] == [13]


def test_answers_are_counted_but_for_those_that_ask_again_or_met_a_gap() -> None:
    samples = Samples(gaps=[Gap(killed=10, ready=12)])
    samples.taken = [sample(1, 1), sample(2, 1, 503), sample(11, 0.1, 503), sample(3, 1, NO_ANSWER)]
    samples.taken += [sample(4, 1, 409, "POST connection, asked again"), Sample("GET x", 404, 20, 21, Phase.AFTER)]
    assert samples.statuses() == {"200": 1, "503": 1}


def test_an_answer_that_never_came_is_found_in_every_phase() -> None:
    samples = Samples(gaps=[Gap(killed=10, ready=12)])
    samples.taken = [
        Sample("PATCH connection", NO_ANSWER, begun, begun + 0.5, phase)
        for begun, phase in ((5, Phase.SEARCH), (9, Phase.HOLD), (11, Phase.HOLD), (13, Phase.HOLD), (14, Phase.AFTER))
    ]
    samples.taken.append(sample(9.8, 0.5, NO_ANSWER))  # met the gap
    assert samples.cut() == {"PATCH connection": 4}


def answer(status: int, error: str, message: str) -> Any:
    return {"reqId": "1", "statusCode": status, "error": error, "message": message}


UNAVAILABLE = "Key Vault is unavailable; try again later"


@pytest.mark.parametrize(
    ("route", "status", "body", "wish"),
    [
        ("GET connection", 200, {"appConnection": {"status": {"state": "active"}}}, None),
        ("GET connection", 503, answer(503, "ServiceUnavailable", UNAVAILABLE), None),
        ("GET connection", 404, answer(404, "NotFound", "gone"), Wish("a", "oauth", deletions=1)),
        ("PATCH connection", 409, answer(409, "Conflict", "somebody else"), Wish("a", "oauth")),
        ("POST connection, asked again", 409, answer(409, "Conflict", "still at it"), Wish("a", "oauth")),
        ("POST connection, asked again", 400, answer(400, "BadRequest", "code"), Wish("a", "oauth")),
    ],
)
def test_what_faults_and_the_traffic_itself_explain_is_expected(
    route: str, status: int, body: Any, wish: Wish | None
) -> None:
    assert unexpected(route, status, body, wish) is None


@pytest.mark.parametrize(
    ("route", "status", "body", "wish"),
    [
        ("GET connection", 500, answer(500, "InternalServerError", "Something went wrong"), None),
        ("GET connection", 503, answer(503, "ServiceUnavailable", "Event Grid is unavailable"), None),
        ("GET connection", 503, {"message": UNAVAILABLE}, None),
        ("GET connection", 503, None, None),
        ("GET connection", 404, answer(404, "NotFound", "gone"), Wish("a", "oauth")),
        ("DELETE connection", 404, answer(404, "NotFound", "gone"), Wish("a", "oauth", deletions=1)),
        ("POST connection", 409, answer(409, "Conflict", "name"), Wish("a", "oauth")),
        ("POST connection", 400, answer(400, "BadRequest", "code"), Wish("a", "oauth")),
        ("POST connection, asked again", 400, answer(400, "BadRequest", "secret"), Wish("a", "client-secret")),
        ("POST access-token", 424, answer(424, "FailedDependency", "reconnect"), Wish("a", "oauth")),
        ("POST check", 200, {"status": "needs-reconnect"}, None),
        ("GET connection", 200, {"appConnection": {"status": {"state": "needs-reconnect"}}}, None),
    ],
)
def test_what_nothing_explains_is_unexpected(route: str, status: int, body: Any, wish: Wish | None) -> None:
    assert unexpected(route, status, body, wish)


def test_a_secret_is_found_wherever_it_stands_in_a_text() -> None:
    ledger = Ledger()
    ledger.keep_secret("a token", "header.payload.0123456789abcdef")
    places = {"log": ["nothing", "x=header.payload.0123456789abcdef;"], "table": ["0123456789abcde"], "queue": []}
    assert leaks(ledger.secrets, places) == ["a token in log"]
    with pytest.raises(ValueError, match="too short"):
        ledger.keep_secret("a word", "x" * (TAIL - 1))


def test_a_rotation_that_is_told_of_twice_is_counted_once() -> None:
    told = [
        {"id": event_id, "type": kind, "data": {"trigger": trigger}}
        for event_id, kind, trigger in (
            ("1", "rotation.succeeded", "manual"),
            ("1", "rotation.succeeded", "manual"),
            ("2", "rotation.succeeded", "scheduled"),
            ("3", "rotation.failed", "scheduled"),
            ("4", "connection.created", None),
        )
    ]
    assert report.rotations(Evidence(events=told)) == {
        "manual succeeded": 1,
        "scheduled failed": 1,
        "scheduled succeeded": 1,
    }


def test_what_is_owed_within_half_an_hour_is_waited_for() -> None:
    at_rest, *_ = untouched()[1].rows
    deleting = at_rest.having(lifecycle=Lifecycle.DELETING, deadline=NOW + timedelta(minutes=6))
    remembered = deleting.having(deadline=NOW + timedelta(hours=24))
    assert owed_soon([at_rest, deleting, remembered], NOW) == {"purge": 1}
