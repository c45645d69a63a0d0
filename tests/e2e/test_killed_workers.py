"""A worker is killed by SIGKILL at any stage of any work, and so is the one that cleans up after it: nothing is lost.

The fault points of `tests/faults` sampled on real processes, real HTTP and real storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from local.client import KEY_VAULT, Client
from shared.domain.passwords import display_name
from tests.e2e.apps import App, create_app, patch
from tests.e2e.browser import Attempt, Link
from tests.e2e.killing import ANSWERS_NOBODY, ARRIVES_LATE, MINUTES_LATER, NEVER_ARRIVES, PATIENCE, Killing, StandIn
from tests.e2e.world import DAILY_AT_THREE, Customer, Reply, call, create, eventually, live_secrets, refusal

pytestmark = pytest.mark.xdist_group("killed workers")

DAYS_LATER = timedelta(days=9)
"""Every refresh token is due to be renewed."""
MANAGED = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE}
LOST = "00000000-0000-4000-8000-000000000000"
"""The id of a run."""

Made = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is under way when the worker dies."""

    act: Callable[[], Awaitable[object]]
    stand_in: StandIn
    match: str
    """The request that meets the death."""
    how: dict[str, Any]
    again: Callable[[], Awaitable[Reply]]
    """What the caller does afterwards."""


class Jobs:
    """Makes the jobs of one customer."""

    def __init__(self, client: Client, customer: Customer) -> None:
        self.client = client
        self.customer = customer

    async def created(self, name: str) -> Made:
        """A connection by a code, whose grant may be rotated."""
        return (await create(self.client, self.customer, name, **MANAGED)).connection

    async def managed_app(self) -> tuple[App, dict[str, Any]]:
        """An app that may manage its passwords, and the credentials that are submitted of it."""
        app = await App.new(self.client, self.customer, graphRoles=["Application.ReadWrite.OwnedBy"])
        return app, await self.own_secret(app)

    async def own_secret(self, app: App) -> dict[str, Any]:
        """A password that the user made, as it is submitted."""
        secret = f"user-{uuid4()}"
        key_id = await app.add_password(self.client, secret)
        return app.submits(clientSecret=secret, clientSecretKeyId=key_id)

    async def managed(self, name: str) -> tuple[App, Made]:
        """A connection whose app password is rotated."""
        app, credentials = await self.managed_app()
        return app, (await create_app(self.client, "client-secret", credentials, name=name, **MANAGED)).connection

    def post(self, made: Made, what: str) -> Callable[..., Awaitable[Reply]]:
        """A call about a connection."""
        return partial(call, self.client, "POST", f"{KEY_VAULT}/{made['id']}/{what}")

    async def creation(self, name: str, stand_in: StandIn, how: dict[str, Any]) -> Job:
        """A creation by code."""
        act = partial(create, self.client, self.customer, name)
        match = "PUT /secrets/conn-" if stand_in == "vault" else self.customer.token_endpoint
        return Job(act, stand_in, match, how, act)

    async def creation_of_an_app(self, name: str, how: dict[str, Any]) -> Job:
        """A creation that claims the app for itself on its way."""
        _, credentials = await self.managed_app()
        act = partial(create_app, self.client, "client-secret", credentials, name=name, **MANAGED)
        return Job(act, "vault", "PUT /secrets/conn-", how, act)

    async def callback(self, name: str, stand_in: StandIn, how: dict[str, Any]) -> Job:
        """A sign-in that comes back through a connect link."""
        link = await Link.new(self.client, name, credentials={"tenantId": self.customer.tenant})
        attempt = await Attempt.begin(self.client, link)

        async def press_again() -> Reply:
            page = await (await Attempt.begin(self.client, link)).finish(self.client, self.customer)
            assert page.status == 200, page.text
            return await call(self.client, "GET", f"{KEY_VAULT}/{link.connection_id}")

        match = f"PUT /secrets/conn-{link.connection_id}" if stand_in == "vault" else self.customer.token_endpoint
        return Job(partial(attempt.finish, self.client, self.customer), stand_in, match, how, press_again)

    async def reconnect(self, name: str, how: dict[str, Any]) -> Job:
        """A new grant for a connection that exists."""
        made = await self.created(name)
        link = await Link.new(self.client, name, connectionId=made["id"])
        attempt = await Attempt.begin(self.client, link)
        act = partial(attempt.finish, self.client, self.customer)
        return Job(act, "vault", f"PUT /secrets/conn-{made['id']}", how, self.reading(made))

    async def update(self, name: str, how: dict[str, Any]) -> Job:
        """Another secret of the user's, while rotation is on."""
        app, made = await self.managed(name)
        act = partial(patch, self.client, made, credentials=await self.own_secret(app))
        return Job(act, "vault", f"PUT /secrets/conn-{made['id']}", how, act)

    async def rotation_of_a_grant(self, name: str, stand_in: StandIn, how: dict[str, Any]) -> Job:
        """A rotation by hand."""
        made = await self.created(name)
        match = f"PUT /secrets/conn-{made['id']}" if stand_in == "vault" else self.customer.token_endpoint
        return Job(self.post(made, "rotate-credentials"), stand_in, match, how, self.reading(made))

    async def rotation_of_an_app(self, name: str, stage: str, how: dict[str, Any]) -> Job:
        """The same, of an app's password: while it is added, or stored."""
        app, made = await self.managed(name)
        add = f"POST /graph/v1.0/applications/{await self.object_id(app)}/addPassword"
        stand_in: StandIn = "entra" if stage == "add" else "vault"
        match = add if stage == "add" else f"PUT /secrets/conn-{made['id']}"
        return Job(self.post(made, "rotate-credentials"), stand_in, match, how, self.reading(made))

    async def rotated(self, name: str) -> tuple[App, Made]:
        """A connection whose app password was rotated, and the user's own removed."""
        app, made = await self.managed(name)
        await self.post(made, "rotate-credentials")()
        await eventually(
            partial(self.passwords, app),
            lambda found: [each["displayName"] is not None for each in found] == [True],
            patience=PATIENCE,
        )
        return app, made

    async def deleted(self, made: Made) -> None:
        """Gone for callers; the clean-up waits until nobody can be using the credential."""
        assert (await call(self.client, "DELETE", f"{KEY_VAULT}/{made['id']}")).status == 200
        refusal(await call(self.client, "GET", f"{KEY_VAULT}/{made['id']}"), 404, "NotFound")

    async def passwords(self, app: App) -> list[dict[str, Any]]:
        """What the directory knows of the app's passwords."""
        found: list[dict[str, Any]] = (await self._registration(app))["passwords"]
        return found

    async def object_id(self, app: App) -> str:
        """Of the app registration."""
        return str((await self._registration(app))["objectId"])

    async def _registration(self, app: App) -> dict[str, Any]:
        directory = (await self.client.entra("GET", "state"))["directory"]
        return next(each for each in directory["applications"] if each["appId"] == app.client_id)

    async def at_work(self) -> list[Made]:
        """Every connection there is; each one gives out a token (I1)."""
        found: list[Made] = (await call(self.client, "GET", KEY_VAULT)).json["appConnections"]
        for made in found:
            checked = await self.post(made, "check")(body={})
            assert checked.json.get("status") == "active", checked.text
        return found

    def reading(self, made: Made) -> Callable[[], Awaitable[Reply]]:
        """Nothing is done again; the connection must be as it was promised."""
        return partial(call, self.client, "GET", f"{KEY_VAULT}/{made['id']}")


@pytest.fixture
async def killing(killable: Client, customer: Customer) -> Killing:
    """The host before anything is done in it."""
    return Killing(killable, customer.tenant, await live_secrets(killable))


@pytest.fixture
def jobs(killable: Client, customer: Customer) -> Jobs:
    """What the customer has done."""
    return Jobs(killable, customer)


async def test_whatever_a_killed_worker_was_at_is_finished_or_undone_by_others(killing: Killing, jobs: Jobs) -> None:
    deleted_app, deleted_managed = await jobs.rotated("revoked")
    deleted = await jobs.created("deleted")
    by_name = [
        await jobs.callback("link-stored-late", "vault", ARRIVES_LATE),
        await jobs.reconnect("reconnected", ANSWERS_NOBODY),
        await jobs.update("updated", ANSWERS_NOBODY),
        await jobs.update("updated-late", ARRIVES_LATE),
        await jobs.rotation_of_an_app("password-added", "add", ANSWERS_NOBODY),
        await jobs.rotation_of_an_app("password-added-late", "add", ARRIVES_LATE),
        await jobs.rotation_of_an_app("password-never-added", "add", NEVER_ARRIVES),
        await jobs.rotation_of_an_app("password-stored", "store", ANSWERS_NOBODY),
        await jobs.rotation_of_a_grant("grant-stored-late", "vault", ARRIVES_LATE),
    ]
    one_by_one = [
        await jobs.rotation_of_a_grant("grant-exchanged", "entra", ANSWERS_NOBODY),
        await jobs.callback("link-redeemed", "entra", ANSWERS_NOBODY),
        await jobs.creation("never-redeemed", "entra", NEVER_ARRIVES),
        await jobs.creation("stored", "vault", ANSWERS_NOBODY),
        await jobs.creation("stored-late", "vault", ARRIVES_LATE),
        await jobs.creation_of_an_app("app-stored", ANSWERS_NOBODY),
    ]
    under_way = by_name + one_by_one
    calls = await _begun(killing, *by_name)
    for job in one_by_one:  # what is held of them could be another's
        calls += await _begun(killing, job)
    for made in (deleted_managed, deleted):
        await jobs.deleted(made)
    await killing.kill()
    await asyncio.gather(*calls, return_exceptions=True)

    remove = f"POST /graph/v1.0/applications/{await jobs.object_id(deleted_app)}/removePassword"
    await killing.hold("entra", remove, ANSWERS_NOBODY)
    await killing.hold("vault", f"DELETE /secrets/conn-{deleted['id']}", NEVER_ARRIVES)
    await killing.restart(later=MINUTES_LATER)
    await killing.all_held()
    await killing.kill()

    await killing.restart(later=MINUTES_LATER)
    await eventually(killing.reserved_in_vain, lambda ids: not ids, patience=PATIENCE)
    for job in under_way:
        assert (await job.again()).status == 200
    await killing.come_to_rest()
    assert await jobs.passwords(deleted_app) == []
    found = await jobs.at_work()
    assert len(found) == len(under_way)
    assert {made["rotation"]["rotationStatus"] for made in found if made["rotation"]} == {"success"}


async def test_keep_alive_and_upkeep_go_on_where_a_killed_worker_left_them(killing: Killing, jobs: Jobs) -> None:
    app, rotated = await jobs.rotated("rotated")
    kept = [(await jobs.created(name), how) for name, how in (("nobody", ANSWERS_NOBODY), ("late", ARRIVES_LATE))]
    await killing.kill()
    for made, how in kept:
        await killing.hold("vault", f"PUT /secrets/conn-{made['id']}", how)
    await killing.restart(later=DAYS_LATER)
    await killing.all_held()
    await killing.kill()

    await killing.restart(later=MINUTES_LATER)
    await killing.come_to_rest()
    for made, _ in kept:
        assert len(await jobs.client.versions(made["id"])) == 3, "the first, the lost one, the one in use"

    await app.add_password(
        jobs.client, "of a try that nobody remembers", displayName=display_name(rotated["id"], 1, LOST)
    )
    (complaint,) = await killing.unrest()
    assert complaint.startswith("nobody knows the password")
    await killing.hold("entra", f"applications/{await jobs.object_id(app)}/removePassword", NEVER_ARRIVES)
    await jobs.client.run_now("work_upkeep")
    await killing.all_held()
    await killing.kill()

    await killing.restart(later=MINUTES_LATER)
    await jobs.client.run_now("work_upkeep")
    await eventually(killing.unrest, lambda complaints: not complaints, patience=PATIENCE)
    assert len(await jobs.at_work()) == 1 + len(kept)


async def _begun(killing: Killing, *jobs: Job) -> list[asyncio.Future[object]]:
    """Let the callers begin; answers once each request that meets the death is held."""
    for job in jobs:
        await killing.hold(job.stand_in, job.match, job.how)
    begun: list[asyncio.Future[object]] = [asyncio.ensure_future(job.act()) for job in jobs]
    await killing.all_held()
    return begun
