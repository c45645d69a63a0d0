"""`python -m local.host` as a process: what it prints, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

REPOSITORY = Path(__file__).parents[3]

APP = """
import os
import time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="greet/{name}", methods=["GET"])
async def greet(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{os.environ['GREETING']} {req.route_params['name']}")

@app.route(route="stuck")
def stuck(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(60)

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def upkeep(timer: func.TimerRequest) -> None: ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "functionTimeout": "00:00:00.5"}))
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"GREETING": "hello"}}))
    return tmp_path


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Also where the test run itself was started with nohup, which children would inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@asynccontextmanager
async def started(root: Path, *options: str) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "local.host", "--port", "0", "--root", str(root), *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: Process) -> tuple[str, str]:
    """All printed until the host is ready, and its address."""
    assert process.stdout is not None
    lines = [line.decode() async for line in _until_started(process.stdout)]
    return "".join(lines), lines[-1].split()[-1]


async def _until_started(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    async with asyncio.timeout(20):
        async for line in stream:
            yield line
            if line.startswith(b"Host started on "):
                return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_it_lists_its_functions_serves_them_and_ends_well_on_a_signal(root: Path, number: signal.Signals) -> None:
    async with started(root) as process:
        printed, url = await ready(process)
        assert f"greet: [GET] {url}/api/greet/{{name}}" in printed
        assert "upkeep: timerTrigger 0 0 0 1 1 *" in printed
        async with aiohttp.ClientSession(url) as client, client.get("/api/greet/you") as answer:
            assert await answer.text() == "hello you"
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), timeout=5) == 0


WARM_CLIENT = """

clients = []

@app.route(route="warm")
async def warm(req: func.HttpRequest) -> str:
    import logging
    import aiohttp
    clients.append(aiohttp.ClientSession())
    async with clients[0].get(req.url.replace("warm", "greet/you")) as answer:
        logging.getLogger("azure.core").info("said by a client")
        return await answer.text()
"""
"""Keeps a client for as long as the process lives, as apps should."""


async def test_clients_that_the_app_keeps_warm_are_its_own_business_at_the_end(root: Path) -> None:
    with (root / "function_app.py").open("a") as app:
        app.write(WARM_CLIENT)
    async with started(root) as process:
        _, url = await ready(process)
        async with aiohttp.ClientSession(url) as client, client.get("/api/warm") as answer:
            assert await answer.text() == "hello you"
        process.terminate()
        _, logged = await asyncio.wait_for(process.communicate(), timeout=5)
        assert process.returncode == 0
        assert b"Unclosed" not in logged
        assert b"said by a client" in logged, "log levels are the app's to set"


async def test_a_plain_function_that_never_ends_does_not_hold_up_the_end(root: Path) -> None:
    async with started(root) as process:
        _, url = await ready(process)
        async with aiohttp.ClientSession(url) as client, client.get("/api/stuck") as answer:
            assert answer.status == 500
        process.terminate()
        assert await asyncio.wait_for(process.wait(), timeout=5) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
async def test_an_idle_host_stays_below_150_megabytes(root: Path) -> None:
    async with started(root) as process:
        await ready(process)
        assert resident_kilobytes(process.pid) < 150 * 1024


def resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def test_an_app_that_cannot_be_imported_is_shown_with_its_traceback(root: Path) -> None:
    (root / "function_app.py").write_text("import no_such_module\n")
    async with started(root) as process:
        _, errors = await asyncio.wait_for(process.communicate(), timeout=20)
        assert process.returncode == 1
        assert b"No module named 'no_such_module'" in errors
        assert b"zero functions" in errors


async def test_a_port_that_cannot_be_ends_it(root: Path) -> None:
    async with started(root, "--port", "80000") as process:
        _, errors = await asyncio.wait_for(process.communicate(), timeout=20)
        assert process.returncode == 1
        assert b"could not start" in errors
        assert b"Traceback" not in errors


async def test_a_port_that_is_taken_ends_it(root: Path) -> None:
    async with started(root) as first:
        _, url = await ready(first)
        async with started(root, "--port", url.rsplit(":", 1)[1]) as second:
            _, errors = await asyncio.wait_for(second.communicate(), timeout=20)
            assert second.returncode == 1
            assert b"could not start" in errors
