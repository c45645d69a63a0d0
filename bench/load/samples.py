"""Every answer with the time it took, and what is counted of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bench.load.expectations import CREATE_AGAIN

NO_ANSWER = 0
"""The status of a request whose connection was refused or cut."""


class Phase(StrEnum):
    """What the traffic is for."""

    SEARCH = "search"
    HOLD = "hold"
    AFTER = "after"
    """Asked at the end, at nobody's rate: to come to rest, and to see what is there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Moments are seconds of one monotonic clock."""

    route: str
    status: int
    begun: float
    ended: float
    phase: Phase

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return self.ended - self.begun


@dataclass(slots=True)
class Gap:
    """From the host's death until it was ready again."""

    killed: float
    ready: float = math.inf

    def touches(self, sample: Sample) -> bool:
        """Whether the host was down at any moment of the request."""
        return sample.begun < self.ready and sample.ended >= self.killed


@dataclass(slots=True)
class Samples:
    """All requests of a run."""

    taken: list[Sample] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def in_a_gap(self, sample: Sample) -> bool:
        """Whether the host was down at any moment of the request: counted apart."""
        return any(gap.touches(sample) for gap in self.gaps)

    def answered(self, phase: Phase, *, since: float = -math.inf) -> list[Sample]:
        """What was asked since then and answered, outside the gaps."""
        found: list[Sample] = []
        for sample in reversed(self.taken):  # in the order of their ends: nothing that took 60 s or more is looked for
            if sample.ended < since:
                break
            if sample.phase is phase and sample.begun >= since and sample.status and not self.in_a_gap(sample):
                found.append(sample)
        return found

    @property
    def under_way_at_a_kill(self) -> int:
        """How many requests the host's deaths met."""
        return sum(sample.begun < gap.killed <= sample.ended for gap in self.gaps for sample in self.taken)

    def by_status(self, phase: Phase) -> dict[str, dict[str, int]]:
        """Route to status to number, outside the gaps."""
        counts: dict[str, Counter[str]] = {}
        for sample in self.taken:
            if sample.phase is phase and not self.in_a_gap(sample):
                counts.setdefault(sample.route, Counter())[str(sample.status or "no answer")] += 1
        return {route: dict(sorted(counts[route].items())) for route in sorted(counts)}

    def statuses(self) -> dict[str, int]:
        """Status to number, of all answers to the traffic outside the gaps; asking again for a creation is left out."""
        traffic = (sample for sample in self.taken if sample.phase is not Phase.AFTER and sample.route != CREATE_AGAIN)
        met = Counter(str(sample.status) for sample in traffic if sample.status and not self.in_a_gap(sample))
        return dict(sorted(met.items()))

    def cut(self) -> Counter[str]:
        """Route to number, of the requests of all phases that got no answer though the host was up all the time."""
        return Counter(sample.route for sample in self.taken if not sample.status and not self.in_a_gap(sample))

    def gap_counts(self) -> dict[str, int]:
        """Status to number, of the requests that met the host while it was down."""
        met = Counter(str(sample.status or "no answer") for sample in self.taken if self.in_a_gap(sample))
        return dict(sorted(met.items()))

    def times(self, phase: Phase) -> dict[str, dict[str, float]]:
        """Route (and `all`) to percentiles in milliseconds, of what was answered outside the gaps."""
        by_route: dict[str, list[float]] = {"all": []}
        for sample in self.answered(phase):
            by_route.setdefault(sample.route, []).append(sample.seconds)
            by_route["all"].append(sample.seconds)
        return {route: percentiles(by_route[route]) for route in sorted(by_route) if by_route[route]}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed. Raises `ValueError` without values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The usual three, and how many values there were."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {"count": len(seconds)} | {
        name: round(percentile(seconds, share) * 1000, 1) for name, share in shares.items()
    }
