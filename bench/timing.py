"""Taking times: calls one after the other or by several callers at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

Call = Callable[[], Awaitable[object]]


async def timed(calls: Iterable[Call], *, callers: int = 1) -> list[float]:
    """How long each call took, in milliseconds; `callers` take the next call from the same line."""
    line, times = iter(calls), list[float]()
    await asyncio.gather(*(_caller(line, times) for _ in range(callers)))
    return times


async def makespan(calls: Iterable[Call], *, callers: int) -> float:
    """From the beginning of the first call to the end of the last, in seconds."""
    began = time.perf_counter()
    await timed(calls, callers=callers)
    return time.perf_counter() - began


async def _caller(line: Iterator[Call], times: list[float]) -> None:
    for call in line:
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
