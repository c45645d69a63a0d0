"""Checking a connection: a token is really fetched, and a vault really asked."""

from __future__ import annotations

import pytest

from shared.domain.connection import Health
from shared.domain.errors import ConnectionBroken, NotFound, Refusal, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.fakes.vault_probe import Answering
from tests.unit.services.world import CALLER, STRANGER, created, row_of

VAULT = "https://customer.vault.azure.net"


async def test_a_working_connection_is_active(world: FakeApplication) -> None:
    connection = await created(world)
    checked = await world.app.checking(CALLER, connection.id, None)
    assert (checked.state, checked.message, checked.can_list_secrets) == (Health.ACTIVE, None, None)
    assert checked.at == world.clock()


async def test_the_vault_is_asked_with_a_token_of_the_connection(world: FakeApplication) -> None:
    connection = await created(world)
    world.probe.vaults[VAULT] = Answering()
    assert (await world.app.checking(CALLER, connection.id, VAULT)).can_list_secrets is True
    ((origin, shown),) = world.probe.asked
    assert origin == VAULT
    assert shown.startswith("access-")


async def test_a_missing_right_is_told_and_is_no_fault_of_the_connection(world: FakeApplication) -> None:
    connection = await created(world)
    world.probe.vaults[VAULT] = Answering(403, "ForbiddenByRbac")
    checked = await world.app.checking(CALLER, connection.id, VAULT)
    assert (checked.state, checked.can_list_secrets) == (Health.ACTIVE, False)
    assert "Key Vault Secrets User" in str(checked.message)


async def test_a_vault_that_says_neither_yes_nor_no_is_no_answer_about_rights(world: FakeApplication) -> None:
    connection = await created(world)
    world.probe.vaults[VAULT] = Answering(429, retry_after=7)
    checked = await world.app.checking(CALLER, connection.id, VAULT)
    assert (checked.state, checked.can_list_secrets) == (Health.ACTIVE, None)
    assert "7 seconds" in str(checked.message)


async def test_a_dead_connection_is_tried_again_and_recovers(world: FakeApplication) -> None:
    connection = await created(world)
    world.entra.revoke(ADA, Refusal("invalid_grant", 50057))
    checked = await world.app.checking(CALLER, connection.id, VAULT)
    assert checked.state is Health.NEEDS_RECONNECT
    assert "disabled" in str(checked.message)
    assert world.probe.asked == []
    with pytest.raises(ConnectionBroken):
        await world.app.tokens.token(CALLER, connection.id)
    world.entra.accept(ADA)
    assert (await world.app.checking(CALLER, connection.id, None)).state is Health.ACTIVE
    assert row_of(world, connection.id).connection.status.reason is None


async def test_an_outage_of_entra_is_no_verdict(world: FakeApplication) -> None:
    connection = await created(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Microsoft Entra ID"))
    with pytest.raises(UpstreamUnavailable):
        await world.app.checking(CALLER, connection.id, None)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_a_stranger_checks_nothing(world: FakeApplication) -> None:
    connection = await created(world)
    with pytest.raises(NotFound):
        await world.app.checking(STRANGER, connection.id, VAULT)
