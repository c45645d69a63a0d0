"""Fixtures of the contract tests: the same tests meet the fake and the real adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.app_authorities import AppsUnderTest, RealApps, fake_apps, real_apps
from tests.contract.authorities import EntraUnderTest, RealEntra, fake_entra, real_entra
from tests.contract.local.keyvault_harness import Issuer
from tests.contract.relay import Relay, relaying
from tests.contract.tables import QUICK, Tables, azure_tables, fake_tables, table_address
from tests.contract.vaults import RealVault, VaultUnderTest, fake_vault, real_vault


@pytest.fixture(params=["fake", "azure"])
async def tables(request: pytest.FixtureRequest) -> AsyncIterator[Tables]:
    """Every table port, in memory and on Azurite."""
    if request.param == "fake":
        yield fake_tables()
        return
    async with azure_tables(request.getfixturevalue("azurite")) as made:
        yield made


@pytest.fixture
async def tables_in_azure(azurite: str) -> AsyncIterator[Tables]:
    """The real adapters on Azurite."""
    async with azure_tables(azurite) as made:
        yield made


@pytest.fixture
async def relay(azurite: str) -> AsyncIterator[Relay]:
    """A way to Azurite's tables on which answers go astray."""
    async with relaying(table_address(azurite)) as made:
        yield made


@pytest.fixture
async def relayed(relay: Relay, azurite: str) -> AsyncIterator[Tables]:
    """The real adapters, speaking through the relay."""
    async with azure_tables(azurite.replace(table_address(azurite), relay.url), **QUICK) as made:
        yield made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps the certificate and the authority's key, which take long to make."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(params=["fake", "msal"])
async def authority(
    request: pytest.FixtureRequest, certificates: Path, tmp_path: Path
) -> AsyncIterator[EntraUnderTest]:
    """An authority in memory, and MSAL with the stand-in behind it."""
    if request.param == "fake":
        yield fake_entra()
        return
    async with real_entra(certificates, tmp_path) as made:
        yield made


@pytest.fixture
async def real_authority(certificates: Path, tmp_path: Path) -> AsyncIterator[RealEntra]:
    """MSAL, with a stand-in behind it that can be made to fail."""
    async with real_entra(certificates, tmp_path) as made:
        yield made


@pytest.fixture(params=["fake", "azure-identity"])
async def app_authority(
    request: pytest.FixtureRequest, certificates: Path, tmp_path: Path
) -> AsyncIterator[AppsUnderTest]:
    """An authority for apps in memory, and azure-identity with the stand-in behind it."""
    if request.param == "fake":
        yield fake_apps()
        return
    async with real_apps(certificates, tmp_path) as made:
        yield made


@pytest.fixture
async def real_app_authority(certificates: Path, tmp_path: Path) -> AsyncIterator[RealApps]:
    """azure-identity, with a stand-in behind it that can be made to fail."""
    async with real_apps(certificates, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Signs the tokens of the vault's caller."""
    return Issuer()


@pytest.fixture(params=["fake", "azure"])
async def each_vault(
    request: pytest.FixtureRequest, certificates: Path, issuer: Issuer
) -> AsyncIterator[VaultUnderTest]:
    """A vault in memory, and the official client with the stand-in behind it."""
    if request.param == "fake":
        yield fake_vault()
        return
    async with real_vault(certificates, issuer) as made:
        yield made


@pytest.fixture
async def lossy_vault(certificates: Path, issuer: Issuer) -> AsyncIterator[RealVault]:
    """The official client, with answers to lose."""
    async with real_vault(certificates, issuer) as made:
        yield made
