"""What the network does to writes and lists of the real `ConnectionTable`."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from azure.data.tables import TableTransactionError

from shared.adapters.tables import client, connection_entities, keys, properties
from shared.adapters.tables.connections import AzureConnectionTable
from shared.adapters.tables.properties import MAX_TEXT, PART
from shared.domain.connection import Lifecycle, OutboxEntry
from shared.domain.errors import ConcurrentChange, NameTaken, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables, azure_tables, names, row, under_key, written
from tests.fakes.clock import START

NOBODY_LISTENS = 1
"""A port that needs rights which nobody has here."""

WRITE = r"^(POST .*/\$batch|PUT .*/connections)"
LOSSES = [
    pytest.param(Mishap(WRITE), id="the connection is cut"),
    pytest.param(Mishap(WRITE, delay=1.3), id="the answer comes too late"),
    pytest.param(Mishap(WRITE, status=503), id="the client sends it again and meets its own write"),
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


async def test_a_transaction_is_sent_again_when_its_connection_was_cut(relayed: Tables, relay: Relay) -> None:
    happens(relay, Mishap(WRITE))
    inserted = await relayed.connections.insert(row())
    happens(relay, Mishap(WRITE))
    await relayed.connections.remove(inserted)
    assert sum("$batch" in line for line in relay.requests) == 4, "each once, and once more"


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


@pytest.mark.parametrize("loss", LOSSES)
async def test_our_own_rename_is_no_taken_name_when_its_answer_is_lost(
    relayed: Tables, relay: Relay, loss: Mishap
) -> None:
    stored = await relayed.connections.insert(row("old"))
    happens(relay, loss)
    renamed = await relayed.connections.replace(stored, written(stored.row.showing(name="new")))
    assert await relayed.connections.get("org-1", stored.row.id) == renamed
    assert await names(relayed.connections) == await names(relayed.connections, available=True) == ["new"]
    assert relay.mishaps == []


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_taken_name_or_key_stays_taken_when_the_answer_is_lost(
    relayed: Tables, relay: Relay, loss: Mishap
) -> None:
    stored = await relayed.connections.insert(row("mine"))
    await relayed.connections.insert(under_key(row("taken")))
    for attempt, refused in (
        (relayed.connections.replace(stored, written(stored.row.showing(name="taken"))), (NameTaken, UpstreamError)),
        (relayed.connections.insert(under_key(row("taken"))), (ConcurrentChange, UpstreamError)),
    ):
        happens(relay, loss)
        with pytest.raises(refused):
            await attempt
    assert await names(relayed.connections) == ["mine", "taken"]


@pytest.mark.parametrize("renaming", [False, True])
async def test_a_name_that_was_in_use_is_told_even_if_it_is_free_by_now(
    relayed: Tables, relay: Relay, renaming: bool
) -> None:
    table = relayed.connections
    mine, holder = await table.insert(row("mine")), await table.insert(row("taken"))

    async def leave() -> None:
        await table.remove(holder)

    relay.mishaps.append(Mishap(WRITE, meanwhile=leave))
    attempt = table.replace(mine, written(mine.row.showing(name="taken"))) if renaming else table.insert(row("taken"))
    with pytest.raises(NameTaken):
        await attempt
    assert await names(table) == ["mine"]


async def test_a_refusal_that_does_not_say_of_what_is_settled_by_reading(
    tables_in_azure: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = tables_in_azure.connections
    mine = await connections.insert(row("mine"))
    await connections.insert(under_key(row("taken")))
    monkeypatch.setattr(TableTransactionError, "_extract_index", lambda _: 0)
    with pytest.raises(NameTaken):
        await connections.insert(row("taken"))
    with pytest.raises(NameTaken):
        await connections.replace(mine, written(mine.row.showing(name="taken")))
    with pytest.raises(ConcurrentChange):
        await connections.insert(under_key(row("other")))


async def test_a_table_that_is_missing_takes_no_name(azurite: str) -> None:
    service = client.from_connection_string(azurite)
    async with service:
        connections = AzureConnectionTable(service.get_table_client("nosuchtable"))
        with pytest.raises(UpstreamError):
            await connections.insert(row())


async def test_a_service_that_stays_down_is_unavailable(relayed: Tables, relay: Relay) -> None:
    stored = await relayed.connections.insert(row())
    relay.mishaps += [Mishap("", status=503) for _ in range(8)]
    with pytest.raises(UpstreamUnavailable):
        await relayed.connections.get("org-1", stored.row.id)


async def test_a_service_whose_connections_are_cut_timed_out_since_it_may_have_acted(
    relayed: Tables, relay: Relay
) -> None:
    stored = await relayed.connections.insert(row())
    relay.mishaps += [Mishap("") for _ in range(8)]
    with pytest.raises(UpstreamTimeout):
        await relayed.connections.get("org-1", stored.row.id)


async def test_a_service_that_cannot_be_reached_is_unavailable(azurite: str) -> None:
    nowhere = re.sub(
        r"TableEndpoint=http://127\.0\.0\.1:\d+", f"TableEndpoint=http://127.0.0.1:{NOBODY_LISTENS}", azurite
    )
    async with client.from_connection_string(nowhere) as service:
        with pytest.raises(UpstreamUnavailable):
            await AzureConnectionTable(service.get_table_client(keys.CONNECTIONS)).get("org-1", "an-id")


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
    await relayed.connections.available("org-1", "a-project", after=None, limit=3)
    assert len(relay.requests) == 3
    assert all("$top=4" in request.replace("%24", "$") for request in relay.requests)


async def test_a_row_that_outgrows_a_property_lies_in_several_and_shrinks_again(tables_in_azure: Tables) -> None:
    table = tables_in_azure.connections
    small = await table.insert(row())
    waiting = OutboxEntry(id="e", kind="event", at=START, body={"message": "\N{KEY}" * 3 * PART})
    large = await table.replace(small, small.row.recording(waiting))
    assert await table.get(small.row.org_id, small.row.id) == large
    scanned, _ = await table.scan(after=None, limit=1000)
    assert large in scanned
    assert len(large.row.outbox[0].model_dump_json().encode("utf-16-le")) > 64 * 1024, "one property could not hold it"
    shrunk = await table.replace(large, small.row)
    assert await table.get(small.row.org_id, small.row.id) == shrunk


async def test_a_row_that_outgrows_an_entity_is_refused_before_it_is_sent(relayed: Tables, relay: Relay) -> None:
    relay.requests.clear()
    with pytest.raises(RuntimeError, match="outgrown"):
        await relayed.connections.insert(row().showing(description="x" * MAX_TEXT))
    assert relay.requests == []


def test_a_record_that_outgrows_its_property_is_refused() -> None:
    assert properties.text("x" * PART, "it") == "x" * PART
    with pytest.raises(RuntimeError, match="outgrown"):
        properties.text("x" * (PART + 1), "it")


@pytest.mark.parametrize("length", [0, 1, PART - 1, PART, PART + 1, MAX_TEXT])
def test_what_was_split_is_joined_and_no_property_holds_more_than_it_may(length: int) -> None:
    document = "\N{KEY}" * length
    parts = properties.split("row", document, "it")
    assert properties.joined("row", parts) == document
    assert all(len(part.encode("utf-16-le")) <= 64 * 1024 for part in parts.values())


def test_a_transaction_that_the_service_would_refuse_is_not_sent() -> None:
    operations = [("create", {"RowKey": str(number)}) for number in range(101)]
    for refused in (operations, operations[:1] * 2):
        with pytest.raises(RuntimeError, match="each entity once"):
            connection_entities.transaction(refused)
    assert list(connection_entities.transaction(operations[:100])) == operations[:100]


async def test_a_row_that_cannot_be_read_does_not_hide_its_neighbours(
    azurite: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with azure_tables(azurite) as made:
        assert isinstance(made.connections, AzureConnectionTable)
        org_id = f"org-{uuid4()}"
        await made.connections.insert(row(org=org_id))
        key = keys.connection("00000000-0000-4000-8000-00000000dead")
        await made.connections._client.upsert_entity({"PartitionKey": org_id, "RowKey": key, "row": "{}"})
        rows, _ = await made.connections.scan(after=None, limit=1000)
        assert [stored.row.connection.name for stored in rows if stored.row.org_id == org_id] == ["prod-vault"]
    assert "upkeep.row-unreadable" in caplog.text
