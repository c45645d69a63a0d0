"""`POST /{tenant}/oauth2/v2.0/token`: authorization codes, refresh tokens and client credentials become tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from aiohttp import web
from jwt.utils import base64url_encode

from local.entra import scopes, tokens
from local.entra.client_authentication import authenticate
from local.entra.directory import Application, Tenant
from local.entra.errors import AadstsError, no_store
from local.entra.sealed import Code, RefreshToken, Sealed
from local.entra.service import Entra
from local.entra.state import Grant

CODE_LIFETIME = timedelta(minutes=10)
REFRESH_TOKEN_LIFETIME = timedelta(days=90)
"""Of inactivity; each use issues a new one."""

_REMEMBER_REDEEMED = timedelta(days=1)


class TokenEndpoint:
    """The token endpoint of every tenant."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """The endpoint's route."""
        return [web.post("/{tenant}/oauth2/v2.0/token", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        tenant = self._entra.tenant(request.match_info["tenant"])
        client = authenticate(self._entra, tenant, form)
        match form.get("grant_type", ""):
            case "authorization_code":
                body = self._redeem_code(tenant, client, form)
            case "refresh_token":
                body = self._refresh(tenant, client, form)
            case "client_credentials":
                body = self._client_credentials(tenant, client, form)
            case "":
                raise AadstsError(900144, "grant_type")
            case other:
                raise AadstsError(70003, other)
        return web.json_response(body, headers=no_store())

    def _redeem_code(self, tenant: Tenant | None, client: Application, form: Mapping[str, str]) -> dict[str, Any]:
        state, now = self._entra.state, self._entra.now()
        code, issued = self._opened(form, "code", Code)
        if code.id in state.redeemed_codes:
            raise AadstsError(54005)
        if now.timestamp() - issued > CODE_LIFETIME.total_seconds():
            raise AadstsError(70008)
        if code.client_id != client.app_id:
            raise AadstsError(70000)
        if tenant is not None and tenant.id != code.tenant:
            raise AadstsError(700005)
        if form.get("redirect_uri") != code.redirect_uri:
            raise AadstsError(500112, form.get("redirect_uri", ""))
        _check_verifier(code.code_challenge, form.get("code_verifier"))
        grant = Grant(tenant=code.tenant, user=code.user, client_id=client.app_id, created_at=now)
        body = self._tokens(grant, client, form.get("scope") or code.scope, form, nonce=code.nonce)
        state.redeemed_codes = {
            id_: at for id_, at in state.redeemed_codes.items() if now - at < _REMEMBER_REDEEMED
        } | {code.id: now}
        state.grants[grant.id] = grant
        self._entra.save()
        return body

    def _refresh(self, tenant: Tenant | None, client: Application, form: Mapping[str, str]) -> dict[str, Any]:
        token, issued = self._opened(form, "refresh_token", RefreshToken)
        grant = self._entra.state.grants.get(token.grant)
        if grant is None or grant.client_id != client.app_id:
            raise AadstsError(70000)
        if grant.refused_with is not None:
            raise AadstsError(grant.refused_with, client.app_id)
        if self._entra.now().timestamp() - issued > REFRESH_TOKEN_LIFETIME.total_seconds():
            raise AadstsError(700082)
        if tenant is not None and tenant.id != grant.tenant:
            raise AadstsError(50020, grant.user)
        return self._tokens(grant, client, form.get("scope") or token.scope, form)

    def _client_credentials(
        self, tenant: Tenant | None, client: Application, form: Mapping[str, str]
    ) -> dict[str, Any]:
        if tenant is None:
            raise AadstsError(50059)
        requested = scopes.parse(_required(form, "scope"), self._entra.directory)
        if not requested.is_default:
            raise AadstsError(1002012, form["scope"])
        return self._bearer(tokens.app_access_token(self._entra, tenant, client, requested))

    def _opened(self, form: Mapping[str, str], name: str, kind: type[Sealed]) -> tuple[Sealed, int]:
        opened = self._entra.sealer.open(_required(form, name), kind)
        if opened is None:
            raise AadstsError(9002313)
        return opened

    def _tokens(
        self, grant: Grant, client: Application, scope: str, form: Mapping[str, str], *, nonce: str | None = None
    ) -> dict[str, Any]:
        entra = self._entra
        requested = scopes.parse(scope, entra.directory)
        if requested.audience == scopes.VAULT and not client.vault_permission:
            raise AadstsError(650057, requested.resource)
        account = entra.directory.account(grant.user)
        if account is None:
            raise AadstsError(50034, grant.user)
        tenant, user = account
        body = self._bearer(tokens.user_access_token(entra, tenant, user, client, requested))
        body["scope"] = requested.answered
        if "offline_access" in requested.openid:
            # A new one each time; the old one stays good, as at Entra.
            body["refresh_token"] = entra.sealer.seal(RefreshToken(grant=grant.id, scope=scope), entra.now())
        if "openid" in requested.openid:
            body["id_token"] = tokens.id_token(entra, tenant, user, client, nonce)
        if form.get("client_info") == "1":
            body["client_info"] = tokens.client_info(tenant, user)
        return body

    def _bearer(self, access_token: str) -> dict[str, Any]:
        seconds = self._entra.settings.access_token_seconds
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": access_token,
        }


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise AadstsError(900144, name)
    return form[name]


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is refused as well (RFC 9700 section 4.8.2)."""
    hashed = base64url_encode(sha256(verifier.encode()).digest()).decode() if verifier else None
    if not compare_digest(hashed or "", challenge or ""):
        raise AadstsError(501481)
