"""What properties can hold. The emulator takes more than the service does, so we count ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PART = 16_000
"""Characters in one property. A string property holds 64 KiB of UTF-16, which is two code units for some characters
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model)."""

MAX_TEXT = 10 * PART
"""Characters in all of them; an entity holds 1 MiB."""


def text(document: str, owner: str) -> str:
    """`document` as one property. Raises `RuntimeError` where the service would refuse it."""
    if len(document) > PART:
        raise RuntimeError(f"{owner} has outgrown a table property")
    return document


def split(name: str, document: str, owner: str) -> dict[str, str]:
    """The properties `name`, `name2`, `name3` and so on that hold `document`, as many as it needs.

    Raises `RuntimeError` where the service would refuse them.
    """
    if len(document) > MAX_TEXT:
        raise RuntimeError(f"{owner} has outgrown a table entity")
    parts = [document[at : at + PART] for at in range(0, len(document), PART)] or [""]
    return {_nth(name, number): part for number, part in enumerate(parts, start=1)}


def joined(name: str, entity: Mapping[str, Any]) -> str:
    """What `split` made properties of. Raises `KeyError` where there are none."""
    parts, number = [str(entity[name])], 2
    while (part := entity.get(_nth(name, number))) is not None:
        parts.append(str(part))
        number += 1
    return "".join(parts)


def _nth(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"
