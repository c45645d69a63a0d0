"""Table `claims` in memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from shared.services.ports import Claim
from tests.fakes.faults import Faults


class FakeClaimTable:
    """`ClaimTable` in memory."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._etags = count()
        self.claims: dict[tuple[str, str], Claim] = {}
        """By tenant id and client id."""

    async def take(self, claim: Claim) -> Claim:
        """See `ClaimTable`."""
        async with self._faults.call("claims.take"):
            return self.claims.setdefault((claim.tenant_id, claim.client_id), replace(claim, etag=self._etag()))

    async def take_over(self, standing: Claim, claim: Claim) -> bool:
        """See `ClaimTable`."""
        async with self._faults.call("claims.take_over"):
            key = (claim.tenant_id, claim.client_id)
            present = self.claims.get(key)
            if present != standing:
                return present is not None and _holder(present) == _holder(claim)
            self.claims[key] = replace(claim, etag=self._etag())
            return True

    async def release(self, tenant_id: str, client_id: str, connection_id: str) -> None:
        """See `ClaimTable`."""
        async with self._faults.call("claims.release"):
            claim = self.claims.get((tenant_id, client_id))
            if claim is not None and claim.connection_id == connection_id:
                del self.claims[tenant_id, client_id]

    def _etag(self) -> str:
        return f'W/"{next(self._etags)}"'


def _holder(claim: Claim) -> tuple[str, str]:
    return claim.org_id, claim.connection_id
