"""The authority: people who grant, and apps that sign in as themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.domain.credential import AppCredential


@dataclass(frozen=True, slots=True)
class Grant:
    """What Entra granted. The tokens never show in a repr."""

    tenant_id: str
    account_id: str
    account_name: str | None
    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Authorization:
    """A sign-in that was begun: where the browser goes, and what must be remembered until it comes back."""

    url: str
    flow: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppToken:
    """A Key Vault token of an app. It never shows in a repr."""

    access_token: str = field(repr=False)
    expires_at: datetime


class Entra(Protocol):
    """The authority. A refusal for good is `GrantRefused`; a passing one is an `UpstreamError`."""

    async def begin(self, tenant: str, *, redirect_uri: str, state: str, form_post: bool) -> Authorization:
        """Prepare a sign-in with PKCE (RFC 7636) and a nonce."""

    async def finish(self, tenant: str, flow: Mapping[str, Any], answer: Mapping[str, str]) -> Grant:
        """Redeem the code in Entra's answer to `flow`; checks state, nonce, audience, issuer and tenant."""

    async def redeem(self, tenant: str, code: str, *, redirect_uri: str, verifier: str | None) -> Grant:
        """Redeem a code that the caller brought."""

    async def refresh(self, tenant_id: str, refresh_token: str) -> Grant:
        """Exchange a refresh token for a new one (RFC 6749 section 6). The old one stays valid."""

    async def tenant_of(self, domain: str) -> str:
        """The id of the tenant that verified `domain`. Raises `BadRequest` when there is none."""


class Audience(StrEnum):
    """What an app's token is for."""

    VAULT = "vault"
    GRAPH = "graph"


class AppAuthority(Protocol):
    """Entra, where an app signs in as itself. A refusal for good is `GrantRefused`; a passing one `UpstreamError`."""

    async def app_token(self, credential: AppCredential, audience: Audience = Audience.VAULT) -> AppToken:
        """A token fetched just now with exactly this credential, never one from a cache."""
