"""What a request says besides its body and query: where it comes from, and its headers' meaning."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from shared.domain.caller import Caller
from shared.domain.errors import Problem, ValidationFailed
from shared.services.creating import IdempotencyKey
from shared.web.operation import FromHeader

MAX_ADDRESS_CHARS = 64

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
_ETAGS = re.compile(r'"[0-9]{1,9}"(?:[ \t]*,[ \t]*"[0-9]{1,9}")*')
_ETAG = re.compile(r'"([0-9]+)"')


def request_id_of(context: func.Context | None) -> str:
    """The trace id of this invocation (W3C Trace Context), under which telemetry has all of it; else a new one."""
    found = _TRACEPARENT.fullmatch(trace_parent_of(context) or "")
    return found.group(1) if found else uuid.uuid4().hex


def trace_parent_of(context: func.Context | None) -> str | None:
    """This invocation's place in its trace, as the host gives it: spans of ours belong under it."""
    return context.trace_context.trace_parent if context and context.trace_context else None


def address_of(request: func.HttpRequest) -> str | None:
    """The client's IP address: the last entry of `X-Forwarded-For`, which the platform's own front end appends.

    The entries before it are whatever the client sent.
    """
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    address = re.sub(r"^\[([^\]]+)\](:\d+)?$|^([^:]+):\d+$", lambda found: found[1] or found[3], last)
    return address[:MAX_ADDRESS_CHARS] or None


def etag_of(revision: int) -> str:
    """The version of what callers can edit (RFC 9110 section 8.8.3): background work does not move it."""
    return f'"{revision}"'


def parameters(request: func.HttpRequest, *, blank: bool) -> dict[str, str]:
    """The query's parameters; with `blank` also those without a value, which the host leaves out."""
    written = parse_qsl(urlsplit(request.url).query, keep_blank_values=True) if blank else []
    return dict(written) | dict(request.params)


def if_match(request: func.HttpRequest) -> frozenset[int] | None:
    """The revisions that `If-Match` admits, or None for any. Raises `ValidationFailed` for what is no ETag of ours."""
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    if not _ETAGS.fullmatch(header):
        raise _invalid("If-Match", 'Must be an ETag as this API gave it, for example "3"')
    return frozenset(int(revision) for revision in _ETAG.findall(header))


def idempotency_key(request: func.HttpRequest, caller: Caller) -> IdempotencyKey | None:
    """The caller's `Idempotency-Key`, hashed: neither the key nor anything of the body is to be told from it."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise _invalid("Idempotency-Key", "Must be 1 to 255 printable ASCII characters without spaces")
    owner = f"{caller.object_id}\0{caller.app_id}\0{key}"
    fingerprint = hmac.new(key.encode(), request.get_body(), hashlib.sha256).hexdigest()
    return IdempotencyKey(key=hashlib.sha256(owner.encode()).hexdigest(), fingerprint=fingerprint)


Revisions = Annotated[frozenset[int] | None, FromHeader(lambda request, _: if_match(request))]
"""An endpoint's argument: see `if_match`."""
Key = Annotated[IdempotencyKey | None, FromHeader(idempotency_key)]
"""An endpoint's argument: see `idempotency_key`."""


def _invalid(header: str, text: str) -> ValidationFailed:
    return ValidationFailed([Problem("custom", (header,), text)])
