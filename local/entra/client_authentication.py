"""How an application proves who it is at the token endpoint: a secret, a certificate, or a federated credential."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.utils import base64url_decode

from local.entra.clock import SKEW_SECONDS
from local.entra.directory import Application, Tenant, digest
from local.entra.errors import AadstsError
from local.entra.service import ANY_TENANT, Entra

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""`client_assertion_type` (RFC 7523 section 2.2)."""


def authenticate(entra: Entra, tenant: Tenant | None, form: Mapping[str, str]) -> Application:
    """The client that the form names, once it has proven itself. Raises the AADSTS error of whatever is wrong."""
    if not form.get("client_id"):
        raise AadstsError(900144, "client_id")
    client = entra.client(form["client_id"], tenant)
    if client.refused_with is not None:
        raise AadstsError(client.refused_with, client.app_id)
    if secret := form.get("client_secret"):
        _check_secret(entra, client, secret)
    elif form.get("client_assertion") and form.get("client_assertion_type") == JWT_BEARER:
        _check_assertion(entra, tenant, client, form["client_assertion"])
    else:
        raise AadstsError(7000218)
    return client


def _check_secret(entra: Entra, client: Application, secret: str) -> None:
    now = entra.now()
    digested = digest(secret)
    password = next((p for p in client.passwords if compare_digest(p.digest, digested)), None)
    known_after = timedelta(seconds=entra.settings.password_propagation_seconds)
    # A secret that has not reached this replica yet is refused in the words of a wrong one.
    if password is None or now < max(password.created_at + known_after, password.start_date_time):
        raise AadstsError(7000215, client.app_id)
    if password.end_date_time <= now:
        raise AadstsError(7000222, client.app_id)


def _check_assertion(entra: Entra, tenant: Tenant | None, client: Application, assertion: str) -> None:
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
        if claims.get("iss") == client.app_id:
            _check_certificate(entra, tenant, client, assertion)
        else:
            _check_federated(entra, client, assertion, claims)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
        raise AadstsError(700024) from error
    except jwt.InvalidAudienceError as error:
        raise AadstsError(700023) from error
    except (jwt.InvalidTokenError, ValueError) as error:  # ValueError: a thumbprint that is not base64url
        raise AadstsError(700027, f"Reason: {error}.") from error


def _check_certificate(entra: Entra, tenant: Tenant | None, client: Application, assertion: str) -> None:
    """Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials."""
    header = jwt.get_unverified_header(assertion)
    certificate = next((c for c in client.parsed_certificates() if _is_named(c, header)), None)
    key = certificate.public_key() if certificate else None
    if not isinstance(key, RSAPublicKey):
        raise AadstsError(700027, "The thumbprint names no registered certificate.")
    names = ANY_TENANT if tenant is None else {tenant.id, *tenant.domains}
    audiences = [f"{entra.authority}/{name}/{end}" for name in names for end in ("oauth2/v2.0/token", "v2.0")]
    jwt.decode(
        assertion,
        key,
        algorithms=["PS256", "RS256"],
        audience=audiences,
        issuer=client.app_id,
        subject=client.app_id,
        leeway=SKEW_SECONDS,
        options={"require": ["exp", "sub"]},
    )


def _is_named(certificate: x509.Certificate, header: Mapping[str, Any]) -> bool:
    """The header names the certificate by `x5t#S256`, or by `x5t` as older clients do (RFC 7515 section 4.1.7)."""
    named = {"x5t#S256": hashes.SHA256(), "x5t": hashes.SHA1()}  # noqa: S303 - a name, not a proof
    return any(
        base64url_decode(str(header[name])) == certificate.fingerprint(algorithm)
        for name, algorithm in named.items()
        if name in header
    )


def _check_federated(entra: Entra, client: Application, assertion: str, claims: Mapping[str, Any]) -> None:
    """Source: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity."""
    issuer, subject, audience = claims.get("iss"), claims.get("sub"), claims.get("aud")
    accepted = (
        c for c in client.federated_credentials if (c.issuer, c.subject, c.audience) == (issuer, subject, audience)
    )
    credential = next(accepted, None)
    if credential is None:
        raise AadstsError(
            70021,
            f"Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'.",
        )
    # The only issuer whose keys this stand-in knows is itself.
    entra.key.verify(assertion, audience=credential.audience)
    if issuer != entra.issuer(client.tenant):
        raise AadstsError(700236, str(issuer))
