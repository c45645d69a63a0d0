"""Which loopback port each part of a local stack listens on.

One base port names a stack, so two stacks run side by side by choosing two bases ten or more apart.
"""

from __future__ import annotations

import socket
from dataclasses import astuple, dataclass

ADDRESS = "127.0.0.1"

DEFAULT_BASE = 7071
"""The port that `func start` uses, so that both hosts answer at the same address."""

PORTS_PER_STACK = 8
LAST_BASE = 65_535 - (PORTS_PER_STACK - 1)


class Refused(Exception):
    """Nothing was started; the message is one line that says why and what to do."""


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
    topic: int

    @classmethod
    def from_base(cls, base: int = DEFAULT_BASE) -> Ports:
        """Eight consecutive ports, the API first."""
        return cls(*range(base, base + PORTS_PER_STACK))

    def all(self) -> tuple[int, ...]:
        """Every port, in order."""
        return astuple(self)


def base_port(text: str) -> int:
    """The base port that somebody typed. Raises `Refused`."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_BASE):
        raise Refused(
            f"PORT={text} cannot be: choose a whole number from 1 to {LAST_BASE}; "
            f"a stack takes {PORTS_PER_STACK} ports from there."
        )
    return int(text)


def is_free(port: int) -> bool:
    """Whether this process could listen on `port` now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server here does
        try:
            candidate.bind((ADDRESS, port))
        except OSError:
            return False
    return True
