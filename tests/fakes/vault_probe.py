"""Customers' vaults in memory."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain import vault_answers
from shared.domain.vault_answers import Probed
from tests.fakes.faults import Faults


@dataclass(frozen=True, slots=True)
class Answering:
    """How a vault answers: 200, or a status with the code of its `innererror` and the seconds to wait."""

    status: int = 200
    code: str | None = None
    retry_after: float | None = None


class FakeVaultProbe:
    """`VaultProbe` in memory: `vaults` says of each address how it answers; others do not exist."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.vaults: dict[str, Answering] = {}
        self.asked: list[tuple[str, str]] = []
        """Addresses, and the tokens that were shown there."""

    async def probe(self, origin: str, access_token: str) -> Probed:
        """See `VaultProbe`."""
        async with self._faults.call("vault_probe.probe"):
            self.asked.append((origin, access_token))
            vault = self.vaults.get(origin)
            if vault is None:
                return vault_answers.UNREACHABLE
            if vault.status == 200:
                return vault_answers.ALLOWED
            return vault_answers.refused(vault.status, vault.code, vault.retry_after)
