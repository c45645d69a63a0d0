"""What every `Entra` promises."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import Health
from shared.domain.entra_errors import judge
from shared.domain.errors import BadRequest, GrantRefused
from tests.contract.authorities import MSAL_WARNINGS, REDIRECT_URI, EntraUnderTest, refusal_of
from tests.fakes.entra import ADA, ANY_TENANT, BEN, FAY

pytestmark = MSAL_WARNINGS

VERIFIER = "a-verifier-of-at-least-forty-three-characters"


@pytest.mark.parametrize("form_post", [False, True], ids=["query", "form_post"])
@pytest.mark.parametrize("tenant", [ADA.tenant_id, ANY_TENANT], ids=["its tenant", "any tenant"])
async def test_a_sign_in_gives_a_grant_of_the_account_and_tenant(
    authority: EntraUnderTest, tenant: str, form_post: bool
) -> None:
    entra = authority.entra
    begun = await entra.begin(tenant, redirect_uri=REDIRECT_URI, state="a-state", form_post=form_post)
    answer = await authority.browser.sign_in(begun.url, ADA)
    assert answer["state"] == "a-state"
    grant = await entra.finish(tenant, begun.flow, answer)
    assert (grant.tenant_id, grant.account_id) == (ADA.tenant_id, ADA.object_id)
    assert grant.expires_at == authority.clock() + timedelta(minutes=75)
    assert grant.refresh_token not in repr(grant)
    assert grant.access_token not in repr(grant)


async def test_a_code_works_once(authority: EntraUnderTest) -> None:
    begun = await authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="s", form_post=False)
    answer = await authority.browser.sign_in(begun.url, ADA)
    await authority.entra.finish(ADA.tenant_id, begun.flow, answer)
    again = authority.entra.finish(ADA.tenant_id, begun.flow, answer)
    assert await refusal_of(again) == ("invalid_grant", 54005)


async def test_an_answer_to_another_sign_in_is_refused(authority: EntraUnderTest) -> None:
    entra = authority.entra
    mine = await entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="mine", form_post=False)
    other = await entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="other", form_post=False)
    answer = await authority.browser.sign_in(other.url, BEN)
    with pytest.raises(BadRequest, match="does not belong to this sign-in"):
        await entra.finish(ADA.tenant_id, mine.flow, answer)
    injected = entra.finish(ADA.tenant_id, mine.flow, answer | {"state": "mine"})
    assert await refusal_of(injected) == ("invalid_grant", 501481)


async def test_a_code_of_another_tenant_is_refused(authority: EntraUnderTest) -> None:
    code = await authority.browser.code_for(FAY)
    act = authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    assert await refusal_of(act) == ("invalid_grant", 700005)


async def test_a_declined_sign_in_comes_back_as_an_error(authority: EntraUnderTest) -> None:
    begun = await authority.entra.begin(ADA.tenant_id, redirect_uri=REDIRECT_URI, state="s", form_post=True)
    answer = await authority.browser.decline(begun.url)
    assert (answer["error"], answer["state"]) == ("access_denied", "s")
    assert answer["error_description"].startswith("AADSTS65004:")


@pytest.mark.parametrize("verifier", [None, VERIFIER], ids=["without PKCE", "with PKCE"])
async def test_a_code_that_the_caller_brought_is_redeemed_once(authority: EntraUnderTest, verifier: str | None) -> None:
    code = await authority.browser.code_for(ADA, verifier)
    redeem = authority.entra.redeem
    grant = await redeem(ANY_TENANT, code, redirect_uri=REDIRECT_URI, verifier=verifier)
    assert (grant.tenant_id, grant.account_id) == (ADA.tenant_id, ADA.object_id)
    again = redeem(ANY_TENANT, code, redirect_uri=REDIRECT_URI, verifier=verifier)
    assert await refusal_of(again) == ("invalid_grant", 54005)


async def test_a_code_is_redeemed_only_as_it_was_asked_for(authority: EntraUnderTest) -> None:
    code = await authority.browser.code_for(ADA, VERIFIER)
    redeem = authority.entra.redeem
    for act, aadsts in (
        (redeem(ANY_TENANT, code, redirect_uri="https://elsewhere.example/cb", verifier=VERIFIER), 500112),
        (redeem(ANY_TENANT, code, redirect_uri=REDIRECT_URI, verifier=VERIFIER[::-1]), 501481),
        (redeem(ANY_TENANT, code, redirect_uri=REDIRECT_URI, verifier=None), 501481),
        (redeem(ANY_TENANT, "made-up", redirect_uri=REDIRECT_URI, verifier=None), 9002313),
    ):
        assert await refusal_of(act) == ("invalid_grant", aadsts)
    await redeem(ANY_TENANT, code, redirect_uri=REDIRECT_URI, verifier=VERIFIER)


async def test_a_refresh_gives_a_new_token_and_the_old_one_stays_good(authority: EntraUnderTest) -> None:
    entra = authority.entra
    code = await authority.browser.code_for(ADA)
    first = await entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    second = await entra.refresh(ADA.tenant_id, first.refresh_token)
    third = await entra.refresh(ADA.tenant_id, first.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({first.access_token, second.access_token, third.access_token}) == 3
    assert (second.tenant_id, second.account_id) == (ADA.tenant_id, ADA.object_id)


async def test_a_revoked_grant_is_refused_for_good_and_needs_a_person(authority: EntraUnderTest) -> None:
    entra = authority.entra
    code = await authority.browser.code_for(ADA)
    grant = await entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    await authority.browser.revoke(ADA)
    with pytest.raises(GrantRefused) as caught:
        await entra.refresh(ADA.tenant_id, grant.refresh_token)
    assert (caught.value.refusal.error, caught.value.refusal.aadsts) == ("invalid_grant", 50173)
    assert judge(caught.value.refusal) is Health.NEEDS_RECONNECT
    assert "revoked" in caught.value.friendly
    assert grant.refresh_token not in caught.value.message


async def test_a_token_is_refreshed_in_its_own_tenant_only(authority: EntraUnderTest) -> None:
    code = await authority.browser.code_for(ADA)
    grant = await authority.entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)
    with pytest.raises(GrantRefused):
        await authority.entra.refresh(FAY.tenant_id, grant.refresh_token)
    with pytest.raises(GrantRefused):
        await authority.entra.refresh(ADA.tenant_id, "made-up")


async def test_a_domain_names_its_tenant(authority: EntraUnderTest) -> None:
    assert await authority.entra.tenant_of(ADA.domain) == ADA.tenant_id
    assert await authority.entra.tenant_of(FAY.domain) == FAY.tenant_id
    with pytest.raises(BadRequest, match="nobody"):
        await authority.entra.tenant_of("nobody.example")


async def test_a_tenant_that_does_not_exist_is_refused(authority: EntraUnderTest) -> None:
    unknown = "b0000000-0000-4000-8000-000000000001"
    act = authority.entra.begin(unknown, redirect_uri=REDIRECT_URI, state="s", form_post=False)
    assert await refusal_of(act) == ("invalid_tenant", 90002)
