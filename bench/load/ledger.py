"""What the traffic asked for and what it was told: the one thing that the end is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TAIL = 16
"""Characters of a secret by which it is looked for: the random end of a signature, of sealed bytes, of an id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One PATCH. Moments are seconds of a monotonic clock."""

    values: dict[str, Any]
    begun: float
    ended: float
    acknowledged: bool
    """It was answered 200. Any other answer leaves open whether it happened: an answer of storage's may be lost."""


@dataclass(slots=True)
class Wish:
    """A connection that the traffic wanted, from the first request on."""

    name: str
    method: str
    key: str | None = None
    """The `Idempotency-Key`; a connect link has none."""
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    flow_id: str | None = None
    """The connect link's."""
    id: str | None = None
    rotates: bool = False
    made: bool = False
    """A creation was answered 200, or a link's page said so."""
    refused: bool = False
    """A creation was answered by a refusal that is final."""
    tries: int = 0
    deletions: int = 0
    """Requests to delete it that were sent."""
    deleted: bool = False
    """A deletion was answered 200."""
    changes: list[Change] = field(default_factory=list)
    rotations: list[datetime] = field(default_factory=list)
    """When each request to rotate began that was answered 200."""

    @property
    def open(self) -> bool:
        """Nobody knows yet whether it was made."""
        return not self.made and not self.refused

    @property
    def stands(self) -> bool:
        """It was made, and nobody asked to delete it."""
        return self.made and not self.deletions


@dataclass(slots=True)
class Ledger:
    """All wishes of a run, all secrets that were seen, and every answer that should not have been."""

    wishes: list[Wish] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    tokens: int = 0
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """The tail of each secret, and what it is."""

    def usable(self) -> list[Wish]:
        """The connections that traffic may be sent to."""
        return [wish for wish in self.wishes if wish.stands]

    def keep_secret(self, what: str, value: str) -> str:
        """Remember that `value` must be found nowhere; the value again."""
        if len(value) < TAIL:
            raise ValueError(f"{what} is too short to be told from other text")
        self.secrets[value[-TAIL:]] = what
        return value


def leaks(secrets: dict[str, str], places: Mapping[str, Iterable[str]]) -> list[str]:
    """Which secret stands where. Linear in the text, however many secrets there are."""
    found: set[str] = set()
    for place, texts in places.items():
        for text in texts:
            for start in range(len(text) - TAIL + 1):
                if (piece := text[start : start + TAIL]) in secrets:
                    found.add(f"{secrets[piece]} in {place}")
    return sorted(found)
