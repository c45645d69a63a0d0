"""What callers send, and how to ask a model for everything that is wrong with it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.errors import Problem
from shared.web.bodies import CreateBody
from shared.web.fields import Body
from shared.web.problems import from_validation
from tests.fakes.clock import START
from tests.unit.web.certificates import certificate, key_pem, pem, rsa_key

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
KEY_ID = "33333333-3333-4333-8333-333333333333"
VERIFIER = "v" * 43
ROTATION = {"rotationInterval": 30, "rotateAtUtc": {"hours": 3, "minutes": 0}}
REDIRECT_URI = "https://app.example/callback"
CONTEXT: dict[str, Any] = {
    "redirect_uris": {REDIRECT_URI},
    "return_origins": ("https://portal.example",),
    "now": START,
}

Path = tuple[str | int, ...]
METHODS = ("oauth", "client-secret", "certificate", "federated")


def credentials(method: str, **changes: Any) -> dict[str, Any]:
    """The usual credentials of a method; a change to `...` leaves a field out."""
    app = {"clientId": CLIENT, "tenantId": TENANT}
    usual: dict[str, dict[str, Any]] = {
        "oauth": {"code": "a-code"},
        "client-secret": app | {"clientSecret": "a-secret"},
        "certificate": app
        | {"certificateBody": pem(certificate(rsa_key("own"))), "privateKey": key_pem(rsa_key("own"))},
        "federated": app,
    }
    return {name: value for name, value in (usual[method] | changes).items() if value is not ...}


def create(method: str = "oauth", **changes: Any) -> dict[str, Any]:
    """A create body; a change to `...` leaves a field out."""
    usual = {"name": "payments", "method": method, "credentials": credentials(method)}
    return {name: value for name, value in (usual | changes).items() if value is not ...}


def problems(sent: Any, model: type[Body] = CreateBody) -> dict[Path, Problem]:
    """Everything that is wrong with it, by path."""
    try:
        model.read(sent, CONTEXT)
    except ValidationError as error:
        found = from_validation(error).problems
        assert len({problem.path for problem in found}) == len(found), "one problem for each field"
        return {problem.path: problem for problem in found}
    return {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON."""


def parsed(sent: Any) -> CreateBody:
    """The body of a creation."""
    return CreateBody.read(sent, CONTEXT)


WRONG: dict[str, dict[str, Any]] = {
    "oauth": {"code": "", "tenantId": "common", "codeVerifier": "short", "redirectUri": "https://evil"},
    "client-secret": {"clientId": "x", "tenantId": None, "clientSecret": "x" * 51, "clientSecretKeyId": "x"},
    "certificate": {"clientId": "x", "tenantId": None, "certificateBody": "x", "privateKey": "x"},
    "federated": {"clientId": "x", "tenantId": None},
}
"""By method: credentials of which each member breaks a rule."""
