"""Cold start: importing and indexing the app in a fresh process, against an app of one function."""

from __future__ import annotations

import asyncio
import compileall
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bench.measure import Measure, Repeat
from bench.world import World

ROOT = Path(__file__).parents[1]
SMALLEST = Path(__file__).parent / "one_function"

INDEX = """
import time
began = time.perf_counter()
import sys
sys.path.insert(0, sys.argv[1])
from function_app import app
app.get_functions()
print((time.perf_counter() - began) * 1000)
"""
"""What the Python worker does before it can serve; the interpreter's own start is in neither time."""

REPEATS = 15


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """One process of each, by turns."""
    for place in ("functions", "shared", "bench/one_function"):
        compileall.compile_dir(ROOT / place, quiet=2)
    compileall.compile_file(ROOT / "function_app.py", quiet=2)
    await _milliseconds(ROOT), await _milliseconds(SMALLEST)  # the libraries' bytecode, and the disk's cache
    for _ in range(world.few(REPEATS, 5)):
        product, smallest = await _milliseconds(ROOT), await _milliseconds(SMALLEST)
        yield Repeat(product / smallest, {"product ms": product, "one function ms": smallest})


async def _milliseconds(folder: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INDEX, str(folder), stdout=asyncio.subprocess.PIPE, env=environment, cwd=folder
    )
    output, _ = await process.communicate()
    return float(output)


MEASURE = Measure(
    name="cold start",
    how="import and index the app in a fresh process ÷ the same for an app of one function",
    limit=2.0,
    unit="ratio",
    repeats=repeats,
)
