"""What the real `Graph` makes of a Graph in trouble, and of refusals."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestTimeoutError

from shared.adapters.graph import AzureGraph
from shared.domain.credential import AppCredential
from shared.domain.errors import DirectoryRefused, ProductError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from shared.domain.graph_errors import FULL, PERMISSION, POLICY, UNKNOWN
from shared.services.ports import AppAuthority, AppToken, Audience, GraphSession, Registration
from tests.contract.app_authorities import CLIENT_ID
from tests.contract.authorities import READ_SECONDS
from tests.contract.graphs import (
    KEY_ID,
    LEAKY_SECRET,
    NAME,
    RealGraph,
    add,
    failure,
    opened,
    own,
    real_graph,
    refusal,
    secrets_in,
)

OBJECT_ID = "e0000000-0000-4000-8000-000000000003"
LATER = datetime(2099, 1, 1, tzinfo=UTC)

FIND, ADD, REMOVE = "GET .*/applications", "POST .*/addPassword", "POST .*/removePassword"
GONE = "No password credential found with keyId."

Act = Callable[[GraphSession, Registration], Awaitable[object]]


@pytest.fixture
async def troubled(certificates: Path, tmp_path: Path) -> AsyncIterator[RealGraph]:
    """The real adapter, with a stand-in behind it that can be made to fail; the app has one password."""
    async with real_graph(certificates, tmp_path) as made:
        yield made


async def test_an_app_that_does_not_own_itself_is_told_what_is_missing(troubled: RealGraph) -> None:
    session, app = await opened(troubled)
    troubled.app.owns_itself = False
    assert await session.registration() == app
    assert await refusal(add(troubled, session, app)) == PERMISSION
    assert await refusal(session.remove_password(app.object_id, KEY_ID)) == PERMISSION


async def test_a_full_registration_is_named(troubled: RealGraph) -> None:
    session, app = await opened(troubled)
    troubled.app.passwords *= 600
    assert await refusal(add(troubled, session, app)) == FULL
    found = await session.registration()
    assert found is not None
    assert len(found.passwords) == 600


ACTS: dict[str, tuple[str, Act]] = {
    "registration": (FIND, lambda session, _: session.registration()),
    "add": (ADD, lambda session, app: session.add_password(app.object_id, display_name=NAME, ends_at=LATER)),
    "remove": (REMOVE, lambda session, app: session.remove_password(app.object_id, KEY_ID)),
}
"""Each call, and the request that it makes."""


async def failed(troubled: RealGraph, act: str, **fault: Any) -> ProductError:
    """How a call fails that meets the fault. One more request would be answered well."""
    session, app = await opened(troubled)
    match, call = ACTS[act]
    await troubled.apps.control.fault(match, **fault)
    error = await asyncio.wait_for(failure(call(session, app)), 5)
    if isinstance(error, UpstreamError):
        assert error.service == "Microsoft Graph"
    return error


def said(code: str, message: str = f"no word of {LEAKY_SECRET}") -> dict[str, Any]:
    """A refusal in Graph's shape."""
    return {"error": {"code": code, "message": message, "innerError": {"date": "2026-03-02T10:00:00"}}}


@pytest.mark.parametrize("act", ACTS)
async def test_throttling_says_when_to_come_back_and_is_not_waited_for(troubled: RealGraph, act: str) -> None:
    error = await failed(troubled, act, status=429, headers={"Retry-After": "17"}, body=said("TooManyRequests"))
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after == 17
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("body", ["<html>oops</html>", said("serviceNotAvailable")], ids=["html", "json"])
async def test_a_graph_in_trouble_is_unavailable(troubled: RealGraph, act: str, status: int, body: object) -> None:
    assert isinstance(await failed(troubled, act, status=status, body=body), UpstreamUnavailable)
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [408, 504])
async def test_a_gateway_that_waited_in_vain_is_a_time_out(troubled: RealGraph, act: str, status: int) -> None:
    assert isinstance(await failed(troubled, act, status=status), UpstreamTimeout)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 409, "body": said("Directory_ConcurrencyViolation")},
        {"status": 409, "body": "<html>oops</html>"},
        {"status": 400, "body": said("Directory_ConcurrencyViolation")},
        {"status": 400, "body": said("Request_BadRequest", "Update failed due to Concurrent requests, retry.")},
    ],
)
async def test_another_change_at_the_same_moment_passes(troubled: RealGraph, act: str, fault: dict[str, Any]) -> None:
    error = await failed(troubled, act, headers={"Retry-After": "3"}, **fault)
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after == 3
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "CredentialInvalidLifetimeAsPerAppPolicy", POLICY),
        (400, "Directory_QuotaExceeded", FULL),
        (400, "Request_BadRequest", UNKNOWN),
        (403, "accessDenied", PERMISSION),
    ],
)
async def test_a_refusal_is_known_by_its_code(
    troubled: RealGraph, act: str, status: int, code: str, expected: str
) -> None:
    error = await failed(troubled, act, status=status, body=said(code))
    assert isinstance(error, DirectoryRefused)
    assert error.message == expected


@pytest.mark.parametrize("act", ACTS)
async def test_a_token_that_graph_does_not_take_is_tried_again_later(troubled: RealGraph, act: str) -> None:
    error = await failed(troubled, act, status=401, body=said("InvalidAuthenticationToken"))
    assert isinstance(error, UpstreamError)
    assert not isinstance(error, UpstreamTimeout)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [400, 403, 404, 422])
@pytest.mark.parametrize(
    "body", ["<html>who are you?</html>", "", "null", "[]", '{"error": null}', '{"error": "' + GONE + '"}', GONE]
)
async def test_a_refusal_that_is_not_graphs_own_is_none_for_good(
    troubled: RealGraph, act: str, status: int, body: str
) -> None:
    assert isinstance(await failed(troubled, act, status=status, body=body), UpstreamUnavailable)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(troubled: RealGraph, act: str, status: int) -> None:
    there = f"{troubled.apps.stand_in.graph}/applications?$filter=appId eq '{CLIENT_ID}'"
    error = await failed(troubled, act, status=status, headers={"Location": there}, body=said("Moved"))
    assert isinstance(error, UpstreamUnavailable)
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


PASSWORD = f'"keyId": "{KEY_ID}", "endDateTime": "2099-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    "body",
    [
        "<html>hello</html>",
        "",
        "null",
        "[]",
        "{}",
        '{"value": null}',
        '{"value": {}}',
        '{"value": ["an app"]}',
        f'{{"value": [{{"id": "{LEAKY_SECRET}", "passwordCredentials": []}}]}}',
        f'{{"value": [{{"id": "{OBJECT_ID}"}}]}}',
        f'{{"value": [{{"id": "{OBJECT_ID}", "passwordCredentials": [{{"keyId": 5}}]}}]}}',
        f'{{"value": [{{"id": "{OBJECT_ID}", "passwordCredentials": [{{{PASSWORD}, "hint": {{}}}}]}}]}}',
        f'{{"value": [{{"id": "{OBJECT_ID}", "passwordCredentials": [{{{PASSWORD.replace("2099", "soon")}}}]}}]}}',
    ],
)
async def test_a_list_that_makes_no_sense_is_not_an_app_that_is_not_there(troubled: RealGraph, body: str) -> None:
    assert isinstance(await failed(troubled, "registration", status=200, body=body), UpstreamUnavailable)


async def test_what_graph_leaves_out_or_may_add_is_no_nonsense(troubled: RealGraph) -> None:
    listed = f'{{"keyId": "{KEY_ID.upper()}", "endDateTime": "2099-01-01T00:00:00.1234567Z", "unheard": "of"}}'
    found = f'{{"value": [{{"id": "{OBJECT_ID}", "passwordCredentials": [{listed}]}}], "unheard": "of"}}'
    session, _ = await opened(troubled)
    await troubled.apps.control.fault(FIND, status=200, body=found)
    app = await session.registration()
    assert app is not None
    (password,) = app.passwords
    assert (password.key_id, password.display_name, password.hint) == (KEY_ID, None, None)
    assert password.ends_at is not None
    assert password.ends_at.year == 2099
    assert app.holds_two is False


@pytest.mark.parametrize(
    "body",
    [
        "<html>hello</html>",
        "",
        "null",
        "[]",
        "{}",
        f'{{"secretText": "{LEAKY_SECRET}"}}',
        f'{{"secretText": "{LEAKY_SECRET}", "keyId": "{KEY_ID}"}}',
        f'{{"secretText": "{LEAKY_SECRET}", "keyId": "{KEY_ID}", "endDateTime": "2099-01-01T00:00:00"}}',
        f'{{"secretText": "{LEAKY_SECRET}", "keyId": "no key id", "endDateTime": "2099-01-01T00:00:00Z"}}',
        f'{{"secretText": ["{LEAKY_SECRET}"], {PASSWORD}}}',
        f'{{"secretText": "", {PASSWORD}}}',
        f'{{"secretText": null, {PASSWORD}}}',
        f'{{"secretText": "{LEAKY_SECRET}", {PASSWORD}',
    ],
)
async def test_a_new_password_that_cannot_be_read_may_exist(
    troubled: RealGraph, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert isinstance(await failed(troubled, "add", status=200, body=body), UpstreamTimeout)
    assert secrets_in(caplog.text) == []


async def test_a_password_whose_answer_was_lost_is_added_once(troubled: RealGraph) -> None:
    assert isinstance(await failed(troubled, "add", lose_answer=True), UpstreamTimeout)
    assert [name for _, name in troubled.owner.passwords()] == ["by hand", NAME]


@pytest.mark.parametrize("act", ACTS)
async def test_a_slow_answer_is_a_time_out_and_not_asked_for_again(troubled: RealGraph, act: str) -> None:
    assert isinstance(await failed(troubled, act, delay=READ_SECONDS + 0.5), UpstreamTimeout)


async def test_a_removal_whose_answer_was_lost_can_be_repeated(troubled: RealGraph) -> None:
    session, app = await opened(troubled)
    added = await add(troubled, session, app)
    await troubled.apps.control.fault(REMOVE, lose_answer=True)
    error = await failure(session.remove_password(app.object_id, added.key_id))
    assert isinstance(error, UpstreamTimeout)
    await session.remove_password(app.object_id, added.key_id)
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


@pytest.mark.parametrize("act", ["add", "remove"])
async def test_a_connection_that_is_cut_may_have_carried_the_request(troubled: RealGraph, act: str) -> None:
    assert isinstance(await failed(troubled, act, refuse=True), UpstreamTimeout)
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


async def test_a_list_is_read_or_its_connection_was_cut(troubled: RealGraph) -> None:
    session, app = await opened(troubled)
    await troubled.apps.control.fault(FIND, refuse=True, times=2)  # a GET is repeated once by aiohttp
    assert isinstance(await failure(session.registration()), UpstreamTimeout)
    assert await session.registration() == app


@pytest.mark.parametrize("act", ACTS)
async def test_a_connection_that_takes_too_long_to_make_carried_nothing(
    troubled: RealGraph, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(*_: object, **__: object) -> None:
        raise ServiceRequestTimeoutError("no answer to the handshake")

    session, app = await opened(troubled)
    monkeypatch.setattr(troubled.apps.transport, "send", send)
    assert isinstance(await failure(ACTS[act][1](session, app)), UpstreamUnavailable)


@pytest.mark.parametrize("act", ACTS)
async def test_a_request_that_found_no_connection_was_not_sent(troubled: RealGraph, act: str) -> None:
    _, app = await opened(troubled)
    with socket.socket() as deaf:  # has a port, and does not listen there
        deaf.bind(("127.0.0.1", 0))
        nowhere = f"https://127.0.0.1:{deaf.getsockname()[1]}/v1.0"
        graph = AzureGraph(url=nowhere, authority=troubled.authority, transport=troubled.apps.transport)
        error = await failure(ACTS[act][1](await graph.sign_in(own()), app))
    assert isinstance(error, UpstreamUnavailable)
    assert error.service == "Microsoft Graph"


async def test_many_at_once_are_served(troubled: RealGraph) -> None:
    session, app = await opened(troubled)
    added = await asyncio.gather(*(add(troubled, session, app, f"number {n}") for n in range(8)))
    assert len({each.key_id for each in added}) == 8
    await asyncio.gather(*(session.remove_password(app.object_id, each.key_id) for each in added))
    assert troubled.owner.passwords() == [(KEY_ID, "by hand")]


class Remembering:
    """`AppAuthority` that keeps what it gave out."""

    def __init__(self, authority: AppAuthority) -> None:
        self._authority = authority
        self.given: list[str] = []

    async def app_token(self, credential: AppCredential, audience: Audience = Audience.VAULT) -> AppToken:
        """See `AppAuthority`."""
        token = await self._authority.app_token(credential, audience)
        self.given.append(token.access_token)
        return token


async def test_nothing_secret_is_logged(troubled: RealGraph, caplog: pytest.LogCaptureFixture) -> None:
    authority = Remembering(troubled.authority)
    graph = AzureGraph(url=troubled.apps.stand_in.graph, authority=authority, transport=troubled.apps.transport)
    with caplog.at_level(logging.DEBUG):
        session, app = await opened(replace(troubled, graph=graph))
        added = await add(troubled, session, app)
        await troubled.apps.control.fault(ADD, lose_answer=True)
        await failure(add(troubled, session, app))
        await session.remove_password(app.object_id, added.key_id)
    assert caplog.text
    assert secrets_in(caplog.text) == []
    assert len(authority.given) == 1
    assert not any(secret in caplog.text for secret in (added.secret, *authority.given))
