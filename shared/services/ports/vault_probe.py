"""Somebody else's Key Vault, reached with a connection's token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Probed:
    """Whether the vault lets its secrets be listed, and if not, what is missing."""

    can_list_secrets: bool
    message: str | None = None


class VaultProbe(Protocol):
    """Asks a vault for one name out of its list of secrets; follows no redirect, waits for seconds only."""

    async def probe(self, origin: str, access_token: str) -> Probed:
        """`origin` is a vault's address that was checked before."""
