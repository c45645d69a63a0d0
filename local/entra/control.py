"""`/_control/`: what tests and developers turn, and shortcuts past the browser. Nothing like it exists at Microsoft."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from local.entra import seed, tokens
from local.entra.directory import Application, ManagedIdentity, Model, Password, Tenant, User
from local.entra.errors import AadstsError, AadstsNumber
from local.entra.sealed import Code
from local.entra.service import Entra
from local.entra.state import Settings


class CodeRequest(Model):
    """The code that a user's consent would have brought."""

    tenant: str
    client_id: str
    redirect_uri: str
    user: str = Field(description="object id or sign-in name")
    scope: str = "https://vault.azure.net/user_impersonation openid profile offline_access"
    nonce: str | None = None
    code_challenge: str | None = None


class TokenRequest(BaseModel):
    """A bearer token for anybody; unknown fields become claims, null leaves a claim out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    tenant: str = seed.HOME_TENANT_ID
    audience: str = seed.API_CLIENT_ID
    oid: str = seed.HOME_USER_ID
    appid: str | None = None
    name: str | None = None
    roles: list[str] = Field(default_factory=list)
    expires_in: int = Field(default=3600, description="seconds; negative for a token that is over")


class NewPassword(Model):
    """A client secret made by hand, as in the portal; the value is made up when missing."""

    secret_text: str = Field(default_factory=lambda: secrets.token_urlsafe(30))
    key_id: str | None = None
    display_name: str | None = None
    created_at: AwareDatetime | None = None
    start_date_time: AwareDatetime | None = None
    end_date_time: AwareDatetime | None = None


class GrantChange(Model):
    """Which sign-ins to refuse from now on, and how; null accepts them again."""

    user: str | None = Field(default=None, description="object id or sign-in name; everyone when missing")
    client_id: str | None = None
    refused_with: AadstsNumber | None = 50173


Named = TypeVar("Named", bound=Model)


class Control:
    """The control plane."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """POST creates or changes: an entry whose id is known keeps the fields that are not sent."""
        return [
            web.get("/_control/state", self._state),
            web.post("/_control/codes", self._code),
            web.post("/_control/tokens", self._token),
            web.post("/_control/tenants", self._tenant),
            web.post("/_control/tenants/{tenant}/users", self._user),
            web.post("/_control/applications", self._application),
            web.post("/_control/applications/{app_id}/passwords", self._password),
            web.post("/_control/managed-identities", self._managed_identity),
            web.post("/_control/grants", self._grants),
            web.post("/_control/settings", self._settings),
        ]

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self._entra.state.model_dump(mode="json", by_alias=True))

    async def _code(self, request: web.Request) -> web.Response:
        wanted = CodeRequest.model_validate(await request.json())
        account = self._entra.directory.account(wanted.user)
        tenant = self._entra.tenant(wanted.tenant)
        if account is None or (tenant is not None and tenant != account[0]):
            raise AadstsError(50034, wanted.user)
        client = self._entra.client(wanted.client_id, account[0])
        if wanted.redirect_uri not in client.redirect_uris:
            raise AadstsError(50011, wanted.redirect_uri)
        code = Code(
            tenant=account[0].id,
            user=account[1].id,
            client_id=client.app_id,
            redirect_uri=wanted.redirect_uri,
            scope=wanted.scope,
            nonce=wanted.nonce,
            code_challenge=wanted.code_challenge,
        )
        return web.json_response({"code": self._entra.sealer.seal(code, self._entra.now())}, status=201)

    async def _token(self, request: web.Request) -> web.Response:
        wanted = TokenRequest.model_validate(await request.json())
        tenant = self._entra.directory.tenant(wanted.tenant)
        claims: dict[str, Any] = {
            "oid": wanted.oid,
            "sub": wanted.oid,
            "azp": wanted.appid,
            "appid": wanted.appid,
            "name": wanted.name,
            "roles": wanted.roles,
        }
        token = tokens.mint(
            self._entra,
            tenant_id=tenant.id if tenant else wanted.tenant,
            audience=wanted.audience,
            seconds=wanted.expires_in,
            claims=claims | (wanted.model_extra or {}),
        )
        return web.json_response({"accessToken": token}, status=201)

    async def _tenant(self, request: web.Request) -> web.Response:
        directory = self._entra.directory
        directory.tenants, saved = _put(directory.tenants, Tenant, "id", await request.json())
        return self._saved(saved)

    async def _user(self, request: web.Request) -> web.Response:
        tenant = self._entra.directory.tenant(request.match_info["tenant"])
        if tenant is None:
            raise web.HTTPNotFound(text="no such tenant")
        tenant.users, saved = _put(tenant.users, User, "id", await request.json())
        return self._saved(saved)

    async def _application(self, request: web.Request) -> web.Response:
        directory = self._entra.directory
        directory.applications, saved = _put(directory.applications, Application, "appId", await request.json())
        return self._saved(saved)

    async def _managed_identity(self, request: web.Request) -> web.Response:
        directory = self._entra.directory
        directory.managed_identities, saved = _put(
            directory.managed_identities, ManagedIdentity, "clientId", await request.json()
        )
        return self._saved(saved)

    async def _password(self, request: web.Request) -> web.Response:
        application = self._entra.directory.application(request.match_info["app_id"])
        if application is None:
            raise web.HTTPNotFound(text="no such application")
        wanted = NewPassword.model_validate(await request.json())
        password = Password.of(
            wanted.secret_text,
            now=wanted.created_at or self._entra.now(),
            display_name=wanted.display_name,
            start=wanted.start_date_time,
            end=wanted.end_date_time,
            key_id=wanted.key_id,
        )
        application.passwords.append(password)
        self._entra.save()
        return web.json_response({"keyId": password.key_id, "secretText": wanted.secret_text}, status=201)

    async def _grants(self, request: web.Request) -> web.Response:
        wanted = GrantChange.model_validate(await request.json())
        account = self._entra.directory.account(wanted.user) if wanted.user else None
        if wanted.user and account is None:
            raise web.HTTPNotFound(text="no such user")
        changed = 0
        for grant in self._entra.state.grants.values():
            if (account is None or grant.user == account[1].id) and wanted.client_id in (None, grant.client_id):
                grant.refused_with = wanted.refused_with
                changed += 1
        self._entra.save()
        return web.json_response({"changed": changed})

    async def _settings(self, request: web.Request) -> web.Response:
        state = self._entra.state
        state.settings = Settings.model_validate(state.settings.model_dump(by_alias=True) | dict(await request.json()))
        return self._saved(state.settings)

    def _saved(self, value: Model) -> web.Response:
        self._entra.save()
        return web.json_response(value.model_dump(mode="json", by_alias=True), status=201)


def _put(entries: list[Named], kind: type[Named], key: str, body: dict[str, Any]) -> tuple[list[Named], Named]:
    """`entries` with the one that `body` describes, which keeps the fields that the body leaves out."""
    known = {entry.model_dump(by_alias=True)[key]: entry for entry in entries}
    before = known.get(body.get(key, ""))
    after = kind.model_validate((before.model_dump(by_alias=True) if before else {}) | body)
    known[after.model_dump(by_alias=True)[key]] = after
    return list(known.values()), after
