"""What a property can hold. The emulator takes more than the service does, so we count ourselves."""

from __future__ import annotations

MAX_TEXT = 32_000
"""UTF-16 code units: a string property holds 64 KiB of them
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model)."""


def text(document: str, owner: str) -> str:
    """`document`, or `RuntimeError` where the service would refuse it."""
    if len(document.encode("utf-16-le")) > 2 * MAX_TEXT:
        raise RuntimeError(f"{owner} has outgrown a table property")
    return document
