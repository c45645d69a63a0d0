"""`make start`: the whole product on this machine until Ctrl-C. `make emulators`: all but the functions host."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
import time
from pathlib import Path

from local.claim import claimed
from local.entra import seed
from local.ports import DEFAULT_BASE, Refused, base_port
from local.processes import StackError, until_signal
from local.stack import Stack
from shared.domain.caller import Permission


async def run(stack: Stack, *, emulators_only: bool) -> int:
    """Start, say how to use it, and wait for a part that dies; answers 1 then. Whoever calls ends the processes."""
    began = time.monotonic()
    try:
        print("Starting Azurite, the Entra, Key Vault and Event Grid stand-ins …", flush=True)
        await stack.start_emulators()
        host = None
        if not emulators_only:
            print("Starting the functions host …", flush=True)
            host = await stack.start_host()
        print(await _welcome(stack, host, time.monotonic() - began), flush=True)
        died = await stack.processes.first_exit()
        raise StackError(f"{died} ended by itself; see {stack.state}/logs/{died}.log")
    except StackError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except asyncio.CancelledError:
        print("\nStopping …", flush=True)
        raise


async def _welcome(stack: Stack, host: str | None, seconds: float) -> str:
    token = await stack.token(roles=[permission.value for permission in Permission])
    return f"""
Ready in {seconds:.1f} s, {f"run by {host}" if host else "all but the functions host"}
  API          {stack.api}/api
  Key Vault    {stack.vault}      (stand-in)
  Entra        {stack.entra}      (stand-in; tenants: home {seed.HOME_TENANT_ID},
               {seed.CONTOSO_DOMAIN} {seed.CONTOSO_TENANT_ID})
  Events       {stack.state}/logs/topic.log      (stand-in for Event Grid)
  Logs         {stack.state}/logs/      (the service's own: host.log)
{"" if host else _how_to_run_func(stack.ports.api)}
The API's address, and a bearer token with every role, good for 8 hours:

export API={stack.api}/api
export TOKEN={token}

Another one, with other roles or of another tenant:

curl -sk {stack.entra}/_control/tokens -H 'content-type: application/json' \\
  -d '{{"tenant":"{seed.HOME_TENANT_ID}","audience":"{seed.API_CLIENT_ID}","roles":["AppConnections.Read"]}}'

Paste this; it asks for a connect link. Open the connectUrl of the answer in a browser:

curl -s "$API/v1/app-connections/azure-key-vault/oauth/authorize" -H "Authorization: Bearer $TOKEN" \\
  -H 'content-type: application/json' -d '{{"name":"my-first-connection","method":"oauth"}}'

Ctrl-C ends everything and loses nothing."""


def _how_to_run_func(base: int) -> str:
    programs = Path(sys.executable).parent
    if base == DEFAULT_BASE:
        settings, port = "cp local.settings.sample.json local.settings.json", ""
    else:
        settings = f"{shlex.quote(sys.executable)} -m local.environment --port {base} > local.settings.json"
        port = f" --port {base}"
    return f"""
The functions host, in another terminal and in this folder; func runs the `python` that is first on the PATH:

{settings}
PATH="{programs}:$PATH" func start{port}
"""


def main() -> int:
    """Parse the command line and run; answers the exit code, 2 when nothing was started."""
    parser = argparse.ArgumentParser(prog="python -m local.start", description=__doc__)
    parser.add_argument("--port", default=str(DEFAULT_BASE), help="base port; the stack takes eight from here")
    parser.add_argument("--emulators-only", action="store_true", help="do not start the functions host")
    arguments = parser.parse_args()
    try:
        base = base_port(arguments.port)
        stack = Stack(base)
        # Without our functions host its port is not ours: `func` may listen there already.
        ports = stack.ports.all()[1:] if arguments.emulators_only else stack.ports.all()
        with claimed(base, ports):
            work = run(stack, emulators_only=arguments.emulators_only)
            code = asyncio.run(until_signal(work, at_end=stack.processes.stop_all))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    if code is None:
        print(f"Stopped. What was stored is in {stack.state}/ and is there at the next start.")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
