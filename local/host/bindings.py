"""What a function is called with besides its trigger: output parameters and the context."""

from __future__ import annotations

import json
import re
import secrets
import threading
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import azure.functions as func
from azure.functions.queue import QueueMessageOutConverter

T = TypeVar("T")

_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


class Out(func.Out[T], Generic[T]):
    """An output parameter; what was set last is sent when the function returns normally."""

    def __init__(self) -> None:
        self._value: T | None = None

    def set(self, val: T) -> None:
        """Replace what will be sent."""
        self._value = val

    def get(self) -> T | None:  # type: ignore[override]  # the worker's own Out answers None before the first set
        """What was set last, or None."""
        return self._value


def queue_messages(value: object) -> list[str]:
    """The texts of the messages that a value set on a queue output stands for: one, or one per element.

    The worker's own converter decides what may be set; raises NotImplementedError for anything else.
    """
    if value is None:
        return []
    datum = QueueMessageOutConverter.encode(value, expected_type=None)
    match datum.type:
        case "string":
            return [datum.value]
        case "bytes":
            return [datum.value.decode()]
        case _:
            decoded = json.loads(datum.value)
            return [_text(each) for each in (decoded if isinstance(decoded, list) else [decoded])]


def _text(message: Any) -> str:
    return str(message["body"] if isinstance(message, dict) else message)


class Context(func.Context):
    """The invocation context of a function that declares a parameter `context`."""

    def __init__(self, *, function_name: str, function_directory: str, invocation_id: str, trace_parent: str) -> None:
        self._function_name = function_name
        self._function_directory = function_directory
        self._invocation_id = invocation_id
        self._thread_local = threading.local()
        self._thread_local.invocation_id = invocation_id
        self._trace = SimpleNamespace(trace_parent=trace_parent, trace_state="", attributes={})
        self._retry = SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)

    @property
    def invocation_id(self) -> str:
        """A fresh UUID per invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Carries `invocation_id`."""
        return self._thread_local

    @property
    def function_name(self) -> str:
        """The function's name in the app."""
        return self._function_name

    @property
    def function_directory(self) -> str:
        """The app's root."""
        return self._function_directory

    @property
    def trace_context(self) -> Any:
        """`trace_parent` is this invocation's own place in the caller's trace, or in a fresh one."""
        return self._trace

    @property
    def retry_context(self) -> Any:
        """No retry policy is applied by this host: zeros."""
        return self._retry


def trace_parent(received: str | None) -> str:
    """The `traceparent` of an invocation (W3C Trace Context, section 3.2).

    As ASP.NET Core does for each request: the caller's trace with a parent id of our own; without a valid one a fresh
    trace, not sampled.
    """
    caller = _TRACE_PARENT.fullmatch(received or "")
    trace, flags = caller.groups() if caller else (secrets.token_hex(16), "00")
    return f"00-{trace}-{secrets.token_hex(8)}-{flags}"
