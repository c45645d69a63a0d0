"""What anybody may ask: health, the API's description, and paths that do not exist."""

from __future__ import annotations

import pytest

from local.client import KEY_VAULT, Client
from shared.web.docs import OPENAPI
from tests.e2e.world import raw, refusal


async def test_a_running_product_is_alive_and_ready(client: Client) -> None:
    live, ready = await raw(client, "GET", "/api/health/live"), await raw(client, "GET", "/api/health/ready")
    assert (live.status, live.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json) == (200, {"status": "ok", "checks": {"storage": "ok", "keyVault": "ok"}})


async def test_the_api_describes_itself(client: Client) -> None:
    document, page = await raw(client, "GET", "/api/openapi.json"), await raw(client, "GET", "/api/docs")
    assert document.body == OPENAPI.read_bytes()
    assert document.headers["Content-Type"].startswith("application/json")
    assert (page.status, KEY_VAULT in page.text) == (200, True)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing/here"),
        ("GET", "/api"),
        ("PUT", KEY_VAULT),
        ("PATCH", KEY_VAULT),
        ("DELETE", "/api/health/live"),
        ("OPTIONS", KEY_VAULT),
        ("GET", f"{KEY_VAULT}/oauth/authorize/more"),
        ("POST", "/api/v1/app-connections/aws"),
        ("GET", "/api/v1/projects/x%0A/y"),
    ],
)
async def test_what_does_not_exist_is_404_in_the_envelope(client: Client, method: str, path: str) -> None:
    refusal(await raw(client, method, path), 404, "NotFound")


async def test_a_head_request_that_no_route_takes_is_404(client: Client) -> None:
    assert (await raw(client, "HEAD", KEY_VAULT)).status == 404
