"""`make emulators` and `make demo`, run as a person runs them: what is printed, how they end."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.demo import row
from local.ports import is_free
from local.stack import Stack
from tests.e2e.stacks import all_free, free_base
from tests.support.functions_host import until

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Also where the test run itself was started with nohup, which children would inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The same code in a folder where state of its own goes."""
    for name in ("local", "shared"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


@contextmanager
def started(checkout: Path, *command: str, terminal: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=checkout, stdin=terminal, stdout=terminal, stderr=terminal)  # noqa: S603
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(terminal: int, text: str, seconds: float = 60) -> str:
    printed, deadline = "", time.monotonic() + seconds
    while text not in printed:
        readable, _, _ = select.select([terminal], [], [], max(deadline - time.monotonic(), 0))
        assert readable, f"waited in vain after: {printed}"
        printed += os.read(terminal, 65536).decode()
    return printed


def test_the_emulators_say_what_func_needs_and_end_with_their_terminal(checkout: Path) -> None:
    base = free_base()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "local.start", "--emulators-only", "--port", str(base)]
    with started(checkout, "setsid", "--ctty", *command, terminal=theirs) as process:
        os.close(theirs)
        printed = read_until(ours, "Ctrl-C ends everything")
        assert "export TOKEN=ey" in printed
        assert f"{sys.executable} -m local.environment --port {base} > local.settings.json" in printed
        assert f'PATH="{Path(sys.executable).parent}:$PATH" func start --port {base}' in printed

        again = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)  # noqa: S603
        assert again.returncode == 2
        assert f"`kill {process.pid}`" in again.stderr

        os.close(ours)
        assert process.wait(timeout=20) == 0
        assert all_free(base)


async def test_a_demo_that_is_ended_early_leaves_nothing_behind(checkout: Path) -> None:
    base = free_base()
    with started(checkout, sys.executable, "-m", "local.demo", "--port", str(base)) as process:
        await until(lambda: not is_free(base + 3), seconds=60)
        process.terminate()
        assert await asyncio.to_thread(process.wait, timeout=20) == 1
        assert all_free(base)


def test_a_stack_that_forgets_keeps_its_logs(tmp_path: Path) -> None:
    for name in ("logs", "azurite"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "host.log").touch()
    (tmp_path / "keyvault.json").touch()
    Stack(free_base(), state=tmp_path).forget()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["logs", "logs/host.log"]


async def test_a_stack_in_memory_leaves_nothing_of_what_it_held(tmp_path: Path) -> None:
    stack = Stack(free_base(), state=tmp_path, in_memory=True)
    try:
        await stack.start_emulators()
        left = set(os.listdir(tmp_path))
    finally:
        await stack.processes.stop_all()
    assert left == {"logs", "entra"}


def test_a_row_of_the_demo_is_no_wider_than_the_terminal() -> None:
    text = row("failed rotation", ["attention: " + "a password reset revoked the sign-in; " * 5, "short"], width=80)
    first, *more = text.splitlines()
    assert first.startswith("failed rotation                 attention: a password reset")
    assert all(line.startswith(" " * 32) for line in more)
    assert more[-1].strip() == "short"
    assert max(map(len, text.splitlines())) <= 80
