"""Entra, where a customer's app signs in as itself: azure-identity speaks the client credentials grant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.identity.aio import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from cryptography.exceptions import UnsupportedAlgorithm

from shared.adapters import transport
from shared.adapters.azure_errors import translate, translated
from shared.adapters.entra_answers import SERVICE, checked, nonsense, refused
from shared.domain.credential import AppCredential, Certificate, ClientSecret, Federated
from shared.domain.errors import BadRequest
from shared.services.ports import AppToken, Audience

OPTIONS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 10, **transport.OPTIONS}
"""What the transport must be made with, seconds."""

_RETRIES: dict[str, Any] = {
    # Only a request that never arrived, or whose connection was cut, is sent again. Throttling is for the caller to
    # sit out: azure-core would sleep as long as `Retry-After` says, in time that is billed.
    "retry_total": 2,
    "retry_connect": 2,
    "retry_read": 0,
    "retry_status": 0,
    "retry_backoff_factor": 0.1,
    "logging_enable": False,
}

_GARBLED = (AzureError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What azure-identity makes of a token answer with members missing, or of other types."""


class AzureIdentityAuthority:
    """`AppAuthority` through azure-identity.

    A credential object keeps its tokens, and a kept token proves nothing: each call makes a new one. They share
    `transport`, whose connections stay warm; closing a credential would close it, so none is closed.
    """

    def __init__(
        self,
        *,
        authority: str,
        scopes: Mapping[Audience, str],
        exchange_scope: str,
        identity: AsyncTokenCredential,
        transport: AsyncHttpTransport[Any, Any],
    ) -> None:
        self._scopes = scopes
        self._exchange_scope = exchange_scope
        self._identity = identity
        self._options = {
            **_RETRIES,
            "authority": authority,
            "transport": transport,
            "raw_response_hook": _check,
        }

    async def app_token(self, credential: AppCredential, audience: Audience = Audience.VAULT) -> AppToken:
        """See `AppAuthority`. Raises `BadRequest` for a certificate or key that cannot be read."""
        client = await self._client(credential)
        try:
            token = await client.get_token(self._scopes[audience])
            return _usable(token)
        except (ServiceRequestError, ServiceResponseError) as error:
            raise translate(SERVICE, error) from error
        except _GARBLED:  # its text may repeat the answer, so it goes no further
            raise nonsense() from None

    async def _client(self, credential: AppCredential) -> AsyncTokenCredential:
        if isinstance(credential, ClientSecret):
            return self._by_secret(credential)
        if isinstance(credential, Certificate):
            return self._by_certificate(credential)
        return await self._by_federation(credential)

    def _by_secret(self, credential: ClientSecret) -> AsyncTokenCredential:
        try:
            return ClientSecretCredential(
                credential.tenant_id, credential.client_id, credential.client_secret, **self._options
            )
        except ValueError:
            raise BadRequest("The client secret cannot be used: it, the client id or the tenant id is empty") from None

    def _by_certificate(self, credential: Certificate) -> AsyncTokenCredential:
        pem = f"{credential.private_key}\n{credential.certificate_body}"
        try:
            return CertificateCredential(
                credential.tenant_id, credential.client_id, certificate_data=pem.encode(), **self._options
            )
        except (TypeError, ValueError, UnsupportedAlgorithm):  # TypeError: the key asks for a passphrase
            raise BadRequest(
                "The certificate cannot be used: it and its private key must be PEM, the key RSA without a passphrase"
            ) from None

    async def _by_federation(self, credential: Federated) -> AsyncTokenCredential:
        """The managed identity's token is the proof. It is fetched first, since azure-identity calls back in sync."""
        with translated("Managed identity"):
            assertion = (await self._identity.get_token(self._exchange_scope)).token
        return ClientAssertionCredential(credential.tenant_id, credential.client_id, lambda: assertion, **self._options)


def _check(response: Any) -> None:
    """Raise for whatever is no token, before azure-identity does: its errors lose the status and repeat the body."""
    http = response.http_response
    answer = checked(http.status_code, http.headers, http.json)
    if answer.get("error"):
        raise refused(answer, by_app=True)


def _usable(token: AccessToken) -> AppToken:
    if not token.token or not isinstance(token.token, str):  # azure-identity passes on what it got
        raise TypeError
    return AppToken(access_token=token.token, expires_at=datetime.fromtimestamp(token.expires_on, UTC))
