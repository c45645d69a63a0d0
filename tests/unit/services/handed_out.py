"""What the tests of handed-out tokens share."""

from __future__ import annotations

from shared.services.ports import AppToken
from tests.fakes.application import FakeApplication
from tests.unit.services.world import CALLER


async def token(world: FakeApplication, connection_id: str) -> AppToken:
    """A token for the usual caller."""
    return await world.app.tokens.token(CALLER, connection_id)


def calls(world: FakeApplication, name: str) -> int:
    """How often the outside world was asked for that."""
    return world.faults.calls.count(name)
