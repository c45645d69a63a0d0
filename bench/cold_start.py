"""Cold start: importing and indexing the app in a fresh process, against an app of one function."""

from __future__ import annotations

import asyncio
import compileall
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bench.measure import Measure, Repeat
from bench.world import World
from local.client import KEY_VAULT

ROOT = Path(__file__).parents[1]
SMALLEST = Path(__file__).parent / "one_function"

INDEX = """
import time
began = time.perf_counter()
import sys
sys.path.insert(0, sys.argv[1])
from function_app import app
functions = app.get_functions()
print((time.perf_counter() - began) * 1000)
"""
"""What the Python worker does before it can serve; the interpreter's own start is in neither time."""

FIRST_REQUEST = """
import asyncio
import azure.functions as func
act = next(each.get_user_function() for each in functions if each.get_function_name() == "connections_list")
request = func.HttpRequest("GET", sys.argv[2], headers={"authorization": f"Bearer {sys.argv[3]}"}, body=b"")
began = time.perf_counter()
response = asyncio.run(act(request, None))
print((time.perf_counter() - began) * 1000 if response.status_code == 200 else response.get_body())
import os
sys.stdout.flush()
os._exit(0)
"""
"""The first list after that: what is imported only then, the keys that tokens are signed with, new connections."""

REPEATS = 15


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """One process of each, by turns."""
    listing = (f"{world.stack.api}{KEY_VAULT}", (await world.client()).token)
    for place in ("functions", "shared", "bench/one_function"):
        compileall.compile_dir(ROOT / place, quiet=2)
    compileall.compile_file(ROOT / "function_app.py", quiet=2)
    await _milliseconds(ROOT), await _milliseconds(SMALLEST)  # the libraries' bytecode, and the disk's cache
    for _ in range(world.few(REPEATS, 5)):
        (product, first), (smallest,) = await _milliseconds(ROOT, then=listing), await _milliseconds(SMALLEST)
        figures = {"product ms": product, "one function ms": smallest, "then the first request, ms": first}
        yield Repeat(product / smallest, figures)


async def _milliseconds(folder: Path, *, then: Sequence[str] = ()) -> list[float]:
    """Of importing and indexing, then of the first request where its URL and token are given."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INDEX + (FIRST_REQUEST if then else ""),
        str(folder),
        *then,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
    )
    output, _ = await process.communicate()
    return [float(line) for line in output.split()]


MEASURE = Measure(
    name="cold start",
    how="import and index the app in a fresh process ÷ the same for an app of one function",
    limit=2.0,
    unit="ratio",
    repeats=repeats,
)
