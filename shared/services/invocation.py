"""Which invocation of a function is at work: the one id that joins what it answers, logs and measures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shared.services.ports import Telemetry

_CURRENT: ContextVar[str | None] = ContextVar("invocation", default=None)
"""A task that is made meanwhile inherits it: what runs behind an answer belongs to the request that it follows from."""


@contextmanager
def invocation(telemetry: Telemetry, span: str, *, request_id: str, parent: str | None) -> Iterator[None]:
    """What is done inside belongs to this invocation, and is one span of the trace that `parent` names."""
    before = _CURRENT.set(request_id)
    try:
        with telemetry.span(span, parent=parent, requestId=request_id):
            yield
    finally:
        _CURRENT.reset(before)


def current_request_id() -> str | None:
    """The id of the invocation at work: a request's, or that of a queue message's or timer's run."""
    return _CURRENT.get()
