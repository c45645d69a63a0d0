"""Customers' vaults in memory."""

from __future__ import annotations

from shared.services.ports import Probed
from tests.fakes.faults import Faults


class FakeVaultProbe:
    """`VaultProbe` in memory: `vaults` says of each address what it answers; others do not exist."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.vaults: dict[str, Probed] = {}
        self.asked: list[tuple[str, str]] = []
        """Addresses, and the tokens that were shown there."""

    async def probe(self, origin: str, access_token: str) -> Probed:
        """See `VaultProbe`."""
        async with self._faults.call("vault_probe.probe"):
            self.asked.append((origin, access_token))
            return self.vaults.get(origin, Probed(can_list_secrets=False, message="No vault answers at that address"))
