"""An authority in memory: tenants, accounts, codes that work once, grants that can be revoked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from shared.domain.entra_errors import explain
from shared.domain.errors import BadRequest, GrantRefused, Refusal
from shared.services.ports import Authorization, Clock, Grant
from tests.fakes.faults import Faults

ANY_TENANT = "organizations"
INACTIVITY = timedelta(days=90)
"""Unused for so long, a refresh token has ended."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person in a tenant."""

    tenant_id: str
    object_id: str
    name: str
    domain: str
    """A domain that the tenant has verified."""


@dataclass(frozen=True, slots=True)
class _Code:
    account: Account
    redirect_uri: str
    verifier: str | None


ADA = Account("c0000000-0000-4000-8000-000000000001", "c0000000-0000-4000-8000-000000000011", "ada", "contoso.example")
BEN = Account("c0000000-0000-4000-8000-000000000001", "c0000000-0000-4000-8000-000000000012", "ben", "contoso.example")
FAY = Account("f0000000-0000-4000-8000-000000000001", "f0000000-0000-4000-8000-000000000011", "fay", "fabrikam.example")


class FakeEntra:
    """`Entra` in memory, and the browser of those who sign in there."""

    def __init__(self, clock: Clock, faults: Faults, accounts: Sequence[Account] = (ADA, BEN, FAY)) -> None:
        self._clock = clock
        self._faults = faults
        self._accounts = accounts
        self._codes: dict[str, _Code] = {}
        self._spent: set[str] = set()
        self._refresh_tokens: dict[str, Account] = {}
        self._used_at: dict[str, datetime] = {}
        self._refused: dict[Account, Refusal] = {}

    def sign_in(self, url: str, account: Account) -> dict[str, str]:
        """A person follows `url`, chooses `account` and accepts: what comes back to the callback."""
        query = _query(url)
        return {"code": self.code_for(account, query["redirect_uri"], query["verifier"]), "state": query["state"]}

    def decline(self, url: str) -> dict[str, str]:
        """A person follows `url` and declines."""
        description = "AADSTS65004: User declined to consent to access the app."
        return {"error": "access_denied", "error_description": description, "state": _query(url)["state"]}

    def consent_as_administrator(self, url: str) -> dict[str, str]:
        """An administrator follows `url` and consents for the organisation: no code comes of it."""
        return {"admin_consent": "True", "state": _query(url)["state"]}

    def code_for(self, account: Account, redirect_uri: str, verifier: str | None = None) -> str:
        """A code that a caller obtained."""
        code = f"code-{secrets.token_hex(8)}"
        self._codes[code] = _Code(account, redirect_uri, verifier)
        return code

    def knows(self, refresh_token: str) -> bool:
        """Whether the token would be accepted now."""
        account = self._refresh_tokens.get(refresh_token)
        return account is not None and account not in self._refused and not self._is_neglected(refresh_token)

    def _is_neglected(self, refresh_token: str) -> bool:
        return self._clock() - self._used_at[refresh_token] > INACTIVITY

    def revoke(self, account: Account, refusal: Refusal | None = None) -> None:
        """Refuse the account's grants, those already made included, from now on."""
        self._refused[account] = refusal or Refusal("invalid_grant", 50173)

    def forget(self, refresh_token: str) -> None:
        """Refuse one refresh token from now on."""
        del self._refresh_tokens[refresh_token]

    def accept(self, account: Account) -> None:
        """Undo `revoke`."""
        self._refused.pop(account, None)

    async def begin(self, tenant: str, *, redirect_uri: str, state: str, form_post: bool) -> Authorization:
        """See `Entra`. The verifier travels in the URL, since the browser of the fake is the fake itself."""
        async with self._faults.call("entra.begin"):
            if tenant != ANY_TENANT and all(tenant != account.tenant_id for account in self._accounts):
                raise _refusal("invalid_tenant", 90002)
            flow = {"state": state, "redirect_uri": redirect_uri, "code_verifier": secrets.token_hex(32)}
            query = {
                "state": state,
                "redirect_uri": redirect_uri,
                "verifier": flow["code_verifier"],
                "response_mode": "form_post" if form_post else "query",
            }
            return Authorization(url=f"https://login.example/{tenant}/authorize?{urlencode(query)}", flow=flow)

    async def finish(self, tenant: str, flow: Mapping[str, Any], answer: Mapping[str, str]) -> Grant:
        """See `Entra`."""
        async with self._faults.call("entra.finish"):
            if answer.get("state") != flow["state"]:
                raise BadRequest("Failed to get access token: the answer does not belong to this sign-in.")
            return self._redeemed(tenant, answer["code"], flow["redirect_uri"], flow["code_verifier"])

    async def redeem(self, tenant: str, code: str, *, redirect_uri: str, verifier: str | None) -> Grant:
        """See `Entra`."""
        async with self._faults.call("entra.redeem"):
            return self._redeemed(tenant, code, redirect_uri, verifier)

    async def refresh(self, tenant_id: str, refresh_token: str) -> Grant:
        """See `Entra`."""
        async with self._faults.call("entra.refresh"):
            account = self._refresh_tokens.get(refresh_token)
            if account is None:
                raise _refusal("invalid_grant", 9002313)
            if account.tenant_id != tenant_id:
                raise _refusal("invalid_grant", 50020)
            if self._is_neglected(refresh_token):
                raise _refusal("invalid_grant", 700082)
            self._used_at[refresh_token] = self._clock()
            return self._grant(account)

    async def tenant_of(self, domain: str) -> str:
        """See `Entra`."""
        async with self._faults.call("entra.tenant_of"):
            for account in self._accounts:
                if account.domain == domain:
                    return account.tenant_id
            raise BadRequest(f'No Entra tenant has verified the domain "{domain}"')

    def _redeemed(self, tenant: str, text: str, redirect_uri: str, verifier: str | None) -> Grant:
        code = self._codes.get(text)
        if text in self._spent:
            raise _refusal("invalid_grant", 54005)
        if code is None:
            raise _refusal("invalid_grant", 9002313)
        if tenant not in (ANY_TENANT, code.account.tenant_id):
            raise _refusal("invalid_grant", 700005)
        if code.redirect_uri != redirect_uri:
            raise _refusal("invalid_grant", 500112)
        if code.verifier != verifier:
            raise _refusal("invalid_grant", 501481)
        self._spent.add(text)
        return self._grant(code.account)

    def _grant(self, account: Account) -> Grant:
        if account in self._refused:
            raise GrantRefused(self._refused[account], explain(self._refused[account]))
        refresh_token = f"refresh-{secrets.token_hex(8)}"
        self._refresh_tokens[refresh_token] = account
        self._used_at[refresh_token] = self._clock()
        return Grant(
            tenant_id=account.tenant_id,
            account_id=account.object_id,
            account_name=account.name,
            refresh_token=refresh_token,
            access_token=f"access-{secrets.token_hex(8)}",
            expires_at=self._clock() + timedelta(minutes=75),
        )


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _refusal(error: str, aadsts: int) -> GrantRefused:
    refusal = Refusal(error, aadsts)
    return GrantRefused(refusal, explain(refusal))
