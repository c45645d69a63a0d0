"""What the real `Entra` asks for, and what it makes of an authority in trouble."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from yarl import URL

from local.entra import seed
from shared.domain.entra_errors import RESOURCE_REFUSED
from shared.domain.errors import BadRequest, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.contract.authorities import MSAL_WARNINGS, REDIRECT_URI, RealEntra, refusal_of
from tests.fakes.entra import ADA

pytestmark = MSAL_WARNINGS

TOKEN = "POST .*/token"
CONFIGURATION = "GET .*/openid-configuration"


async def test_the_browser_is_sent_with_pkce_a_nonce_and_a_choice_of_account(real_authority: RealEntra) -> None:
    begun = await real_authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="a-state", form_post=True)
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert len(query["nonce"]) >= 32
    assert (query["state"], query["prompt"], query["response_mode"]) == ("a-state", "select_account", "form_post")
    assert set(query["scope"].split()) == {
        "openid",
        "profile",
        "offline_access",
        "https://vault.azure.net/user_impersonation",
    }
    assert begun.flow["code_verifier"] not in begun.url


async def test_the_access_token_is_meant_for_key_vault(real_authority: RealEntra) -> None:
    code = await real_authority.browser.code_for(ADA)
    grant = await real_authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    claims = jwt.decode(grant.access_token, options={"verify_signature": False})
    assert claims["scp"] == "user_impersonation"
    assert "vault.azure.net" in claims["aud"] or claims["aud"] == "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"


async def refreshing(real_authority: RealEntra) -> str:
    """A refresh token, with the app object for its tenant made."""
    code = await real_authority.browser.code_for(ADA)
    grant = await real_authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    return grant.refresh_token


async def test_throttling_says_when_to_come_back(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(TOKEN, status=429, headers={"Retry-After": "17"})
    with pytest.raises(UpstreamUnavailable) as caught:
        await real_authority.entra.refresh(ADA.tenant_id, token)
    assert caught.value.retry_after == 17
    await real_authority.entra.refresh(ADA.tenant_id, token)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_authority_in_trouble_is_unavailable_and_not_remembered_as_such(
    real_authority: RealEntra, status: int
) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(TOKEN, status=status, body="<html>oops</html>")
    with pytest.raises(UpstreamUnavailable):
        await real_authority.entra.refresh(ADA.tenant_id, token)
    await real_authority.entra.refresh(ADA.tenant_id, token)


async def test_a_passing_refusal_is_not_one_for_good(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(
        TOKEN, status=400, body={"error": "temporarily_unavailable", "error_codes": [90033]}
    )
    with pytest.raises(UpstreamUnavailable):
        await real_authority.entra.refresh(ADA.tenant_id, token)


async def test_a_tenant_that_is_throttled_says_so_and_is_given_longer(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    body = {"error": "temporarily_unavailable", "error_codes": [90055]}
    for headers, least in (({}, 300), ({"Retry-After": "17"}, 17)):
        await real_authority.control.fault(TOKEN, status=429, body=body, headers=headers)
        with pytest.raises(UpstreamUnavailable, match="throttled") as caught:
            await real_authority.entra.refresh(ADA.tenant_id, token)
        assert caught.value.retry_after is not None
        assert least <= caught.value.retry_after <= least * 1.25


@pytest.mark.parametrize("number", RESOURCE_REFUSED)
async def test_a_key_vault_that_may_not_be_asked_for_is_not_the_services_own_trouble(
    real_authority: RealEntra, number: int
) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(TOKEN, status=401, body={"error": "invalid_client", "error_codes": [number]})
    assert await refusal_of(real_authority.entra.refresh(ADA.tenant_id, token)) == ("invalid_client", number)
    assert real_authority.own.forgotten == 0


async def test_the_same_refusal_is_asked_for_each_time(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(
        TOKEN, status=400, body={"error": "invalid_grant", "error_codes": [50173]}, times=4
    )
    for _ in range(4):
        assert await refusal_of(real_authority.entra.refresh(ADA.tenant_id, token)) == ("invalid_grant", 50173)
    await real_authority.entra.refresh(ADA.tenant_id, token)


@pytest.mark.parametrize(
    "body",
    ["<html>hello</html>", "", "null", "[]", '"text"', "{}", '{"access_token": "x"}', '{"error": null}'],
)
async def test_an_answer_that_makes_no_sense_is_the_authoritys_fault(real_authority: RealEntra, body: str) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(TOKEN, status=200, body=body)
    with pytest.raises(UpstreamError):
        await real_authority.entra.refresh(ADA.tenant_id, token)
    await real_authority.entra.refresh(ADA.tenant_id, token)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"expires_in": "soon"},
        {"expires_in": None},
        {"expires_in": 1e12},
        {"expires_in": 1e300},
        {"expires_in": []},
        {"refresh_token": 5},
        {"refresh_token": ["a-token"]},
        {"refresh_token": {"a": "token"}},
    ],
    ids=str,
)
async def test_a_member_of_another_type_is_the_authoritys_fault(
    real_authority: RealEntra, nonsense: dict[str, object]
) -> None:
    token = await refreshing(real_authority)
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": "60", "id_token": await id_token(real_authority)}
    await real_authority.control.fault(TOKEN, status=200, body=answer)
    assert (await real_authority.entra.refresh(ADA.tenant_id, token)).refresh_token == "r"
    await real_authority.control.fault(TOKEN, status=200, body=answer | nonsense)
    with pytest.raises(UpstreamUnavailable, match="makes no sense"):
        await real_authority.entra.refresh(ADA.tenant_id, token)


async def id_token(real_authority: RealEntra) -> str:
    """An ID token that is meant for the service."""
    begun = await real_authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="s", form_post=True)
    claims = {
        "iss": f"{URL(begun.url).origin()}/{ADA.tenant_id}/v2.0",
        "aud": seed.OAUTH_CLIENT_ID,
        "tid": ADA.tenant_id,
        "oid": ADA.object_id,
        "sub": ADA.object_id,
        "iat": time.time(),
        "exp": time.time() + 600,
    }
    return jwt.encode(claims, "k" * 32)


async def test_a_sign_in_without_a_refresh_token_says_what_is_missing(real_authority: RealEntra) -> None:
    code = await real_authority.browser.code_for(ADA)
    await real_authority.control.fault(
        TOKEN, status=200, body={"access_token": "x", "token_type": "Bearer", "expires_in": 60}
    )
    with pytest.raises(BadRequest, match="offline_access"):
        await real_authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)


@pytest.mark.parametrize("fault", [{"refuse": True}, {"lose_answer": True}], ids=["before acting", "after acting"])
async def test_a_cut_connection_is_unavailable_and_the_code_is_sent_once(
    real_authority: RealEntra, fault: dict[str, bool]
) -> None:
    code = await real_authority.browser.code_for(ADA)
    await real_authority.control.fault(TOKEN, **fault)
    with pytest.raises(UpstreamUnavailable):
        await real_authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)


async def test_a_slow_answer_is_a_time_out(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    await real_authority.control.fault(TOKEN, delay=2.5)
    with pytest.raises(UpstreamTimeout):
        await real_authority.entra.refresh(ADA.tenant_id, token)


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"status": 200, "body": "<html></html>"}, {"status": 200, "body": "[]"}, {"refuse": True}],
)
async def test_discovery_in_trouble_is_the_authoritys_fault(
    real_authority: RealEntra, fault: dict[str, object]
) -> None:
    for act in (
        lambda: real_authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="s", form_post=True),
        lambda: real_authority.entra.tenant_of(ADA.domain),
    ):
        await real_authority.control.fault(CONFIGURATION, **fault)
        with pytest.raises(UpstreamUnavailable):
            await act()
        await act()


async def test_a_configuration_with_nothing_in_it_is_the_authoritys_fault(real_authority: RealEntra) -> None:
    await real_authority.control.fault(CONFIGURATION, status=200, body={})
    with pytest.raises(UpstreamUnavailable):
        await real_authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="s", form_post=True)


async def test_throttled_discovery_says_when_to_come_back(real_authority: RealEntra) -> None:
    await real_authority.control.fault(CONFIGURATION, status=429, headers={"Retry-After": "17"})
    with pytest.raises(UpstreamUnavailable) as caught:
        await real_authority.entra.tenant_of(ADA.domain)
    assert caught.value.retry_after == 17


async def test_a_wrong_app_secret_is_our_own_trouble_and_mends_when_it_changes(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    right = real_authority.own.value
    real_authority.own.value = "wrong"
    with pytest.raises(UpstreamError, match="refused this service's own app registration; tell the operators"):
        await real_authority.entra.refresh(ADA.tenant_id, token)
    assert real_authority.own.forgotten == 1
    real_authority.own.value = right
    await real_authority.entra.refresh(ADA.tenant_id, token)


async def test_many_at_once_are_served(real_authority: RealEntra) -> None:
    token = await refreshing(real_authority)
    grants = await asyncio.gather(*(real_authority.entra.refresh(ADA.tenant_id, token) for _ in range(8)))
    assert len({grant.refresh_token for grant in grants}) == 8


async def test_an_authority_five_minutes_ahead_spoils_nothing_and_the_log_tells_nothing_of_the_account(
    real_authority: RealEntra, caplog: pytest.LogCaptureFixture
) -> None:
    await real_authority.control.post("settings", {"clockAheadSeconds": 300})
    begun = await real_authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="a-state", form_post=True)
    answer = await real_authority.browser.sign_in(begun.url, ADA)
    grant = await real_authority.entra.finish(ADA.tenant_id, begun.flow, answer)
    again = await real_authority.entra.refresh(ADA.tenant_id, grant.refresh_token)
    assert (grant.account_id, again.account_id) == (ADA.object_id, ADA.object_id)
    for told in (ADA.object_id, str(grant.account_name), begun.flow["nonce"]):
        assert told not in caplog.text
