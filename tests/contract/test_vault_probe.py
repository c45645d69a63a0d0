"""Asking a customer's vault: what is missing is told, and nothing but that vault is ever spoken to."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic_core import to_json

from shared.adapters.vault_probe import MAX_BODY
from shared.domain.vault_answers import ALLOWED, NO_VAULT, SILENT, UNREACHABLE, UNTRUSTED
from tests.contract.probed_vaults import (
    LONGEST_SECONDS,
    ONE_SECRET,
    FakeVaults,
    RealVaults,
    Server,
    Vaults,
    real_vaults,
)
from tests.fakes.vault_probe import Answering

TOKEN = "the-connections-token"


@pytest.fixture(params=["fake", "azure"])
async def vaults(request: pytest.FixtureRequest, certificates: Path) -> AsyncIterator[Vaults]:
    """Vaults in memory, and azure-core's pipeline with https servers behind it."""
    if request.param == "fake":
        yield FakeVaults()
        return
    async with real_vaults(certificates) as made:
        yield made


@pytest.fixture
async def real(certificates: Path) -> AsyncIterator[RealVaults]:
    """Servers that may do what no vault does."""
    async with real_vaults(certificates) as made:
        yield made


async def test_a_vault_that_lists_its_secrets_needs_nothing(vaults: Vaults) -> None:
    origin = await vaults.vault(Answering())
    assert await vaults.probe.probe(origin, TOKEN) == ALLOWED
    assert (ALLOWED.can_list_secrets, ALLOWED.message) == (True, None)
    assert vaults.shown(origin) == [TOKEN]


@pytest.mark.parametrize(
    ("status", "code", "missing"),
    [
        (403, "ForbiddenByRbac", 'the role "Key Vault Secrets User"'),
        (403, "ForbiddenByPolicy", 'secret permission "List" in the vault\'s access policies'),
        (403, "AccessDenied", 'secret permission "List" in the vault\'s access policies'),
        (403, "ForbiddenByFirewall", "firewall does not admit this service"),
        (403, "ForbiddenByConnection", "private endpoint"),
        (403, "SomethingNew", '"Key Vault Secrets User"'),
        (403, None, "access policies"),
        (401, None, "of one tenant"),
    ],
)
async def test_a_refusal_says_what_is_missing(vaults: Vaults, status: int, code: str | None, missing: str) -> None:
    probed = await vaults.probe.probe(await vaults.vault(Answering(status, code)), TOKEN)
    assert probed.can_list_secrets is False
    assert missing in str(probed.message)


@pytest.mark.parametrize(
    ("answering", "told"),
    [
        (Answering(429, retry_after=17), "in 17 seconds"),
        (Answering(429), "in a minute"),
        (Answering(500), "status 500"),
        (Answering(503, retry_after=5), "status 503"),
        (Answering(404), "does not speak as a Key Vault"),
    ],
)
async def test_a_vault_in_trouble_says_nothing_of_rights(vaults: Vaults, answering: Answering, told: str) -> None:
    origin = await vaults.vault(answering)
    probed = await vaults.probe.probe(origin, TOKEN)
    assert probed.can_list_secrets is None
    assert told in str(probed.message)
    assert len(vaults.shown(origin)) == 1, "a person waits: it is not asked again"


async def test_an_address_where_nothing_is_is_told(vaults: Vaults) -> None:
    assert await vaults.probe.probe(vaults.nowhere(), TOKEN) == UNREACHABLE


async def test_a_name_that_nobody_has_is_told(real: RealVaults) -> None:
    assert await real.probe.probe("https://no-such-vault.invalid", TOKEN) == UNREACHABLE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(real: RealVaults, status: int) -> None:
    elsewhere = Server(body=to_json(ONE_SECRET))
    target = await real.server(elsewhere)
    origin = await real.server(Server(status, headers={"Location": f"{target}/secrets"}))
    assert await real.probe.probe(origin, TOKEN) == NO_VAULT
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b"[]",
        b"null",
        b'{"value": "x"}',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"value": [' + b" " * MAX_BODY,
    ],
)
async def test_a_success_in_which_no_list_is_is_no_vaults(real: RealVaults, body: bytes) -> None:
    assert await real.probe.probe(await real.server(Server(body=body)), TOKEN) == NO_VAULT


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[1]", b'{"error": 1}', b'{"error": {"innererror": {"code": [1]}}}']
)
async def test_a_refusal_in_no_shape_of_key_vaults_names_both_kinds_of_right(real: RealVaults, body: bytes) -> None:
    probed = await real.probe.probe(await real.server(Server(403, body)), TOKEN)
    assert probed.can_list_secrets is False
    assert "role" in str(probed.message)
    assert "access policies" in str(probed.message)


async def test_of_a_body_without_end_only_the_beginning_is_read(real: RealVaults) -> None:
    endless = Server(body=b" " * MAX_BODY, times=1_000_000)
    assert await real.probe.probe(await real.server(endless), TOKEN) == NO_VAULT
    assert endless.sent < 500 * MAX_BODY, "what is under way in buffers, and no more"


@pytest.mark.parametrize("slow", [Server(delay=3 * LONGEST_SECONDS), Server(body=b" " * 100, drip=LONGEST_SECONDS / 5)])
async def test_a_vault_that_keeps_us_waiting_is_left(real: RealVaults, slow: Server) -> None:
    origin = await real.server(slow)
    began = time.perf_counter()
    assert await real.probe.probe(origin, TOKEN) == SILENT
    assert time.perf_counter() - began < 2 * LONGEST_SECONDS


async def test_a_certificate_that_is_not_trusted_gets_no_token(real: RealVaults, tmp_path: Path) -> None:
    impostor = Server(body=to_json(ONE_SECRET))
    assert await real.probe.probe(await real.server(impostor, certificates=tmp_path), TOKEN) == UNTRUSTED
    assert impostor.asked == []


async def test_plain_text_where_tls_is_expected_gets_no_token(real: RealVaults) -> None:
    heard = b""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(10_000)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        probed = await real.probe.probe(f"https://127.0.0.1:{port}", TOKEN)
    assert probed in (UNREACHABLE, UNTRUSTED)
    assert heard
    assert TOKEN.encode() not in heard


async def test_the_request_is_the_smallest_list_and_says_no_more_than_it_must(real: RealVaults) -> None:
    server = Server(body=json.dumps(ONE_SECRET).encode())
    await real.probe.probe(await real.server(server), TOKEN)
    (asked,) = server.asked
    assert (asked.method, asked.path, dict(asked.query)) == (
        "GET",
        "/secrets",
        {"maxresults": "1", "api-version": "7.4"},
    )
    assert "Cookie" not in asked.headers
    assert asked.headers["Accept-Encoding"] == "identity"


async def test_neither_token_nor_body_is_logged(real: RealVaults, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for server in (Server(403, b"a-private-body"), Server(body=b"a-private-body")):
        await real.probe.probe(await real.server(server), TOKEN)
    assert TOKEN not in caplog.text
    assert "a-private-body" not in caplog.text
