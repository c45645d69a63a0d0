"""Somebody else's Key Vault, reached with a connection's token."""

from __future__ import annotations

from typing import Protocol

from shared.domain.vault_answers import Probed


class VaultProbe(Protocol):
    """Asks a vault for one name out of its list of secrets; follows no redirect, waits for seconds only.

    Never raises: what is wrong with a vault that its caller named is the answer.
    """

    async def probe(self, origin: str, access_token: str) -> Probed:
        """`origin` is a vault's address that was checked before."""
