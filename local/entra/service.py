"""The parts that every endpoint needs, built once per process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local.entra import seed
from local.entra.clock import Clock, utc_now
from local.entra.directory import Application, Directory, Tenant
from local.entra.errors import AadstsError
from local.entra.keys import SigningKey
from local.entra.sealed import Sealer
from local.entra.state import Settings, State

ANY_TENANT = frozenset({"common", "organizations"})
"""Path segments that leave the tenant to the account that signs in."""


@dataclass(frozen=True, slots=True)
class Entra:
    """The stand-in's memory: one state folder, one signing key, one address."""

    authority: str
    """`https://127.0.0.1:port`, without a trailing slash."""
    state: State
    key: SigningKey
    sealer: Sealer
    clock: Clock
    file: Path | None
    """None keeps no change."""

    @classmethod
    def open(
        cls, folder: Path, *, authority: str, public_url: str, clock: Clock = utc_now, in_memory: bool = False
    ) -> Entra:
        """The state kept in `folder`, seeded when it is new."""
        file = folder / "entra.json"
        entra = cls(
            authority=authority,
            state=State.load(file),
            key=SigningKey.load(folder / "signing-key.pem"),
            sealer=Sealer(folder / "sealing.key"),
            clock=clock,
            file=None if in_memory else file,
        )
        seed.plant(entra.directory, authority=authority, public_url=public_url, now=clock())
        entra.save()
        return entra

    @property
    def directory(self) -> Directory:
        """Tenants, applications, identities."""
        return self.state.directory

    @property
    def settings(self) -> Settings:
        """The control plane's settings."""
        return self.state.settings

    def now(self) -> datetime:
        """The time, in UTC."""
        return self.clock()

    def save(self) -> None:
        """Make every change so far survive."""
        if self.file is not None:
            self.state.save(self.file)

    def issuer(self, tenant_id: str) -> str:
        """The `iss` of tokens of that tenant."""
        return f"{self.authority}/{tenant_id}/v2.0"

    def tenant(self, segment: str) -> Tenant | None:
        """The tenant that a path names; None for `common` and `organizations`. Raises AADSTS90002."""
        if segment in ANY_TENANT:
            return None
        found = self.directory.tenant(segment)
        if found is None:
            raise AadstsError(90002, segment)
        return found

    def client(self, client_id: str, tenant: Tenant | None) -> Application:
        """The application as that tenant knows it. Raises AADSTS700016, or 50194 where no tenant is named."""
        found = self.directory.application(client_id)
        if found is None or (tenant is not None and not found.exists_in(tenant.id)):
            raise AadstsError(700016, client_id)
        if tenant is None and not found.is_multi_tenant:
            raise AadstsError(50194, client_id)
        return found
