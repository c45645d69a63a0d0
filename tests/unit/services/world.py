"""What the tests of the use cases share: callers, wishes, and the short way to a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.domain.audit import Origin
from shared.domain.caller import Caller
from shared.domain.connection import Connection, Row
from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import Method, OAuthGrant
from shared.domain.project import Project
from shared.domain.schedule import RotateAt
from shared.services.creating import IdempotencyKey
from shared.services.ports import DueRow
from shared.services.proving import SubmittedCode
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA, Account

ORG = "a0000000-0000-4000-8000-000000000001"
CALLER = Caller(org_id=ORG, object_id="a0000000-0000-4000-8000-000000000011", name="Olga Operator")
OTHER_CALLER = Caller(org_id=ORG, object_id="a0000000-0000-4000-8000-000000000012")
STRANGER = Caller(org_id="b0000000-0000-4000-8000-000000000001", object_id=CALLER.object_id)
"""Of another organisation."""
MONTHLY = RotationPlan(rotation_interval=30, rotate_at_utc=RotateAt(hours=3, minutes=30))
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def wish(
    name: str = "prod-vault",
    *,
    project_id: str | None = None,
    tenant: str | None = None,
    rotation: RotationPlan | None = None,
    enabled: bool | None = None,
) -> NewConnection:
    """A wish for a connection; with a rotation, it is switched on unless told otherwise."""
    return NewConnection(
        name=name,
        method=Method.OAUTH,
        project_id=project_id,
        tenant=tenant,
        rotation=rotation,
        is_auto_rotation_enabled=rotation is not None if enabled is None else enabled,
    )


async def created(world: FakeApplication, new: NewConnection | None = None, account: Account = ADA) -> Connection:
    """A connection made with a code that the caller brought."""
    connection = await create(world, new or wish(), world.entra.code_for(account, world.settings.redirect_uri))
    await world.app.background.idle()
    return connection


async def create(
    world: FakeApplication, new: NewConnection, code: str, *, key: IdempotencyKey | None = None, caller: Caller = CALLER
) -> Connection:
    """What the create route does with a code that the caller brought."""
    row = await world.app.creating.create(
        caller.org_id,
        new,
        project=await world.app.connections.project_for(caller, new.project_id),
        prove=world.app.proving.of(SubmittedCode(code, tenant=new.tenant)),
        requested=Origin.of(caller),
        key=key,
    )
    return row.connection


async def rotate(world: FakeApplication, connection_id: str) -> Connection:
    """Ask for a rotation by hand."""
    row, _ = await world.app.connections.rotate(CALLER, connection_id)
    return row.connection


async def delete(world: FakeApplication, connection_id: str) -> Connection:
    """Delete a connection, its records delivered."""
    row = await world.app.connections.delete(CALLER, connection_id)
    await world.app.background.idle()
    return row.connection


async def create_project(world: FakeApplication, *, callers: tuple[str, ...] = ()) -> Project:
    """A project, open to everybody unless callers are named."""
    return await world.app.projects.create(
        CALLER, name="Payments", slug=None, type_="secret-manager", description=None, callers=callers
    )


def working_with_clock_ahead(
    world: FakeApplication, connection_id: str, ahead: timedelta, *, after: timedelta = timedelta(seconds=70)
) -> Callable[[], Awaitable[None]]:
    """What to plan as a fault: the call takes as long as `after`, and an instance whose clock is ahead works."""

    async def work() -> None:
        world.faults.clear()
        world.clock.advance(after + ahead)
        await world.app.advance(ORG, connection_id)
        world.clock.advance(-ahead)

    return work


def due_soon(world: FakeApplication) -> list[DueRow]:
    """What is due before the first keep-alive of a grant just made or renewed."""
    return [row for row in world.due.all() if row.hint.at < world.clock() + 5 * DAY]


def row_of(world: FakeApplication, connection_id: str) -> Row:
    """The row, which must be there."""
    row = world.connections.row(ORG, connection_id)
    assert row is not None
    return row


def active_credential(world: FakeApplication, connection_id: str) -> OAuthGrant:
    """What Key Vault holds under the version that the row names, which must be readable."""
    row = row_of(world, connection_id)
    (found,) = [each for each in world.vault.readable()[row.secret_name] if each.id == row.active_version]
    return OAuthGrant.model_validate_json(found.value)
