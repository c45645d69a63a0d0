"""What is done while things go wrong: each scenario prepares a world, then does one thing through the use cases."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.connection import LONGEST_RUN
from shared.domain.passwords import display_name
from shared.domain.schedule import RotateAt
from shared.services.creating import IdempotencyKey
from shared.services.upkeep import Round
from tests.fakes.app_authority import Password
from tests.fakes.application import FakeApplication, fake_application, settings_for_tests
from tests.fakes.entra import ADA
from tests.unit.services.apps import app_of, register, rotating, secret, update
from tests.unit.services.links import again, arrived, departed, linked, signed_in
from tests.unit.services.world import CALLER, DAY, MINUTE, MONTHLY, ORG, create, created, delete, rotate, wish

TOPIC = "https://events.example/api/events"
OTHER_APP = "c0000000-0000-4000-8000-0000000000a9"

SETTLED = timedelta(minutes=12)
"""Long enough for a rotation to be issued, proven, promoted and its former password revoked."""

Prepare = Callable[[FakeApplication], Awaitable[str]]
"""Makes what the act is done to; answers the connection's id, or nothing."""

Act = Callable[[FakeApplication, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that callers or the timer do."""

    name: str
    prepare: Prepare
    act: Act
    patience: timedelta = timedelta()
    """How long nothing is tried before everything must be made good: some things are given up only after days."""
    topic: bool = False
    """Whether other programs are told."""

    def world(self) -> FakeApplication:
        """Nothing has happened yet."""
        return fake_application(settings_for_tests(EVENT_TOPIC_ENDPOINT=TOPIC) if self.topic else None)


async def nothing(world: FakeApplication) -> str:
    register(world, "first", "second")
    return ""


async def an_oauth_connection(world: FakeApplication) -> str:
    return (await created(world, wish(rotation=MONTHLY))).id


async def an_app_connection(world: FakeApplication) -> str:
    register(world, "first", "second")
    return (await rotating(world)).id


async def a_rotated_app(world: FakeApplication) -> str:
    """An app whose active and former passwords are both ours."""
    connection_id = await an_app_connection(world)
    for _ in range(2):
        await rotate(world, connection_id)
        await world.run(SETTLED)
    return connection_id


async def a_rotation_under_way(world: FakeApplication) -> str:
    """A third password was issued and is not proven yet."""
    connection_id = await a_rotated_app(world)
    await rotate(world, connection_id)
    await world.app.advance(ORG, connection_id)
    return connection_id


async def an_app_of_two_passwords(world: FakeApplication) -> str:
    """It holds no third one, so the former goes first."""
    register(world, "first").holds_two = True
    connection_id = (await rotating(world)).id
    for _ in range(2):
        await rotate(world, connection_id)
        await world.run(SETTLED)
    return connection_id


async def an_app_with_a_stray(world: FakeApplication) -> str:
    """A password of an older attempt that nobody remembers."""
    connection_id = await a_rotated_app(world)
    name = display_name(connection_id, 1, str(uuid.uuid4()))
    app_of(world).passwords.append(Password("a-stray", display_name=name))
    return connection_id


async def create_by_code(world: FakeApplication, _: str) -> None:
    key = IdempotencyKey(key="cd" * 32, fingerprint="a-body")
    await create(world, wish(rotation=MONTHLY), world.entra.code_for(ADA, world.settings.redirect_uri), key=key)
    await world.app.background.idle()


async def create_rotating(world: FakeApplication, _: str) -> None:
    await rotating(world)


async def come_back_from_sign_in(world: FakeApplication, _: str) -> None:
    await arrived(world, await departed(world, await linked(world)))
    await world.app.background.idle()


async def rotate_now(world: FakeApplication, connection_id: str) -> None:
    await rotate(world, connection_id)
    await world.app.advance(ORG, connection_id)
    await world.run(SETTLED)


async def rotate_on_schedule(world: FakeApplication, _: str) -> None:
    world.clock.advance(31 * DAY)
    await world.run(SETTLED)


async def keep_alive(world: FakeApplication, _: str) -> None:
    await world.run(9 * DAY)


async def use(world: FakeApplication, connection_id: str) -> None:
    await world.app.tokens.token(CALLER, connection_id)


async def a_grant_refused_for_a_while(world: FakeApplication) -> str:
    """It was judged, then mended at Entra."""
    connection_id = await an_oauth_connection(world)
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, connection_id, None)
    world.entra.accept(ADA)
    return connection_id


async def check(world: FakeApplication, connection_id: str) -> None:
    await world.app.checking(CALLER, connection_id, None)


async def replace_the_secret(world: FakeApplication, connection_id: str) -> None:
    app = world.apps.apps[secret().tenant_id, secret().client_id]
    key_id = next(password.key_id for password in app.passwords if password.value == "second")
    await update(world, connection_id, secret("second"), key_id=key_id, description="second")
    await world.run(SETTLED)


async def with_another_app(world: FakeApplication) -> str:
    """The customer has a second app by now."""
    connection_id = await a_rotation_under_way(world)
    register(world, "of the other", client_id=OTHER_APP)
    return connection_id


async def move_to_another_app(world: FakeApplication, connection_id: str) -> None:
    (password,) = world.apps.passwords(secret().tenant_id, OTHER_APP)
    await update(world, connection_id, secret("of the other", OTHER_APP), key_id=password.key_id)
    await world.run(SETTLED)


async def change_the_schedule(world: FakeApplication, connection_id: str) -> None:
    await update(
        world,
        connection_id,
        rotation={"rotation_interval": 5, "rotate_at_utc": RotateAt(hours=4, minutes=0)},
        name="renamed",
    )


async def delete_it(world: FakeApplication, connection_id: str) -> None:
    await delete(world, connection_id)
    await world.run(LONGEST_RUN + SETTLED)


async def delete_it_while_the_app_vanishes(world: FakeApplication, connection_id: str) -> None:
    await delete(world, connection_id)
    world.apps.apps.clear()
    await world.run(LONGEST_RUN + MINUTE)
    world.clock.advance(8 * DAY)
    await world.run(SETTLED)


async def keep_up(world: FakeApplication, _: str) -> None:
    await upkeep(world)


async def rotate_untold(world: FakeApplication, connection_id: str) -> None:
    """The topic is away for a while, and then takes what waited."""
    world.topic.away = True
    await rotate(world, connection_id)
    await world.app.advance(ORG, connection_id)
    world.clock.advance(MINUTE)
    await world.tick()
    world.topic.away = False
    await world.run(3 * MINUTE)


async def a_dead_grant(world: FakeApplication) -> str:
    """It was judged, and somebody else could sign in by now."""
    connection_id = await a_grant_refused_for_a_while(world)
    await world.run(SETTLED)
    return connection_id


async def reconnect(world: FakeApplication, connection_id: str) -> None:
    await signed_in(world, await again(world, connection_id))


async def upkeep(world: FakeApplication) -> Round:
    """A whole round."""
    found = Round()
    while not found.done:
        found = await world.app.upkeep(found)
    return found


SCENARIOS = [
    Scenario("create by code", nothing, create_by_code),
    Scenario("create an app's, rotating", nothing, create_rotating),
    Scenario("callback", nothing, come_back_from_sign_in),
    Scenario("rotate a grant", an_oauth_connection, rotate_now),
    Scenario("rotate a grant on schedule", an_oauth_connection, rotate_on_schedule),
    Scenario("keep a grant alive", an_oauth_connection, keep_alive),
    Scenario("use", an_oauth_connection, use),
    Scenario("check a connection that was refused", a_grant_refused_for_a_while, check),
    Scenario("rotate an app's own secret", an_app_connection, rotate_now),
    Scenario("rotate an app of two passwords", an_app_of_two_passwords, rotate_now),
    Scenario("rotate an app on schedule", a_rotated_app, rotate_on_schedule),
    Scenario("replace the secret", a_rotation_under_way, replace_the_secret),
    Scenario("move to another app", with_another_app, move_to_another_app),
    Scenario("change the schedule", a_rotated_app, change_the_schedule),
    Scenario("delete", a_rotation_under_way, delete_it),
    Scenario("delete a grant", an_oauth_connection, delete_it),
    Scenario("delete, and the app vanishes", a_rotation_under_way, delete_it_while_the_app_vanishes, 8 * DAY),
    Scenario("upkeep", a_rotation_under_way, keep_up),
    Scenario("upkeep that finds a stray", an_app_with_a_stray, keep_up),
    Scenario("create by code, telling a topic", nothing, create_by_code, topic=True),
    Scenario("rotate a grant, telling a topic", an_oauth_connection, rotate_now, topic=True),
    Scenario("rotate a grant while the topic takes nothing", an_oauth_connection, rotate_untold, topic=True),
    Scenario("reconnect, telling a topic", a_dead_grant, reconnect, topic=True),
    Scenario("delete a grant, telling a topic", an_oauth_connection, delete_it, topic=True),
]
