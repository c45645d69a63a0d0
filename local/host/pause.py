"""Waiting that a stop can end."""

from __future__ import annotations

import asyncio


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`, or less when `stopping` is set; answers whether it is."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await stopping.wait()
    except TimeoutError:
        pass
    return stopping.is_set()
