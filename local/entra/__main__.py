"""`python -m local.entra`: runs the stand-in until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from local.entra.server import running
from local.ports import Ports


def _arguments() -> argparse.Namespace:
    ports = Ports.from_base()
    parser = argparse.ArgumentParser(prog="python -m local.entra", description="Local stand-in for Microsoft Entra ID.")
    parser.add_argument("--port", type=int, default=ports.entra, help="https: Entra, Graph and control")
    parser.add_argument("--identity-port", type=int, default=ports.identity, help="http: managed identity endpoint")
    parser.add_argument("--state", type=Path, default=Path(".local/entra"), help="folder of state and keys")
    parser.add_argument(
        "--certificates", type=Path, default=Path(".local/certificates"), help="folder of the loopback PEM"
    )
    parser.add_argument("--in-memory", action="store_true", help="read the state, and keep no change of it")
    parser.add_argument("--public-url", default=f"http://127.0.0.1:{ports.api}", help="where the service is reached")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(
        port=arguments.port,
        identity_port=arguments.identity_port,
        state=arguments.state,
        certificates=arguments.certificates,
        public_url=arguments.public_url,
        in_memory=arguments.in_memory,
    ) as stand_in:
        print(f"Entra stand-in on {stand_in.authority}, managed identity on {stand_in.identity_endpoint}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
