"""Opaque list cursors.

A cursor names a place within one list. It is no capability: the organisation always comes from the caller's token, so a
forged cursor can only move its owner within their own list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from shared.domain.errors import Problem, ValidationFailed

MAX_CHARS = 512
NAMES = re.compile(r"[0-9A-Za-z!-]{1,200}")
"""Places in lists of connections."""
TIMES = re.compile(r"[0-9]{14}(![0-9A-Za-z-]{1,64})?")
"""Places in lists of records."""
_SCOPE_CHARS = 12


def encode(place: str | None, *scope: str | None) -> str | None:
    """The cursor for `place` in the list that `scope` names; None at the end of the list."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(f"{_mark(scope)}{place}".encode()).decode().rstrip("=")


def decode(cursor: str | None, *scope: str | None, places: re.Pattern[str] = NAMES) -> str | None:
    """The place. Raises `ValidationFailed` for what this list never gave out."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _invalid() from None
    mark, place = text[:_SCOPE_CHARS], text[_SCOPE_CHARS:]
    if len(cursor) > MAX_CHARS or mark != _mark(scope) or not places.fullmatch(place):
        raise _invalid()
    return place


def _mark(scope: tuple[str | None, ...]) -> str:
    return hashlib.sha256("\0".join(part or "" for part in scope).encode()).hexdigest()[:_SCOPE_CHARS]


def _invalid() -> ValidationFailed:
    return ValidationFailed([Problem("custom", ("cursor",), "The cursor does not belong to this list")])
