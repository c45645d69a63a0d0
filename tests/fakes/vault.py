"""A Key Vault in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from shared.domain.errors import NotFound, UpstreamError
from shared.services.ports import StoredVersion
from tests.fakes.faults import Faults


@dataclass(slots=True)
class Version:
    """One value of a secret."""

    id: str
    value: str
    tags: Mapping[str, str]
    enabled: bool = True


class FakeVault:
    """`Vault` in memory. A deleted name stays taken, as soft delete makes it."""

    def __init__(self, faults: Faults, *, url: str = "https://vault.example") -> None:
        self._faults = faults
        self._url = url
        self._numbers = count(1)
        self.secrets: dict[str, list[Version]] = {}
        self.deleted: set[str] = set()

    def readable(self) -> dict[str, list[Version]]:
        """What could still be read: the enabled versions by secret, oldest first, of secrets that are not deleted."""
        enabled = {name: [each for each in versions if each.enabled] for name, versions in self.secrets.items()}
        return {name: versions for name, versions in enabled.items() if versions and name not in self.deleted}

    async def put(self, name: str, value: str, *, tags: Mapping[str, str]) -> StoredVersion:
        """See `Vault`."""
        async with self._faults.call("vault.put") as repeated:
            if name in self.deleted:
                raise UpstreamError("Key Vault")  # 409 ObjectIsDeletedButRecoverable
            if repeated:  # each request that acts makes a version
                self._add(name, value, tags)
            return StoredVersion(self._add(name, value, tags), maybe_repeated=repeated)

    def _add(self, name: str, value: str, tags: Mapping[str, str]) -> str:
        version_id = f"{self._url}/secrets/{name}/{next(self._numbers):032x}"
        self.secrets.setdefault(name, []).append(Version(version_id, value, dict(tags)))
        return version_id

    async def get(self, version_id: str) -> str:
        """See `Vault`."""
        async with self._faults.call("vault.get"):
            version = self._find(version_id)
            if version is None or not version.enabled:
                raise NotFound("The secret version does not exist or is disabled")
            return version.value

    async def disable(self, version_id: str) -> None:
        """See `Vault`."""
        async with self._faults.call("vault.disable"):
            version = self._find(version_id)
            if version is not None:
                version.enabled = False

    async def readable_versions(self, name: str) -> Sequence[str]:
        """See `Vault`."""
        async with self._faults.call("vault.readable_versions"):
            return [each.id for each in self.readable().get(name, [])]

    async def delete(self, name: str) -> None:
        """See `Vault`."""
        async with self._faults.call("vault.delete"):
            if name in self.secrets:
                self.deleted.add(name)

    def _find(self, version_id: str) -> Version | None:
        return next((each for each in self._versions(version_id) if each.id == version_id), None)

    def _versions(self, version_id: str) -> list[Version]:
        name = version_id.rsplit("/", 2)[1]
        return [] if name in self.deleted else self.secrets.get(name, [])
