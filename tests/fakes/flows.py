"""Table `oauthflows` in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import count

from shared.services.ports import Attempt, Link
from tests.fakes.faults import Faults


class FakeFlowTable:
    """`FlowTable` in memory."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._etags = count()
        self.links: dict[str, Link] = {}
        self.attempts: dict[str, Attempt] = {}

    async def put_link(self, link: Link) -> None:
        """See `FlowTable`."""
        async with self._faults.call("flows.put_link"):
            self.links[link.flow_id] = replace(link, body=json.loads(json.dumps(link.body)), etag=self._etag())

    async def get_link(self, flow_id: str) -> Link | None:
        """See `FlowTable`."""
        async with self._faults.call("flows.get_link"):
            return self.links.get(flow_id)

    async def settle_link(self, flow_id: str, state: str, message: str | None) -> None:
        """See `FlowTable`."""
        async with self._faults.call("flows.settle_link"):
            link = self.links.get(flow_id)
            if link is not None and link.state != "succeeded":
                self.links[flow_id] = replace(link, state=state, message=message, etag=self._etag())

    async def remove_expired(self, before: datetime, *, limit: int) -> int:
        """See `FlowTable`."""
        async with self._faults.call("flows.remove_expired"):
            links = [key for key, link in self.links.items() if link.expires_at < before][:limit]
            attempts = [key for key, attempt in self.attempts.items() if attempt.expires_at < before]
            attempts = attempts[: limit - len(links)]
            self.links = {key: link for key, link in self.links.items() if key not in links}
            self.attempts = {key: attempt for key, attempt in self.attempts.items() if key not in attempts}
            return len(links) + len(attempts)

    async def put_attempt(self, attempt: Attempt) -> None:
        """See `FlowTable`."""
        async with self._faults.call("flows.put_attempt"):
            self.attempts[attempt.state_hash] = replace(attempt, etag=self._etag())

    async def get_attempt(self, state_hash: str) -> Attempt | None:
        """See `FlowTable`."""
        async with self._faults.call("flows.get_attempt"):
            return self.attempts.get(state_hash)

    async def remove_attempt(self, attempt: Attempt) -> bool:
        """See `FlowTable`."""
        async with self._faults.call("flows.remove_attempt"):
            present = self.attempts.get(attempt.state_hash)
            if present is None or present.etag != attempt.etag:
                return False
            del self.attempts[attempt.state_hash]
            return True

    def _etag(self) -> str:
        return f'W/"{next(self._etags)}"'
