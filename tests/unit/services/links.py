"""What the tests of the connect link share: making one, pressing its button, coming back."""

from __future__ import annotations

from shared.domain.audit import Actor, ActorType, Origin
from shared.services.connect_links import FlowState, NewLink
from shared.services.oauth_flow import Arrival, Departure
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA, Account
from tests.unit.services.world import CALLER, MONTHLY, wish

VISITOR = Origin(actor=Actor(type=ActorType.VISITOR, address="203.0.113.7"), request_id="a-request")


async def linked(world: FakeApplication, *, tenant: str | None = None, project_id: str | None = None) -> NewLink:
    """A connect link."""
    new = wish(tenant=tenant, project_id=project_id, rotation=MONTHLY)
    return await world.app.links.authorize(CALLER, new, return_url="https://portal.example/done")


async def again(world: FakeApplication, connection_id: str, *, anybody: bool = False) -> NewLink:
    """A link to reconnect."""
    return await world.app.links.authorize_again(
        CALLER, connection_id, return_url=None, allow_different_account=anybody
    )


async def departed(world: FakeApplication, link: NewLink) -> Departure:
    """The link's button was pressed."""
    departure = await world.app.oauth.depart(link.secret)
    assert isinstance(departure, Departure)
    return departure


async def arrived(world: FakeApplication, departure: Departure, answer: dict[str, str] | None = None) -> Arrival:
    """The browser that departed comes back, with Ada's consent unless another answer is given."""
    answer = answer or world.entra.sign_in(departure.url, ADA)
    return await world.app.oauth.arrive(answer, {departure.cookie_name: departure.cookie_value}, VISITOR)


async def state_of(world: FakeApplication, link: NewLink) -> FlowState:
    """What the caller who made the link is told."""
    return (await world.app.oauth.status(CALLER, link.link.flow_id))[1]


async def signed_in(world: FakeApplication, link: NewLink, account: Account = ADA) -> Arrival:
    """Somebody opened the link, signed in and came back, and the records are delivered."""
    departure = await departed(world, link)
    answer = world.entra.sign_in(departure.url, account)
    arrival = await world.app.oauth.arrive(answer, {departure.cookie_name: departure.cookie_value}, VISITOR)
    await world.app.background.idle()
    return arrival
