"""The quotas as the services enforce them, and what was spent of them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil

from shared.domain.errors import UpstreamUnavailable

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """So many calls in any window of so many seconds, wherever it begins: the strictest reading of a limit."""

    limit: int
    seconds: float


def quotas(graph_window: float) -> dict[str, Quota]:
    """By the first part of a key. Graph's are published for minutes and held to within so many seconds here."""
    return {
        "versions": Quota(300, 10),
        "vault": Quota(4000, 10),
        "tenant": Quota(round(60 * graph_window), graph_window),
        "app": Quota(round(20 * graph_window), graph_window),
    }


ANSWER_SECONDS = 0.05
"""How long a refusal takes."""


@dataclass
class Meter:
    """Lets calls pass, or refuses them with 429 and `Retry-After`. A refused call counts too, as Graph says."""

    now: Callable[[], float]
    quotas: Mapping[str, Quota]
    calls: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    fullest: Counter[str] = field(default_factory=Counter)
    """By quota, the most that any of its windows held."""
    _windows: dict[Key, deque[float]] = field(default_factory=dict)

    async def take(self, service: str, *keys: Key) -> None:
        """Count one call against each key. Raises `UpstreamUnavailable` when a window is full."""
        now = self.now()
        self.calls[service] += 1
        wait = 0.0
        for key in keys:
            quota = self.quotas[key[0]]
            window = self._windows.setdefault(key, deque())
            while window and window[0] <= now - quota.seconds:
                window.popleft()
            if len(window) >= quota.limit:
                wait = max(wait, window[-quota.limit] + quota.seconds - now)
            window.append(now)
            self.fullest[key[0]] = max(self.fullest[key[0]], len(window))
        if wait:
            self.refused[service] += 1
            await asyncio.sleep(ANSWER_SECONDS)
            raise UpstreamUnavailable(service, retry_after=ceil(wait))
