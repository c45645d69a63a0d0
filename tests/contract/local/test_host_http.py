"""The local host serves HTTP functions as the platform does."""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
import threading
from pathlib import Path

import aiohttp
import azure.functions as func
import pytest
from yarl import URL

from local.certificate import ensure_certificate, server_context
from tests.support.functions_host import echo_app, new_app, running


async def test_the_function_sees_the_request_as_the_worker_gives_it() -> None:
    app, seen = new_app(), list[func.HttpRequest]()

    @app.route(route="see/{id}")
    def see(req: func.HttpRequest) -> func.HttpResponse:
        seen.append(req)
        return func.HttpResponse(status_code=204)

    async with running(app) as host, aiohttp.ClientSession(host.url) as client:
        path = "/api/see/7?a=1&b=%C3%A9&a=2&empty="
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Custom": "yes"}
        async with client.post(URL(path, encoded=True), data=b'{"n": 1}', headers=headers) as answer:
            assert answer.status == 204

        [request] = seen
        assert request.method == "POST"
        assert request.url == host.url + path
        assert dict(request.params) == {"a": "1,2", "b": "é"}
        assert dict(request.route_params) == {"id": "7"}
        assert request.get_json() == {"n": 1}
        assert request.headers["x-custom"] == "yes"
        assert request.headers["X-Forwarded-For"].startswith("203.0.113.7, 127.0.0.1:")


async def test_the_body_may_be_large_for_the_app_sets_its_own_limit() -> None:
    app = new_app()

    @app.route(route="size")
    async def size(req: func.HttpRequest) -> str:
        return str(len(req.get_body()))

    megabytes = bytes(3 * 1024 * 1024)
    async with (
        running(app) as host,
        aiohttp.ClientSession(host.url) as client,
        client.post("/api/size", data=io.BytesIO(megabytes)) as answer,
    ):
        assert await answer.text() == str(len(megabytes))


async def test_the_answer_keeps_status_headers_type_bytes_and_every_cookie() -> None:
    app = new_app()

    @app.route(route="full")
    def full(req: func.HttpRequest) -> func.HttpResponse:
        response = func.HttpResponse(b"\x00\xff", status_code=201, mimetype="application/octet-stream")
        response.headers["X-One"] = "1"
        response.headers.add("Set-Cookie", "__Host-a=one; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=600")
        response.headers.add("Set-Cookie", "b=two; Path=/x; SameSite=Lax")
        return response

    async with (
        running(app) as host,
        aiohttp.ClientSession(host.url) as client,
        client.get("/api/full") as answer,
    ):
        assert (answer.status, await answer.read()) == (201, b"\x00\xff")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-One"] == "1"
        first, second = (set(each.split("; ")) for each in answer.headers.getall("Set-Cookie"))
        assert first == {"__Host-a=one", "Path=/", "Secure", "HttpOnly", "SameSite=None", "Max-Age=600"}
        assert second == {"b=two", "Path=/x", "SameSite=Lax"}


async def test_text_is_sent_with_its_charset() -> None:
    app = new_app()

    @app.route(route="text")
    def text(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("naïve", mimetype="text/html", charset="latin-1")

    async with (
        running(app) as host,
        aiohttp.ClientSession(host.url) as client,
        client.get("/api/text") as answer,
    ):
        assert answer.headers["Content-Type"] == "text/html; charset=latin-1"
        assert await answer.read() == b"na\xefve"


async def test_an_unhandled_exception_is_500_without_a_body_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = new_app()

    @app.route(route="boom")
    async def boom(req: func.HttpRequest) -> func.HttpResponse:
        raise RuntimeError("the reason")

    async with (
        running(app) as host,
        aiohttp.ClientSession(host.url) as client,
        client.get("/api/boom") as answer,
    ):
        assert (answer.status, await answer.read()) == (500, b"")
    assert "the reason" in caplog.text


async def test_an_invocation_past_the_function_timeout_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    app, cancelled = new_app(), asyncio.Event()

    @app.route(route="slow")
    async def slow(req: func.HttpRequest) -> func.HttpResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return func.HttpResponse()

    async with (
        running(app, {"functionTimeout": "00:00:00.100"}) as host,
        aiohttp.ClientSession(host.url) as client,
        client.get("/api/slow") as answer,
    ):
        assert answer.status == 500
    assert cancelled.is_set()
    assert "Function slow was cancelled" in caplog.text


async def test_plain_functions_run_in_threads_side_by_side() -> None:
    app, meeting = new_app(), threading.Barrier(2, timeout=5)

    @app.route(route="meet")
    def meet(req: func.HttpRequest) -> str:
        meeting.wait()
        return "met"

    async with running(app) as host, aiohttp.ClientSession(host.url) as client:

        async def call() -> str:
            async with client.get("/api/meet") as answer:
                return await answer.text()

        assert set(await asyncio.gather(call(), call())) == {"met"}


async def test_the_access_log_names_the_template_never_the_real_path_or_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(echo_app(link=("link/{secret}", None))) as host, aiohttp.ClientSession(host.url) as client:
        for path in ("/api/link/hush1?q=hush2", "/api/hush3"):
            async with client.get(path):
                pass
    lines = [record.getMessage() for record in caplog.records if record.name == "local.host.access"]
    assert len(lines) == 2
    assert lines[0].startswith("link GET /api/link/{secret} 200 ")
    assert lines[1].startswith("- GET - 404 ")
    assert "hush" not in caplog.text


async def test_a_function_that_asks_for_the_context_gets_it(tmp_path: Path) -> None:
    app, seen = new_app(), list[func.Context]()

    @app.function_name("named")
    @app.route(route="context")
    async def contextual(req: func.HttpRequest, context: func.Context) -> str:
        seen.append(context)
        return ""

    async with running(app, root=tmp_path) as host, aiohttp.ClientSession(host.url) as client:
        for _ in range(2):
            async with client.get("/api/context"):
                pass
    first, second = seen
    assert first.function_name == "named"
    assert first.function_directory == str(tmp_path)
    assert first.invocation_id != second.invocation_id


TRACE, PARENT = "a" * 32, "b" * 16


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", True),
        (None, False),
        ("", False),
        ("nonsense", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01-more", False),
    ],
)
async def test_an_invocation_is_a_step_of_its_own_in_the_callers_trace_or_in_a_fresh_one(
    sent: str | None, kept: bool
) -> None:
    app, seen = new_app(), list[func.Context]()

    @app.route(route="context")
    async def contextual(req: func.HttpRequest, context: func.Context) -> str:
        seen.append(context)
        return ""

    headers = {} if sent is None else {"traceparent": sent}
    async with running(app) as host, aiohttp.ClientSession(host.url) as client:
        for _ in range(2):
            async with client.get("/api/context", headers=headers):
                pass
    first, second = (each.trace_context.trace_parent.split("-") for each in seen)
    for version, trace, parent, flags in (first, second):
        assert (version, len(trace), len(parent)) == ("00", 32, 16)
        assert (trace, flags) == (TRACE, sent[-2:]) if sent and kept else (trace != TRACE and flags == "00")
        assert parent != PARENT
    assert first[2] != second[2]


async def test_with_a_certificate_it_speaks_https(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path)
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    tls = server_context(certificate, key)
    async with (
        running(echo_app(one=("one", None)), tls=tls) as host,
        aiohttp.ClientSession(host.url, connector=trusting) as client,
    ):
        assert host.url.startswith("https://127.0.0.1:")
        async with client.get("/api/one") as answer:
            assert await answer.text() == "one()"


async def test_a_stop_lets_a_running_request_end() -> None:
    app, entered = new_app(), asyncio.Event()

    @app.route(route="wait")
    async def wait(req: func.HttpRequest) -> str:
        entered.set()
        await asyncio.sleep(0.2)
        return "done"

    async with aiohttp.ClientSession() as client:
        async with running(app) as host:
            request = asyncio.ensure_future(client.get(f"{host.url}/api/wait"))
            await entered.wait()
        async with await request as answer:
            assert await answer.text() == "done"
