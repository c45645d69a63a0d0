"""Which loopback port each part of a local stack listens on.

One base port names a stack, so two stacks run side by side by choosing two bases ten or more apart.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_BASE = 7071
"""The port that `func start` uses, so that both hosts answer at the same address."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack, all on 127.0.0.1."""

    api: int
    blob: int
    queue: int
    table: int
    vault: int
    entra: int
    identity: int

    @classmethod
    def from_base(cls, base: int = DEFAULT_BASE) -> Ports:
        """Seven consecutive ports, the API first."""
        return cls(*range(base, base + 7))
