"""Child processes of a local stack: started in order, each known to be ready, all ended with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from local.ports import ADDRESS

READY_SECONDS = 30.0
STOP_SECONDS = 15.0
KEPT_LOGS = 3
"""How many logs of earlier runs are kept for each process."""

WITH_PARENT = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
"""Has the kernel end a child when the thread that started it dies, even by SIGKILL; part of every Debian."""


class StackError(Exception):
    """A part of the stack did not start; the message says which and what it printed."""


async def until_signal(work: Coroutine[Any, Any, int], *, at_end: Callable[[], Awaitable[None]]) -> int | None:
    """Do `work`, then `at_end`. SIGINT, SIGTERM and SIGHUP alike cancel the work, and the answer is None.

    More signals change nothing: the end is under way already, and is not cut short.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else nohup's wish
        loop.add_signal_handler(signal.SIGHUP, _hang_up, stopping)
    working, stopped = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        working.cancel()  # nothing happens if it is done
        return await working
    except asyncio.CancelledError:
        return None
    finally:
        await at_end()


class Processes:
    """Starts processes and stops them in reverse order. Their output goes to files in `logs`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[tuple[str, asyncio.subprocess.Process]] = []

    async def start(
        self, name: str, command: Sequence[str], *, port: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Start `command` and wait until it accepts connections on `port`. Raises `StackError`."""
        if await _listening(port):
            raise StackError(f"{name}: port {port} is in use; choose another stack with PORT=…")
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        _keep_earlier(log)
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *WITH_PARENT,
                *command,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone, so that we end them in order
            )
        self._running.append((name, process))
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await _listening(port):
                    if process.returncode is not None:
                        raise StackError(f"{name} ended at once:\n{log.read_text(errors='replace')[-4000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StackError(f"{name} did not open port {port} in {READY_SECONDS:.0f} s; see {log}") from None

    def pid(self, name: str) -> int:
        """The process id of a running process."""
        return next(process.pid for known, process in self._running if known == name)

    async def first_exit(self) -> str:
        """Wait until any process ends by itself; its name."""
        tasks = {asyncio.create_task(process.wait()): name for name, process in self._running}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[next(iter(done))]
        finally:
            for task in tasks:
                task.cancel()

    async def stop(self, name: str, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End one process and wait for it."""
        index = next(i for i, (known, _) in enumerate(self._running) if known == name)
        _, process = self._running.pop(index)
        await _end(process, how)

    async def stop_all(self) -> None:
        """End all, the last started first, so that nobody loses what it still talks to."""
        while self._running:
            _, process = self._running.pop()
            await _end(process, signal.SIGTERM)


async def _end(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it started itself and left behind, as `func` its workers


def _hang_up(stopping: asyncio.Event) -> None:
    """The terminal is gone. Printing to it would fail, so whatever is still said goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    stopping.set()


def _keep_earlier(log: Path) -> None:
    """Make room for a new `host.log`: the one of the run before becomes `host.1.log`, that one `host.2.log`, …"""
    names = [log, *(log.with_suffix(f".{age}.log") for age in range(1, KEPT_LOGS + 1))]
    for newer, older in reversed(list(pairwise(names))):
        if newer.exists():
            newer.replace(older)


async def _listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(ADDRESS, port)
    except OSError:
        return False
    writer.close()
    return True
