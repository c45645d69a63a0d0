"""May a stack start? Its ports must be free; where another stack of this checkout has them, we know how to end it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.environment import STATE
from local.ports import Ports, Refused, is_free

RUNNING = STATE / "running"
"""A file for each base port, locked while its stack runs: the kernel lets go, however the process dies."""


@contextmanager
def claimed(base: int, ports: Sequence[int], running: Path = RUNNING) -> Iterator[None]:
    """Hold `ports` for the stack at `base`, which this process starts and ends. Raises `Refused`."""
    if taken := [port for port in ports if not is_free(port)]:
        raise Refused(_advice(taken, running))
    running.mkdir(parents=True, exist_ok=True)
    with (running / str(base)).open("w") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        print(os.getpid(), file=record, flush=True)
        yield


def _advice(taken: list[int], running: Path) -> str:
    named = ", ".join(map(str, taken))
    for record in running.glob("*"):
        if set(taken) & set(Ports.from_base(int(record.name)).all()) and (pid := _holder(record)):
            return (
                f"A stack of this checkout already runs at PORT={record.name} (in use: {named}). "
                f"End it with Ctrl-C in its terminal or `kill {pid}`, or choose another stack with PORT=…"
            )
    return f"Nothing can listen on port {named} now. End what does, or choose another stack with PORT=…"


def _holder(record: Path) -> str | None:
    """The process that holds the record; None when it is gone."""
    with record.open() as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return probe.read().strip()
    return None
