"""A real Azurite for a test run: in memory, on free loopback ports."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "local" / "node_modules" / ".bin" / "azurite"
ADDRESS = "127.0.0.1"
ACCOUNT = "devstoreaccount1"
# The emulator's published account key, the same on every machine.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 30


@contextmanager
def running_azurite() -> Iterator[str]:
    """Start Azurite and yield a connection string that names its blob, queue and table endpoints."""
    blob, queue, table = _free_ports(3)
    ports = [f"--blobPort={blob}", f"--queuePort={queue}", f"--tablePort={table}"]
    switches = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    process = subprocess.Popen(  # noqa: S603 - our own program and numbers
        [PROGRAM, *ports, *switches], stdout=subprocess.DEVNULL
    )
    try:
        for port in (blob, queue, table):
            _wait_until_listening(port, process)
        yield ";".join(
            (
                "DefaultEndpointsProtocol=http",
                f"AccountName={ACCOUNT}",
                f"AccountKey={ACCOUNT_KEY}",
                f"BlobEndpoint=http://{ADDRESS}:{blob}/{ACCOUNT}",
                f"QueueEndpoint=http://{ADDRESS}:{queue}/{ACCOUNT}",
                f"TableEndpoint=http://{ADDRESS}:{table}/{ACCOUNT}",
            )
        )
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    # All are held until each is chosen, so that they differ.
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((ADDRESS, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection((ADDRESS, port), timeout=1):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Azurite did not start; is it installed in local/node_modules?") from None
            time.sleep(0.05)
