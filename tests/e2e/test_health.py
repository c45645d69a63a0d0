"""Is it alive, and is it ready? Asked by anybody."""

from __future__ import annotations

from local.client import Client
from tests.e2e.world import raw


async def test_a_running_product_is_alive_and_ready(client: Client) -> None:
    live, ready = await raw(client, "GET", "/api/health/live"), await raw(client, "GET", "/api/health/ready")
    assert (live.status, live.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json) == (200, {"status": "ok", "checks": {"storage": "ok", "keyVault": "ok"}})
