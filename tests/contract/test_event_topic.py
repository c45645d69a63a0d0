"""What every `EventTopic` promises, and how the real one behaves while the topic is in trouble."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken

from local.faults import Fault
from local.topic import PATH, Topic, create_app
from shared.adapters import event_grid
from shared.domain.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from shared.domain.events import SOURCE, Event, EventType
from shared.domain.measures import Metric
from shared.services.ports import EventTopic
from tests.fakes.clock import START
from tests.fakes.events import FakeEventTopic
from tests.fakes.faults import Faults
from tests.fakes.telemetry import FakeTelemetry, key

DATA: dict[str, Any] = {"orgId": "an-org", "attempts": 1, "message": None, "name": "größe"}
FIRST = Event("first", EventType.CREATED, "organizations/an-org/connections/one", START, DATA, "0000000001")
SECOND = replace(FIRST, id="second", type=EventType.ROTATION_SUCCEEDED, sequence="0000000002")


@dataclass(frozen=True, slots=True)
class TopicUnderTest:
    """One implementation, and what it was sent: id, type, subject, data and sequence of each event."""

    topic: EventTopic
    sent: Callable[[], list[tuple[object, ...]]]


class Identity:
    """A managed identity that may send events."""

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        assert scopes == ("https://eventgrid.azure.net/.default",)
        return AccessToken("a-token", int(time.time()) + 600)

    async def close(self) -> None:
        return None


@dataclass(slots=True)
class RealTopic:
    """The stand-in behind the official client."""

    adapter: event_grid.AzureEventTopic
    telemetry: FakeTelemetry
    events: list[dict[str, Any]]
    app: web.Application
    faults: Callable[[Fault], None]
    seconds: list[float]


@asynccontextmanager
async def serving() -> AsyncIterator[RealTopic]:
    topic, seconds = Topic(), [0.0]
    app = create_app(topic)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    telemetry = FakeTelemetry()
    adapter = event_grid.AzureEventTopic(endpoint, Identity(), telemetry=telemetry, now=lambda: seconds[0])
    try:
        yield RealTopic(adapter, telemetry, topic.events, app, topic.faults.add, seconds)
    finally:
        await adapter.close()
        await runner.cleanup()


@pytest.fixture
async def real() -> AsyncIterator[RealTopic]:
    async with serving() as made:
        yield made


@pytest.fixture(params=["fake", "azure"])
async def each(request: pytest.FixtureRequest) -> AsyncIterator[TopicUnderTest]:
    if request.param == "fake":
        fake = FakeEventTopic(Faults())
        yield TopicUnderTest(
            fake, lambda: [(one.id, one.type, one.subject, one.data, one.sequence) for one in fake.sent]
        )
        return
    async with serving() as made:
        events = made.events
        yield TopicUnderTest(
            made.adapter,
            lambda: [(one["id"], one["type"], one["subject"], one["data"], one["sequence"]) for one in events],
        )


async def test_events_arrive_as_they_are_and_in_order(each: TopicUnderTest) -> None:
    await each.topic.publish([FIRST, SECOND])
    assert each.sent() == [(one.id, one.type.value, one.subject, one.data, one.sequence) for one in (FIRST, SECOND)]


async def test_an_event_that_is_sent_again_keeps_its_id(each: TopicUnderTest) -> None:
    await each.topic.publish([FIRST])
    await each.topic.publish([FIRST, SECOND])
    assert [one[0] for one in each.sent()] == ["first", "first", "second"]


async def test_what_is_sent_is_a_cloud_event(real: RealTopic) -> None:
    await real.adapter.publish([FIRST])
    (event,) = real.events
    assert (event["specversion"], event["source"]) == ("1.0", SOURCE)
    assert event["time"].startswith(START.isoformat()[:19])


async def test_an_event_without_a_number_is_sent_without(real: RealTopic) -> None:
    await real.adapter.publish([replace(FIRST, sequence=None)])
    (event,) = real.events
    assert "sequence" not in event


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_topic_that_is_down_is_asked_once_and_then_left_alone_for_a_while(real: RealTopic, status: int) -> None:
    real.faults(Fault(match="POST /api/events", status=status, headers={"Retry-After": "7"}))
    with pytest.raises(UpstreamUnavailable) as down:
        await real.adapter.publish([FIRST])
    assert down.value.retry_after == 7
    with pytest.raises(UpstreamUnavailable) as waiting:
        await real.adapter.publish([FIRST])
    assert waiting.value.retry_after == event_grid.PAUSE_SECONDS
    assert real.events == []
    real.seconds[0] += event_grid.PAUSE_SECONDS
    await real.adapter.publish([FIRST])
    assert [event["id"] for event in real.events] == ["first"]


async def test_a_topic_that_says_slow_down_is_counted_as_every_other_service_is(real: RealTopic) -> None:
    real.faults(Fault(match="POST /api/events", status=429))
    with pytest.raises(UpstreamUnavailable):
        await real.adapter.publish([FIRST])
    real.seconds[0] += event_grid.PAUSE_SECONDS
    await real.adapter.publish([FIRST])
    assert real.telemetry.counts == {key(Metric.THROTTLED, {"service": "event-grid"}): 1}


async def test_an_answer_that_is_lost_may_belong_to_events_that_arrived(real: RealTopic) -> None:
    real.faults(Fault(match="POST /api/events", lose_answer=True))
    with pytest.raises(UpstreamError):
        await real.adapter.publish([FIRST])
    assert [event["id"] for event in real.events] == ["first"]


async def test_a_slow_topic_is_given_up_within_seconds(real: RealTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert event_grid.OPTIONS["read_timeout"] <= 5
    monkeypatch.setitem(event_grid.OPTIONS, "read_timeout", 0.2)
    slow = event_grid.AzureEventTopic(real.adapter.endpoint, Identity())
    real.faults(Fault(match="POST /api/events", delay=2))
    try:
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await slow.publish([FIRST])
        assert time.monotonic() - began < 1
    finally:
        await slow.close()
