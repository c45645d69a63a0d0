"""What a query string may ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.fields import Body
from shared.web.queries import AuditQuery, ListQuery, PageQuery, ScopeQuery
from tests.unit.web.sent import TENANT, problems

PROJECT = "0f1e2d3c-0000-4000-8000-00000000000a"
TEN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(("sent", "limit"), [({}, 1000), ({"limit": "1"}, 1), ({"limit": "1000"}, 1000)])
def test_a_list_is_limited_to_1000(sent: dict[str, str], limit: int) -> None:
    assert ListQuery.read(sent, {}).limit == limit


@pytest.mark.parametrize(("sent", "limit"), [({}, 100), ({"limit": "1"}, 1), ({"limit": "1000"}, 1000)])
@pytest.mark.parametrize("model", [PageQuery, AuditQuery])
def test_a_page_of_records_has_100_unless_told(model: type[PageQuery], sent: dict[str, str], limit: int) -> None:
    assert model.read(sent, {}).limit == limit


@pytest.mark.parametrize(
    "sent", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"limit": ""}, {"limit": "9" * 5000},
             {"limit": "1.5"}, {"limit": "-1"}, {"cursor": "x" * 513}],
)  # fmt: skip
@pytest.mark.parametrize("model", [ListQuery, PageQuery, AuditQuery])
def test_a_page_out_of_bounds_is_refused(model: type[Body], sent: dict[str, str]) -> None:
    assert set(problems(sent, model)) == {tuple(sent)}


@pytest.mark.parametrize("project", ["", "xyz", "a b", "x" * 65, TENANT[:-1], f"{TENANT}'"])
@pytest.mark.parametrize("model", [ListQuery, ScopeQuery])
def test_a_project_that_cannot_be_one_is_refused(model: type[Body], project: str) -> None:
    assert set(problems({"projectId": project}, model)) == {("projectId",)}


@pytest.mark.parametrize("model", [ListQuery, ScopeQuery])
def test_a_project_is_looked_for_in_lower_case(model: type[ListQuery] | type[ScopeQuery]) -> None:
    assert model.read({"projectId": PROJECT.upper()}, {}).project_id == PROJECT


@pytest.mark.parametrize("sent", [{}, {"unknown": "x", "snake_case": "x"}])
def test_unknown_parameters_are_ignored(sent: dict[str, str]) -> None:
    assert AuditQuery.read(sent, {}) == AuditQuery.read({}, {})


def test_all_parameters_of_the_audit_log_are_read() -> None:
    sent = {"connectionId": TENANT.upper(), "limit": "5", "cursor": "x", "from": "2026-03-01T10:00:00Z"}
    query = AuditQuery.read(sent | {"to": "2026-03-01T11:00:00Z"}, {})
    assert (query.connection_id, query.limit, query.cursor) == (TENANT, 5, "x")
    assert (query.from_, query.to) == (TEN, TEN.replace(hour=11))


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.000Z",
        "2026-03-01T10:00:00+00:00",
        "2026-03-01T12:00:00+02:00",
        "2026-03-01T00:30:00-09:30",
        "2026-03-01T10:00:00",
        "2026-03-01 10:00:00",
    ],
)
def test_a_moment_is_utc_unless_it_names_its_zone(field: str, text: str) -> None:
    query = AuditQuery.read({field: text}, {})
    moment = query.from_ if field == "from" else query.to
    assert moment == TEN
    assert moment is not None
    assert moment.tzinfo is UTC


def test_a_day_begins_at_midnight_utc() -> None:
    assert AuditQuery.read({"from": "2026-03-01"}, {}).from_ == TEN.replace(hour=0)


@pytest.mark.parametrize(
    "text",
    ["", "now", "yesterday", "2026-13-01T10:00:00Z", "2026-03-01T25:00:00Z", "5", "1772359200", "-1", "1e400", "nan",
     "2026-03-01T10:00:00 02:00", "2026-03-01\n", "٢٠٢٦-03-01", "x" * 5000],
)  # fmt: skip
@pytest.mark.parametrize("field", ["from", "to"])
def test_what_is_no_moment_is_refused_under_its_own_name(field: str, text: str) -> None:
    assert set(problems({field: text}, AuditQuery)) == {(field,)}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("field", ["from", "to"])
def test_a_moment_outside_of_what_a_calendar_can_hold_in_utc_is_refused(field: str, text: str) -> None:
    assert set(problems({field: text}, AuditQuery)) == {(field,)}


def test_a_moment_under_the_models_own_name_is_none() -> None:
    assert AuditQuery.read({"from_": "now", "From": "now"}, {}).from_ is None


def test_every_problem_is_told_at_once() -> None:
    sent = {"limit": "0", "cursor": "x" * 513, "connectionId": "x", "from": "x", "to": "x"}
    assert set(problems(sent, AuditQuery)) == {("limit",), ("cursor",), ("connectionId",), ("from",), ("to",)}


keys = st.sampled_from(["limit", "cursor", "connectionId", "projectId", "from", "to"])
moments = st.datetimes(timezones=st.none() | st.timezones()).map(lambda moment: moment.isoformat())


@given(sent=st.dictionaries(keys, st.text(max_size=40) | st.from_regex(r"\A-?[0-9.e+]{1,30}\Z") | moments))
@pytest.mark.parametrize("model", [ListQuery, ScopeQuery, PageQuery, AuditQuery])
def test_any_text_is_taken_or_refused_and_never_a_defect(model: type[Body], sent: dict[str, str]) -> None:
    assert {path[0] for path in problems(sent, model)} <= set(sent)
