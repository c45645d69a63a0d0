"""How the service's own OAuth app proves itself, in the form MSAL takes.

Best first: a federated credential (the function app's managed identity signs, there is no secret at all), a
certificate, a secret. The last two live in Key Vault, and are read again when an hour has passed, so that changing them
needs no restart.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from azure.core.credentials_async import AsyncTokenCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from shared.adapters.azure_errors import translated
from shared.adapters.vault import AzureVault
from shared.settings import OAuthCredential, Settings

FRESH_SECONDS = 3600.0


class OwnCredential(Protocol):
    """Gives MSAL's `client_credential`: the same object until it changes."""

    async def __call__(self) -> Any:
        """The credential as it is now."""

    def forget(self) -> None:
        """It was refused: look for a newer one next time."""


def app_credential(settings: Settings, identity: AsyncTokenCredential, vault: AzureVault) -> OwnCredential:
    """The one that the settings choose."""
    if settings.oauth_credential is OAuthCredential.FEDERATED:
        return _Federated(identity, settings.token_exchange_scope)
    return _Stored(vault, settings.oauth_credential_secret or "", settings.oauth_credential)


class _Federated:
    """The managed identity's token as a client assertion. MSAL calls back synchronously, so it is fetched before."""

    def __init__(self, identity: AsyncTokenCredential, exchange_scope: str) -> None:
        self._identity = identity
        self._exchange_scope = exchange_scope
        self._assertion = ""
        self._credential = {"client_assertion": lambda: self._assertion}

    async def __call__(self) -> Any:
        with translated("Managed identity"):
            self._assertion = (await self._identity.get_token(self._exchange_scope)).token
        return self._credential

    def forget(self) -> None:
        """See `OwnCredential`. The identity's own cache keeps its tokens fresh."""


class _Stored:
    """A certificate or secret in Key Vault, kept for an hour."""

    def __init__(self, vault: AzureVault, name: str, kind: OAuthCredential) -> None:
        self._vault = vault
        self._name = name
        self._kind = kind
        self._kept: tuple[float, Any] | None = None

    def forget(self) -> None:
        """See `OwnCredential`."""
        self._kept = None

    async def __call__(self) -> Any:
        now = time.monotonic()
        if self._kept is None or now - self._kept[0] > FRESH_SECONDS:
            value = await self._vault.newest(self._name)
            self._kept = (now, value if self._kind is OAuthCredential.SECRET else _certificate(value))
        return self._kept[1]


def _certificate(pem: str) -> dict[str, str]:
    thumbprint = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()
    return {"private_key": pem, "thumbprint_sha256": thumbprint, "public_certificate": pem}
