"""What every `AppAuthority` promises, and what the real one makes of an authority in trouble."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from azure.core.rest import HttpRequest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from shared.domain.credential import Certificate, ClientSecret, Federated
from shared.domain.errors import (
    BadRequest,
    GrantRefused,
    ProductError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.services.ports import Audience
from tests.contract.app_authorities import (
    CLIENT_ID,
    OTHER_TENANT_ID,
    TENANT_ID,
    AppsUnderTest,
    RealApps,
    issued,
    issuing,
)

SECRET = "the-apps-own-secret"
LEAKY_TOKEN = "a-token-in-an-answer-that-nobody-can-use"
UNKNOWN_ID = "b0000000-0000-4000-8000-000000000001"
TOKEN = "POST .*/token"
IDENTITY = "GET /msi/token"

BY_SECRET = ClientSecret(tenant_id=TENANT_ID, client_id=CLIENT_ID, client_secret=SECRET)
FEDERATED = Federated(tenant_id=TENANT_ID, client_id=CLIENT_ID)


def by_certificate(**changes: str) -> Certificate:
    """The app's certificate and key."""
    ids = {"tenant_id": TENANT_ID, "client_id": CLIENT_ID}
    return Certificate(**{**ids, "certificate_body": issued().body, "private_key": issued().private(), **changes})


def secrets_in(text: str) -> list[str]:
    """Which secrets of these tests `text` shows; of a key, any whole line."""
    keys = issued().private() + issued().private(PrivateFormat.TraditionalOpenSSL) + issuing().private()
    lines = [line for line in keys.splitlines() if len(line) == 64]
    return [secret for secret in (SECRET, LEAKY_TOKEN, *lines) if secret in text]


async def failure(act: Awaitable[object]) -> ProductError:
    """How it failed, without a word of any secret."""
    with pytest.raises(ProductError) as caught:
        await act
    told = [*traceback.format_exception(caught.value), repr(caught.value), *map(str, caught.value.args)]
    assert secrets_in("".join(told)) == []
    return caught.value


async def refusal_of(act: Awaitable[object]) -> tuple[str, int | None]:
    """The OAuth error and the AADSTS number."""
    error = await failure(act)
    assert isinstance(error, GrantRefused)
    return error.refusal.error, error.refusal.aadsts


async def test_a_secret_gives_a_token_until_it_is_revoked(app_authority: AppsUnderTest) -> None:
    sign_in = app_authority.authority.app_token
    await app_authority.administrator.add_secret(SECRET)
    first, second = await sign_in(BY_SECRET), await sign_in(BY_SECRET)
    assert first.access_token != second.access_token
    assert first.expires_at > app_authority.clock()
    assert first.access_token not in repr(first)
    await app_authority.administrator.remove_secrets()
    assert await refusal_of(sign_in(BY_SECRET)) == ("invalid_client", 7000215)


async def test_each_audience_has_a_token_of_its_own(app_authority: AppsUnderTest) -> None:
    sign_in = app_authority.authority.app_token
    for audience in Audience:
        assert await refusal_of(sign_in(BY_SECRET, audience)) == ("invalid_client", 7000215)
    await app_authority.administrator.add_secret(SECRET)
    await app_authority.administrator.accept_certificate(issued().body)
    await app_authority.administrator.trust_identity()
    for credential in (BY_SECRET, by_certificate(), FEDERATED):
        tokens = [await sign_in(credential, audience) for audience in Audience]
        assert len({token.access_token for token in tokens}) == len(Audience)
        assert all(token.expires_at > app_authority.clock() for token in tokens)


async def test_one_of_several_secrets_is_enough(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.add_secret("another-secret")
    await app_authority.administrator.add_secret(SECRET)
    assert await app_authority.authority.app_token(BY_SECRET)


async def test_a_wrong_secret_is_refused_with_words_for_people(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.add_secret("another-secret")
    error = await failure(app_authority.authority.app_token(BY_SECRET))
    assert isinstance(error, GrantRefused)
    assert (error.refusal.error, error.refusal.aadsts) == ("invalid_client", 7000215)
    assert error.message.startswith("Failed to get access token: The client secret is not accepted (AADSTS7000215).")


async def test_an_expired_secret_is_told_apart_from_a_wrong_one(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.add_secret(SECRET, ends=app_authority.clock() - timedelta(seconds=1))
    assert await refusal_of(app_authority.authority.app_token(BY_SECRET)) == ("invalid_client", 7000222)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_id": UNKNOWN_ID}, ("unauthorized_client", 700016)),
        ({"tenant_id": OTHER_TENANT_ID}, ("unauthorized_client", 700016)),
        ({"tenant_id": UNKNOWN_ID}, ("invalid_tenant", 90002)),
    ],
    ids=["unknown app", "app of another tenant", "unknown tenant"],
)
async def test_an_app_that_the_tenant_does_not_know_is_refused(
    app_authority: AppsUnderTest, changes: dict[str, str], expected: tuple[str, int]
) -> None:
    await app_authority.administrator.add_secret(SECRET)
    await app_authority.administrator.accept_certificate(issued().body)
    await app_authority.administrator.trust_identity()
    for credential in (BY_SECRET, by_certificate(), FEDERATED):
        act = app_authority.authority.app_token(credential.model_copy(update=changes))
        assert await refusal_of(act) == expected


async def test_a_disabled_app_is_refused(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.add_secret(SECRET)
    await app_authority.administrator.disable()
    assert await refusal_of(app_authority.authority.app_token(BY_SECRET)) == ("unauthorized_client", 7000112)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "PKCS#1"])
@pytest.mark.parametrize("chain", [False, True], ids=["alone", "in a chain"])
async def test_a_certificate_gives_a_token(app_authority: AppsUnderTest, form: PrivateFormat, chain: bool) -> None:
    await app_authority.administrator.accept_certificate(issued().body)
    body = issued().body + (issuing().body if chain else "")
    credential = by_certificate(certificate_body=body, private_key=issued().private(form))
    token = await app_authority.authority.app_token(credential)
    assert token.expires_at > app_authority.clock()


async def test_a_pem_that_lost_its_last_line_break_gives_a_token(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.accept_certificate(issued().body)
    stripped = by_certificate(certificate_body=issued().body.strip(), private_key=issued().private().strip())
    assert await app_authority.authority.app_token(stripped)


async def test_a_certificate_that_is_not_the_apps_is_refused(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.accept_certificate(issued().body)
    other = by_certificate(certificate_body=issuing().body, private_key=issuing().private())
    assert await refusal_of(app_authority.authority.app_token(other)) == ("invalid_client", 700027)


async def test_a_key_that_is_not_the_certificates_is_refused(app_authority: AppsUnderTest) -> None:
    await app_authority.administrator.accept_certificate(issued().body)
    mixed = by_certificate(private_key=issuing().private())
    assert await refusal_of(app_authority.authority.app_token(mixed)) == ("invalid_client", 700027)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> str:
    """The key as PKCS#8."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize(
    "changed",
    [
        lambda: {"certificate_body": "no certificate"},
        lambda: {"private_key": "no key"},
        lambda: {"private_key": issued().private().replace("M", "N")},
        lambda: {"private_key": issued().body},
        lambda: {"private_key": pem(issued().key, b"passphrase")},
        lambda: {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))},
    ],
    ids=["no certificate", "no key", "garbled key", "certificate for a key", "passphrase", "not RSA"],
)
async def test_a_certificate_that_cannot_be_read_is_the_callers_fault(
    app_authority: AppsUnderTest, changed: Callable[[], dict[str, str]]
) -> None:
    await app_authority.administrator.accept_certificate(issued().body)
    error = await failure(app_authority.authority.app_token(by_certificate(**changed())))
    assert isinstance(error, BadRequest)
    assert not isinstance(error, GrantRefused)
    assert error.message.startswith("The certificate cannot be used")


async def test_the_managed_identity_signs_for_an_app_that_trusts_it(app_authority: AppsUnderTest) -> None:
    act = app_authority.authority.app_token
    assert await refusal_of(act(FEDERATED)) == ("invalid_request", 70021)
    await app_authority.administrator.trust_identity()
    first, second = await act(FEDERATED), await act(FEDERATED)
    assert first.expires_at > app_authority.clock()
    assert first.access_token != second.access_token


async def test_the_token_is_the_apps_own_for_key_vault(real_app_authority: RealApps) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    token = await real_app_authority.authority.app_token(BY_SECRET)
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    assert claims["aud"] == "https://vault.azure.net"
    assert (claims["tid"], claims["appid"], claims["idtyp"]) == (TENANT_ID, CLIENT_ID, "app")
    assert abs(claims["exp"] - token.expires_at.timestamp()) <= 2


@pytest.mark.parametrize(("audience", "status"), [(Audience.GRAPH, 200), (Audience.VAULT, 401)])
async def test_graph_takes_a_token_that_is_for_it(
    real_app_authority: RealApps, audience: Audience, status: int
) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    await real_app_authority.control.post(
        "applications", {"appId": CLIENT_ID, "graphRoles": ["Application.ReadWrite.OwnedBy"]}
    )
    token = await real_app_authority.authority.app_token(BY_SECRET, audience)
    url = f"{real_app_authority.stand_in.graph}/applications(appId='{CLIENT_ID}')"
    request = HttpRequest("GET", url, headers={"Authorization": f"Bearer {token.access_token}"})
    answer = await real_app_authority.transport.send(request)
    assert answer.status_code == status
    if audience is Audience.GRAPH:
        claims = jwt.decode(token.access_token, options={"verify_signature": False})
        assert (claims["aud"], claims["tid"]) == ("https://graph.microsoft.com", TENANT_ID)


async def test_a_refusal_keeps_the_ids_that_support_asks_for(real_app_authority: RealApps) -> None:
    error = await failure(real_app_authority.authority.app_token(BY_SECRET))
    assert isinstance(error, GrantRefused)
    assert error.refusal.trace_id
    assert error.refusal.correlation_id
    assert error.refusal.correlation_id in error.friendly


async def test_the_environment_chooses_neither_authority_nor_tenant(
    real_app_authority: RealApps, monkeypatch: pytest.MonkeyPatch
) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://elsewhere.example")
    monkeypatch.setenv("AZURE_TENANT_ID", OTHER_TENANT_ID)
    monkeypatch.setenv("AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "true")
    token = await real_app_authority.authority.app_token(BY_SECRET)
    assert jwt.decode(token.access_token, options={"verify_signature": False})["tid"] == TENANT_ID


async def test_a_secret_that_is_empty_is_the_callers_fault(real_app_authority: RealApps) -> None:
    empty = BY_SECRET.model_copy(update={"client_secret": ""})
    error = await failure(real_app_authority.authority.app_token(empty))
    assert isinstance(error, BadRequest)
    assert error.message.startswith("The client secret cannot be used")


async def test_many_at_once_are_served(real_app_authority: RealApps) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    tokens = await asyncio.gather(*(real_app_authority.authority.app_token(BY_SECRET) for _ in range(8)))
    assert len({token.access_token for token in tokens}) == 8


async def test_throttling_says_when_to_come_back_and_is_not_waited_for(real_app_authority: RealApps) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    await real_app_authority.control.fault(TOKEN, status=429, headers={"Retry-After": "17"})
    error = await asyncio.wait_for(failure(real_app_authority.authority.app_token(BY_SECRET)), 5)
    assert isinstance(error, UpstreamUnavailable)
    assert (error.service, error.retry_after) == ("Microsoft Entra ID", 17)
    assert await real_app_authority.authority.app_token(BY_SECRET)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", ["<html>oops</html>", {"error": "invalid_client", "error_codes": [7000215]}])
async def test_an_authority_in_trouble_is_unavailable(real_app_authority: RealApps, status: int, body: object) -> None:
    await real_app_authority.control.fault(TOKEN, status=status, body=body)
    error = await failure(real_app_authority.authority.app_token(BY_SECRET))
    assert isinstance(error, UpstreamUnavailable)
    assert error.service == "Microsoft Entra ID"


async def test_a_passing_refusal_is_not_one_for_good(real_app_authority: RealApps) -> None:
    body = {"error": "temporarily_unavailable", "error_codes": [90033]}
    await real_app_authority.control.fault(TOKEN, status=400, body=body)
    assert isinstance(await failure(real_app_authority.authority.app_token(BY_SECRET)), UpstreamUnavailable)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": "invalid_client"}, ("invalid_client", None)),
        ({"error": "invalid_client", "error_codes": []}, ("invalid_client", None)),
        ({"error": "invalid_client", "error_codes": "7000215"}, ("invalid_client", None)),
        ({"error": "unheard_of", "error_codes": [1]}, ("unheard_of", 1)),
    ],
)
async def test_a_refusal_is_known_by_its_oauth_error(
    real_app_authority: RealApps, body: dict[str, object], expected: tuple[str, int | None]
) -> None:
    await real_app_authority.control.fault(TOKEN, status=401, body=body)
    assert await refusal_of(real_app_authority.authority.app_token(BY_SECRET)) == expected


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
@pytest.mark.parametrize(
    "body",
    [
        "<html>hello</html>",
        "",
        "null",
        "[]",
        '"error error_description"',
        "{}",
        '{"error": null}',
        '{"error": ""}',
        '{"access_token": "a-token-in-an-answer-that-nobody-can-use"}',
        '{"access_token": "a-token-in-an-answer-that-nobody-can-use", "expires_in": "soon"}',
        '{"access_token": "a-token-in-an-answer-that-nobody-can-use", "expires_in": 1e30}',
        '{"access_token": "a-token-in-an-answer-that-nobody-can-use", "expires_in',
        '{"access_token": null, "expires_in": 60}',
        '{"access_token": "", "expires_in": 60}',
        '{"access_token": 5, "expires_in": 60}',
        '{"expires_in": 60}',
    ],
)
async def test_an_answer_that_makes_no_sense_is_the_authoritys_fault(
    real_app_authority: RealApps, body: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    await real_app_authority.control.fault(TOKEN, status=200, body=body, headers={"Content-Type": kind})
    with caplog.at_level(logging.DEBUG):
        error = await failure(real_app_authority.authority.app_token(BY_SECRET))
    assert isinstance(error, UpstreamUnavailable)
    assert secrets_in(caplog.text) == []


async def test_a_slow_answer_is_a_time_out(real_app_authority: RealApps) -> None:
    await real_app_authority.control.fault(TOKEN, delay=2.5)
    error = await failure(real_app_authority.authority.app_token(BY_SECRET))
    assert isinstance(error, UpstreamTimeout)
    assert error.service == "Microsoft Entra ID"


async def test_a_connection_cut_once_is_made_again_and_one_cut_for_good_is_a_time_out(
    real_app_authority: RealApps,
) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    await real_app_authority.control.fault(TOKEN, refuse=True)
    assert await real_app_authority.authority.app_token(BY_SECRET)
    await real_app_authority.control.fault(TOKEN, refuse=True, times=3)
    assert isinstance(await failure(real_app_authority.authority.app_token(BY_SECRET)), UpstreamTimeout)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(real_app_authority: RealApps, status: int) -> None:
    await real_app_authority.administrator.add_secret(SECRET)
    here = f"/{TENANT_ID}/oauth2/v2.0/token"
    await real_app_authority.control.fault(TOKEN, status=status, headers={"Location": here})
    assert isinstance(await failure(real_app_authority.authority.app_token(BY_SECRET)), UpstreamUnavailable)


async def test_an_identity_that_gives_no_token_is_a_matter_for_the_operators(real_app_authority: RealApps) -> None:
    await real_app_authority.administrator.trust_identity()
    await real_app_authority.control.fault(IDENTITY, status=400, body={"statusCode": 400, "message": "no identity"})
    error = await failure(real_app_authority.authority.app_token(FEDERATED))
    assert isinstance(error, UpstreamError)
    assert error.service == "Managed identity"
    assert await real_app_authority.authority.app_token(FEDERATED)


@pytest.mark.parametrize("method", ["secret", "certificate", "federated"])
async def test_nothing_secret_is_logged(
    real_app_authority: RealApps, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    credentials: dict[str, Any] = {"secret": BY_SECRET, "certificate": by_certificate(), "federated": FEDERATED}
    with caplog.at_level(logging.DEBUG):
        await failure(real_app_authority.authority.app_token(credentials[method]))
        await real_app_authority.administrator.add_secret(SECRET)
        await real_app_authority.administrator.accept_certificate(issued().body)
        await real_app_authority.administrator.trust_identity()
        token = await real_app_authority.authority.app_token(credentials[method])
    assert caplog.text
    assert secrets_in(caplog.text) == []
    assert token.access_token not in caplog.text
