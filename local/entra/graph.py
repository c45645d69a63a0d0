"""Microsoft Graph, as far as an application's passwords go, under `/graph/v1.0`.

Source: https://learn.microsoft.com/graph/api/application-addpassword, -removepassword, -list and -get
"""

from __future__ import annotations

import re
import secrets
import string
from datetime import UTC, datetime
from typing import Any, NoReturn

import jwt
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from local.entra.directory import Application, Password
from local.entra.graph_errors import GraphError
from local.entra.scopes import GRAPH
from local.entra.service import Entra

BASE = "/graph/v1.0"

MAX_CREDENTIALS = 600
"""About as many as fill an application object."""
MAX_PASSWORDS_WITH_PERSONAL_ACCOUNTS = 2

_ALL, _OWNED = "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"
_BY_APP_ID = re.compile(r"appId eq '([0-9a-fA-F-]{36})'")
_ALPHABET = string.ascii_letters + string.digits + "_~.-"


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _PasswordCredential(_Body):
    display_name: str | None = None
    start_date_time: AwareDatetime | None = None
    end_date_time: AwareDatetime | None = None


class _AddPassword(_Body):
    password_credential: _PasswordCredential = Field(default_factory=_PasswordCredential)


class _RemovePassword(_Body):
    key_id: str


class Graph:
    """The applications of the caller's tenant."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """Each operation under both ways of naming an application."""
        routes = [web.get(f"{BASE}/applications", self._list)]
        for path in (f"{BASE}/applications(appId='{{app_id}}')", f"{BASE}/applications/{{object_id}}"):
            routes += [
                web.get(path, self._get),
                web.post(f"{path}/addPassword", self._add_password),
                web.post(f"{path}/removePassword", self._remove_password),
            ]
        return routes

    async def _list(self, request: web.Request) -> web.Response:
        claims = self._caller(request)
        wanted = _BY_APP_ID.fullmatch(request.query.get("$filter", ""))
        if wanted is None:
            raise GraphError(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")
        found = [a for a in self._of_tenant(claims) if a.app_id == wanted[1].lower()]
        return web.json_response(
            {"@odata.context": self._context("applications"), "value": [_shown(a, request) for a in found]}
        )

    async def _get(self, request: web.Request) -> web.Response:
        application = self._application(request, self._caller(request))
        context = {"@odata.context": self._context("applications/$entity")}
        return web.json_response(context | _shown(application, request))

    async def _add_password(self, request: web.Request) -> web.Response:
        application = self._writable(request)
        try:
            wanted = _AddPassword.model_validate_json(await request.read() or b"{}").password_credential
        except ValidationError as error:
            raise GraphError(400, "Request_BadRequest", f"Invalid value specified for property: {error}") from error
        self._check_policy(application)
        self._check_room(application)
        secret = _new_secret()
        password = Password.of(
            secret,
            now=self._entra.now(),
            display_name=wanted.display_name,
            start=wanted.start_date_time,
            end=wanted.end_date_time,
        )
        if password.end_date_time <= password.start_date_time:
            raise GraphError(400, "Request_BadRequest", "The end date of the credential must be after its start date.")
        application.passwords.append(password)
        self._entra.save()
        return web.json_response(
            {"@odata.context": self._context("microsoft.graph.passwordCredential")}
            | _shown_password(password)
            | {"secretText": secret}
        )

    async def _remove_password(self, request: web.Request) -> web.Response:
        application = self._writable(request)
        try:
            key_id = _RemovePassword.model_validate_json(await request.read()).key_id
        except ValidationError as error:
            raise GraphError(400, "Request_BadRequest", "The request body must name a keyId.") from error
        left = [password for password in application.passwords if password.key_id != key_id.lower()]
        if len(left) == len(application.passwords):
            raise GraphError(400, "Request_BadRequest", f"No password credential found with keyId {key_id}.")
        application.passwords = left
        self._entra.save()
        return web.Response(status=204)

    def _caller(self, request: web.Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            claims = self._entra.key.verify(token, audience=GRAPH)
        except jwt.ExpiredSignatureError as error:
            raise GraphError(
                401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
            ) from error
        except jwt.InvalidAudienceError as error:
            raise GraphError(
                401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience."
            ) from error
        except jwt.InvalidTokenError as error:
            raise GraphError(
                401, "InvalidAuthenticationToken", "IDX14100: JWT is not well formed or not signed."
            ) from error
        if not {_ALL, _OWNED} & set(claims.get("roles", [])):
            _deny()
        return claims

    def _of_tenant(self, claims: dict[str, Any]) -> list[Application]:
        return [a for a in self._entra.directory.applications if a.tenant == claims["tid"]]

    def _application(self, request: web.Request, claims: dict[str, Any]) -> Application:
        named = request.match_info
        for application in self._of_tenant(claims):
            if named.get("app_id", "").lower() == application.app_id:
                return application
            if named.get("object_id", "").lower() == application.object_id:
                return application
        name = named.get("app_id") or named.get("object_id")
        raise GraphError(
            404,
            "Request_ResourceNotFound",
            f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
        )

    def _writable(self, request: web.Request) -> Application:
        claims = self._caller(request)
        application = self._application(request, claims)
        owned = application.owns_itself and claims.get("appid") == application.app_id
        if _ALL not in claims["roles"] and not owned:
            _deny()
        return application

    def _check_policy(self, application: Application) -> None:
        if application.forbids_secrets:
            raise GraphError(
                400,
                "CredentialTypeNotAllowedAsPerAppPolicy",
                f"Credential type not allowed as per assigned policy for application '{application.app_id}'.",
            )

    def _check_room(self, application: Application) -> None:
        count = len(application.passwords)
        personal = application.sign_in_audience == "AzureADandPersonalMicrosoftAccount"
        if personal and count >= MAX_PASSWORDS_WITH_PERSONAL_ACCOUNTS:
            raise GraphError(
                400,
                "TooManyAppPasswords",
                f"Not allowed to add {count + 1} passwords. You can only add a maximum of"
                f" {MAX_PASSWORDS_WITH_PERSONAL_ACCOUNTS} passwords.",
                target="passwordCredentials",
            )
        if count + len(application.certificates) >= MAX_CREDENTIALS:
            raise GraphError(
                400,
                "Directory_ResourceSizeExceeded",
                "The size of the object has exceeded its limit. Please reduce the number of values and retry.",
            )

    def _context(self, fragment: str) -> str:
        return f"{self._entra.authority}{BASE}/$metadata#{fragment}"


def _deny() -> NoReturn:
    raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _new_secret() -> str:
    """Forty characters, as Entra makes them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(40))


def _shown(application: Application, request: web.Request) -> dict[str, Any]:
    everything: dict[str, Any] = {
        "id": application.object_id,
        "appId": application.app_id,
        "displayName": application.display_name,
        "signInAudience": application.sign_in_audience,
        "passwordCredentials": [_shown_password(password) for password in application.passwords],
    }
    selected = {name for name in request.query.get("$select", "").split(",") if name}
    unknown = selected - everything.keys()
    if unknown:
        raise GraphError(400, "BadRequest", f"Could not find a property named '{min(unknown)}' on type 'application'.")
    return {name: value for name, value in everything.items() if name in (selected or everything)}


def _shown_password(password: Password) -> dict[str, Any]:
    return {
        "customKeyIdentifier": None,
        "displayName": password.display_name,
        "endDateTime": _utc(password.end_date_time),
        "hint": password.hint,
        "keyId": password.key_id,
        "secretText": None,
        "startDateTime": _utc(password.start_date_time),
    }


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
