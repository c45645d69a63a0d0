"""From what a caller submits to a proof that it works: a token is really fetched with it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.connection import Row
from shared.domain.creation import Enrolled, Proof
from shared.domain.credential import AppCredential, Certificate, ClientSecret, Method, OAuthGrant
from shared.domain.errors import BadRequest, Problem, ValidationFailed
from shared.services.enrolment import Enrolment
from shared.services.ports import AppAuthority, Clock, Entra, Grant, Vault

ANY_TENANT = "organizations"
"""Entra's alias for "whichever work or school account signs in"."""

MAX_SECRET_BYTES = 25_000
"""Key Vault holds values of at most 25 KB (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates)."""

Prove = Callable[[Row], Awaitable[Proof]]
"""Shows at Entra that a credential works for the connection of that row, and, if that rotates, that it can.

It may spend something that works once, so it comes after all checks.
"""


@dataclass(frozen=True, slots=True)
class SubmittedCode:
    """An authorization code that the caller obtained, and what is needed to redeem it."""

    code: str = field(repr=False)
    tenant: str | None = None
    redirect_uri: str | None = None
    verifier: str | None = field(default=None, repr=False)


class Proving:
    """Proves credentials at Entra."""

    def __init__(
        self,
        *,
        entra: Entra,
        apps: AppAuthority,
        enrolment: Enrolment,
        vault: Vault,
        clock: Clock,
        redirect_uri: str,
    ) -> None:
        self._entra = entra
        self._enrolment = enrolment
        self._vault = vault
        self._apps = apps
        self._clock = clock
        self._redirect_uri = redirect_uri

    def of(self, submitted: SubmittedCode | AppCredential) -> Prove:
        """How to prove `submitted`. Raises `ValidationFailed` when Key Vault could not hold it."""
        if isinstance(submitted, SubmittedCode):
            return lambda _: self._by_code(submitted)
        if len(submitted.model_dump_json().encode()) > MAX_SECRET_BYTES:
            text = "The credential is larger than Key Vault can hold (25 KB)"
            raise ValidationFailed([Problem("too_big", ("credentials",), text)])
        return lambda row: self._by_app(submitted, row)

    async def tenant_id(self, tenant: str | None) -> str | None:
        """The id of the tenant that was named by id or verified domain."""
        if tenant is None or _is_guid(tenant):
            return tenant
        return await self._entra.tenant_of(tenant)

    def of_grant(self, grant: Grant, tenant: str | None) -> Proof:
        """What a fresh grant proves. Raises `BadRequest` when it was made in another tenant than the one asked for."""
        if tenant is not None and grant.tenant_id != tenant:
            raise BadRequest(
                "Failed to get access token: the sign-in was made in another tenant than the connection asks for. "
                "Start again and choose an account of the right tenant."
            )
        secret = OAuthGrant(tenant_id=grant.tenant_id, refresh_token=grant.refresh_token, issued_at=self._clock())
        return Proof(
            public={"tenantId": grant.tenant_id},
            submitted={"tenantId": grant.tenant_id, "accountId": grant.account_id},
            secret=secret.model_dump_json(),
            account_id=grant.account_id,
            account_name=grant.account_name,
        )

    async def _by_code(self, submitted: SubmittedCode) -> Proof:
        tenant = await self.tenant_id(submitted.tenant)
        grant = await self._entra.redeem(
            tenant or ANY_TENANT,
            submitted.code,
            redirect_uri=submitted.redirect_uri or self._redirect_uri,
            verifier=submitted.verifier,
        )
        return self.of_grant(grant, tenant)

    async def enrolled(self, row: Row) -> Enrolled | None:
        """The app behind the stored credential, of which rotation is about to be enabled. Raises `BadRequest`."""
        if row.connection.method is not Method.CLIENT_SECRET or row.active_version is None:
            return None
        active = row.passwords.active if row.passwords else None
        credential = ClientSecret.model_validate_json(await self._vault.get(row.active_version))
        key_id = active.key_id if active else row.secret_key_id
        return await self._enrolment.enrol(row.org_id, row.id, credential, key_id)

    async def _by_app(self, credential: AppCredential, row: Row) -> Proof:
        await self._apps.app_token(credential)
        enrolled, ends_at = None, None
        if isinstance(credential, Certificate):
            ends_at = _end_of(credential)
        elif isinstance(credential, ClientSecret) and row.connection.is_auto_rotation_enabled:
            enrolled = await self._enrolment.enrol(row.org_id, row.id, credential, row.secret_key_id)
        elif isinstance(credential, ClientSecret):
            ends_at = await self._enrolment.end_of(credential, row.secret_key_id)
        return Proof(
            enrolled=enrolled,
            ends_at=ends_at,
            public=credential.public,
            submitted=submitted_parts(credential),
            secret=credential.model_dump_json() if credential.is_secret else None,
        )


def submitted_parts(credential: AppCredential) -> dict[str, str]:
    """What `credentialsHash` is made of: everything that the caller submitted to sign in with."""
    return credential.model_dump(mode="json")


def _end_of(credential: Certificate) -> datetime:
    from shared.domain import certificate  # noqa: PLC0415 -- X.509 is only for those who submit one

    return certificate.ends_at(credential.certificate_body)


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
