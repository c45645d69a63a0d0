"""What the tests of rotation share."""

from __future__ import annotations

from shared.domain.connection import Connection, Rotation, RotationStatus
from tests.fakes.application import FakeApplication
from tests.unit.services.world import DAY, MINUTE, MONTHLY, ORG, created, rotate, row_of, wish

SETTLED = 10 * MINUTE
"""Long enough for an app's rotation: issued, proven, promoted, and the former password removed."""


async def requested(world: FakeApplication) -> Connection:
    """A connection with a rotation that was just asked for by hand."""
    connection = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(DAY)
    return await rotate(world, connection.id)


def rotation_of(world: FakeApplication, connection_id: str) -> Rotation:
    """How the newest run went."""
    rotation = row_of(world, connection_id).connection.rotation
    assert rotation is not None
    return rotation


async def rotated(world: FakeApplication, connection_id: str) -> None:
    """A rotation by hand that succeeds, and time for all of it."""
    await rotate(world, connection_id)
    await world.run(SETTLED)
    assert rotation_of(world, connection_id).rotation_status is RotationStatus.SUCCESS


def outcomes(world: FakeApplication, connection_id: str) -> list[object]:
    """The outcomes in the history, newest first."""
    return [entry["outcome"] for entry in world.history.history(ORG, connection_id)]
