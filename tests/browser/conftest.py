"""One stack, met over http loopback and over https, and one browser; each test has a person and an organisation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from local.client import Client
from local.environment import CERTIFICATES
from local.stack import Stack
from tests.browser.chromium import chromium
from tests.browser.person import Person
from tests.e2e.stacks import NEVER, beside, hosting, running_product
from tests.e2e.world import Customer, token_of

ORGANISATIONS = 100
WAYS = ("http", "https")
NAMED, OFFSET = "https://localhost", 8
"""Where the host over https is met, besides its port's offset."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that meets the one browser runs in its loop."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def organisations() -> list[str]:
    """Those that no test has used yet."""
    return [str(uuid4()) for _ in range(ORGANISATIONS)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(organisations: list[str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The product over http loopback. Its sign-in page is another site than the product, as in Azure."""
    async with running_product(tmp_path_factory.mktemp("stack"), organisations, (NAMED, OFFSET)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def https_stack(stack: Stack) -> AsyncIterator[Stack]:
    """The same over https, under a name: a form post from 127.0.0.1 to localhost crosses sites, as Entra's does."""
    settings = {"PUBLIC_URL": f"{NAMED}:{stack.ports.api + OFFSET}", "WORK_SCHEDULE": NEVER}
    async with hosting(beside(stack, name="https", offset=OFFSET, settings=settings)) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(stack: Stack) -> AsyncIterator[Browser]:
    """Started once; each person has a profile of their own in it."""
    async with chromium(CERTIFICATES / "loopback.pem") as started:
        yield started


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How browsers reach the product."""
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def product(way: str, stack: Stack, https_stack: Stack) -> Stack:
    """The product, reached that way."""
    return https_stack if way == "https" else stack


@pytest.fixture
def org_id(organisations: list[str]) -> str:
    """An organisation that no other test uses."""
    return organisations.pop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(product: Stack, org_id: str) -> AsyncIterator[Client]:
    """A program with every role in the test's organisation."""
    async with Client(product, "") as speaking:
        speaking.token = await token_of(speaking, org_id, name="Olga Operator")
        yield speaking


@pytest_asyncio.fixture(loop_scope="session")
async def customer(client: Client) -> AsyncIterator[Customer]:
    """A customer whose user signs in; whatever was broken is whole again after the test."""
    yield await Customer.new(client)
    await client.entra("DELETE", "faults")
    await client.vault("DELETE", "faults")


@pytest_asyncio.fixture(loop_scope="session")
async def person(browser: Browser, client: Client) -> AsyncIterator[Person]:
    """Somebody with a fresh browser profile, who meets this service and the sign-in page and nobody else."""
    context = await browser.new_context(locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(15_000)
    watched = Person(await context.new_page(), allowed=(client.stack.api, client.stack.entra))
    try:
        yield watched
        watched.saw_nothing_odd()
    finally:
        await context.close()
