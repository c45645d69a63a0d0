"""Authorization codes and refresh tokens: sealed values, opaque to the client, as Entra's are.

What they say travels inside them, so that a refresh writes nothing; only redeemed codes and revoked grants are state.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel, Field, ValidationError

from local.entra.directory import Model
from local.entra.keys import write_private

_PREFIX = "1."
"""How Entra's opaque values begin."""


class Code(Model):
    """What an authorization code stands for."""

    kind: Literal["code"] = "code"
    id: str = Field(default_factory=lambda: str(uuid4()))
    tenant: str
    user: str
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None = None
    code_challenge: str | None = None


class RefreshToken(Model):
    """What a refresh token stands for: a user's grant to a client, for any resource."""

    kind: Literal["refresh"] = "refresh"
    id: str = Field(default_factory=lambda: str(uuid4()))
    grant: str
    scope: str


Sealed = TypeVar("Sealed", bound=BaseModel)


class Sealer:
    """Seals values under a key that is kept beside the state."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            write_private(path, Fernet.generate_key())
        self._fernet = Fernet(path.read_bytes())

    def seal(self, value: BaseModel, now: datetime) -> str:
        """The opaque form of `value`, with the time it was issued."""
        return _PREFIX + self._fernet.encrypt_at_time(value.model_dump_json().encode(), int(now.timestamp())).decode()

    def open(self, text: str, kind: type[Sealed]) -> tuple[Sealed, int] | None:
        """The value and the epoch second of its issue; None for anything that `seal` did not make of that kind."""
        token = text.removeprefix(_PREFIX)
        if token == text:
            return None
        try:
            return kind.model_validate_json(self._fernet.decrypt(token)), self._fernet.extract_timestamp(token)
        except (InvalidToken, ValidationError):
            return None
