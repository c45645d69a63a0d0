"""Runs one invocation of a function, whatever triggered it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from local.host.bindings import Context, Out, queue_messages, trace_parent
from local.host.metadata import Function, QueueOutput

_log = logging.getLogger(__name__)

SendMessage = Callable[[QueueOutput, str], Awaitable[None]]


class InvocationFailed(Exception):
    """A function raised, took too long, or its output could not be sent; already logged."""


class Invoker:
    """Calls functions: coroutines on the event loop, plain functions in threads, as the Python worker does.

    A plain function that takes too long is reported as failed but goes on in its thread: only the real platform can
    end it, by ending the process.
    """

    def __init__(self, *, directory: str, timeout_seconds: float | None, send: SendMessage) -> None:
        self._directory = directory
        self._timeout_seconds = timeout_seconds
        self._send = send
        self._threads = ThreadPoolExecutor(thread_name_prefix="function")

    async def invoke(self, function: Function, trigger: object, traceparent: str | None = None) -> Any:
        """Call `function` with its trigger's value, send its outputs, answer what it returned.

        `traceparent` is the caller's header, if it sent one.
        Raises InvocationFailed; then no output was sent, unless sending itself failed half way.
        """
        outputs: dict[str, Out[Any]] = {each.parameter: Out() for each in function.outputs}
        arguments: dict[str, Any] = {function.trigger.parameter: trigger, **outputs}
        if function.wants_context:
            arguments["context"] = Context(
                function_name=function.name,
                function_directory=self._directory,
                invocation_id=str(uuid.uuid4()),
                trace_parent=trace_parent(traceparent),
            )
        try:
            async with asyncio.timeout(self._timeout_seconds) as limit:
                result = await self._call(function, arguments)
            for output in function.outputs:
                for text in queue_messages(outputs[output.parameter].get()):
                    await self._send(output, text)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # the host stops; a function that leaks a cancellation of its own has merely failed
            if limit.expired():
                _log.error("Function %s was cancelled: over %s seconds", function.name, self._timeout_seconds)
            else:
                _log.exception("Function %s failed", function.name)
            raise InvocationFailed(function.name) from error
        return result

    def close(self) -> None:
        """Take no new plain functions; does not wait for running ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, function: Function, arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function.call):
            return await function.call(**arguments)
        future = self._threads.submit(copy_context().run, partial(function.call, **arguments))
        return await asyncio.wrap_future(future)
