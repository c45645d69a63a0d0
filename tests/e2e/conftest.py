"""One stack for the whole test run; each test has an organisation of its own in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from local.client import Client
from local.environment import CERTIFICATES
from local.stack import Stack, create_tables
from local.visitor import Visitor
from tests.e2e.stacks import NEVER, beside, hosting, running_product
from tests.e2e.world import Customer, token_of
from tests.support.azurite import running_azurite

ORGANISATIONS = 500
"""Allowed tenants are a setting, so all are named before the first test runs; each test uses one up."""

HOST_JSON = Path(__file__).parents[2] / "host.json"

ONLY_HTTP = """
import azure.functions as func
from functions import connections

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(connections.blueprint)
"""
"""The connections' functions without the work's: messages stay on the queue."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests run in two processes; those that share the one stack stay together, unless they say otherwise."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="session")
def organisations() -> list[str]:
    return [str(uuid4()) for _ in range(ORGANISATIONS)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(organisations: list[str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The product over http loopback; hosts beside it may use the ports that follow its own eight."""
    state = tmp_path_factory.mktemp("stack")
    beside_it = ("http://127.0.0.1", 8), ("https://127.0.0.1", 9), ("http://127.0.0.1", 10)
    async with running_product(state, organisations, *beside_it) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def quiet_stack(stack: Stack, azurite: str) -> AsyncIterator[Stack]:
    """A host that puts messages on a queue which nobody reads, in a storage account of its own."""
    settings = {"AzureWebJobsStorage": azurite}
    quiet = beside(stack, name="quiet", offset=8, settings=settings)
    root = quiet.state / "app"
    root.mkdir(parents=True)
    (root / "function_app.py").write_text(ONLY_HTTP)
    shutil.copy(HOST_JSON, root)
    command = [sys.executable, "-m", "local.host", "--port", str(quiet.ports.api), "--root", str(root)]
    await create_tables(azurite)
    try:
        await quiet.processes.start("host", command, port=quiet.ports.api, env=quiet.settings)
        yield quiet
    finally:
        await quiet.processes.stop_all()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def https_stack(stack: Stack) -> AsyncIterator[Stack]:
    """The product over https, as browsers meet it in Azure."""
    https = beside(stack, name="https", offset=9, scheme="https", settings={"WORK_SCHEDULE": NEVER})
    async with hosting(https) as started:
        yield started


@pytest.fixture
async def killable(stack: Stack, organisations: list[str]) -> AsyncIterator[Client]:
    """A host that a test may kill, with storage of its own, and a program that speaks to it."""
    with running_azurite() as storage:
        await create_tables(storage)
        settings = {"AzureWebJobsStorage": storage, "LEASE_SECONDS": "5", "ROTATION_INTERVAL_UNIT": "days"}
        host = beside(stack, name="killable", offset=10, settings=settings)
        try:
            await host.start_host()
            async with Client(host, "") as speaking:
                speaking.token = await token_of(speaking, organisations.pop())
                yield speaking
        finally:
            await host.processes.stop_all()


@pytest.fixture
def org_id(organisations: list[str]) -> str:
    """An organisation that no other test uses."""
    return organisations.pop()


@pytest.fixture
async def client(stack: Stack, org_id: str) -> AsyncIterator[Client]:
    """A program with every role in the test's organisation."""
    async with Client(stack, "") as speaking:
        speaking.token = await token_of(speaking, org_id)
        yield speaking


@pytest.fixture
async def customer(client: Client) -> Customer:
    """A customer whose user signs in."""
    return await Customer.new(client)


@pytest.fixture
async def visitor(stack: Stack) -> AsyncIterator[Visitor]:
    """A person with a browser."""
    async with Visitor(str(CERTIFICATES / "loopback.pem")) as person:
        yield person


Break = Callable[..., Awaitable[None]]
"""`await break_entra("POST /path", status=503)`: the fault that the next matching request meets."""


@pytest.fixture
async def break_entra(client: Client) -> AsyncIterator[Break]:
    """Make the Entra stand-in fail; it behaves again after the test."""

    async def add(match: str, **fault: Any) -> None:
        await client.entra("POST", "faults", {"match": match, **fault})

    yield add
    await client.entra("DELETE", "faults")


@pytest.fixture
async def break_vault(client: Client) -> AsyncIterator[Break]:
    """Make the Key Vault stand-in fail; it behaves again after the test."""

    async def add(match: str, **fault: Any) -> None:
        await client.vault("POST", "faults", {"match": match, **fault})

    yield add
    await client.vault("DELETE", "faults")
