"""An authority in memory, where apps sign in as themselves."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.domain.credential import AppCredential, Certificate, ClientSecret
from shared.domain.entra_errors import explain
from shared.domain.errors import BadRequest, GrantRefused, Refusal
from shared.services.ports import AppToken, Audience, Clock
from tests.fakes.entra import ADA, FAY
from tests.fakes.faults import Faults


@dataclass(slots=True)
class Password:
    """A client secret of an app."""

    value: str
    ends: datetime | None = None
    key_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    display_name: str | None = None
    known_from: datetime | None = None
    """When it has reached every replica; until then it is refused in the words of a wrong one."""
    tells_hint: bool = True
    """Whether the directory lists how it begins."""


@dataclass(slots=True)
class App:
    """An app as one tenant knows it, and what it accepts as proof."""

    passwords: list[Password] = field(default_factory=list)
    fingerprints: set[str] = field(default_factory=set)
    """SHA-256 of its certificates, hexadecimal."""
    trusts_identity: bool = False
    """A federated credential names the service's managed identity."""
    refused_with: Refusal | None = None
    """Refuse it whatever it proves, as a disabled app is."""
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    home: bool = True
    """The registration is in this tenant."""
    may_manage: bool = True
    """It has the permission to change its own passwords."""
    may_remove: bool = True
    """It may remove its passwords too; without, an owner has lost that right."""
    forbids_secrets: bool = False
    """A policy of the tenant does."""
    holds_two: bool = False
    """It accepts personal accounts."""
    propagation: timedelta = timedelta()
    """How long a password added through Graph takes to be known everywhere."""


class FakeAppAuthority:
    """`AppAuthority` in memory. Tests change `apps` as an administrator would the directory."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self.apps: dict[tuple[str, str], App] = {}
        """By tenant id and client id."""
        self.tenants = {ADA.tenant_id, FAY.tenant_id}

    def register(self, tenant_id: str, client_id: str, *passwords: str) -> App:
        """A new app in that tenant, which comes to exist, with these secrets."""
        app = App(passwords=[Password(value) for value in passwords])
        self.apps[tenant_id, client_id] = app
        self.tenants.add(tenant_id)
        return app

    def passwords(self, tenant_id: str, client_id: str) -> list[Password]:
        """The app's passwords, oldest first; none when there is no such app."""
        app = self.apps.get((tenant_id, client_id))
        return list(app.passwords) if app else []

    async def app_token(self, credential: AppCredential, audience: Audience = Audience.VAULT) -> AppToken:
        """See `AppAuthority`."""
        async with self._faults.call("apps.app_token"):
            return self.token_for(credential, audience)

    def token_for(self, credential: AppCredential, audience: Audience) -> AppToken:
        """The same past the faults, for those who have passed them."""
        proof = _proof(credential) if isinstance(credential, Certificate) else None
        if credential.tenant_id not in self.tenants:
            raise _refusal("invalid_tenant", 90002)
        app = self.apps.get((credential.tenant_id, credential.client_id))
        if app is None:
            raise _refusal("unauthorized_client", 700016)
        if app.refused_with is not None:
            raise GrantRefused(app.refused_with, explain(app.refused_with, by_app=True))
        if isinstance(credential, ClientSecret):
            self._check_secret(app, credential.client_secret)
        elif isinstance(credential, Certificate):
            if proof not in app.fingerprints:
                raise _refusal("invalid_client", 700027)
        elif not app.trusts_identity:
            raise _refusal("invalid_request", 70021)
        return AppToken(f"{audience}-token-{secrets.token_hex(8)}", self._clock() + timedelta(minutes=75))

    def _check_secret(self, app: App, secret: str) -> None:
        password = next((each for each in app.passwords if each.value == secret), None)
        if password is None or (password.known_from is not None and self._clock() < password.known_from):
            raise _refusal("invalid_client", 7000215)
        if password.ends is not None and password.ends <= self._clock():
            raise _refusal("invalid_client", 7000222)


def fingerprint(certificate_body: str) -> str:
    """SHA-256 of the first certificate in the PEM text, hexadecimal."""
    return x509.load_pem_x509_certificate(certificate_body.encode()).fingerprint(hashes.SHA256()).hex()


def _proof(credential: Certificate) -> str | None:
    """The fingerprint that an assertion signed by the key would prove: None when the key is another certificate's."""
    try:
        certificate = x509.load_pem_x509_certificate(credential.certificate_body.encode())
        key = load_pem_private_key(credential.private_key.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError
    except (TypeError, ValueError):
        raise BadRequest("The certificate cannot be used: it or its private key cannot be read") from None
    return fingerprint(credential.certificate_body) if key.public_key() == certificate.public_key() else None


def _refusal(error: str, aadsts: int) -> GrantRefused:
    refusal = Refusal(error, aadsts)
    return GrantRefused(refusal, explain(refusal, by_app=True))
