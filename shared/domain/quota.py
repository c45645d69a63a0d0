"""The quotas that others set, the pace that keeps below them, and the plan of the coming seconds.

What the background work may spend is decided where it is released, in one place, not where many instances work.

| Published | Pace here |
|---|---|
| Key Vault, 300 new secret versions in 10 s | 28 a second; 2 are left for callers, and for looks that come late |
| Key Vault, 4,000 other calls in 10 s | 340 a second; 60 are left for programs that ask for tokens |
| Graph, 18,000 writes in 5 min a tenant: 60 a second | 52 a second |
| Graph, 3,000 writes in 2.5 min an app and tenant: 20 a second | 18 a second |

Sources: https://learn.microsoft.com/azure/key-vault/general/service-limits and
https://learn.microsoft.com/graph/throttling-limits (identity and access).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from enum import StrEnum

from shared.domain.model import Record

VERSIONS_A_SECOND = 28
VAULT_CALLS_A_SECOND = 340
TENANT_WRITES_A_SECOND = 52
APP_WRITES_A_SECOND = 18

PERIOD = timedelta(seconds=10)
"""How far ahead a tick plans, and how far ticks are apart."""

Spent = tuple[str, ...]
"""Names one quota of one holder: the vault's, a tenant's, an app's in its tenant."""


class Lane(StrEnum):
    """Due rows stand in one of these, by what they would spend: what waits for one quota hides nothing else."""

    VERSIONS = "v"
    WRITES = "w"
    REST = ""


class Cost(Record):
    """The most that the next look at a connection spends of the quotas. Graph counts by tenant and calling app."""

    tenant_id: str = ""
    client_id: str = ""
    versions: int = 0
    """New secret versions."""
    vault_calls: int = 0
    """Other calls to the credential vault."""
    graph_writes: int = 0

    @property
    def lane(self) -> Lane:
        """Where its due row waits."""
        if self.versions:
            return Lane.VERSIONS
        return Lane.WRITES if self.graph_writes else Lane.REST

    def covers(self, other: Cost) -> bool:
        """Whether whoever reckons with this has reckoned with `other`. Whose app it is matters to Graph alone."""
        return (
            self.versions >= other.versions
            and self.vault_calls >= other.vault_calls
            and self.graph_writes >= other.graph_writes
            and (not other.graph_writes or (self.tenant_id, self.client_id) == (other.tenant_id, other.client_id))
        )

    def amounts(self) -> dict[Spent, int]:
        """How much of which quota."""
        amounts = {
            ("versions",): self.versions,
            ("vault",): self.vault_calls,
            ("tenant", self.tenant_id): self.graph_writes,
            ("app", self.tenant_id, self.client_id): self.graph_writes,
        }
        return {quota: amount for quota, amount in amounts.items() if amount}


UNKNOWN = Cost(versions=1, vault_calls=4, graph_writes=3)
"""Of a due row that does not tell: as much as any usual one, and all such are taken for one app's."""

PACES = {
    "versions": VERSIONS_A_SECOND,
    "vault": VAULT_CALLS_A_SECOND,
    "tenant": TENANT_WRITES_A_SECOND,
    "app": APP_WRITES_A_SECOND,
}


class Plan:
    """Gives each cost the first of the coming seconds that has room for it."""

    def __init__(self, *, seconds: int) -> None:
        self._spent: list[Counter[Spent]] = [Counter() for _ in range(max(0, seconds))]
        self.taken = 0
        """How many seconds something was put off over, from the first on; 0 while every second had room."""

    def place(self, cost: Cost, *, earliest: int = 0) -> int | None:
        """The second from `earliest` on in which it may be spent, now booked; None when this plan has no room."""
        amounts = cost.amounts()
        for second in range(earliest, len(self._spent)):
            if self._has_room(second, amounts):
                self._spent[second].update(amounts)
                if second > earliest:
                    self.taken = max(self.taken, second + 1)
                return second
        if earliest < len(self._spent):
            self.taken = len(self._spent)
        return None

    def _has_room(self, second: int, amounts: dict[Spent, int]) -> bool:
        """More than a whole second carries goes alone: nothing waits for ever."""
        spent = self._spent[second]
        return all(spent[quota] == 0 or spent[quota] + amount <= PACES[quota[0]] for quota, amount in amounts.items())
