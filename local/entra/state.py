"""Everything that must survive a restart, in one JSON file."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from pydantic import AwareDatetime, Field

from local.entra.directory import Directory, Model
from local.entra.errors import AadstsNumber
from local.entra.keys import write_private


class Grant(Model):
    """One sign-in of a user to a client: what the refresh tokens that came of it depend on."""

    id: str = Field(default_factory=lambda: str(uuid4()))
    tenant: str
    user: str
    client_id: str
    created_at: AwareDatetime
    refused_with: AadstsNumber | None = None


class Settings(Model):
    """What the control plane can turn."""

    password_propagation_seconds: float = Field(default=0, ge=0, description="a new secret is refused for so long")
    access_token_seconds: int = Field(default=4500, ge=1, description="Entra's vary between 60 and 90 minutes")
    clock_ahead_seconds: int = Field(default=0, ge=-86_400, le=86_400, description="how far its clock is off")


class State(Model):
    """The directory, the grants, and the settings."""

    directory: Directory = Field(default_factory=Directory)
    settings: Settings = Field(default_factory=Settings)
    grants: dict[str, Grant] = Field(default_factory=dict)
    redeemed_codes: dict[str, AwareDatetime] = Field(default_factory=dict, description="when, by the code's id")

    @classmethod
    def load(cls, path: Path) -> State:
        """The state in that file; a fresh one when there is no file."""
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()

    def save(self, path: Path) -> None:
        """Write the file, all or nothing: a killed process loses no change that was answered."""
        write_private(path, self.model_dump_json(by_alias=True, indent=1).encode())
