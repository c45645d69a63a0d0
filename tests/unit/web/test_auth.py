"""Who gets in, and the many who do not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.caller import Permission
from shared.domain.errors import Unauthorized, UpstreamUnavailable
from shared.web import auth, signing_keys
from shared.web.auth import MAX_TOKEN_CHARS, BearerAuth
from tests.unit.web.keys import AUDIENCE, CALLER, TENANT, Authority, key, running_authority

FOREIGN = "f0000000-0000-4000-8000-000000000001"
SKEW = 300


@pytest.fixture
def authority() -> Iterator[Authority]:
    with running_authority() as one:
        yield one


def door(authority: Authority, *tenants: str) -> BearerAuth:
    return BearerAuth(authority=authority.url, audience=AUDIENCE, allowed_tenants=tenants or (TENANT,))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"


async def test_a_good_token_makes_a_caller(authority: Authority) -> None:
    token = authority.token(roles=["AppConnections.Read", "Projects.Manage"], name="Ada")
    caller = await door(authority).authenticate(f"Bearer {token}")
    assert (caller.org_id, caller.object_id, caller.app_id, caller.name) == (TENANT, CALLER, "an-app", "Ada")
    assert caller.roles == {Permission.READ, Permission.PROJECTS}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": f"api://{AUDIENCE}"},
        {"aud": [AUDIENCE, "another"]},
    ],
)
async def test_both_forms_of_the_audience_pass(authority: Authority, changes: dict[str, Any]) -> None:
    assert (await door(authority).authenticate(f"bearer {authority.token(**changes)}")).org_id == TENANT


@pytest.mark.parametrize(("claim", "sign"), [("exp", -1), ("nbf", 1)])
async def test_clocks_may_differ_by_five_minutes_and_no_more(authority: Authority, claim: str, sign: int) -> None:
    now = int(time.time())  # when the test runs, not when it is collected
    near = authority.token(**dict[str, Any]({claim: now + sign * (SKEW - 60)}))
    assert (await door(authority).authenticate(f"Bearer {near}")).org_id == TENANT
    far = authority.token(**dict[str, Any]({claim: now + sign * (SKEW + 60)}))
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {far}")


@pytest.mark.parametrize("roles", [None, "AppConnections.Read", [5, None], {"AppConnections.Read": 1}])
async def test_roles_that_are_no_list_of_texts_grant_nothing(authority: Authority, roles: object) -> None:
    assert (await door(authority).authenticate(f"Bearer {authority.token(roles=roles)}")).roles == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-api"},
        {"aud": [AUDIENCE.upper()]},
        {"aud": {"x": AUDIENCE}},
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"iss": f"https://sts.windows.net/{TENANT}/"},
        {"tid": FOREIGN},
        {"tid": 5},
        {"tid": [TENANT]},
        {"oid": 5},
        {"exp": "soon"},
    ],
)
async def test_a_well_signed_token_for_somebody_else_is_refused(authority: Authority, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {authority.token(**changes)}")


@pytest.mark.parametrize("claim", ["exp", "nbf", "iss", "aud", "tid", "oid"])
async def test_each_claim_that_we_rely_on_must_be_there(authority: Authority, claim: str) -> None:
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {authority.token(**dict[str, Any]({claim: None}))}")


async def test_a_foreign_tenant_is_refused_even_with_its_own_matching_issuer(authority: Authority) -> None:
    token = authority.token(tid=FOREIGN, iss=f"{authority.url}/{FOREIGN}/v2.0")
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")
    assert (await door(authority, TENANT, FOREIGN).authenticate(f"Bearer {token}")).org_id == FOREIGN


async def test_a_tenant_cannot_borrow_another_ones_issuer(authority: Authority) -> None:
    token = authority.token(tid=FOREIGN)
    with pytest.raises(Unauthorized):
        await door(authority, TENANT, FOREIGN).authenticate(f"Bearer {token}")


async def test_without_an_allowed_tenant_nobody_gets_in(authority: Authority) -> None:
    nobody = BearerAuth(authority=authority.url, audience=AUDIENCE, allowed_tenants=())
    with pytest.raises(Unauthorized):
        await nobody.authenticate(f"Bearer {authority.token()}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer " + "x" * 20_000])
async def test_no_bearer_token_is_refused_without_asking_for_keys(authority: Authority, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(header)
    assert authority.fetches == 0


async def test_a_token_signed_by_another_key_is_refused(authority: Authority) -> None:
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {authority.token(signed_by='second', kid='first')}")


async def test_a_token_whose_claims_were_changed_is_refused(authority: Authority) -> None:
    header, _, signature = authority.token().split(".")
    forged = b64(json.dumps(authority.claims(roles=[role.value for role in Permission])).encode())
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {header}.{forged}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE"])
async def test_an_unsigned_token_is_refused(authority: Authority, algorithm: str) -> None:
    token = unsigned({"alg": algorithm, "kid": "first", "typ": "JWT"}, authority.claims()) + "."
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")
    assert authority.fetches == 0


async def test_the_public_key_does_not_serve_as_a_shared_secret(authority: Authority) -> None:
    secret = key("first").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned({"alg": "HS256", "kid": "first", "typ": "JWT"}, authority.claims())
    token = f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_another_algorithm_of_the_same_key_is_refused(authority: Authority, algorithm: str) -> None:
    token = jwt.encode(authority.claims(), key("first"), algorithm, headers={"kid": "first"})
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")


@pytest.mark.parametrize("header", [{}, {"kid": 5}, {"kid": ["first"]}, {"kid": None}, {"kid": "first", "alg": 5}])
async def test_a_header_that_names_no_key_is_refused(authority: Authority, header: dict[str, Any]) -> None:
    token = unsigned({"alg": "RS256", **header}, authority.claims()) + "." + b64(b"x" * 256)
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(max_size=100) | st.from_regex(r"\A[\w-]{0,20}\.[\w-]{0,20}\.[\w-]{0,20}\Z"))
async def test_garbage_is_refused_and_never_a_defect(authority: Authority, token: str) -> None:
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {token}")


async def test_a_refusal_says_nothing_of_which_check_failed(authority: Authority) -> None:
    texts = set()
    for token in (authority.token(tid=FOREIGN), authority.token(aud="x"), authority.token(signed_by="second"), "x.y.z"):
        with pytest.raises(Unauthorized) as refused:
            await door(authority).authenticate(f"Bearer {token}")
        texts.add(refused.value.message)
    assert len(texts) == 1


async def test_keys_are_fetched_once_for_many_calls(authority: Authority) -> None:
    entrance = door(authority)
    await asyncio.gather(*(entrance.authenticate(f"Bearer {authority.token()}") for _ in range(10)))
    assert authority.fetches == 1


async def test_unknown_keys_do_not_make_us_hammer_the_authority(authority: Authority) -> None:
    entrance = door(authority)
    for number in range(20):
        with pytest.raises(Unauthorized):
            await entrance.authenticate(f"Bearer {authority.token(kid=f'unknown-{number}')}")
    assert authority.fetches == 1


async def test_a_new_key_is_learnt_after_the_cooldown(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_keys, "COOLDOWN_SECONDS", 0.0)
    entrance = door(authority)
    await entrance.authenticate(f"Bearer {authority.token()}")
    authority.published = ["second"]
    assert (await entrance.authenticate(f"Bearer {authority.token(signed_by='second')}")).org_id == TENANT
    assert authority.fetches == 2


@pytest.mark.parametrize(
    ("status", "raw"),
    [(500, b""), (404, b"{}"), (302, b""), (200, b"<html>"), (200, b"\xff"), (200, b""), (200, b'{"keys": []}')],
)
async def test_an_authority_that_cannot_tell_its_keys_is_our_trouble_and_not_the_callers(
    authority: Authority, status: int, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "RETRY_SECONDS", 0.01)
    authority.status, authority.raw = status, raw
    entrance = door(authority)
    with pytest.raises(UpstreamUnavailable) as trouble:
        await entrance.authenticate(f"Bearer {authority.token()}")
    assert trouble.value.retry_after
    authority.status, authority.raw = 200, None
    await asyncio.sleep(0.02)
    assert (await entrance.authenticate(f"Bearer {authority.token()}")).org_id == TENANT


async def test_known_keys_outlive_an_outage(authority: Authority) -> None:
    entrance = door(authority)
    await entrance.authenticate(f"Bearer {authority.token()}")
    authority.status = 500
    assert (await entrance.authenticate(f"Bearer {authority.token()}")).org_id == TENANT


async def test_fetching_keys_does_not_stop_other_requests(authority: Authority) -> None:
    authority.delay_seconds = 0.3
    waiting = asyncio.create_task(door(authority).authenticate(f"Bearer {authority.token()}"))
    begun = time.monotonic()
    await asyncio.sleep(0.01)
    assert time.monotonic() - begun < 0.2
    assert not waiting.done()
    assert (await waiting).org_id == TENANT


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each token whose signature was verified."""
    seen: list[str] = []
    decode = jwt.decode

    def noting(token: str, *rest: Any, **options: Any) -> Any:
        seen.append(token)
        return decode(token, *rest, **options)

    monkeypatch.setattr(jwt, "decode", noting)
    return seen


async def test_the_signature_of_a_token_that_comes_again_is_not_verified_again(
    authority: Authority, verified: list[str]
) -> None:
    entrance, header = door(authority), f"Bearer {authority.token(name='Ada')}"
    first = await entrance.authenticate(header)
    assert await entrance.authenticate(header) == first
    assert len(verified) == 1


async def test_as_many_tokens_are_remembered_as_told_those_that_came_last(
    authority: Authority, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 2)
    entrance, tokens = door(authority), [authority.token(name=name) for name in ("Ada", "Bob", "Eve")]
    ada, bob, eve = tokens
    for token in (ada, bob, ada, eve, ada, bob):
        await entrance.authenticate(f"Bearer {token}")
    assert verified == [ada, bob, eve, bob]  # when the third came, the second had not come for longest


async def test_a_token_that_is_remembered_expires_all_the_same(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    entrance, header = door(authority), f"Bearer {authority.token(exp=int(time.time()) - 10)}"
    await entrance.authenticate(header)
    monkeypatch.setattr(auth, "CLOCK_SKEW_SECONDS", 5)
    with pytest.raises(Unauthorized):
        await entrance.authenticate(header)


@pytest.mark.parametrize("published", [["second"], ["another"]], ids=["withdrawn", "replaced under its id"])
async def test_a_token_that_is_remembered_is_refused_once_its_key_is_gone(
    authority: Authority, published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "LIVE_SECONDS", 0.0)
    monkeypatch.setattr(signing_keys, "COOLDOWN_SECONDS", 0.0)
    entrance, header = door(authority), f"Bearer {authority.token()}"
    await entrance.authenticate(header)
    authority.published = published
    authority.ids = {"another": "first"}
    with pytest.raises(Unauthorized):
        await entrance.authenticate(header)


async def test_a_token_of_the_longest_length_is_read_and_a_longer_one_is_not(authority: Authority) -> None:
    token = authority.token(padding="x" * 9000)
    assert len(token) <= MAX_TOKEN_CHARS
    assert (await door(authority).authenticate(f"Bearer {token}")).org_id == TENANT
    with pytest.raises(Unauthorized):
        await door(authority).authenticate(f"Bearer {authority.token(padding='x' * MAX_TOKEN_CHARS)}")


async def test_a_name_that_is_shown_to_people_is_bounded(authority: Authority) -> None:
    caller = await door(authority).authenticate(f"Bearer {authority.token(name='x' * 1000)}")
    assert caller.name == "x" * 128
