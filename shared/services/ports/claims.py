"""Which connection rotates which app's passwords."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Claim:
    """A connection's claim on an app. It counts only while the connection's row bears it out."""

    tenant_id: str
    client_id: str
    org_id: str
    connection_id: str
    claimed_at: datetime
    etag: str = ""


class ClaimTable(Protocol):
    """The claims, one per app and tenant."""

    async def take(self, claim: Claim) -> Claim:
        """Write the claim unless the app is claimed already; whichever stands."""

    async def take_over(self, standing: Claim, claim: Claim) -> bool:
        """Put `claim` in place of `standing`, if that is unchanged."""

    async def release(self, tenant_id: str, client_id: str, connection_id: str) -> None:
        """Remove the claim if it is that connection's; done when there is none."""
