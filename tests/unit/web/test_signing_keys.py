"""Entra's keys: fetched seldom, by one request at a time, and kept through an outage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from jwt.algorithms import RSAAlgorithm

from shared.domain.errors import UpstreamUnavailable
from shared.web import signing_keys
from shared.web.signing_keys import COOLDOWN_SECONDS, LIVE_SECONDS, RETRY_SECONDS, SigningKeys
from tests.unit.web.keys import Authority, key, running_authority

PATH = "/common/discovery/v2.0/keys"
A_MOMENT = 0.1


class Stopwatch:
    """The seconds that the keys' age is counted in, moved by the test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(signing_keys, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def authority() -> Iterator[Authority]:
    with running_authority() as one:
        yield one


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    return Stopwatch(monkeypatch)


@pytest.fixture
def keys(authority: Authority) -> SigningKeys:
    return SigningKeys(f"{authority.url}{PATH}")


async def known(keys: SigningKeys, key_id: str) -> bool:
    """Whether there is a key of that id."""
    found = await keys.get(key_id)
    return found is not None and found.key_id == key_id


async def refused(keys: SigningKeys, key_id: str = "first") -> UpstreamUnavailable:
    """The trouble that there must be."""
    with pytest.raises(UpstreamUnavailable) as trouble:
        await keys.get(key_id)
    return trouble.value


async def test_a_known_key_is_fetched_once_and_lives_for_twelve_hours(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    for _ in range(20):
        assert await known(keys, "first")
    watch.now += LIVE_SECONDS - A_MOMENT
    assert await known(keys, "first")
    assert authority.fetches == 1
    watch.now += A_MOMENT
    assert await known(keys, "first")
    assert authority.fetches == 2


async def test_unknown_key_ids_cause_one_fetch_a_minute_whoever_sends_them(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    for minute in range(1, 4):
        for number in range(20):
            assert not await known(keys, f"unknown-{minute}-{number}")
        watch.now += COOLDOWN_SECONDS - A_MOMENT
        assert not await known(keys, "unknown")
        assert authority.fetches == minute
        watch.now += A_MOMENT


async def test_a_new_key_is_learnt_once_the_minute_is_over(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    assert await known(keys, "first")
    authority.published = ["first", "second"]
    assert not await known(keys, "second")
    watch.now += COOLDOWN_SECONDS
    assert await known(keys, "second")
    assert await known(keys, "first")
    assert authority.fetches == 2


async def test_a_withdrawn_key_is_forgotten_with_the_next_fetch(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    assert await known(keys, "first")
    authority.published = ["second"]
    watch.now += LIVE_SECONDS
    assert not await known(keys, "first")


async def test_while_fetches_fail_there_is_one_in_five_seconds(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    authority.status = 500
    for tries in range(1, 4):
        for _ in range(10):
            assert (await refused(keys)).retry_after == RETRY_SECONDS
        watch.now += RETRY_SECONDS - A_MOMENT
        await refused(keys)
        assert authority.fetches == tries
        watch.now += A_MOMENT
    authority.status = 200
    assert await known(keys, "first")


async def test_keys_that_were_known_serve_on_while_fetches_fail(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    assert await known(keys, "first")
    authority.status = 500
    watch.now += LIVE_SECONDS
    for _ in range(10):
        assert await known(keys, "first")
        assert not await known(keys, "unknown")
    assert authority.fetches == 2
    watch.now += RETRY_SECONDS
    assert await known(keys, "first")
    assert authority.fetches == 3


@pytest.mark.parametrize("status", [200, 500])
async def test_callers_at_the_same_time_share_one_fetch(authority: Authority, keys: SigningKeys, status: int) -> None:
    authority.status, authority.delay_seconds = status, 0.05
    wanted = ["first", "unknown"] * 25
    found = await asyncio.gather(*(keys.get(key_id) for key_id in wanted), return_exceptions=True)
    assert authority.fetches == 1
    if status == 200:
        assert [each is not None for each in found] == [key_id == "first" for key_id in wanted]
    else:
        assert {type(each) for each in found} == {UpstreamUnavailable}


async def test_a_known_key_waits_for_nobody_elses_fetch(
    authority: Authority, keys: SigningKeys, watch: Stopwatch
) -> None:
    assert await known(keys, "first")
    watch.now += COOLDOWN_SECONDS
    authority.delay_seconds = 0.2
    slow = asyncio.create_task(keys.get("unknown"))
    await asyncio.sleep(0.02)
    assert await known(keys, "first")
    assert not slow.done()
    assert await slow is None


@pytest.mark.parametrize(
    ("status", "raw"),
    [(200, b'{"keys": []}'), (200, b"{}"), (200, b"[]"), (200, b'{"keys": [5]}'), (200, b'{"keys": [{"kty": "x"}]}'),
     (200, b"<html>"), (200, b""), (200, b"\xff"), (404, b"{}"), (302, b"")],
)  # fmt: skip
async def test_without_any_key_it_is_the_authoritys_trouble_for_five_seconds(
    authority: Authority, keys: SigningKeys, watch: Stopwatch, status: int, raw: bytes
) -> None:
    authority.status, authority.raw = status, raw
    assert (await refused(keys)).service == "Microsoft Entra ID"
    authority.status, authority.raw = 200, None
    watch.now += RETRY_SECONDS
    assert await known(keys, "first")


async def test_an_authority_that_cannot_be_reached_is_the_same_trouble(watch: Stopwatch) -> None:
    with running_authority() as gone:
        keys = SigningKeys(f"{gone.url}{PATH}")
    await refused(keys)


@pytest.mark.parametrize("member", [{"use": "enc", "kid": "first"}, {"use": "sig"}])
async def test_a_key_that_is_not_for_signatures_or_has_no_id_verifies_nothing(
    authority: Authority, keys: SigningKeys, watch: Stopwatch, member: dict[str, str]
) -> None:
    published = RSAAlgorithm.to_jwk(key("first").public_key(), as_dict=True) | member
    authority.raw = json.dumps({"keys": [published]}).encode()
    await refused(keys)
    authority.raw = None
    watch.now += RETRY_SECONDS
    assert await known(keys, "first")
