"""Child processes of a local stack: started in order, each known to be ready, all ended with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 15.0


class StackError(Exception):
    """A part of the stack did not start; the message says which and what it printed."""


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
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
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


async def _listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
