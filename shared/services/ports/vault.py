"""Where secrets are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A secret version just written."""

    id: str
    """The full id, `https://…/secrets/name/version`."""
    maybe_repeated: bool = False
    """The request was sent more than once, so a twin version may exist that nobody knows."""


class Vault(Protocol):
    """Key Vault: the only place that holds secrets."""

    async def put(self, name: str, value: str, *, tags: Mapping[str, str]) -> StoredVersion:
        """A new version of the secret."""

    async def get(self, version_id: str) -> str:
        """The value of that version. Raises `NotFound` when it does not exist or is disabled."""

    async def disable(self, version_id: str) -> None:
        """Make the version unreadable; done when it does not exist."""

    async def readable_versions(self, name: str) -> Sequence[str]:
        """The full ids of the secret's versions that can be read; none when it does not exist."""

    async def delete(self, name: str) -> None:
        """Delete the secret with all its versions; done when it does not exist."""
