"""What the vault holds: secrets, their versions, soft deletion. No HTTP.

Every change is on disk before the call that made it returns, so a killed process loses nothing it answered for.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AliasPath, BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from local.keyvault import errors

MAX_VALUE_BYTES = 25_600
"""25 KB; counted in octets. https://learn.microsoft.com/azure/key-vault/secrets/about-secrets"""

MAX_TAGS = 15
RETENTION_DAYS = 90

TagText = Annotated[str, Field(max_length=256)]


class Properties(BaseModel):
    """What a caller may say about a version; None leaves it as it is. Parses the request body of an update."""

    content_type: str | None = Field(None, validation_alias="contentType", max_length=255)
    tags: dict[TagText, TagText] | None = Field(None, max_length=MAX_TAGS)
    enabled: bool | None = Field(None, validation_alias=AliasPath("attributes", "enabled"))
    nbf: int | None = Field(None, validation_alias=AliasPath("attributes", "nbf"))
    exp: int | None = Field(None, validation_alias=AliasPath("attributes", "exp"))


class NewVersion(Properties):
    """The request body that sets a secret."""

    value: str

    @field_validator("value")
    @classmethod
    def _fits(cls, value: str) -> str:
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise ValueError(f"longer than {MAX_VALUE_BYTES} bytes")
        return value


class _Kept(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class Version(_Kept):
    """One value of a secret. Times are Unix seconds."""

    version: str
    value: str
    enabled: bool = True
    content_type: str | None = None
    tags: dict[str, str] = {}
    nbf: int | None = None
    exp: int | None = None
    created: int
    updated: int

    def apply(self, properties: Properties) -> None:
        """Take over what `properties` states; tags are replaced as a whole."""
        for name in Properties.model_fields:
            stated = getattr(properties, name)
            if stated is not None:
                setattr(self, name, stated)


class Deletion(_Kept):
    """When a secret was deleted and when that is over, in Unix seconds."""

    date: int
    completes: float

    @property
    def scheduled_purge(self) -> int:
        """When the service would forget the secret."""
        return self.date + RETENTION_DAYS * 24 * 3600


class Secret(_Kept):
    """The versions of one name, oldest first."""

    versions: list[Version] = []
    deletion: Deletion | None = None

    @property
    def current(self) -> Version:
        """The version that was made last, enabled or not. Creation times tie within a second; the order does not."""
        return self.versions[-1]


class Vault(_Kept):
    """All that survives a restart."""

    allowed_principals: list[str] = Field([], description="object ids and app ids with rights; empty allows everyone")
    secrets: dict[str, Secret] = {}


class Store:
    """A vault, kept in the file `path` or, without one, in memory only.

    For `deleting_seconds` after its deletion, a secret is neither alive nor listed as deleted, as in the service.
    Every method raises `VaultError` for what the service refuses.
    """

    def __init__(
        self, path: Path | None = None, *, deleting_seconds: float = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._deleting_seconds = deleting_seconds
        self._clock = clock
        self.vault = Vault.model_validate_json(path.read_bytes()) if path and path.exists() else Vault()

    def allow(self, principals: Iterable[str]) -> None:
        """Give these object ids and app ids, and nobody else, rights; none at all gives everyone rights."""
        self.vault.allowed_principals = sorted(set(principals))
        self._save()

    def set_secret(self, name: str, new: NewVersion) -> Version:
        """Add a version, which becomes the current one."""
        secret = self.vault.secrets.setdefault(name, Secret())
        if secret.deletion:
            raise self._unfinished(name, secret.deletion) or errors.deleted_but_recoverable(name)
        now = int(self._clock())
        made = Version(version=uuid.uuid4().hex, value=new.value, created=now, updated=now)
        made.apply(new)
        secret.versions.append(made)
        self._save()
        return made

    def get_version(self, name: str, version: str = "") -> Version:
        """That version, or the current one; disabled ones too."""
        secret = self._alive(name)
        if not version:
            return secret.current
        for each in secret.versions:
            if each.version == version:
                return each
        raise errors.not_found(f"{name}/{version}")

    def update(self, name: str, version: str, properties: Properties) -> Version:
        """Change what is said about a version; its value never changes."""
        changed = self.get_version(name, version)
        changed.apply(properties)
        changed.updated = int(self._clock())
        self._save()
        return changed

    def versions(self, name: str) -> list[Version]:
        """All versions of a secret, oldest first."""
        return self._alive(name).versions

    def alive(self) -> dict[str, Secret]:
        """The secrets that are not deleted."""
        return {name: secret for name, secret in self.vault.secrets.items() if not secret.deletion}

    def delete(self, name: str) -> tuple[Secret, Deletion]:
        """Soft-delete all versions."""
        secret, now = self._alive(name), self._clock()
        secret.deletion = Deletion(date=int(now), completes=now + self._deleting_seconds)
        self._save()
        return secret, secret.deletion

    def deleted(self) -> dict[str, tuple[Secret, Deletion]]:
        """The secrets whose deletion has finished."""
        return {
            name: (secret, secret.deletion)
            for name, secret in self.vault.secrets.items()
            if secret.deletion and not self._unfinished(name, secret.deletion)
        }

    def get_deleted(self, name: str) -> tuple[Secret, Deletion]:
        """A secret whose deletion has finished."""
        secret = self.vault.secrets.get(name)
        if secret is None or secret.deletion is None or self._unfinished(name, secret.deletion):
            raise errors.deleted_not_found(name)
        return secret, secret.deletion

    def recover(self, name: str) -> Version:
        """Undo a deletion."""
        secret = self._settled(name)
        secret.deletion = None
        self._save()
        return secret.current

    def purge(self, name: str) -> None:
        """Forget a deleted secret; its name is free again."""
        self._settled(name)
        del self.vault.secrets[name]
        self._save()

    def _alive(self, name: str) -> Secret:
        secret = self.vault.secrets.get(name)
        if secret is None or secret.deletion:
            raise errors.not_found(name)
        return secret

    def _settled(self, name: str) -> Secret:
        secret = self.vault.secrets.get(name)
        if secret and secret.deletion and (unfinished := self._unfinished(name, secret.deletion)):
            raise unfinished
        return self.get_deleted(name)[0]

    def _unfinished(self, name: str, deletion: Deletion) -> errors.VaultError | None:
        return errors.being_deleted(name) if self._clock() < deletion.completes else None

    def _save(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(self._path.name + ".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(self.vault.model_dump_json(by_alias=True), encoding="utf-8")
        os.replace(unfinished, self._path)
