"""What an answer of Entra's token service means, whichever client asked for it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

from shared.adapters.azure_errors import retry_seconds
from shared.domain.entra_errors import PASSING, REQUEST_LOOP, TRANSIENT_ERRORS, WRONG_PROOF, explain
from shared.domain.errors import GrantRefused, Refusal, UpstreamUnavailable

log = logging.getLogger(__name__)

SERVICE = "Microsoft Entra ID"


def checked(status: int, headers: Mapping[str, str], parse: Callable[[], object]) -> dict[str, Any]:
    """The JSON object that Entra answered with, which may be a refusal.

    Raises `UpstreamUnavailable` for 429, 5xx and a body of another shape than Entra's: the clients take the shape for
    granted, and know no `Retry-After`.
    """
    try:
        document = parse()
    except ValueError:
        document = None
    if status == 429 or status >= 500:
        raise _passing(document, retry_seconds(headers))
    if not isinstance(document, dict) or not isinstance(document.get("error", ""), str):
        raise nonsense()
    return document


def refused(answer: Mapping[str, Any], *, by_app: bool = False) -> GrantRefused | UpstreamUnavailable:
    """What to raise for an answer with an `error` (RFC 6749 section 5.2): a refusal for good, or one that passes.

    With `by_app` an app signed in as itself.
    """
    if answer["error"] in TRANSIENT_ERRORS:
        return _passing(answer)
    refusal = Refusal(
        error=str(answer["error"]),
        aadsts=_number(answer),
        trace_id=answer.get("trace_id"),
        correlation_id=answer.get("correlation_id"),
    )
    if refusal.aadsts == REQUEST_LOOP:
        log.error("entra.request-loop correlationId=%s", refusal.correlation_id)
    elif refusal.aadsts == WRONG_PROOF:
        log.warning("entra.wrong-proof correlationId=%s", refusal.correlation_id)
    return GrantRefused(refusal, explain(refusal, by_app=by_app))


def _passing(answer: object, retry_after: float | None = None) -> UpstreamUnavailable:
    """What to raise for what passes by itself. Where Entra does not say when, the waits of many are spread."""
    number = _number(answer) if isinstance(answer, dict) else None
    if number not in PASSING:
        return UpstreamUnavailable(SERVICE, retry_after=retry_after)
    spread = random.uniform(1, 1.25)  # noqa: S311 -- no secret
    text = explain(Refusal("temporarily_unavailable", number))
    return UpstreamUnavailable(SERVICE, f"{SERVICE}: {text}", retry_after=retry_after or PASSING[number] * spread)


def _number(answer: Mapping[str, Any]) -> int | None:
    codes = answer.get("error_codes")
    return codes[0] if isinstance(codes, list) and codes and isinstance(codes[0], int) else None


def nonsense() -> UpstreamUnavailable:
    """What to raise for an answer that no client can use."""
    return UpstreamUnavailable(SERVICE, f"{SERVICE} gave an answer that makes no sense; try again later")
