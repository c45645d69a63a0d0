"""Moments on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.model import Instant, Record, format_instant


class Holder(Record):
    some_moment: Instant


def test_a_moment_is_written_in_utc_with_milliseconds_and_z() -> None:
    moment = datetime(2026, 1, 10, 12, 0, 0, 7999, tzinfo=timezone(timedelta(hours=2)))
    assert format_instant(moment) == "2026-01-10T10:00:00.007Z"
    assert Holder(some_moment=moment).model_dump_json() == '{"someMoment":"2026-01-10T10:00:00.007Z"}'


@given(moment=st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001 -- hypothesis wants bounds without zone
def test_a_moment_does_not_drift_on_a_round_trip(moment: datetime) -> None:
    holder = Holder(some_moment=moment)
    assert Holder.model_validate_json(holder.model_dump_json()) == holder
    assert timedelta(0) <= moment - holder.some_moment < timedelta(milliseconds=1)
