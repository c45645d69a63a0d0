"""The connect link: what people and browsers do with it, in and out of order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.errors import BadRequest, NotFound
from shared.services.connect_links import LINK_LIFETIME, FlowState
from shared.services.oauth_flow import ATTEMPT_LIFETIME
from tests.fakes.application import FakeApplication, fake_application, settings_for_tests
from tests.fakes.entra import ADA, FAY
from tests.unit.services.links import VISITOR, arrived, departed, linked, state_of
from tests.unit.services.world import CALLER, ORG, STRANGER, active_credential, create_project, created


async def test_a_sign_in_makes_the_connection_that_the_link_announced(world: FakeApplication) -> None:
    link = await linked(world)
    assert await state_of(world, link) is FlowState.PENDING
    arrival = await arrived(world, await departed(world, link))
    assert (arrival.state, arrival.error) == (FlowState.SUCCEEDED, None)
    assert arrival.connection_id == link.link.connection_id
    assert arrival.return_url == "https://portal.example/done"
    assert await state_of(world, link) is FlowState.SUCCEEDED
    connection = (await world.app.connections.get(CALLER, link.link.connection_id)).connection
    assert connection.credentials == {"tenantId": ADA.tenant_id}
    assert connection.rotation is not None


async def test_opening_a_link_changes_nothing_however_often(world: FakeApplication) -> None:
    link = await linked(world)
    for _ in range(3):
        assert await world.app.oauth.open(link.secret) == (world.flows.links[link.link.flow_id], FlowState.PENDING)
    assert world.flows.attempts == {}


async def test_the_table_holds_nothing_that_opens_a_link_or_finishes_an_attempt(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    kept = repr(world.flows.links) + repr(world.flows.attempts)
    assert link.secret not in kept
    assert departure.cookie_value not in kept
    assert world.entra.sign_in(departure.url, ADA)["state"] not in kept


async def test_a_link_that_nobody_made_is_not_known(world: FakeApplication) -> None:
    with pytest.raises(NotFound):
        await world.app.oauth.open("made-up")
    with pytest.raises(NotFound):
        await world.app.oauth.depart("made-up")


async def test_another_organisation_cannot_ask_for_the_outcome(world: FakeApplication) -> None:
    link = await linked(world)
    with pytest.raises(NotFound):
        await world.app.oauth.status(STRANGER, link.link.flow_id)


async def test_a_state_works_once(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    answer = world.entra.sign_in(departure.url, ADA)
    await arrived(world, departure, answer)
    replayed = await arrived(world, departure, answer)
    assert (replayed.state, replayed.error, replayed.connection_id) == (FlowState.FAILED, "BadRequest", None)
    assert world.faults.calls.count("entra.finish") == 1


async def test_of_two_arrivals_at_once_one_is_served(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    answer = world.entra.sign_in(departure.url, ADA)
    both = await asyncio.gather(arrived(world, departure, answer), arrived(world, departure, answer))
    assert sorted(arrival.state.value for arrival in both) == ["failed", "succeeded"]
    assert world.faults.calls.count("entra.finish") == 1


@pytest.mark.parametrize("answer", [{}, {"state": ""}, {"state": "made-up", "code": "x"}, {"code": "x"}])
async def test_an_answer_without_a_known_state_is_refused(world: FakeApplication, answer: dict[str, str]) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    arrival = await world.app.oauth.arrive(answer, {departure.cookie_name: departure.cookie_value}, VISITOR)
    assert (arrival.state, arrival.error) == (FlowState.FAILED, "BadRequest")
    assert await state_of(world, link) is FlowState.PENDING
    assert (await arrived(world, departure)).state is FlowState.SUCCEEDED


async def test_another_browser_cannot_finish_a_sign_in_and_does_not_spoil_it(world: FakeApplication) -> None:
    link = await linked(world)
    departure, foreign = await departed(world, link), await departed(world, link)
    answer = world.entra.sign_in(departure.url, ADA)
    for cookies in ({}, {foreign.cookie_name: foreign.cookie_value}, {departure.cookie_name: foreign.cookie_value}):
        arrival = await world.app.oauth.arrive(answer, cookies, VISITOR)
        assert (arrival.state, arrival.error) == (FlowState.FAILED, "BadRequest")
        assert "another browser" in arrival.message
    assert (await arrived(world, departure, answer)).state is FlowState.SUCCEEDED


async def test_an_attempt_lives_ten_minutes_and_the_link_can_be_opened_again(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    world.clock.advance(ATTEMPT_LIFETIME)
    arrival = await arrived(world, departure)
    assert arrival.state is FlowState.FAILED
    assert "too long" in arrival.message
    assert arrival.link_secret == link.secret
    assert "entra.finish" not in world.faults.calls
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED


async def test_a_link_lives_a_day(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    world.clock.advance(LINK_LIFETIME)
    assert await state_of(world, link) is FlowState.EXPIRED
    assert await world.app.oauth.depart(link.secret) == (world.flows.links[link.link.flow_id], FlowState.EXPIRED)
    assert (await arrived(world, departure)).state is FlowState.FAILED
    assert world.connections.rows(ORG) == []


async def test_a_declined_consent_is_told_and_leaves_the_link_usable(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    arrival = await arrived(world, departure, world.entra.decline(departure.url))
    assert (arrival.state, arrival.link_secret) == (FlowState.FAILED, link.secret)
    assert "declined (AADSTS65004)" in arrival.message
    _, state = await world.app.oauth.status(CALLER, link.link.flow_id)
    assert state is FlowState.FAILED
    assert world.flows.links[link.link.flow_id].message == arrival.message
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED
    assert world.flows.links[link.link.flow_id].message is None


async def test_admin_consent_comes_back_without_a_code_and_leaves_the_link_usable(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    arrival = await arrived(world, departure, world.entra.consent_as_administrator(departure.url))
    assert "administrator's consent is recorded" in arrival.message
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED


async def test_a_second_success_finds_its_own_connection(world: FakeApplication) -> None:
    link = await linked(world)
    first, second = await departed(world, link), await departed(world, link)
    assert (await arrived(world, first)).state is FlowState.SUCCEEDED
    arrival = await arrived(world, second)
    assert (arrival.state, arrival.connection_id) == (FlowState.SUCCEEDED, link.link.connection_id)
    assert len(world.connections.rows(ORG)) == 1


async def test_two_tabs_that_finish_at_once_make_one_connection(world: FakeApplication) -> None:
    link = await linked(world)
    first, second = await departed(world, link), await departed(world, link)
    await asyncio.gather(arrived(world, first), arrived(world, second))
    assert len(world.connections.rows(ORG)) == 1
    assert await state_of(world, link) is FlowState.SUCCEEDED
    assert len(world.vault.readable()) == 1
    active_credential(world, link.link.connection_id)


async def test_a_link_that_is_done_begins_no_sign_in(world: FakeApplication) -> None:
    link = await linked(world)
    await arrived(world, await departed(world, link))
    assert await world.app.oauth.depart(link.secret) == (world.flows.links[link.link.flow_id], FlowState.SUCCEEDED)


async def test_a_name_taken_meanwhile_is_told(world: FakeApplication) -> None:
    link = await linked(world)
    await created(world)
    arrival = await arrived(world, await departed(world, link))
    assert '"prod-vault" already exists' in arrival.message
    assert "entra.finish" not in world.faults.calls


async def test_a_project_gone_meanwhile_is_told(world: FakeApplication) -> None:
    project = await create_project(world)
    link = await linked(world, project_id=project.id)
    await world.app.projects.delete(CALLER, project.id)
    arrival = await arrived(world, await departed(world, link))
    assert "Could not find project" in arrival.message


async def test_a_link_for_a_domain_takes_only_accounts_of_its_tenant(world: FakeApplication) -> None:
    link = await linked(world, tenant=ADA.domain)
    assert link.link.tenant == ADA.tenant_id
    departure = await departed(world, link)
    refused = await arrived(world, departure, world.entra.sign_in(departure.url, FAY))
    assert refused.state is FlowState.FAILED
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED


async def test_a_link_without_tenant_takes_any(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    await arrived(world, departure, world.entra.sign_in(departure.url, FAY))
    connection = (await world.app.connections.get(CALLER, link.link.connection_id)).connection
    assert connection.credentials == {"tenantId": FAY.tenant_id}


async def test_a_link_for_a_project_or_domain_that_is_not_known_is_not_made(world: FakeApplication) -> None:
    for options in ({"project_id": "nowhere"}, {"tenant": "nobody.example"}):
        with pytest.raises(BadRequest):
            await linked(world, **options)
    assert world.flows.links == {}


@pytest.mark.parametrize(
    ("url", "prefix", "mode"),
    [("https://connections.example", "__Host-", "form_post"), ("http://127.0.0.1:7071", "", "query")],
)
async def test_the_cookie_and_the_answer_suit_the_public_address(url: str, prefix: str, mode: str) -> None:
    world = fake_application(settings_for_tests(PUBLIC_URL=url))
    departure = await departed(world, await linked(world))
    assert departure.cookie_name.startswith(f"{prefix}connect-")
    assert f"response_mode={mode}" in departure.url


async def test_a_link_works_until_its_last_second(world: FakeApplication) -> None:
    link = await linked(world)
    world.clock.advance(LINK_LIFETIME - timedelta(seconds=1))
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED
