"""`python -m local.host`: what `func start` does, for the app in `--root`.

One difference on purpose: an app that cannot be imported ends this host with its traceback, where the real host
starts and shows zero functions.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import signal
import ssl
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import azure.functions as func
from azure.core.exceptions import AzureError

from local.certificate import server_context
from local.host.host import Host
from local.host.metadata import QueueTrigger, TimerTrigger
from local.host.queues import HIDDEN_SECONDS
from local.host.settings import load_local_settings, read_host_json
from local.ports import DEFAULT_BASE


def main() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; the exit code: 0 after a stop, 1 when the app could not be started."""
    options = _parse()
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s %(name)s: %(message)s")
    root: Path = options.root.resolve()
    load_local_settings(root)
    try:
        host = Host(
            _import_app(root),
            read_host_json(root),
            port=options.port,
            tls=_tls(options),
            hidden_seconds=options.hidden_seconds,
            root=root,
        )
    except Exception:  # whatever the app's own import raises
        traceback.print_exc()
        print("The app could not be loaded. The real host would start and show zero functions.", file=sys.stderr)
        return 1
    return asyncio.run(_serve(host))


async def _serve(host: Host) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # else nohup's wish
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await host.start()
    except (OSError, OverflowError, AzureError) as error:  # OverflowError: no such port
        print(f"The host could not start: {error}", file=sys.stderr)
        return 1
    _list_functions(host)
    print(f"Host started on {host.url}", flush=True)
    await stop.wait()
    await host.stop()
    return 0


def _leave(code: int) -> NoReturn:
    """End the process without the interpreter's own end, as the platform ends its worker.

    There is no hook at which an app could close the clients that it keeps warm, and here each would be reported as
    unclosed. Nor can a thread be ended from outside: the interpreter would wait for a busy one for ever.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.host", description="Runs a function app on this machine.")
    parser.add_argument("--port", type=int, default=DEFAULT_BASE, help="on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--certificate", type=Path, help="PEM certificate; with --key it makes the host speak https")
    parser.add_argument("--key", type=Path, help="PEM private key of the certificate")
    parser.add_argument(
        "--hidden-seconds",
        type=int,
        default=HIDDEN_SECONDS,
        help="how long a queue message in work is hidden, and stalls when the host is killed (default: %(default)s)",
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the folder of function_app.py and host.json")
    options = parser.parse_args()
    if bool(options.certificate) != bool(options.key):
        parser.error("--certificate and --key go together")
    if options.hidden_seconds < 1:
        parser.error("--hidden-seconds must be at least 1")
    return options


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    return server_context(options.certificate, options.key) if options.certificate else None


def _import_app(root: Path) -> func.FunctionRegister:
    sys.path.insert(0, str(root))
    module = importlib.import_module("function_app")
    found = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(found) != 1:
        raise ValueError(f"function_app.py must define one FunctionApp, not {len(found)}")
    return found[0]


def _list_functions(host: Host) -> None:
    print("\nFunctions:\n")
    for route in host.routes:
        methods = ",".join(sorted(route.methods)) if route.methods else "ALL"
        print(f"        {route.function.name}: [{methods}] {host.url}{route.template}")
    for function in host.functions:
        match function.trigger:
            case TimerTrigger(schedule=schedule):
                print(f"        {function.name}: timerTrigger {schedule}")
            case QueueTrigger(queue=queue):
                print(f"        {function.name}: queueTrigger {queue}")
    print()


if __name__ == "__main__":
    _leave(main())
