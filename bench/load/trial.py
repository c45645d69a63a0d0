"""What would make a run prove nothing: too few faults, or so many failures that nothing was tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bench.load.pace import P95_SECONDS
from bench.load.troubles import SHARE

SPREAD = 0.3
"""The share of calls that fail may be off by so much of itself."""
MOST_UNAVAILABLE, MOST_REFUSED = 0.01, 0.01
"""Of all answers outside the gaps, 5xx and 4xx. Most calls that fail are made again, so few answers tell of it; now and
then a request meets a deletion or another change."""
DEVIATIONS = 4
"""Standard deviations that chance explains: one run in ten thousand has more."""


def trial(figures: Mapping[str, Any], *, kills: int) -> list[str]:
    """The reasons why the run proves nothing."""
    return list(_reasons(figures, kills))


def _reasons(figures: Mapping[str, Any], kills: int) -> Iterator[str]:
    if (p95 := figures["hold"]["p95"]) > P95_SECONDS * 1000:
        yield f"p95 was {p95} ms: the rate held was too high for this machine just now"
    if figures["kills"] != kills:
        yield f"the host was killed {figures['kills']} times, not {kills}"
    for name, counted in figures["upstream"].items():
        yield from _failed(name, counted["calls"], sum(counted["failed"].values()))
    if not sum(number for run, number in figures["rotations"].items() if run.endswith(" succeeded")):
        yield "nothing was rotated"
    if number := figures["notSent"]:
        yield f"{number} requests of the hold were not sent, as so many were waiting"
    if not figures["messagesSeen"]:
        yield "no message was seen in a queue"
    yield from _answers(figures["answers"])


def _failed(name: str, calls: int, failed: int) -> Iterator[str]:
    off = max(SPREAD * SHARE, _chance(SHARE, calls))
    if not calls or abs(failed / calls - SHARE) > off:
        yield f"{name}: {failed} of {calls} calls failed, and {SHARE:.0%} should have"


def _answers(answers: Mapping[str, int]) -> Iterator[str]:
    number = sum(answers.values())
    for kind, most in {"5": MOST_UNAVAILABLE, "4": MOST_REFUSED}.items():
        counted = sum(times for status, times in answers.items() if status.startswith(kind))
        if counted > number * (most + _chance(most, number)):
            yield f"{counted} of {number} answers were {kind}xx, and {most:.0%} may be"


def _chance(share: float, number: int) -> float:
    """How far a share of so many may be off by chance."""
    return DEVIATIONS * math.sqrt(share * (1 - share) / max(number, 1))
