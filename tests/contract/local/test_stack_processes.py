"""Whatever a local stack starts ends with it, and its logs outlive it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from local.ports import is_free
from local.processes import KEPT_LOGS, Processes, StackError
from tests.e2e.stacks import free_base
from tests.support.functions_host import until

REPOSITORY = Path(__file__).parents[3]

SERVER = """
import signal, sys, time
from http.server import HTTPServer, SimpleHTTPRequestHandler

def end(*_):
    time.sleep(0.2)
    sys.exit()

signal.signal(signal.SIGTERM, end)
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""
"""Takes its time to end."""

PARENT = """
import asyncio, sys
from pathlib import Path
from local.processes import Processes, until_signal

processes = Processes(Path(sys.argv[1]))

async def work():
    for port in sys.argv[3:]:
        server = [sys.executable, "-c", sys.argv[2], port]
        await processes.start(f"server-{port}", server, port=int(port))
    print("ready", flush=True)
    await processes.first_exit()
    return 7

print(asyncio.run(until_signal(work(), at_end=processes.stop_all)), flush=True)
"""
"""Starts servers on the ports it is given, and says how that ended."""


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Also where the test run itself was started with nohup, which children would inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@asynccontextmanager
async def parent(logs: Path, *ports: int, before: str = "") -> AsyncIterator[Process]:
    command = [sys.executable, "-c", before + PARENT, str(logs), SERVER, *map(str, ports)]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def all_free(*ports: int) -> bool:
    return all(is_free(port) for port in ports)


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text().strip() for file in folder.iterdir()}


@pytest.fixture
def ports() -> tuple[int, int]:
    base = free_base()
    return base, base + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_everything_in_order(
    tmp_path: Path, ports: tuple[int, int], number: signal.Signals
) -> None:
    async with parent(tmp_path, *ports) as process:
        process.send_signal(number)
        printed, _ = await asyncio.wait_for(process.communicate(), timeout=10)
        assert process.returncode == 0
        assert printed == (b"" if number == signal.SIGHUP else b"None\n"), "with the terminal gone there is no output"
        assert all_free(*ports)


async def test_a_second_signal_does_not_cut_the_end_short(tmp_path: Path, ports: tuple[int, int]) -> None:
    async with parent(tmp_path, *ports) as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.1)
        assert await asyncio.wait_for(process.wait(), timeout=10) == 0
        assert all_free(*ports)


async def test_nohup_keeps_it_running(tmp_path: Path, ports: tuple[int, int]) -> None:
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    async with parent(tmp_path, *ports, before=nohup) as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout=0.5)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), timeout=10) == 0
    assert all_free(*ports)


async def test_even_a_killed_parent_leaves_nothing_behind(tmp_path: Path, ports: tuple[int, int]) -> None:
    async with parent(tmp_path, *ports) as process:
        process.kill()
        await process.wait()
        await until(lambda: all_free(*ports))


async def test_what_a_process_started_itself_ends_with_it(tmp_path: Path, ports: tuple[int, int]) -> None:
    mine, its = ports
    serve = f"{sys.executable} -m http.server --bind 127.0.0.1"
    processes = Processes(tmp_path)
    try:
        await processes.start("pair", ["sh", "-c", f"{serve} {its} & exec {serve} {mine}"], port=mine)
        await until(lambda: not is_free(its))
    finally:
        await processes.stop_all()
    await until(lambda: all_free(mine, its))


async def test_the_logs_of_earlier_runs_are_kept_but_not_for_ever(tmp_path: Path, ports: tuple[int, int]) -> None:
    for run in range(1, KEPT_LOGS + 4):
        with pytest.raises(StackError, match=f"ended at once:\nrun {run}"):
            await Processes(tmp_path).start("host", ["echo", f"run {run}"], port=ports[0])
    kept = {"host.log": "run 6", "host.1.log": "run 5", "host.2.log": "run 4", "host.3.log": "run 3"}
    assert contents(tmp_path) == kept
