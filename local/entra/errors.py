"""The errors of Entra's token service, in its JSON shape.

Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes and answers of the real service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import AfterValidator

from local.entra.clock import utc_now


@dataclass(frozen=True, slots=True)
class _Kind:
    error: str
    text: str
    status: int = 400


_KINDS: Final[dict[int, _Kind]] = {
    50011: _Kind(
        "invalid_request",
        "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the"
        " application. Make sure the redirect URI sent in the request matches one added to your application in the"
        " Azure portal.",
    ),
    50020: _Kind("invalid_grant", "User account '{}' does not exist in this tenant and cannot access the application."),
    50033: _Kind("temporarily_unavailable", "A transient error has occurred. Please try again.", 503),
    50034: _Kind("invalid_grant", "The user account {} does not exist in the directory."),
    50057: _Kind("invalid_grant", "The user account is disabled."),
    50058: _Kind("login_required", "A silent sign-in request was sent but no user is signed in."),
    50059: _Kind(
        "invalid_request",
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    50076: _Kind(
        "interaction_required",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use"
        " multi-factor authentication to access the resource.",
    ),
    50079: _Kind("interaction_required", "You must enroll in multi-factor authentication to access the resource."),
    50105: _Kind("invalid_grant", "The signed in user is not assigned to a role for the application."),
    50173: _Kind(
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have"
        " changed or reset their password.",
    ),
    50194: _Kind(
        "invalid_request",
        "Application '{}' is not configured as a multi-tenant application. Usage of the /common endpoint is not"
        " supported for such apps. Use a tenant-specific endpoint or configure the application to be multi-tenant.",
    ),
    50196: _Kind("invalid_grant", "The server terminated an operation because it encountered a client request loop."),
    53000: _Kind("invalid_grant", "Device is not in required device state. Conditional Access policy requires it."),
    53003: _Kind("invalid_grant", "Access has been blocked by Conditional Access policies."),
    54005: _Kind(
        "invalid_grant",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh"
        " token.",
    ),
    65001: _Kind("invalid_grant", "The user or administrator has not consented to use the application with ID '{}'."),
    65004: _Kind("access_denied", "User declined to consent to access the app."),
    70000: _Kind("invalid_grant", "Provided grant is invalid or malformed."),
    70003: _Kind("unsupported_grant_type", "The app requested an unsupported grant type '{}'."),
    70008: _Kind(
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive"
        " authorization request for this user and resource.",
    ),
    70011: _Kind("invalid_scope", "The provided request must include a valid 'scope' input parameter. '{}' isn't."),
    70021: _Kind(
        "invalid_request",
        "No matching federated identity record found for presented assertion. {}",
    ),
    70043: _Kind("invalid_grant", "The refresh token has expired or is invalid due to sign-in frequency checks."),
    90002: _Kind(
        "invalid_tenant",
        "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct"
        " cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for"
        " the tenant.",
    ),
    90023: _Kind("invalid_request", "The value of the parameter '{}' is not supported."),
    90033: _Kind("temporarily_unavailable", "A transient error has occurred. Please try again.", 503),
    90055: _Kind("temporarily_unavailable", "The tenant is throttled due to too many requests.", 429),
    90090: _Kind("temporarily_unavailable", "The directory is busy. Please try again.", 503),
    90094: _Kind("access_denied", "An administrator of the organisation must grant the permissions."),
    90095: _Kind("access_denied", "Admin consent is required; a request was sent to the administrator."),
    500011: _Kind(
        "invalid_resource",
        "The resource principal named {} was not found in the tenant. This can happen if the application has not been"
        " installed by the administrator of the tenant or consented to by any user in the tenant.",
    ),
    500112: _Kind(
        "invalid_grant",
        "The reply address '{}' does not match the reply address provided when requesting Authorization code.",
    ),
    501481: _Kind(
        "invalid_grant", "The Code_Verifier does not match the code_challenge supplied in the authorization request."
    ),
    501491: _Kind("invalid_request", "Invalid size of Code_Challenge parameter."),
    650057: _Kind(
        "invalid_resource",
        "Invalid resource. The client has requested access to a resource which is not listed in the requested"
        " permissions in the client's application registration. Resource value from request: {}.",
    ),
    700005: _Kind("invalid_grant", "Provided authorization code is intended to use against other tenant."),
    700016: _Kind(
        "unauthorized_client",
        "Application with identifier '{}' was not found in the directory. This can happen if the application has not"
        " been installed by the administrator of the tenant or consented to by any user in the tenant. You may have"
        " sent your authentication request to the wrong tenant.",
    ),
    700023: _Kind("invalid_client", "Client assertion audience claim does not match Realm issuer.", 401),
    700024: _Kind("invalid_client", "Client assertion is not within its valid time range.", 401),
    700025: _Kind(
        "invalid_client",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        401,
    ),
    700027: _Kind(
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application, or the"
        " signature is not valid. {}",
        401,
    ),
    700054: _Kind("unsupported_response_type", "response_type '{}' is not enabled for the application."),
    700082: _Kind("invalid_grant", "The refresh token has expired due to inactivity."),
    700084: _Kind(
        "invalid_grant",
        "The refresh token was issued to a single page app, and therefore has a fixed, limited lifetime, which cannot"
        " be extended. It is now expired.",
    ),
    700236: _Kind(
        "invalid_request",
        "Entra ID tokens issued by issuer '{}' may not be used for federated identity credential flows for applications"
        " or managed identities registered in this tenant.",
    ),
    900144: _Kind("invalid_request", "The request body must contain the following parameter: '{}'."),
    1002012: _Kind(
        "invalid_scope",
        "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default"
        " suffixed to the resource identifier (application ID URI).",
    ),
    7000112: _Kind("unauthorized_client", "Application '{}' is disabled."),
    7000215: _Kind(
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not"
        " the client secret ID, for a secret added to app '{}'.",
        401,
    ),
    7000218: _Kind(
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        401,
    ),
    7000222: _Kind(
        "invalid_client",
        "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for your"
        " app, or consider using certificate credentials for added security.",
        401,
    ),
    9002313: _Kind("invalid_grant", "Invalid request. Request is malformed or invalid."),
}  # fmt: skip


def _known(number: int) -> int:
    if number not in _KINDS:
        raise ValueError(f"AADSTS{number} is not among the errors of this stand-in: {sorted(_KINDS)}")
    return number


AadstsNumber = Annotated[int, AfterValidator(_known)]
"""The number of an error that this stand-in can answer with."""


class AadstsError(Exception):
    """A refusal of the token service. `subject` is what the text names: a client id, a tenant, a parameter."""

    def __init__(self, number: AadstsNumber, subject: str = "") -> None:
        self.number = number
        self.kind = _KINDS[number]
        self.trace_id = str(uuid4())
        self.timestamp = f"{utc_now():%Y-%m-%d %H:%M:%SZ}"
        self._text = f"AADSTS{number}: {self.kind.text.format(subject)}"
        super().__init__(self._text)

    def description(self, correlation_id: str) -> str:
        """The text as the service sends it, with the ids that support asks for."""
        return f"{self._text} Trace ID: {self.trace_id} Correlation ID: {correlation_id} Timestamp: {self.timestamp}"

    def response(self, request: web.Request) -> web.Response:
        """The answer of a token or discovery endpoint (RFC 6749 section 5.2)."""
        correlation_id = correlation_id_of(request)
        body: dict[str, Any] = {
            "error": self.kind.error,
            "error_description": self.description(correlation_id),
            "error_codes": [self.number],
            "timestamp": self.timestamp,
            "trace_id": self.trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }
        return web.json_response(body, status=self.kind.status, headers=no_store(self.trace_id))


def correlation_id_of(request: web.Request) -> str:
    """The caller's `client-request-id`, or a new one."""
    try:
        return str(UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        return str(uuid4())


def no_store(request_id: str | None = None) -> dict[str, str]:
    """Headers of every answer that holds or refuses a token (RFC 6749 section 5.1)."""
    return {"Cache-Control": "no-store", "Pragma": "no-cache", "x-ms-request-id": request_id or str(uuid4())}
