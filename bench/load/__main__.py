"""`make load`: find the highest rate that keeps p95 under 250 ms, hold it, kill the host twice, then check everything.

Exit code 0 when every promise was kept, 1 when one was broken, 2 when nothing was started.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.load import report
from bench.load.caller import Caller
from bench.load.evidence import collect
from bench.load.ledger import Ledger
from bench.load.pace import Pace
from bench.load.samples import Phase
from bench.load.settling import come_to_rest, switch_off_rotation
from bench.load.storage import Storage
from bench.load.traffic import Traffic
from bench.load.trial import trial
from bench.load.troubles import Relays, Upstream, kill_and_restart
from bench.load.verdicts import judge
from bench.load.world import World
from local.claim import claimed
from local.client import Client
from local.environment import STATE
from local.ports import Ports, Refused, base_port
from local.processes import StackError, until_signal
from local.stack import Stack
from shared.domain.caller import Permission

PORT = 7371
SECONDS = 300.0
KILLS = 2
MESSAGES_AT_WORK = 24
"""The most that one host works on at a time: a batch of 16 and the 8 below which it takes another (host.json)."""
FIRST_CONNECTIONS = 40
REST_PATIENCE_SECONDS = 1500.0
"""A deletion is cleaned up after six minutes; a due row that no row needs is dropped once it was sent twice in vain."""
LOOKED_SECONDS = 60.0
"""For what looking at everything leaves owed itself: a token handed out may renew a grant."""

SETTINGS = {
    "ROTATION_INTERVAL_UNIT": "seconds",
    "WORK_SCHEDULE": "*/2 * * * * *",
    "LEASE_SECONDS": "5",
    "UPKEEP_SCHEDULE": "0 0 0 1 1 *",
}
HIDDEN_SECONDS = 5
UPKEEP_DONE = "upkeep.done "


class Run:
    """One load run on a stack that is up."""

    def __init__(self, client: Client, caller: Caller, relays: Relays, *, seconds: float, seed: int) -> None:
        chance = random.Random(seed)
        self.client, self.caller = client, caller
        self.storage = Storage(client.stack.storage)
        self.upstream = Upstream(client, relays)
        self.world = World(client, caller.ledger, chance)
        self.traffic = Traffic(caller, self.world, chance)
        self.pace = Pace(self.traffic.arrival, caller, chance)
        self._seconds, self._seed = seconds, seed
        self._killed: list[datetime] = []
        self._down: list[float] = []
        self._hosts = [client.stack.processes.pid("host")]

    async def __call__(self) -> dict[str, Any]:
        """The result, printed on the way."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self.storage.watch_queues())
            figures = await self._in_trouble()
            watching.cancel()
        print("Checking everything …", flush=True)
        found = await collect(self.client, self.caller, self.storage)
        await come_to_rest(self.storage, LOOKED_SECONDS)
        figures["upkeep"] = found.upkeep = await self._upkeep()
        for route, number in self.caller.samples.cut().items():
            self.caller.ledger.unexpected += [f"{route}: no answer while the host was up"] * number
        figures["rotations"] = report.rotations(found)
        cut_short = self.caller.samples.under_way_at_a_kill + MESSAGES_AT_WORK * len(self._down)
        verdicts = judge(self.caller.ledger, found, cut_short=cut_short, kills=self._killed)
        verdicts["it was a fair trial: p95 kept, 1 % of calls failed, the host killed, credentials rotated"] = trial(
            figures, kills=KILLS
        )
        return report.document(self.caller, self.pace, figures, verdicts)

    async def _in_trouble(self) -> dict[str, Any]:
        """The traffic with all its faults, until nothing is owed; the figures of it."""
        await self.world.prepare()
        self.caller.host_up.set()
        await self.upstream.fail(self._seed)
        for _ in range(FIRST_CONNECTIONS):
            await self.traffic.create()
        seconds = await self._under_load()
        await self.upstream.behave()
        figures = {
            "seed": self._seed,
            "hold": report.held(self.caller, seconds),
            "kills": len(set(self._hosts)) - 1,
            "downSeconds": [round(down, 1) for down in self._down],
            "upstream": await self.upstream.counts(),
            "answers": self.caller.samples.statuses(),
            "notSent": self.pace.not_sent[Phase.HOLD],
        }
        return figures | await self._at_rest() | {"messagesSeen": sum(map(len, self.storage.messages.values()))}

    async def _under_load(self) -> float:
        """Search, then hold; the seconds of the latter."""
        async with asyncio.TaskGroup() as group:  # a defect of the traffic's ends the run, loudly
            group.create_task(self.pace.run())
            print("Searching for the highest rate …", flush=True)
            rate = await self.pace.search()
            self.caller.phase = Phase.HOLD
            print(f"Holding {rate:.1f} arrivals a second for {self._seconds:.0f} s …", flush=True)
            began = time.monotonic()
            steering = group.create_task(self.pace.steer())
            for kill in range(1, KILLS + 1):
                await asyncio.sleep(max(began + self._seconds * kill / (KILLS + 1) - time.monotonic(), 0))
                self._killed.append(datetime.now(UTC))
                self._down.append(await kill_and_restart(self.client, self.caller))
                self._hosts.append(self.client.stack.processes.pid("host"))
                print(f"  the host was killed and ready again after {self._down[-1]:.1f} s", flush=True)
            await asyncio.sleep(max(began + self._seconds - time.monotonic(), 0))
            seconds = time.monotonic() - began
            steering.cancel()
            self.pace.stopping = True
        self.caller.phase = Phase.AFTER
        return seconds

    async def _at_rest(self) -> dict[str, Any]:
        """Wait until nothing is owed."""
        print("No more traffic and no more faults; waiting until nothing is owed …", flush=True)
        began = time.monotonic()
        await self.traffic.answered(REST_PATIENCE_SECONDS)
        await switch_off_rotation(self.caller)
        left = await come_to_rest(self.storage, REST_PATIENCE_SECONDS - (time.monotonic() - began))
        return {"restSeconds": round(time.monotonic() - began), "stillOwed": left}

    async def _upkeep(self) -> dict[str, int]:
        """A round of upkeep, after everything was looked at: what it puts right would otherwise not be seen."""
        await self.client.run_now("work_upkeep")
        log = self.client.stack.state / "logs" / "host.log"
        async with asyncio.timeout(120):
            while UPKEEP_DONE not in (text := log.read_text(errors="replace")):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.5)
        line = text.rsplit(UPKEEP_DONE, 1)[1].splitlines()[0]
        done: dict[str, Any] = json.JSONDecoder().raw_decode(line)[0]
        return {name: done[name] for name in ("rows", "hintsRestored", "advanced", "passwordsRemoved", "failed")}


async def run(stack: Stack, relays: Relays, *, seconds: float, seed: int, result: Path) -> int:
    """Start the stack, do the run, print and write the result. Whoever calls ends the processes."""
    shutil.rmtree(stack.state, ignore_errors=True)
    print("Starting a stack for the load run …", flush=True)
    try:
        await stack.start_emulators()
        await relays.start(stack)
        await stack.start_host()
        token = await stack.token(roles=[permission.value for permission in Permission])
        ledger = Ledger()
        ledger.keep_secret("the caller's bearer token", token)
        async with Client(stack, token) as client, Caller(stack.api, token, ledger) as caller:
            found = await Run(client, caller, relays, seconds=seconds, seed=seed)()
    except StackError as error:
        print(f"{error}\nLogs: {stack.state}/logs/", file=sys.stderr)
        return 1
    print(report.tell(found), flush=True)
    report.write(found, result)
    broken = [promise for promise, findings in found["verdicts"].items() if findings != "kept"]
    print(f"\n{f'BROKEN: {len(broken)} promises' if broken else 'All promises kept'}. Figures: {result}", flush=True)
    return 1 if broken else 0


def main() -> int:
    """Parse the command line and run; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--port", default=str(PORT), help="base port of the run's own stack")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long the rate is held")
    parser.add_argument("--seed", type=int, default=1, help="of everything that chance decides")
    parser.add_argument("--result", type=Path, default=report.RESULT, help="file for the figures")
    arguments = parser.parse_args()
    try:
        base = base_port(arguments.port)
        ports = Ports.from_base(base)
        relays = Relays.beside(ports)
        settings = SETTINGS | {"AzureWebJobsStorage": relays.connection_string(ports)}
        stack = Stack(base, state=STATE / "load", settings=settings, hidden_seconds=HIDDEN_SECONDS, in_memory=True)
        with claimed(base, (*ports.all(), relays.table, relays.queue)):
            work = run(stack, relays, seconds=arguments.seconds, seed=arguments.seed, result=arguments.result)
            code = asyncio.run(until_signal(work, at_end=stack.processes.stop_all))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    if code is None:
        print("\nStopped before its end.", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
