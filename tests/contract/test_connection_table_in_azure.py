"""What the network does to writes and lists of the real `ConnectionTable`."""

from __future__ import annotations

import pytest

from shared.adapters.tables.connections import MAX_ROW_CHARS
from shared.domain.connection import Lifecycle
from shared.domain.errors import ConcurrentChange, NameTaken, UpstreamError, UpstreamUnavailable
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables, names, row, written

BATCH = r"^POST .*/\$batch"
LOSSES = [
    pytest.param(Mishap(BATCH), id="the connection is cut"),
    pytest.param(Mishap(BATCH, delay=1.3), id="the answer comes too late"),
    pytest.param(Mishap(BATCH, status=503), id="the client sends it again and meets its own write"),
]


def happens(relay: Relay, mishap: Mishap) -> None:
    """Let a copy of the mishap happen next."""
    relay.mishaps.append(Mishap(mishap.match, mishap.status, mishap.delay))


@pytest.mark.parametrize("loss", LOSSES)
async def test_our_own_writes_are_recognised_when_their_answers_are_lost(
    relayed: Tables, relay: Relay, loss: Mishap
) -> None:
    happens(relay, loss)
    inserted = await relayed.connections.insert(row())
    assert await relayed.connections.get("org-1", inserted.row.id) == inserted
    happens(relay, loss)
    replaced = await relayed.connections.replace(inserted, written(inserted.row, secret_name="replaced"))
    assert await relayed.connections.get("org-1", inserted.row.id) == replaced
    happens(relay, loss)
    await relayed.connections.remove(replaced)
    assert await relayed.connections.get("org-1", inserted.row.id) is None
    assert relay.mishaps == []


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_refusal_stays_one_when_its_answer_is_lost(relayed: Tables, relay: Relay, loss: Mishap) -> None:
    stored = await relayed.connections.insert(row())
    await relayed.connections.replace(stored, written(stored.row))
    for attempt, refused in (
        (relayed.connections.insert(row()), (NameTaken, UpstreamError)),
        (relayed.connections.replace(stored, written(stored.row)), (ConcurrentChange, UpstreamError)),
        (relayed.connections.remove(stored), (ConcurrentChange, UpstreamError)),
    ):
        happens(relay, loss)
        with pytest.raises(refused):
            await attempt
    assert await names(relayed.connections) == ["prod-vault"]


async def test_a_service_that_stays_down_is_unavailable(relayed: Tables, relay: Relay) -> None:
    stored = await relayed.connections.insert(row())
    relay.mishaps += [Mishap("", status=503) for _ in range(8)]
    with pytest.raises(UpstreamUnavailable):
        await relayed.connections.get("org-1", stored.row.id)


async def test_short_and_empty_pages_end_no_list(relayed: Tables, relay: Relay) -> None:
    for name in ("a", "c", "e"):
        await relayed.connections.insert(row(name))
    for name in ("b-1", "b-2", "d-1", "d-2"):
        await relayed.connections.insert(row(name, lifecycle=Lifecycle.CREATING))
    relay.page_size = 1
    relay.empty_pages = 2
    page = await relayed.connections.page("org-1", None, after=None, limit=2)
    assert [item.connection.name for item in page.items] == ["a", "c"]
    rest = await relayed.connections.page("org-1", None, after=page.next_key, limit=2)
    assert [item.connection.name for item in rest.items] == ["e"]
    assert rest.next_key is None
    assert relay.empty_pages == 0


async def test_a_list_reads_no_more_than_it_shows_and_one(relayed: Tables, relay: Relay) -> None:
    for number in range(10):
        await relayed.connections.insert(row(f"n-{number}"))
    relay.requests.clear()
    await relayed.connections.page("org-1", None, after=None, limit=3)
    (request,) = relay.requests
    assert "$top=4" in request.replace("%24", "$")


async def test_a_row_that_outgrows_a_property_is_refused_before_it_is_sent(relayed: Tables, relay: Relay) -> None:
    relay.requests.clear()
    with pytest.raises(RuntimeError, match="outgrown"):
        await relayed.connections.insert(row().showing(description="x" * MAX_ROW_CHARS))
    assert relay.requests == []
