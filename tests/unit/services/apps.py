"""What the tests of app credentials share: a customer's app, and a connection made with its secret."""

from __future__ import annotations

from shared.domain.audit import Origin
from shared.domain.connection import Connection
from shared.domain.creation import NewConnection
from shared.domain.credential import AppCredential, ClientSecret, Federated, Method
from shared.domain.editing import Edit
from shared.services.updating import Update
from tests.fakes.app_authority import App
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.world import CALLER

CLIENT_ID = "c0000000-0000-4000-8000-0000000000a1"


def secret(value: str = "first", client_id: str = CLIENT_ID) -> ClientSecret:
    """What the caller submits."""
    return ClientSecret(client_id=client_id, tenant_id=ADA.tenant_id, client_secret=value)


def register(world: FakeApplication, *values: str, client_id: str = CLIENT_ID) -> App:
    """An app in the customer's tenant with these passwords."""
    return world.apps.register(ADA.tenant_id, client_id, *values)


async def app_connection(world: FakeApplication, credential: AppCredential | None = None) -> Connection:
    """A connection that signs in as an app, its records delivered."""
    credential = credential or secret()
    method = Method.FEDERATED if isinstance(credential, Federated) else Method.CLIENT_SECRET
    row = await world.app.creating.create(
        CALLER.org_id,
        NewConnection(name="app", method=method),
        project=None,
        prove=world.app.proving.of(credential),
        requested=Origin.of(CALLER),
    )
    await world.app.background.idle()
    return row.connection


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
