"""What an answer of Entra's token service means, whichever client asked for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.adapters.azure_errors import retry_seconds
from shared.domain.entra_errors import TRANSIENT_ERRORS, explain
from shared.domain.errors import GrantRefused, Refusal, UpstreamUnavailable

SERVICE = "Microsoft Entra ID"


def checked(status: int, headers: Mapping[str, str], parse: Callable[[], object]) -> dict[str, Any]:
    """The JSON object that Entra answered with, which may be a refusal.

    Raises `UpstreamUnavailable` for 429, 5xx and a body of another shape than Entra's: the clients take the shape for
    granted, and know no `Retry-After`.
    """
    if status == 429 or status >= 500:
        raise UpstreamUnavailable(SERVICE, retry_after=retry_seconds(headers))
    try:
        document = parse()
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("error", ""), str):
        raise nonsense()
    return document


def refused(answer: Mapping[str, Any]) -> GrantRefused | UpstreamUnavailable:
    """What to raise for an answer with an `error` (RFC 6749 section 5.2): a refusal for good, or one that passes."""
    if answer["error"] in TRANSIENT_ERRORS:
        return UpstreamUnavailable(SERVICE)
    codes = answer.get("error_codes")
    refusal = Refusal(
        error=str(answer["error"]),
        aadsts=codes[0] if isinstance(codes, list) and codes and isinstance(codes[0], int) else None,
        trace_id=answer.get("trace_id"),
        correlation_id=answer.get("correlation_id"),
    )
    return GrantRefused(refusal, explain(refusal))


def nonsense() -> UpstreamUnavailable:
    """What to raise for an answer that no client can use."""
    return UpstreamUnavailable(SERVICE, f"{SERVICE} gave an answer that makes no sense; try again later")
