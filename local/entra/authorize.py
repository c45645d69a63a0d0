"""`/{tenant}/oauth2/v2.0/authorize`: a person chooses an account and accepts, the client receives a code.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web
from yarl import URL

from local.entra import pages, scopes
from local.entra.directory import Application, Tenant, User
from local.entra.errors import AadstsError, correlation_id_of
from local.entra.sealed import Code
from local.entra.service import Entra

_PROMPTS = frozenset({"", "login", "consent", "select_account", "none"})
_RIGHTS = {
    "openid": "Sign you in",
    "profile": "Read your profile",
    "email": "Read your e-mail address",
    "offline_access": "Keep the access you give it while you are away",
}


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request whose client and redirect URI are known to belong together: errors may be sent there."""

    tenant: Tenant | None
    client: Application
    redirect_uri: str
    query: Mapping[str, str]

    def answer(self, **fields: str) -> web.Response:
        """Carry `fields` and the state to the client, in the response mode that it asked for."""
        fields |= {"state": self.query["state"]} if "state" in self.query else {}
        fields |= {"session_state": str(uuid4())}
        if self.query.get("response_mode") == "form_post":
            return pages.form_post(self.redirect_uri, fields)
        location = str(URL(self.redirect_uri).update_query(fields))
        return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})

    def refuse(self, request: web.Request, error: AadstsError) -> web.Response:
        """Carry the error to the client."""
        return self.answer(error=error.kind.error, error_description=error.description(correlation_id_of(request)))


class AuthorizeEndpoint:
    """The authorize endpoint of every tenant."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """The page, and the buttons on it."""
        path = "/{tenant}/oauth2/v2.0/authorize"
        return [web.get(path, self._show), web.post(path, self._decide)]

    async def _show(self, request: web.Request) -> web.Response:
        try:
            visit = self._visit(request)
        except AadstsError as error:
            return pages.error(error.description(correlation_id_of(request)))
        try:
            requested = self._check(visit)
        except AadstsError as error:
            return visit.refuse(request, error)
        rights = [text for scope, text in _RIGHTS.items() if scope in requested.openid]
        rights += [f"Act on your behalf at {requested.resource} ({name})" for name in requested.delegated]
        return pages.consent(
            application=visit.client.display_name,
            rights=rights,
            accounts=self._accounts(visit.tenant),
            selected=visit.query.get("login_hint"),
        )

    async def _decide(self, request: web.Request) -> web.Response:
        try:
            visit = self._visit(request)
        except AadstsError as error:
            return pages.error(error.description(correlation_id_of(request)))
        form = await request.post()
        try:
            self._check(visit)
            if form.get("decision") != "accept":
                raise AadstsError(65004)
            tenant, user = self._chosen(visit, str(form.get("account", "")))
        except AadstsError as error:
            return visit.refuse(request, error)
        if tenant.admin_consent_only:
            return visit.answer(admin_consent="True", tenant=tenant.id)
        code = Code(
            tenant=tenant.id,
            user=user.id,
            client_id=visit.client.app_id,
            redirect_uri=visit.redirect_uri,
            scope=visit.query["scope"],
            nonce=visit.query.get("nonce"),
            code_challenge=visit.query.get("code_challenge"),
        )
        return visit.answer(code=self._entra.sealer.seal(code, self._entra.now()))

    def _visit(self, request: web.Request) -> _Visit:
        query = request.query
        tenant = self._entra.tenant(request.match_info["tenant"])
        for name in ("client_id", "redirect_uri"):
            if not query.get(name):
                raise AadstsError(900144, name)
        client = self._entra.client(query["client_id"], tenant)
        if query["redirect_uri"] not in client.redirect_uris:
            raise AadstsError(50011, query["redirect_uri"])
        return _Visit(tenant, client, query["redirect_uri"], query)

    def _check(self, visit: _Visit) -> scopes.Requested:
        query = visit.query
        if query.get("response_type") != "code":
            raise AadstsError(700054, query.get("response_type", ""))
        if query.get("response_mode", "query") not in ("query", "form_post"):
            raise AadstsError(90023, "response_mode")
        if query.get("prompt", "") not in _PROMPTS:
            raise AadstsError(90023, "prompt")
        if query.get("prompt") == "none":
            raise AadstsError(50058)
        if "code_challenge" in query:
            if query.get("code_challenge_method") != "S256":
                raise AadstsError(90023, "code_challenge_method")
            if len(query["code_challenge"]) != 43:  # SHA-256 in base64url (RFC 7636 section 4.2)
                raise AadstsError(501491)
        if not query.get("scope"):
            raise AadstsError(900144, "scope")
        requested = scopes.parse(query["scope"], self._entra.directory)
        if requested.audience == scopes.VAULT and not visit.client.vault_permission:
            raise AadstsError(650057, requested.resource)
        return requested

    def _accounts(self, tenant: Tenant | None) -> list[tuple[Tenant, User]]:
        tenants = self._entra.directory.tenants if tenant is None else [tenant]
        return [(each, user) for each in tenants for user in each.users]

    def _chosen(self, visit: _Visit, user_id: str) -> tuple[Tenant, User]:
        for tenant, user in self._accounts(visit.tenant):
            if user.id == user_id:
                return tenant, user
        raise AadstsError(50034, user_id)
