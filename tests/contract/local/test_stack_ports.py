"""A local stack starts on free ports or not at all, and says in one line what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.claim import claimed
from local.environment import sample
from local.ports import Ports, Refused, base_port
from tests.e2e.stacks import free_base

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("text", ["1", "7071", "65528"])
def test_a_base_port_leaves_room_for_every_port_of_the_stack(text: str) -> None:
    assert max(Ports.from_base(base_port(text)).all()) <= 65535


@pytest.mark.parametrize("text", ["80000", "65535", "65529", "0", "-1", "abc", "", "7071.0", "७०७१"])
def test_a_base_port_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=f"PORT={text} cannot be: choose a whole number from 1 to 65528"):
        base_port(text)


@pytest.mark.parametrize("module", ["local.start", "local.demo", "local.environment"])
def test_a_refusal_is_one_line_and_exit_code_2(module: str) -> None:
    command = [sys.executable, "-m", module, "--port", "80000"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("PORT=80000 cannot be")
    assert ended.stderr.count("\n") == 1


def test_ports_that_somebody_else_has_are_named(tmp_path: Path) -> None:
    base = free_base()
    ports = Ports.from_base(base)
    with socket.socket() as queue, socket.socket() as vault:
        for other, port in ((queue, ports.queue), (vault, ports.vault)):
            other.bind(("127.0.0.1", port))
            other.listen()
        with (
            pytest.raises(Refused, match=rf"port {ports.queue}, {ports.vault} now\. .* another stack with PORT=…"),
            claimed(base, ports.all(), tmp_path),
        ):
            pytest.fail("it must not start")


@pytest.mark.parametrize("distance", [0, 4])
def test_ports_of_a_stack_of_this_checkout_come_with_the_way_to_end_it(tmp_path: Path, distance: int) -> None:
    base = free_base()
    first, second = Ports.from_base(base), Ports.from_base(base + distance)
    with socket.socket() as identity, claimed(base, first.all(), tmp_path):
        identity.bind(("127.0.0.1", first.identity))
        identity.listen()
        with (
            pytest.raises(Refused, match=rf"already runs at PORT={base} .*`kill {os.getpid()}`.* with PORT=…"),
            claimed(base + distance, second.all(), tmp_path),
        ):
            pytest.fail("it must not start")


def test_a_stack_that_is_gone_is_not_to_be_ended(tmp_path: Path) -> None:
    base = free_base()
    ports = Ports.from_base(base)
    with claimed(base, ports.all(), tmp_path):
        pass
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.api))
        stranger.listen()
        with pytest.raises(Refused, match=f"port {ports.api} now"), claimed(base, ports.all(), tmp_path):
            pytest.fail("it must not start")
    with claimed(base, ports.all(), tmp_path):
        pass


def test_the_sample_of_local_settings_is_the_stack_at_the_default_port() -> None:
    assert (REPOSITORY / "local.settings.sample.json").read_text() == sample()
