"""`make start`: the whole product on this machine until Ctrl-C. `make emulators`: all but the functions host."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time

from local.entra import seed
from local.ports import DEFAULT_BASE
from local.processes import StackError
from local.stack import Stack
from shared.domain.caller import Permission

KEY_VAULT = "/api/v1/app-connections/azure-key-vault"


async def run(base: int, *, emulators_only: bool) -> int:
    """Start, say how to use it, wait for Ctrl-C or for a part that dies, and end everything in order."""
    stack = Stack(base)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    began = time.monotonic()
    try:
        print("Starting Azurite, the Entra and Key Vault stand-ins …", flush=True)
        await stack.start_emulators()
        host = None
        if not emulators_only:
            print("Starting the functions host …", flush=True)
            host = await stack.start_host()
        print(await _welcome(stack, host, time.monotonic() - began), flush=True)
        died = asyncio.create_task(stack.processes.first_exit())
        stop = asyncio.create_task(stopping.wait())
        done, pending = await asyncio.wait((died, stop), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if died in done:
            raise StackError(f"{died.result()} ended by itself; see {stack.state}/logs/{died.result()}.log")
        print("\nStopping …", flush=True)
    except StackError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    finally:
        await stack.processes.stop_all()
    print(f"Stopped. What was stored is in {stack.state}/ and is there at the next start.", flush=True)
    return 0


async def _welcome(stack: Stack, host: str | None, seconds: float) -> str:
    if host is None:
        return f"""
Ready in {seconds:.1f} s: Azurite, Key Vault {stack.vault}, Entra {stack.entra}
For the functions host: cp local.settings.sample.json local.settings.json && func start
Ctrl-C ends everything."""
    token = await stack.token(roles=[permission.value for permission in Permission])
    return f"""
Ready in {seconds:.1f} s, run by {host}
  API          {stack.api}{KEY_VAULT}
  Key Vault    {stack.vault}      (stand-in)
  Entra        {stack.entra}      (stand-in; tenants: home {seed.HOME_TENANT_ID},
               {seed.CONTOSO_DOMAIN} {seed.CONTOSO_TENANT_ID})
  Logs         {stack.state}/logs/

A bearer token with every role, good for 8 hours:

export TOKEN={token}

Another one, with other roles or of another tenant:

curl -sk {stack.entra}/_control/tokens -H 'content-type: application/json' \\
  -d '{{"tenant":"{seed.HOME_TENANT_ID}","audience":"{seed.API_CLIENT_ID}","roles":["AppConnections.Read"]}}'

Paste this; it asks for a connect link. Open the connectUrl of the answer in a browser:

curl -s {stack.api}{KEY_VAULT}/oauth/authorize -H "Authorization: Bearer $TOKEN" \\
  -H 'content-type: application/json' -d '{{"name":"my-first-connection","method":"oauth"}}'

Ctrl-C ends everything and loses nothing."""


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m local.start", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_BASE, help="base port; the stack takes seven from here")
    parser.add_argument("--emulators-only", action="store_true", help="do not start the functions host")
    arguments = parser.parse_args()
    return asyncio.run(run(arguments.port, emulators_only=arguments.emulators_only))


if __name__ == "__main__":
    sys.exit(main())
