"""What every `Graph` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.errors import GrantRefused
from shared.domain.graph_errors import HOME_TENANT, PERMISSION, POLICY, TWO_PASSWORDS
from shared.services.ports import ListedPassword
from tests.contract.app_authorities import CLIENT_ID, TENANT_ID
from tests.contract.graphs import (
    KEY_ID,
    NAME,
    OTHER_CLIENT_ID,
    OTHER_KEY_ID,
    SECRET,
    GraphUnderTest,
    add,
    failure,
    fake_graph,
    opened,
    own,
    real_graph,
    refusal,
)
from tests.fakes.app_authority import FakeAppAuthority
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults
from tests.fakes.graph import FakeGraph


@pytest.fixture(params=["fake", "azure"])
async def graph(request: pytest.FixtureRequest, certificates: Path, tmp_path: Path) -> AsyncIterator[GraphUnderTest]:
    """Graph in memory, and the real adapter with the stand-in behind it; the app has one password."""
    if request.param == "fake":
        yield await fake_graph()
        return
    async with real_graph(certificates, tmp_path) as real:
        yield real


async def test_the_passwords_are_listed_with_their_hints_and_names(graph: GraphUnderTest) -> None:
    ends = (graph.clock() + timedelta(days=7)).replace(microsecond=0)
    await graph.owner.add_secret("xyz-another", key_id=OTHER_KEY_ID, ends=ends)
    _, app = await opened(graph)
    first, second = app.passwords
    assert (first.key_id, first.display_name, first.hint) == (KEY_ID, "by hand", SECRET[:3])
    assert second == ListedPassword(OTHER_KEY_ID, None, "xyz", ends)
    assert app.holds_two is False
    assert app.object_id


async def test_a_new_password_signs_in_and_is_listed_under_its_name(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    ends = graph.clock() + timedelta(days=30)
    added = await session.add_password(app.object_id, display_name=NAME, ends_at=ends)
    assert added.secret not in repr(added)
    assert added.ends_at == ends.replace(microsecond=0)
    assert await graph.authority.app_token(own(added.secret))
    found = await (await graph.graph.sign_in(own(added.secret))).registration()
    assert found is not None
    assert found.object_id == app.object_id
    assert found.passwords[-1] == ListedPassword(added.key_id, NAME, added.secret[:3], added.ends_at)


async def test_passwords_of_one_name_are_two(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    first, second = await add(graph, session, app), await add(graph, session, app)
    assert first.key_id != second.key_id
    assert first.secret != second.secret
    assert [name for _, name in graph.owner.passwords()] == ["by hand", NAME, NAME]


async def test_a_removed_password_does_not_sign_in_and_removing_it_again_is_done(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    added = await add(graph, session, app)
    for _ in range(2):
        await session.remove_password(app.object_id, added.key_id)
    error = await failure(graph.graph.sign_in(own(added.secret)))
    assert isinstance(error, GrantRefused)
    assert graph.owner.passwords() == [(KEY_ID, "by hand")]


async def test_the_session_outlives_the_password_that_it_was_opened_with(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    await session.remove_password(app.object_id, KEY_ID)
    assert (await add(graph, session, app)).secret
    assert [name for _, name in graph.owner.passwords()] == [NAME]


async def test_another_apps_password_is_not_reached(graph: GraphUnderTest) -> None:
    ends = graph.clock() + timedelta(days=7)
    await graph.owner.add_secret_to_other("another", key_id=OTHER_KEY_ID, ends=ends)
    session, app = await opened(graph)
    await session.remove_password(app.object_id, OTHER_KEY_ID)
    assert graph.owner.passwords(OTHER_CLIENT_ID) == [(OTHER_KEY_ID, None)]
    assert graph.owner.passwords() == [(KEY_ID, "by hand")]


@pytest.mark.parametrize(("secret", "aadsts"), [("wrong", 7000215), ("expired", 7000222)])
async def test_signing_in_takes_a_credential_that_entra_accepts(
    graph: GraphUnderTest, secret: str, aadsts: int
) -> None:
    await graph.owner.add_secret("expired", key_id=OTHER_KEY_ID, ends=graph.clock() - timedelta(seconds=1))
    error = await failure(graph.graph.sign_in(own(secret)))
    assert isinstance(error, GrantRefused)
    assert (error.refusal.error, error.refusal.aadsts) == ("invalid_client", aadsts)


async def test_the_registration_of_another_tenant_is_not_found(graph: GraphUnderTest) -> None:
    _, app = await opened(graph)
    await graph.owner.live_elsewhere()
    session = await graph.graph.sign_in(own())
    assert await session.registration() is None
    assert await refusal(add(graph, session, app)) == HOME_TENANT
    await session.remove_password(app.object_id, KEY_ID)
    assert graph.owner.passwords() == [(KEY_ID, "by hand")]


async def test_a_registration_that_was_deleted_meanwhile_has_nothing_left_to_remove(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    await graph.owner.delete()
    assert await session.registration() is None
    assert await refusal(add(graph, session, app)) == HOME_TENANT
    await session.remove_password(app.object_id, KEY_ID)


async def test_without_the_permission_everything_is_refused_with_the_remedy(graph: GraphUnderTest) -> None:
    _, app = await opened(graph)
    await graph.owner.forbid_managing()
    session = await graph.graph.sign_in(own())
    assert await refusal(session.registration()) == PERMISSION
    assert await refusal(add(graph, session, app)) == PERMISSION
    assert await refusal(session.remove_password(app.object_id, KEY_ID)) == PERMISSION
    assert graph.owner.passwords() == [(KEY_ID, "by hand")]


async def test_a_policy_against_secrets_is_named(graph: GraphUnderTest) -> None:
    session, app = await opened(graph)
    await graph.owner.forbid_secrets()
    assert await refusal(add(graph, session, app)) == POLICY
    await session.remove_password(app.object_id, KEY_ID)
    assert graph.owner.passwords() == []


async def test_an_app_for_personal_accounts_holds_two(graph: GraphUnderTest) -> None:
    await graph.owner.accept_personal_accounts()
    session, app = await opened(graph)
    assert app.holds_two is True
    await add(graph, session, app)
    assert await refusal(add(graph, session, app, "one too many")) == TWO_PASSWORDS
    await session.remove_password(app.object_id, KEY_ID)
    await add(graph, session, app, "fits")
    assert [name for _, name in graph.owner.passwords()] == [NAME, "fits"]


async def test_the_fakes_new_password_may_take_time_to_be_known() -> None:
    clock, faults = FakeClock(), Faults()
    apps = FakeAppAuthority(clock, faults)
    apps.register(TENANT_ID, CLIENT_ID, SECRET).propagation = timedelta(minutes=2)
    session = await FakeGraph(clock, faults, apps).sign_in(own())
    app = await session.registration()
    assert app is not None
    added = await session.add_password(app.object_id, display_name=NAME, ends_at=clock() + timedelta(days=1))
    clock.advance(timedelta(seconds=119))
    error = await failure(apps.app_token(own(added.secret)))
    assert isinstance(error, GrantRefused)
    assert error.refusal.aadsts == 7000215
    clock.advance(timedelta(seconds=1))
    assert await apps.app_token(own(added.secret))
    assert faults.calls == ["graph.sign_in", "graph.registration", "graph.add_password", *["apps.app_token"] * 2]
