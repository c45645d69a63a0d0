"""What every `Records` promises."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.connection import OutboxEntry
from tests.contract.tables import Tables, row
from tests.fakes.clock import START


def entry(number: int) -> OutboxEntry:
    """The entry of one rotation; a higher number is a later one."""
    return OutboxEntry(
        id=f"rotation-{number}", kind="rotation", at=START + timedelta(days=number), body={"number": number}
    )


async def test_records_are_kept_newest_first(tables: Tables) -> None:
    owner = row()
    await tables.records.deliver(owner, [entry(1), entry(3)])
    await tables.records.deliver(owner, [entry(2)])
    assert await tables.history("org-1", owner.id) == [{"number": 3}, {"number": 2}, {"number": 1}]


async def test_delivering_twice_leaves_one(tables: Tables) -> None:
    owner = row()
    for _ in range(2):
        await tables.records.deliver(owner, [entry(1)])
    assert await tables.history("org-1", owner.id) == [{"number": 1}]


async def test_records_belong_to_their_connection(tables: Tables) -> None:
    owner, other = row(), row()
    await tables.records.deliver(owner, [entry(1)])
    assert await tables.history("org-1", other.id) == []
    assert await tables.history("org-2", owner.id) == []
