"""The `credentials` of a body, by method: what callers send, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from shared.domain.credential import AppCredential, Certificate, ClientSecret, Federated, Method
from shared.services.proving import SubmittedCode
from shared.web.fields import NOT_BLANK, Body, Tenant, Uuid

Pem = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), NOT_BLANK]


class Credentials(Body):
    """What every method's credentials can do."""

    def submitted(self) -> SubmittedCode | AppCredential:
        """The same in the domain's terms."""
        raise NotImplementedError

    @property
    def key_id(self) -> str | None:
        """The key id of a client secret, where it was told."""
        return None


class OAuthCredentials(Credentials):
    """An authorization code that the caller obtained, and what is needed to redeem it."""

    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8192), NOT_BLANK] = Field(
        repr=False
    )
    tenant_id: Tenant | None = None
    code_verifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = Field(
        default=None, repr=False
    )
    redirect_uri: Annotated[str, StringConstraints(max_length=2048)] | None = None

    @field_validator("code", mode="wrap")
    @classmethod
    def _required(cls, value: Any, handler: Any) -> str:
        if isinstance(value, str) and not value.strip():
            raise ValueError("OAuth code required")
        return str(handler(value))

    @field_validator("redirect_uri")
    @classmethod
    def _configured(cls, uri: str | None, info: ValidationInfo) -> str | None:
        if uri is not None and uri not in (info.context or {}).get("redirect_uris", ()):
            raise ValueError("Must be one of the redirect URIs that this service is configured with")
        return uri

    def submitted(self) -> SubmittedCode:
        """See `Credentials`."""
        return SubmittedCode(
            code=self.code, tenant=self.tenant_id, redirect_uri=self.redirect_uri, verifier=self.code_verifier
        )


class FederatedCredentials(Credentials):
    """An app registration that trusts the service's managed identity: no secret at all."""

    client_id: Uuid
    tenant_id: Uuid

    def submitted(self) -> AppCredential:
        """See `Credentials`."""
        return Federated(client_id=self.client_id, tenant_id=self.tenant_id)


class ClientSecretCredentials(FederatedCredentials):
    """An app registration and one of its passwords."""

    client_secret: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), NOT_BLANK] = (
        Field(repr=False)
    )
    client_secret_key_id: Uuid | None = None

    @property
    def key_id(self) -> str | None:
        """See `Credentials`."""
        return self.client_secret_key_id

    def submitted(self) -> AppCredential:
        """See `Credentials`."""
        return ClientSecret(client_id=self.client_id, tenant_id=self.tenant_id, client_secret=self.client_secret)


class RotatingClientSecretCredentials(ClientSecretCredentials):
    """What rotation needs to know besides: which of the app's passwords it is."""

    client_secret_key_id: Annotated[Uuid | None, Field(validate_default=True)] = None

    @field_validator("client_secret_key_id")
    @classmethod
    def _required(cls, key_id: str | None) -> str | None:
        if key_id is None:
            raise ValueError("Client Secret Key ID is required when enabling credential rotation.")
        return key_id


class CertificateCredentials(FederatedCredentials):
    """An app registration, one of its certificates and the key to it."""

    certificate_body: Pem
    private_key: Pem = Field(repr=False)

    @field_validator("certificate_body")
    @classmethod
    def _readable(cls, pem: str) -> str:
        from shared.domain import certificate  # noqa: PLC0415 -- X.509 is only for those who submit one

        certificate.read_chain(pem)
        return pem

    @field_validator("private_key")
    @classmethod
    def _matching(cls, pem: str, info: ValidationInfo) -> str:
        from shared.domain import certificate  # noqa: PLC0415 -- see `_readable`

        key = certificate.read_key(pem)
        if (body := info.data.get("certificate_body")) is not None:
            own = certificate.own_certificate(certificate.read_chain(body), key)
            certificate.check_validity(own, (info.context or {})["now"])
        return pem

    def submitted(self) -> AppCredential:
        """See `Credentials`."""
        from shared.domain import certificate  # noqa: PLC0415 -- see `_readable`

        chain = certificate.read_chain(self.certificate_body)
        own = certificate.own_certificate(chain, certificate.read_key(self.private_key))
        return Certificate(
            client_id=self.client_id,
            tenant_id=self.tenant_id,
            certificate_body=certificate.as_pem(chain, own),
            private_key=self.private_key,
        )


CREDENTIALS: dict[Method, type[Credentials]] = {
    Method.OAUTH: OAuthCredentials,
    Method.CLIENT_SECRET: ClientSecretCredentials,
    Method.CERTIFICATE: CertificateCredentials,
    Method.FEDERATED: FederatedCredentials,
}
