"""What a measure is, and what came of it.

A measure is one module with a `MEASURE`, listed in `bench.__main__`; its function yields one `Repeat` after the other.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.world import World


@dataclass(frozen=True, slots=True)
class Repeat:
    """One repeat: the measure's value, and the figures that it came from."""

    value: float
    figures: Mapping[str, float] = field(default_factory=dict)
    """By a label that ends in its unit, such as `product p50 ms`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table."""

    name: str
    how: str
    """What is divided by what, in a line."""
    limit: float
    """The value may not be greater."""
    unit: str
    """`ratio`, `ms` or `%`."""
    repeats: Callable[[World], AsyncIterator[Repeat]]
    also: Mapping[str, float] = field(default_factory=dict)
    """By a figure's label, what it may not exceed in any repeat."""


@dataclass(frozen=True, slots=True)
class Result:
    """A measure and its repeats."""

    measure: Measure
    repeats: Sequence[Repeat]

    @property
    def value(self) -> float:
        """The median of the repeats."""
        return statistics.median(repeat.value for repeat in self.repeats)

    @property
    def reached(self) -> bool:
        """Whether the value is within the limit, and so is whatever else has one."""
        kept = all(max(self.figures[label]) <= most for label, most in self.measure.also.items())
        return kept and self.value <= self.measure.limit

    @property
    def figures(self) -> dict[str, list[float]]:
        """Each figure, repeat by repeat."""
        return {label: [repeat.figures[label] for repeat in self.repeats] for label in self.repeats[0].figures}

    def document(self) -> dict[str, Any]:
        """As `latest.json` has it."""
        return {
            "name": self.measure.name,
            "how": self.measure.how,
            "value": round(self.value, 4),
            "limit": self.measure.limit,
            "unit": self.measure.unit,
            "reached": self.reached,
            "repeats": [round(repeat.value, 4) for repeat in self.repeats],
            "figures": {label: [round(each, 3) for each in values] for label, values in self.figures.items()},
        }


def p50(samples: Sequence[float]) -> float:
    """The median."""
    return statistics.median(samples)


def p95(samples: Sequence[float]) -> float:
    """The value that one in twenty exceeds."""
    return statistics.quantiles(samples, n=20, method="inclusive")[-1]


def compared(product: Sequence[float], floor: Sequence[float], label: str = "") -> dict[str, float]:
    """The usual figures of two series of times in milliseconds; `label` tells them from others of the measure."""
    where = f", {label}" if label else ""
    return {
        f"product p50 ms{where}": p50(product),
        f"floor p50 ms{where}": p50(floor),
        f"p50 ÷ floor{where}": p50(product) / p50(floor),
        f"product p95 ms{where}": p95(product),
        f"floor p95 ms{where}": p95(floor),
        f"p95 ÷ floor{where}": p95(product) / p95(floor),
    }
