"""Applications prove themselves at the Entra stand-in: secrets, certificates, federated credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from jwt.utils import base64url_encode

from local.entra import seed
from tests.contract.local.entra_world import (
    CALLBACK,
    GRAPH_DEFAULT,
    VAULT_DEFAULT,
    VAULT_SCOPE,
    World,
    aadsts,
    entra_world,
    form_of,
)

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MISSING_APP = "d0000000-0000-4000-8000-000000000000"


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        yield world


def sdk(world: World) -> dict[str, Any]:
    return {
        "authority": world.entra.authority,
        "disable_instance_discovery": True,
        "connection_verify": str(world.entra.certificate),
    }


async def credentials(world: World, tenant: str = seed.CONTOSO_TENANT_ID, **changes: str) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "client_credentials", "client_id": seed.CONTOSO_APP_ID, "scope": VAULT_DEFAULT}
    return await world.token(tenant, **(form | changes))


async def asserted(world: World, assertion: str, **changes: str) -> tuple[int, dict[str, Any]]:
    return await credentials(world, client_assertion=assertion, client_assertion_type=JWT_BEARER, **changes)


@cache
def key_pair() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "contoso deployment")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    return key, builder.sign(key, hashes.SHA256())


def private_pem() -> bytes:
    return key_pair()[0].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem() -> bytes:
    return key_pair()[1].public_bytes(serialization.Encoding.PEM)


async def register_certificate(world: World) -> None:
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "certificates": [public_pem().decode()]})


def certificate_assertion(world: World, *, header: dict[str, str] | None = None, **changes: Any) -> str:
    thumbprint = base64url_encode(key_pair()[1].fingerprint(hashes.SHA256())).decode()
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": seed.CONTOSO_APP_ID,
        "sub": seed.CONTOSO_APP_ID,
        "aud": f"{world.authority()}/oauth2/v2.0/token",
        "exp": now + 300,
    }
    return jwt.encode(claims | changes, key_pair()[0], algorithm="RS256", headers=header or {"x5t#S256": thumbprint})


async def identity_assertion(world: World, **claims: Any) -> str:
    """A managed identity's token for federation, as the identity endpoint would hand it out."""
    body = {
        "tenant": seed.HOME_TENANT_ID,
        "audience": "api://AzureADTokenExchange",
        "oid": seed.IDENTITY_OBJECT_ID,
        **claims,
    }
    return str((await world.control("tokens", body))["accessToken"])


async def test_a_secret_becomes_an_app_only_token_with_its_graph_roles(world: World) -> None:
    async with ClientSecretCredential(
        seed.CONTOSO_TENANT_ID, seed.CONTOSO_APP_ID, seed.CONTOSO_APP_SECRET, **sdk(world)
    ) as credential:
        graph = await credential.get_token(GRAPH_DEFAULT)
        vault = await credential.get_token(VAULT_DEFAULT)
    claims = world.entra.entra.key.verify(graph.token, audience="https://graph.microsoft.com")
    assert claims["roles"] == ["Application.ReadWrite.OwnedBy"]
    assert claims["tid"] == seed.CONTOSO_TENANT_ID
    assert claims["sub"] == claims["oid"] != seed.CONTOSO_APP_ID
    assert claims["azp"] == claims["appid"] == seed.CONTOSO_APP_ID
    assert claims["ver"] == "2.0"
    assert "roles" not in world.entra.entra.key.verify(vault.token, audience="https://vault.azure.net")


async def test_the_sdk_shows_the_oauth_error_of_a_wrong_secret(world: World) -> None:
    async with ClientSecretCredential(seed.CONTOSO_TENANT_ID, seed.CONTOSO_APP_ID, "wrong", **sdk(world)) as credential:
        with pytest.raises(ClientAuthenticationError) as caught:
            await credential.get_token(VAULT_DEFAULT)
    assert caught.value.response is not None
    body = json.loads(caught.value.response.text())
    assert (body["error"], body["error_codes"]) == ("invalid_client", [7000215])


async def test_an_expired_secret_is_told_apart_from_a_wrong_one(world: World) -> None:
    over = {"createdAt": "2024-01-01T00:00:00Z", "endDateTime": "2024-06-01T00:00:00Z", "secretText": "over"}
    await world.control(f"applications/{seed.CONTOSO_APP_ID}/passwords", over)
    assert aadsts(await credentials(world, client_secret="over")) == (401, "invalid_client", 7000222)


async def test_a_fresh_secret_is_refused_until_it_has_spread(world: World) -> None:
    await world.control("settings", {"passwordPropagationSeconds": 30})
    await world.control(f"applications/{seed.CONTOSO_APP_ID}/passwords", {"secretText": "fresh"})
    assert aadsts(await credentials(world, client_secret="fresh")) == (401, "invalid_client", 7000215)
    assert (await credentials(world, client_secret=seed.CONTOSO_APP_SECRET))[0] == 200
    world.clock.offset = timedelta(seconds=31)
    assert (await credentials(world, client_secret="fresh"))[0] == 200


@pytest.mark.parametrize(
    ("tenant", "changes", "expected"),
    [
        (seed.CONTOSO_TENANT_ID, {}, (401, "invalid_client", 7000218)),
        (seed.CONTOSO_TENANT_ID, {"client_id": ""}, (400, "invalid_request", 900144)),
        (seed.CONTOSO_TENANT_ID, {"client_id": MISSING_APP}, (400, "unauthorized_client", 700016)),
        (seed.FABRIKAM_TENANT_ID, {}, (400, "unauthorized_client", 700016)),
        (MISSING_APP, {}, (400, "invalid_tenant", 90002)),
        ("organizations", {}, (400, "invalid_request", 50194)),
    ],
)
async def test_a_client_that_does_not_prove_itself_is_refused(
    world: World, tenant: str, changes: dict[str, str], expected: tuple[int, str, int]
) -> None:
    assert aadsts(await credentials(world, tenant, **changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grant_type": ""}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"scope": ""}, (400, "invalid_request", 900144)),
        ({"scope": "https://vault.azure.net/user_impersonation"}, (400, "invalid_scope", 1002012)),
        ({"scope": "https://nothing.example/.default"}, (400, "invalid_resource", 500011)),
    ],
)
async def test_a_proven_client_is_told_what_its_request_lacks(
    world: World, changes: dict[str, str], expected: tuple[int, str, int]
) -> None:
    assert aadsts(await credentials(world, client_secret=seed.CONTOSO_APP_SECRET, **changes)) == expected


async def test_an_application_can_be_refused_in_any_known_way(world: World) -> None:
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "refusedWith": 7000112})
    answer = await credentials(world, client_secret=seed.CONTOSO_APP_SECRET)
    assert aadsts(answer) == (400, "unauthorized_client", 7000112)


async def test_an_api_is_a_resource_by_its_client_id_or_uri(world: World) -> None:
    for resource in (seed.API_CLIENT_ID, f"api://{seed.API_CLIENT_ID}"):
        _, body = await credentials(world, client_secret=seed.CONTOSO_APP_SECRET, scope=f"{resource}/.default")
        assert jwt.decode(body["access_token"], options={"verify_signature": False})["aud"] == seed.API_CLIENT_ID


async def test_a_registered_certificate_signs_in_with_azure_identity(world: World) -> None:
    await register_certificate(world)
    async with CertificateCredential(
        seed.CONTOSO_TENANT_ID, seed.CONTOSO_APP_ID, certificate_data=private_pem() + public_pem(), **sdk(world)
    ) as credential:
        assert (await credential.get_token(VAULT_DEFAULT)).token


@pytest.mark.parametrize("by_sha1", [False, True])
async def test_a_registered_certificate_signs_in_with_msal(world: World, *, by_sha1: bool) -> None:
    await register_certificate(world)
    named: dict[str, str] = {"public_certificate": public_pem().decode()}
    if by_sha1:
        named = {"thumbprint": key_pair()[1].fingerprint(hashes.SHA1()).hex()}  # noqa: S303 - a name, not a proof
    app = await world.msal(
        client_id=seed.CONTOSO_APP_ID, client_credential={"private_key": private_pem().decode(), **named}
    )
    result = await asyncio.to_thread(app.acquire_token_for_client, [VAULT_DEFAULT])
    assert "access_token" in result, result


async def test_an_unregistered_certificate_is_refused(world: World) -> None:
    assert aadsts(await asserted(world, certificate_assertion(world))) == (401, "invalid_client", 700027)


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda world: certificate_assertion(world)[:-8] + "AAAAAAAA", 700027),
        (lambda world: certificate_assertion(world, header={"typ": "JWT"}), 700027),
        (lambda world: certificate_assertion(world, header={"x5t": "a"}), 700027),
        (lambda world: certificate_assertion(world, sub=seed.API_CLIENT_ID), 700027),
        (lambda world: certificate_assertion(world, exp=1_700_000_000), 700024),
        (lambda world: certificate_assertion(world, aud="https://elsewhere.example"), 700023),
        (lambda _: "garbled", 700027),
    ],
    ids=["signature", "no thumbprint", "garbled thumbprint", "subject", "expired", "audience", "garbled"],
)
async def test_a_certificates_assertion_is_checked(world: World, spoil: Callable[[World], str], number: int) -> None:
    await register_certificate(world)
    assert aadsts(await asserted(world, spoil(world))) == (401, "invalid_client", number)


async def test_the_managed_identity_signs_in_as_the_services_app_in_any_tenant(world: World) -> None:
    assertion = await identity_assertion(world)
    for tenant in (seed.HOME_TENANT_ID, seed.CONTOSO_TENANT_ID):
        async with ClientAssertionCredential(
            tenant, seed.OAUTH_CLIENT_ID, lambda: assertion, **sdk(world)
        ) as credential:
            token = (await credential.get_token(VAULT_DEFAULT)).token
        assert jwt.decode(token, options={"verify_signature": False})["tid"] == tenant


async def test_msal_redeems_a_code_with_the_managed_identitys_assertion(world: World) -> None:
    assertion = await identity_assertion(world)
    app = await world.msal(client_credential={"client_assertion": lambda: assertion})
    flow = app.initiate_auth_code_flow([VAULT_SCOPE], redirect_uri=CALLBACK, response_mode="form_post")
    answer = form_of(await (await world.press(flow["auth_uri"], "accept")).text())
    result = await asyncio.to_thread(app.acquire_token_by_auth_code_flow, flow, answer)
    assert result.get("refresh_token"), result


@pytest.mark.parametrize(
    "claims",
    [{"sub": MISSING_APP}, {"iss": "https://elsewhere.example"}, {"audience": "https://vault.azure.net"}],
    ids=["subject", "issuer", "audience"],
)
async def test_an_assertion_that_matches_no_federated_credential_is_refused(
    world: World, claims: dict[str, str]
) -> None:
    answer = await asserted(world, await identity_assertion(world, **claims), client_id=seed.OAUTH_CLIENT_ID)
    assert aadsts(answer) == (400, "invalid_request", 70021)


async def test_a_federated_assertion_must_be_signed_and_current(world: World) -> None:
    forged = (await identity_assertion(world))[:-8] + "AAAAAAAA"
    answer = await asserted(world, forged, client_id=seed.OAUTH_CLIENT_ID)
    assert aadsts(answer) == (401, "invalid_client", 700027)
    late = await identity_assertion(world, expiresIn=-305)
    answer = await asserted(world, late, client_id=seed.OAUTH_CLIENT_ID)
    assert aadsts(answer) == (401, "invalid_client", 700024)


async def test_a_managed_identity_cannot_sign_in_as_an_app_registered_in_another_tenant(world: World) -> None:
    trusted = {"issuer": f"{world.authority(seed.HOME_TENANT_ID)}/v2.0", "subject": seed.IDENTITY_OBJECT_ID}
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "federatedCredentials": [trusted]})
    answer = await asserted(world, await identity_assertion(world))
    assert aadsts(answer) == (400, "invalid_request", 700236)
