"""A secret version that no row will name: somebody else was faster, or the write it was for was refused."""

from __future__ import annotations

import logging

from shared.domain.errors import UpstreamError
from shared.services.ports import Vault

log = logging.getLogger(__name__)


async def discard(vault: Vault, version_id: str, *, connection_id: str) -> None:
    """Make it unreadable. One that is left behind is found by the sweep, which was announced before it was written."""
    try:
        await vault.disable(version_id)
    except UpstreamError as fault:
        log.warning("secret.version-left connectionId=%s reason=%s", connection_id, fault.service)
