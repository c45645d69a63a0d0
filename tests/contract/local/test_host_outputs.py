"""The local host sends queue outputs as the platform does, tried against Azurite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import azure.functions as func
import pytest

from tests.support.functions_host import new_app, running
from tests.support.queue_account import Account, encoded, host_json, opened


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[Account]:
    async with opened(azurite) as found:
        yield found


@pytest.mark.parametrize(("encoding", "stored"), [("base64", "eyJhIjogMX0="), ("none", '{"a": 1}')])
async def test_an_output_is_stored_in_the_encoding_that_host_json_states(
    account: Account, encoding: str, stored: str
) -> None:
    app = new_app()

    @app.route(route="send")
    @app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    def send(req: func.HttpRequest, out: func.Out[str]) -> str:
        out.set('{"a": 1}')
        return "sent"

    async with (
        running(app, host_json(messageEncoding=encoding), environ=account.settings) as host,
        aiohttp.ClientSession(host.url) as client,
        client.post("/api/send") as answer,
    ):
        assert await answer.text() == "sent"
        assert await account.peek() == [stored]


async def test_an_output_set_to_a_list_is_one_message_each_and_nothing_is_sent_by_default(account: Account) -> None:
    app = new_app()

    @app.route(route="send/{count:int}")
    @app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    async def send(req: func.HttpRequest, out: func.Out[list[str]]) -> str:
        if count := int(req.route_params["count"]):
            out.set([str(number) for number in range(count)])
        return ""

    async with running(app, host_json(), environ=account.settings) as host, aiohttp.ClientSession(host.url) as client:
        async with client.post("/api/send/0") as answer:
            assert answer.status == 200
        assert await account.peek() == []
        async with client.post("/api/send/3") as answer:
            assert answer.status == 200
        assert await account.peek() == sorted(map(encoded, "012"))


async def test_an_output_of_a_function_that_fails_is_not_sent(account: Account) -> None:
    app = new_app()

    @app.route(route="send")
    @app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    async def send(req: func.HttpRequest, out: func.Out[str]) -> str:
        out.set("set before the failure")
        raise RuntimeError

    async with (
        running(app, host_json(), environ=account.settings) as host,
        aiohttp.ClientSession(host.url) as client,
        client.post("/api/send") as answer,
    ):
        assert answer.status == 500
        assert await account.peek() == []
