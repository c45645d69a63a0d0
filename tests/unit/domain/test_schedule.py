"""When is the next rotation?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.schedule import IntervalUnit, RotateAt, Trigger, after_failure, after_success

THREE = RotateAt(hours=3, minutes=0)

moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis wants bounds without zone
times_of_day = st.builds(RotateAt, hours=st.integers(0, 23), minutes=st.integers(0, 59))
intervals = st.integers(1, 365)
delays = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=800))
by_hand = st.sampled_from([Trigger.MANUAL, Trigger.ENABLE])
triggers = st.sampled_from(list(Trigger))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day_of(moment: datetime, at: RotateAt) -> datetime:
    return moment.replace(hour=at.hours, minute=at.minutes, second=0, microsecond=0)


@pytest.mark.parametrize(
    ("trigger", "started", "expected"),
    [
        (Trigger.ENABLE, "2026-01-10T10:00:00Z", "2026-02-10T03:00:00Z"),
        (Trigger.ENABLE, "2026-01-10T02:00:00Z", "2026-02-09T03:00:00Z"),
        (Trigger.SCHEDULED, "2026-02-10T03:00:05Z", "2026-03-12T03:00:00Z"),
        (Trigger.MANUAL, "2026-02-15T03:00:00Z", "2026-03-18T03:00:00Z"),
    ],
)
def test_success_follows_the_table_of_the_api_documentation(trigger: Trigger, started: str, expected: str) -> None:
    assert after_success(utc(started), utc(started), interval=30, at=THREE, trigger=trigger) == utc(expected)


def test_failure_is_tried_again_on_the_calendar_day_after_the_run_started() -> None:
    started = utc("2026-02-10T03:00:00Z")
    assert after_failure(started, started, at=THREE) == utc("2026-02-11T03:00:00Z")


@pytest.mark.parametrize(
    ("started", "interval", "expected"),
    [
        ("2028-02-28T03:00:05Z", 1, "2028-02-29T03:00:00Z"),  # a leap year
        ("2028-02-29T03:00:05Z", 365, "2029-02-28T03:00:00Z"),
        ("2027-02-28T03:00:05Z", 1, "2027-03-01T03:00:00Z"),
        ("2026-12-31T03:00:05Z", 1, "2027-01-01T03:00:00Z"),
        ("2026-03-28T03:00:05Z", 1, "2026-03-29T03:00:00Z"),  # Europe changes its clocks on that night
    ],
)
def test_months_leap_years_and_summer_time_do_not_matter(started: str, interval: int, expected: str) -> None:
    at = after_success(utc(started), utc(started), interval=interval, at=THREE, trigger=Trigger.SCHEDULED)
    assert at == utc(expected)


def test_a_start_in_another_zone_counts_as_its_moment_in_utc() -> None:
    started = datetime(2026, 1, 11, 1, 0, tzinfo=timezone(timedelta(hours=5)))  # 20:00 UTC on the 10th
    expected = after_success(started.astimezone(UTC), started, interval=30, at=THREE, trigger=Trigger.ENABLE)
    assert after_success(started, started, interval=30, at=THREE, trigger=Trigger.ENABLE) == expected


def test_a_run_that_ended_long_after_its_next_date_is_followed_at_the_next_free_day() -> None:
    started, ended = utc("2026-02-10T03:00:05Z"), utc("2026-02-20T12:00:00Z")
    next_one = after_success(started, ended, interval=1, at=THREE, trigger=Trigger.SCHEDULED)
    assert next_one == utc("2026-02-21T03:00:00Z")


def test_a_run_that_ends_on_the_very_second_of_its_next_date_is_followed_a_day_later() -> None:
    started, ended = utc("2026-02-10T03:00:05Z"), utc("2026-02-11T03:00:00Z")
    expected = utc("2026-02-12T03:00:00Z")
    assert after_success(started, ended, interval=1, at=THREE, trigger=Trigger.SCHEDULED) == expected
    assert after_failure(started, ended, at=THREE) == expected


@given(started=moments, delay=delays, interval=intervals, at=times_of_day, trigger=triggers)
def test_after_success_it_lies_in_the_future_at_the_time_of_day(
    started: datetime, delay: timedelta, interval: int, at: RotateAt, trigger: Trigger
) -> None:
    now = started + delay
    following = after_success(started, now, interval=interval, at=at, trigger=trigger)
    assert following > now
    assert following == day_of(following, at)
    assert following.utcoffset() == timedelta(0)


@given(started=moments, delay=delays, at=times_of_day)
def test_after_failure_it_lies_in_the_future_at_the_time_of_day(
    started: datetime, delay: timedelta, at: RotateAt
) -> None:
    now = started + delay
    following = after_failure(started, now, at=at)
    assert following > now
    assert following == day_of(following, at)
    assert following.date() > started.date()


@given(started=moments, interval=intervals, at=times_of_day, trigger=by_hand)
def test_a_credential_made_by_hand_lives_a_whole_interval_and_less_than_a_day_more(
    started: datetime, interval: int, at: RotateAt, trigger: Trigger
) -> None:
    following = after_success(started, started, interval=interval, at=at, trigger=trigger)
    assert timedelta(days=interval) <= following - started <= timedelta(days=interval + 1)


@given(
    first=moments, later=st.timedeltas(timedelta(0), timedelta(days=3)), interval=intervals, at=times_of_day,
    trigger=triggers,
)  # fmt: skip
def test_who_starts_later_is_not_rotated_earlier(
    first: datetime, later: timedelta, interval: int, at: RotateAt, trigger: Trigger
) -> None:
    second = first + later
    after_first = after_success(first, second, interval=interval, at=at, trigger=trigger)
    assert after_first <= after_success(second, second, interval=interval, at=at, trigger=trigger)


@given(started=moments, interval=st.integers(1, 364), at=times_of_day, trigger=triggers)
def test_a_longer_interval_is_not_rotated_earlier(
    started: datetime, interval: int, at: RotateAt, trigger: Trigger
) -> None:
    shorter = after_success(started, started, interval=interval, at=at, trigger=trigger)
    longer = after_success(started, started, interval=interval + 1, at=at, trigger=trigger)
    assert shorter <= longer


@pytest.mark.parametrize("unit", [IntervalUnit.MINUTES, IntervalUnit.SECONDS])
def test_a_short_unit_counts_from_the_start_and_ignores_the_time_of_day(unit: IntervalUnit) -> None:
    started = utc("2026-01-10T10:00:07Z")
    step = timedelta(**{unit.value: 2})
    following = after_success(started, started, interval=2, at=THREE, trigger=Trigger.ENABLE, unit=unit)
    assert following == started + step
    late = after_success(started, started + step * 2, interval=2, at=THREE, trigger=Trigger.ENABLE, unit=unit)
    assert late == started + step * 3
    assert after_failure(started, started, at=THREE, unit=unit) == started + timedelta(minutes=1)


@pytest.mark.parametrize(
    "wrong", [{"hours": 24, "minutes": 0}, {"hours": 0, "minutes": 60}, {"hours": -1, "minutes": 0},
              {"hours": "3", "minutes": 0}, {"hours": 3.0, "minutes": 0}, {"hours": 3}],
)  # fmt: skip
def test_a_time_of_day_is_two_whole_numbers_in_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RotateAt.model_validate(wrong)
