"""The local host routes requests as ASP.NET Core does."""

from __future__ import annotations

import aiohttp
import azure.functions as func
import pytest
from yarl import URL

from local.host import Host
from tests.support.functions_host import echo_app, new_app, running

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/items/available", "literal()"),
        ("GET", f"/api/items/{GUID}", f"one(id={GUID})"),
        ("GET", "/api/items/12", "number(n=12)"),
        ("GET", "/api/items/twelve", "word(word=twelve)"),
        ("GET", "/API/Items/AVAILABLE/", "literal()"),
        ("GET", "/api/items/a%20b", "word(word=a b)"),
        ("GET", "/api/items/a%2Fb", "word(word=a%2Fb)"),
        ("DELETE", "/api/items/available", "rest(path=items/available)"),
        ("GET", "/api/nowhere/at/all", "rest(path=nowhere/at/all)"),
        ("GET", "/api", "rest()"),
    ],
)
async def test_the_most_specific_route_that_takes_the_method_answers(method: str, path: str, expected: str) -> None:
    app = echo_app(
        rest=("{*path}", None),
        word=("items/{word}", ["GET"]),
        number=("items/{n:int}", ["GET"]),
        one=("items/{id:guid}", ["GET"]),
        literal=("items/available", ["GET"]),
    )
    async with (
        running(app) as host,
        aiohttp.ClientSession(host.url) as client,
        client.request(method, URL(path, encoded=True)) as answer,
    ):
        assert (answer.status, await answer.text()) == (200, expected)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"])
async def test_a_trigger_without_methods_takes_every_method(method: str) -> None:
    app, seen = new_app(), list[tuple[str, str]]()

    @app.route(route="{*path}")
    def rest(req: func.HttpRequest) -> func.HttpResponse:
        seen.append((req.method, req.route_params.get("path", "")))
        return func.HttpResponse("no such resource", status_code=404, mimetype="application/problem+json")

    @app.route(route="one", methods=["POST" if method == "GET" else "GET"])
    def one(req: func.HttpRequest) -> str:
        return "one"

    async with running(app) as host, aiohttp.ClientSession(host.url) as client:
        for path in ("one", "nowhere/at/all"):
            async with client.request(method, f"/api/{path}") as answer:
                assert (answer.status, answer.content_type) == (404, "application/problem+json")
                assert await answer.read() == (b"" if method == "HEAD" else b"no such resource")
    assert seen == [(method, "one"), (method, "nowhere/at/all")]


async def test_without_a_catch_all_an_unknown_path_or_method_is_404() -> None:
    async with running(echo_app(one=("one", ["GET"]))) as host, aiohttp.ClientSession(host.url) as client:
        for method, path in (("POST", "/api/one"), ("GET", "/api/two"), ("GET", "/one")):
            async with client.request(method, path) as answer:
                assert (answer.status, await answer.read()) == (404, b"")


async def test_the_route_prefix_comes_from_host_json_and_the_default_route_is_the_name() -> None:
    app = new_app()

    @app.route()
    def hello(req: func.HttpRequest) -> str:
        return "hello"

    host_json = {"extensions": {"http": {"routePrefix": ""}}}
    async with (
        running(app, host_json) as host,
        aiohttp.ClientSession(host.url) as client,
        client.get("/hello") as answer,
    ):
        assert await answer.text() == "hello"


@pytest.mark.parametrize("route", ["{n:prime}", "{n=5}", "a{b"])
def test_a_route_that_the_host_cannot_read_is_refused_by_name(route: str) -> None:
    with pytest.raises(ValueError, match="function 'odd'"):
        Host(echo_app(odd=(route, None)))
