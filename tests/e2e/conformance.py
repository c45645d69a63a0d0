"""What random requests may name in an organisation, and how the answers to them are judged."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests
from schemathesis import Case, CheckFunction, Response
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.specs.openapi.checks import (
    ensure_resource_availability,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from local.client import KEY_VAULT, Client
from local.entra import seed
from local.environment import CERTIFICATES
from local.stack import Stack
from shared.domain.credential import Method
from tests.e2e.apps import App, create_app, key_pair
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, token_of

PROJECTS = "/api/v1/projects"
SECRET = "a-secret-of-the-app"
RETURN_URL = "http://127.0.0.1:3000/done"


@dataclass
class Organisation:
    """What exists in an organisation, so that requests can name it: no schema can say what does."""

    stack: Stack
    http: requests.Session
    token: str
    customer: Customer
    app: App
    trusting: App
    """An app that trusts the service's managed identity."""
    project: str
    link: str
    changing: str
    """A connection that requests may change."""
    kept: list[dict[str, Any]] = field(default_factory=list)
    """Connections that they may not, one of each method."""
    cursors: dict[str, str] = field(default_factory=dict)
    """What each list last gave out."""
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each operation answered with each status."""

    @classmethod
    @asynccontextmanager
    async def made(cls, stack: Stack, org_id: str) -> AsyncIterator[Organisation]:
        """One with a project, a connect link and connections."""
        async with Client(stack, "") as client:
            client.token = await token_of(client, org_id)
            customer = await Customer.new(client)
            app = await App.new(client, customer, certificates=[key_pair().body])
            await app.add_password(client, SECRET)
            trusting = await App.new(client, customer)
            await trusting.trust_identity(client)
            project = (await call(client, "POST", PROJECTS, {"projectName": "Payments"})).json["project"]["id"]
            wish = {"name": "link", "method": "oauth", "projectId": project}
            link = (await call(client, "POST", f"{KEY_VAULT}/oauth/authorize", wish)).json["flowId"]
            changing = (await create(client, customer, "changing", rotation=DAILY_AT_THREE)).connection["id"]
            with requests.Session() as http:
                http.trust_env = False  # no proxy stands before loopback
                known = cls(stack, http, client.token, customer, app, trusting, project, link, changing)
                for method in Method:
                    credentials = known.credentials(method)
                    known.kept.append((await create_app(client, method, credentials, name=f"kept-{method}")).connection)
                yield known
                await known._deleted(client)

    async def _deleted(self, client: Client) -> None:
        """Delete every connection: those that rotate each second would go on during other tests."""
        page = await call(client, "GET", KEY_VAULT)
        for connection in page.json["appConnections"]:
            await call(client, "DELETE", f"{KEY_VAULT}/{connection['id']}")

    @property
    def transport(self) -> dict[str, Any]:
        """How requests reach the service."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return {"base_url": self.stack.api, "session": self.http, "headers": headers}

    def credentials(self, method: Method) -> dict[str, Any]:
        """What Entra accepts."""
        match method:
            case Method.CLIENT_SECRET:
                return self.app.submits(clientSecret=SECRET)
            case Method.CERTIFICATE:
                pair = key_pair()
                return self.app.submits(certificateBody=pair.body, privateKey=pair.private())
            case Method.FEDERATED:
                return App(self.trusting.client_id, seed.HOME_TENANT_ID).submits()
            case Method.OAUTH:
                redirect_uri = self.stack.api + seed.CALLBACK_PATH
                code = self._code(redirect_uri)
                return {
                    "code": code,
                    "tenantId": self.customer.tenant,
                    "redirectUri": redirect_uri,
                    "codeVerifier": None,
                }

    def name_in(self, case: Case[Any], *, path: bool = True) -> None:
        """Let the request name what exists, in its path only where that names nothing if `path` is false."""
        case.path_parameters = {
            name: self._named(name, case) if path or value is None else value
            for name, value in case.path_parameters.items()
        }
        if not is_allowed(case):
            return
        case.query = self._query(case)
        if "If-Match" in case.headers and chance(case) % 2:
            case.headers["If-Match"] = "*"
        if isinstance(case.body, dict):
            is_new = not path or chance(case) % 4 == 0
            case.body = self._body(operation_of(case), case.body)
            if is_new and operation_of(case) in ("connections_create", "oauth_authorize"):
                case.body |= {"name": f"n-{uuid4()}"}
            if not path:  # what was there may be gone by now
                case.body |= {"projectId": None}
            if operation_of(case) == "connections_update" and not path:  # who knows what suits that connection?
                case.body |= {"credentials": None, "rotation": None, "isAutoRotationEnabled": None}
        if "Idempotency-Key" in case.headers:  # one key with two bodies is refused
            case.headers["Idempotency-Key"] = hashlib.sha256(repr(case).encode()).hexdigest()

    def judge(
        self, case: Case[Any], response: Response, *, named: bool, recorder: ScenarioRecorder | None = None
    ) -> None:
        """Run all checks but those that cannot judge this answer."""
        operation, status = operation_of(case), response.status_code
        self.answers[operation, status] += 1
        beside: list[CheckFunction] = []
        if is_allowed(case) and not named and can_be_refused(case):
            beside.append(positive_data_acceptance)
        if status == 400 and "JSON" in response.json()["message"]:
            beside.append(negative_data_rejection)
        if isinstance(case.body, dict) and set(case.body) == {"connectionId"}:
            beside.append(negative_data_rejection)  # a link's body stands in for random bytes, and is none
        if operation == "connections_rotate":  # 404 also says that the connection has no schedule
            beside.append(ensure_resource_availability)
        if self.answers[operation, 200] > 1:  # it asks twice more, and once is enough
            beside.append(ignored_auth)
        case.validate_response(
            response,
            headers=self.transport["headers"],
            transport_kwargs=self.transport,
            recorder=recorder,
            excluded_checks=beside,
        )
        if status == 200 and (cursor := response.json().get("nextCursor")):
            self.cursors[scope(case, case.query)] = cursor

    def _named(self, name: str, case: Case[Any]) -> str:
        operation = operation_of(case)
        if operation == "connections_delete":
            credentials = self.credentials(Method.CLIENT_SECRET)
            body = {"name": f"spare-{uuid4()}", "method": "client-secret", "credentials": credentials}
            return str(self._posted(KEY_VAULT, body)["appConnection"]["id"])
        if operation == "projects_delete":
            return str(self._posted(PROJECTS, {"projectName": "Spare"})["project"]["id"])
        if operation in ("connections_update", "connections_rotate"):
            return self.changing
        kept = self.kept[chance(case) % len(self.kept)]
        existing = {"connectionId": kept["id"], "connectionName": kept["name"], "projectId": self.project}
        return str(existing.get(name, self.link))

    def _query(self, case: Case[Any]) -> dict[str, Any]:
        query = {**case.query}
        if query.get("connectionId"):
            query["connectionId"] = self.changing
        if query.get("projectId") and chance(case) % 2:
            query["projectId"] = self.project
        for name, year in (("from", "2020"), ("to", "2024")):  # the one must be earlier than the other
            if query.get(name):
                query[name] = year + query[name][4:]
        if query.pop("cursor", None) and (known := self.cursors.get(scope(case, query))):
            query["cursor"] = known
        return query

    def _body(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        named = {**body}
        if body.get("projectId"):
            named["projectId"] = self.project
        if body.get("connectionId"):  # only a person's grant is reconnected
            named["connectionId"] = next((kept["id"] for kept in self.kept if kept["method"] == "oauth"), None)
        if body.get("vaultUrl"):
            named["vaultUrl"] = self.stack.settings["VAULT_URL"]
        if body.get("returnUrl"):
            named["returnUrl"] = RETURN_URL
        if body.get("rotation"):
            named["rotation"] = whole(body["rotation"])
        if body.get("credentials") is not None and operation == "oauth_authorize":
            named["credentials"] = {**body["credentials"], "tenantId": self.customer.tenant}
        elif body.get("credentials") is not None:
            method = Method(body.get("method", Method.OAUTH))
            named["credentials"] = {**body["credentials"], **self.credentials(method)}
            if method is not Method.OAUTH:  # no other rotates without more of its app
                named |= {"rotation": None, "isAutoRotationEnabled": False}
        return named

    def _code(self, redirect_uri: str) -> str:
        wanted = {
            "tenant": self.customer.tenant,
            "user": self.customer.user,
            "clientId": seed.OAUTH_CLIENT_ID,
            "redirectUri": redirect_uri,
        }
        url = f"{self.stack.entra}/_control/codes"
        made = self.http.post(url, json=wanted, verify=str(CERTIFICATES / "loopback.pem"), timeout=10)
        made.raise_for_status()
        return str(made.json()["code"])

    def _posted(self, path: str, body: dict[str, Any]) -> Any:
        made = self.http.post(self.stack.api + path, json=body, headers=self.transport["headers"], timeout=10)
        made.raise_for_status()
        return made.json()


def operation_of(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def chance(case: Case[Any]) -> int:
    """A number that is always the same for the same request."""
    return hashlib.sha256(repr(case).encode()).digest()[0]


def scope(case: Case[Any], query: dict[str, Any]) -> str:
    """The list that a request asks for a part of."""
    kept = {name: value for name, value in query.items() if name not in ("limit", "cursor")}
    return f"{case.formatted_path} {sorted(kept.items())}"


def stripped(value: Any) -> Any:
    """Without the white space around texts, of which the API says nothing and takes no notice."""
    if isinstance(value, dict):
        return {name: stripped(item) for name, item in value.items()}
    return value.strip() if isinstance(value, str) else value


def whole(value: Any) -> Any:
    """3 for 3.0: to JSON Schema either is an integer, to this API only the first."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_allowed(case: Case[Any]) -> bool:
    """Whether the document allows the request."""
    return case.meta is None or case.meta.generation.mode.is_positive


def can_be_refused(case: Case[Any]) -> bool:
    """Whether an allowed request may name something that the service or Entra refuses."""
    names = operation_of(case) in ("connections_create", "connections_update", "connections_check", "oauth_authorize")
    return names or not {"cursor", "from", "to"}.isdisjoint(case.query)


def can_name(case: Case[Any]) -> bool:
    """Whether the request may name what exists: what it tries out must not be its path."""
    if case.meta is None:
        return True
    if getattr(case.meta.phase.data, "parameter_location", None) is ParameterLocation.PATH:
        return False
    is_forbidden_elsewhere = not case.meta.is_negative_at(ParameterLocation.PATH) and case.method != "DELETE"
    return is_allowed(case) or is_forbidden_elsewhere
