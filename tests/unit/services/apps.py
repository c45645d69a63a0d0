"""What the tests of app credentials share: a customer's app, and a connection made with its secret."""

from __future__ import annotations

from shared.domain.audit import Origin
from shared.domain.connection import Connection
from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import AppCredential, ClientSecret, Federated, Method
from shared.domain.editing import Edit
from shared.domain.schedule import RotateAt
from shared.services.ports import Audience
from shared.services.updating import Update
from tests.fakes.app_authority import App
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.world import CALLER, row_of

CLIENT_ID = "c0000000-0000-4000-8000-0000000000a1"
OTHER_ID = "c0000000-0000-4000-8000-0000000000a9"
SCHEDULE = {"rotation_interval": 9, "rotate_at_utc": {"hours": 1, "minutes": 0}}


def secret(value: str = "first", client_id: str = CLIENT_ID) -> ClientSecret:
    """What the caller submits."""
    return ClientSecret(client_id=client_id, tenant_id=ADA.tenant_id, client_secret=value)


def register(world: FakeApplication, *values: str, client_id: str = CLIENT_ID) -> App:
    """An app in the customer's tenant with these passwords."""
    return world.apps.register(ADA.tenant_id, client_id, *values)


async def app_connection(
    world: FakeApplication, credential: AppCredential | None = None, *, name: str = "app", key_id: str | None = None
) -> Connection:
    """A connection that signs in as an app, its records delivered."""
    credential = credential or secret()
    method = Method.FEDERATED if isinstance(credential, Federated) else Method.CLIENT_SECRET
    row = await world.app.creating.create(
        CALLER.org_id,
        NewConnection(name=name, method=method),
        project=None,
        prove=world.app.proving.of(credential),
        requested=Origin.of(CALLER),
        secret_key_id=key_id,
    )
    await world.app.background.idle()
    return row.connection


async def rotating(world: FakeApplication, *, interval: int = 30, value: str = "first") -> Connection:
    """A connection whose app password is rotated; its records are delivered."""
    app = world.apps.apps[ADA.tenant_id, CLIENT_ID]
    key_id = next(password.key_id for password in app.passwords if password.value == value)
    row = await world.app.creating.create(
        CALLER.org_id,
        NewConnection(
            name="app",
            method=Method.CLIENT_SECRET,
            is_auto_rotation_enabled=True,
            rotation=RotationPlan(rotation_interval=interval, rotate_at_utc=RotateAt(hours=3, minutes=30)),
        ),
        project=None,
        prove=world.app.proving.of(secret(value)),
        requested=Origin.of(CALLER),
        secret_key_id=key_id,
    )
    await world.app.background.idle()
    return row.connection


def app_of(world: FakeApplication, client_id: str = CLIENT_ID) -> App:
    """The app as the directory has it."""
    return world.apps.apps[ADA.tenant_id, client_id]


def values(world: FakeApplication, client_id: str = CLIENT_ID) -> list[str]:
    """The app's passwords, oldest first."""
    return [password.value for password in app_of(world, client_id).passwords]


def active_secret(world: FakeApplication, connection_id: str) -> ClientSecret:
    """What Key Vault holds under the version that the row names; it must be readable and authenticate."""
    row = row_of(world, connection_id)
    (found,) = [each for each in world.vault.readable()[row.secret_name] if each.id == row.active_version]
    credential = ClientSecret.model_validate_json(found.value)
    world.apps.token_for(credential, Audience.VAULT)
    return credential


async def update(
    world: FakeApplication,
    connection_id: str,
    submitted: AppCredential | None = None,
    *,
    key_id: str | None = None,
    revisions: frozenset[int] | None = None,
    **edit: object,
) -> Connection:
    """What the update route does, its records delivered."""
    wanted = Update(edit=Edit.model_validate(edit), submitted=submitted, secret_key_id=key_id, revisions=revisions)
    row = await world.app.updating.update(CALLER, connection_id, wanted)
    await world.app.background.idle()
    return row.connection
