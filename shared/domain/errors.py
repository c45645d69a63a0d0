"""Everything that can go wrong, in the product's own terms.

    ProductError
    ├── ValidationFailed        the input breaks rules; carries every problem at once
    ├── BadRequest              the input is well-formed but cannot be done
    │   ├── GrantRefused        Entra refused the credential for good; carries its OAuth error
    │   └── DirectoryRefused    Microsoft Graph refused to change the app registration for good
    ├── Unauthorized            no valid bearer token
    ├── PermissionDenied        a valid token without the app role
    ├── NotFound                no such thing, or not the caller's
    ├── Conflict                another caller's doing stands in the way
    │   ├── NameTaken           the name is in use in that scope
    │   └── ConcurrentChange    the row changed under our hands; read it again
    ├── ConnectionBroken        Entra refuses the connection's credential; it has to be mended first
    ├── PreconditionFailed      the caller's `If-Match` names another state than the present one
    ├── PayloadTooLarge
    ├── UnsupportedMediaType
    └── UpstreamError           Azure failed after retries, definitely or ambiguously
        ├── UpstreamUnavailable down or throttling; may say when to come back
        └── UpstreamTimeout     no answer in time; the call may have acted

Translation to HTTP happens in `shared.web.problems` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class ProductError(Exception):
    """Root of the tree. `message` is written for the caller and holds no secret."""

    code = "InternalServerError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that the input breaks: where (`path`) and which (`code`)."""

    code: str
    path: tuple[str | int, ...]
    message: str


class ValidationFailed(ProductError):
    """The input breaks rules; `problems` lists every one."""

    code = "ValidationFailure"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class BadRequest(ProductError):
    """The input is well-formed but cannot be done; `problems` says where, if that is known."""

    code = "BadRequest"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Unauthorized(ProductError):
    """The bearer token is missing, malformed, expired, wrongly signed or from a tenant that is not allowed."""

    code = "UnauthorizedError"


class PermissionDenied(ProductError):
    """The token is good but carries no app role for this action; `details` names the one to be assigned."""

    code = "PermissionDenied"

    def __init__(self, message: str, role: str) -> None:
        super().__init__(message)
        self.details = {"requiredRole": role}


class NotFound(ProductError):
    """There is no such thing in the caller's organisation, or the caller may not know of it."""

    code = "NotFound"


class Conflict(ProductError):
    """Another caller's doing stands in the way; `retry_after` (seconds) says when that may be over."""

    code = "Conflict"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NameTaken(Conflict):
    """The name is in use in that scope."""


class ConcurrentChange(Conflict):
    """The row was changed by somebody else since it was read."""

    def __init__(self, message: str = "The connection was changed by somebody else at the same moment") -> None:
        super().__init__(message)


class ConnectionBroken(ProductError):
    """Entra refuses the connection's credential for good. `details` says how the connection stands and why."""

    code = "FailedDependency"

    def __init__(self, message: str, details: Mapping[str, str]) -> None:
        super().__init__(message)
        self.details = dict(details)


class PreconditionFailed(ProductError):
    """The caller's `If-Match` names another state than the present one (RFC 9110 section 13.1.1)."""

    code = "PreconditionFailed"


class PayloadTooLarge(ProductError):
    """The body is larger than the service accepts."""

    code = "PayloadTooLarge"


class UnsupportedMediaType(ProductError):
    """The body is not declared as JSON."""

    code = "UnsupportedMediaType"


class UpstreamError(ProductError):
    """An Azure service failed after its client's retries. `service` names it for people."""

    code = "UpstreamError"

    def __init__(self, service: str, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message or f"{service} answered with an error; try again later")
        self.service = service
        self.retry_after = retry_after
        """Seconds after which the service asked to be called again."""


class UpstreamUnavailable(UpstreamError):
    """The service is down, unreachable or throttling."""

    code = "ServiceUnavailable"

    def __init__(self, service: str, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(service, message or f"{service} is unavailable; try again later", retry_after=retry_after)


class UpstreamTimeout(UpstreamError):
    """No answer in time. The call may have acted: whoever catches this must not assume that it did not."""

    code = "GatewayTimeout"

    def __init__(self, service: str, message: str | None = None) -> None:
        super().__init__(service, message or f"{service} did not answer in time; try again later")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Entra said when it refused (RFC 6749 section 5.2, plus Entra's own fields for support)."""

    error: str
    aadsts: int | None = None
    trace_id: str | None = None
    correlation_id: str | None = None


class GrantRefused(BadRequest):
    """Entra refused a credential for good. Decisions branch on `refusal.error`, never on the AADSTS number."""

    def __init__(self, refusal: Refusal, friendly: str) -> None:
        super().__init__(f"Failed to get access token: {friendly}")
        self.refusal = refusal
        self.friendly = friendly


class DirectoryRefused(BadRequest):
    """Microsoft Graph refused to read or change the app registration, and will go on refusing."""
