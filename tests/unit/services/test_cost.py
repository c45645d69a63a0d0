"""What each operation costs in calls to the outside world. Times are the benchmark's business; these are promises."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from shared.domain.connection import Connection
from shared.domain.creation import RotationPlan
from shared.domain.keep_alive import KEEPALIVE_AFTER
from shared.domain.password_rotation import PROVE_APART
from shared.domain.schedule import RotateAt
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.apps import register, rotating
from tests.unit.services.links import linked
from tests.unit.services.world import ORG, create, created, wish

DAILY = RotationPlan(rotation_interval=1, rotate_at_utc=RotateAt(hours=3, minutes=30))
"""More often than a stored token is renewed for its age."""


def spent(world: FakeApplication) -> Counter[str]:
    """The calls since the last question, by name."""
    calls = Counter(world.faults.calls)
    world.faults.calls.clear()
    return calls


def come_due(world: FakeApplication, connection: Connection) -> None:
    """Let it be the time of the connection's next rotation."""
    assert connection.rotation is not None
    assert connection.rotation.next_rotation_at is not None
    world.clock.now = connection.rotation.next_rotation_at


async def test_a_creation_asks_entra_and_the_vault_once_and_writes_its_row_twice(world: FakeApplication) -> None:
    code = world.entra.code_for(ADA, world.settings.redirect_uri)
    spent(world)
    await create(world, wish(), code)
    assert spent(world) == {
        "due.put": 1, "connections.insert": 1, "entra.redeem": 1, "vault.put": 1, "connections.replace": 1,
    }  # fmt: skip


async def test_what_follows_a_creation_is_two_lines_of_records_and_the_next_date(world: FakeApplication) -> None:
    code = world.entra.code_for(ADA, world.settings.redirect_uri)
    await create(world, wish(), code)
    spent(world)
    await world.app.background.idle()
    assert spent(world) == {
        "connections.get": 1, "audit.add": 1, "connections.replace": 1, "due.put": 1, "due.remove": 1,
    }  # fmt: skip


async def test_a_rotation_of_a_password_writes_one_version_and_asks_graph_for_what_it_changes(
    world: FakeApplication,
) -> None:
    register(world, "first")
    connection = await rotating(world)
    come_due(world, connection)
    spent(world)
    await world.app.advance(ORG, connection.id)
    assert spent(world) == {
        "claims.take": 1, "claims.take_over": 1,
        "graph.sign_in": 1, "graph.registration": 1, "graph.add_password": 1, "vault.put": 1,
        "apps.app_token": 1,  # the first proof
        "vault.get": 2,  # the present credential, and the new one
        "connections.get": 5, "connections.replace": 3, "due.put": 2, "due.remove": 2,
    }  # fmt: skip
    world.clock.advance(PROVE_APART)
    await world.app.advance(ORG, connection.id)
    assert spent(world) == {
        "apps.app_token": 1, "vault.get": 2,  # the second proof; the credential that removes the former password
        "graph.sign_in": 1, "graph.remove_password": 1, "vault.disable": 1,
        "history.add": 1, "audit.add": 1,
        "connections.get": 5, "connections.replace": 3, "due.put": 2, "due.remove": 2,
    }  # fmt: skip


async def test_a_link_costs_a_look_for_the_name_and_a_write(world: FakeApplication) -> None:
    spent(world)
    await linked(world)
    assert spent(world) == {"connections.find": 1, "flows.put_link": 1}


async def test_a_renewal_costs_what_a_rotation_does_but_for_its_records(world: FakeApplication) -> None:
    connection = await created(world)
    world.clock.advance(KEEPALIVE_AFTER + timedelta(days=1))  # they are spread over a day
    spent(world)
    await world.app.advance(ORG, connection.id)
    assert spent(world) == {
        "connections.get": 1, "vault.get": 1, "entra.refresh": 1, "vault.put": 1, "vault.disable": 1,
        "connections.replace": 3,  # begun, promoted, settled
        "due.put": 2, "due.remove": 2,
    }  # fmt: skip


async def test_a_rotation_reads_its_row_once_and_writes_one_version(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=DAILY))
    come_due(world, connection)
    spent(world)
    await world.app.advance(ORG, connection.id)
    assert spent(world) == {
        "connections.get": 1, "vault.get": 1, "entra.refresh": 1, "vault.put": 1, "vault.disable": 1,
        "history.add": 1, "audit.add": 1,
        "connections.replace": 3,  # begun, promoted, settled
        "due.put": 2, "due.remove": 2,  # the lease of the try, and the next date
    }  # fmt: skip
