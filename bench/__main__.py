"""`make bench`: measure everything, print one table, write `bench/results/latest.json` and the plots.

`ARGS="--only create"` runs the measures whose name has that word, `ARGS=--quick` makes few repeats of little; their
results go to `.local/bench/results`, since a part of a run is not a run.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench import access_token, authorize, cold_start, create, listing, memory, passwords, plots, report, rotation, tick
from bench.measure import Measure, Result
from bench.world import World
from local.claim import claimed
from local.environment import STATE
from local.ports import PORTS_PER_STACK, Refused, base_port
from local.processes import StackError

MEASURES: tuple[Measure, ...] = (
    cold_start.MEASURE,
    create.MEASURE,
    authorize.MEASURE,
    access_token.MEASURE,
    listing.MEASURE,
    tick.MEASURE,
    rotation.MEASURE,
    passwords.MEASURE,
    memory.MEASURE,
)
"""In the order of the table. Another measure is another module, and a line here."""

PORT = 7671
PORTS = PORTS_PER_STACK + 4
"""The stack's, then the floor's host and the scratch storage."""
PARTIAL = STATE / "bench" / "results"


async def run(base: int, measures: Sequence[Measure], *, quick: bool) -> list[Result]:
    """Measure them one after the other on one stack."""
    results = []
    async with World.over(base, quick=quick) as world:
        for measure in measures:
            began = time.monotonic()
            print(measure.name, flush=True)
            repeats = []
            async for repeat in measure.repeats(world):
                repeats.append(repeat)
                world.say(f"{repeat.value:.2f} {measure.unit}")
            results.append(Result(measure, repeats))
            report.write(report.document(results), PARTIAL)  # a later one may fail
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return results


def main() -> int:
    """Parse the command line and run; answers the exit code. A value over its limit is no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--port", default=str(PORT), help="base port of the benchmark's own stack")
    parser.add_argument("--only", metavar="WORD", default="", help="only measures whose name has this word")
    parser.add_argument("--quick", action="store_true", help="few repeats of little, to try the benchmark out")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # the product tells of each request, into a file in Azure and to nobody here
    measures = [each for each in MEASURES if options.only.lower() in each.name.lower()]
    if not measures:
        print(f"No measure has {options.only!r} in its name: " + "; ".join(each.name for each in MEASURES))
        return 2
    try:
        base = base_port(options.port)
        with claimed(base, range(base, base + PORTS)):
            results = asyncio.run(run(base, measures, quick=options.quick))
    except (Refused, StackError) as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped before its end.", file=sys.stderr)
        return 1
    except Exception:  # a defect, of any kind: `_leave` ends the process before Python would tell of it
        traceback.print_exc()
        return 1
    found = report.document(results)
    folder: Path = PARTIAL if options.only or options.quick else plots.RESULTS
    report.write(found, folder)
    plots.draw(found, folder)
    print("\n" + report.table(found))
    print(f"\nWritten to {folder}/latest.json")
    return 0


def _leave(code: int) -> NoReturn:
    """End as the Functions worker does: the product keeps its clients warm, and nobody closes them at the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
