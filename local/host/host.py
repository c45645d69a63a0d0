"""The host: one app, its triggers, and their start and stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import uuid
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.queue import QueueMessage

from local.host.http import ADDRESS, HttpServer
from local.host.metadata import Function, HttpTrigger, QueueOutput, QueueTrigger, TimerTrigger, read_functions
from local.host.queue_storage import Queues
from local.host.queues import HIDDEN_SECONDS, QueueListener
from local.host.routing import Route, Router
from local.host.runtime import InvocationFailed, Invoker
from local.host.settings import HostSettings
from local.host.timers import Timer

GRACE_SECONDS = 10.0
"""How long running invocations may take to end when the host stops."""

_log = logging.getLogger(__name__)


class Host:
    """Runs `app` as its host.json says. Not started again once stopped.

    `host_json` is the parsed host.json, `port` 0 lets the system choose, `tls` makes it https, `hidden_seconds` (at
    least 1) shortens the ten minutes for which the platform hides a message in work, and `environ` holds the app
    settings that bindings refer to. Raises ValueError for an app or a host.json that it cannot serve.
    """

    def __init__(
        self,
        app: func.FunctionRegister,
        host_json: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        hidden_seconds: int = HIDDEN_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        root: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        settings = HostSettings.model_validate(host_json or {})
        self.functions = read_functions(app, environ)
        self._port = port
        self._tls = tls
        self._grace_seconds = grace_seconds
        self._invoker = Invoker(
            directory=str(root or Path.cwd()), timeout_seconds=settings.timeout_seconds, send=self._send
        )
        self._router = Router(self.functions, settings.route_prefix)
        self._http = HttpServer(self._router, self._invoker, self._run_now, grace_seconds)
        self._queues = Queues(environ, settings.queues.message_encoding)
        self._timers: dict[str, Timer] = {}
        self._listeners: list[QueueListener] = []
        for function in self.functions:
            match function.trigger:
                case TimerTrigger() as trigger:
                    self._timers[function.name] = Timer(function, trigger, self._invoker)
                case QueueTrigger() as trigger:
                    self._listeners.append(
                        QueueListener(
                            function,
                            trigger,
                            queues=self._queues,
                            invoker=self._invoker,
                            settings=settings.queues,
                            hidden_seconds=hidden_seconds,
                        )
                    )
            for output in function.outputs:
                self._queues.open(output.connection, output.queue)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Scheme, address and port, without the route prefix."""
        return f"{'https' if self._tls else 'http'}://{ADDRESS}:{self._port}"

    @property
    def routes(self) -> list[Route]:
        """The HTTP routes in the order in which they are tried."""
        return self._router.routes

    async def start(self) -> None:
        """Create missing queues, listen, then start timers and polling.

        Raises OSError when the port is taken, AzureError when the queues cannot be reached.
        """
        try:
            await self._queues.ensure()
            self._port = await self._http.start(self._port, self._tls)
        except BaseException:
            await self._close()
            raise
        for listener in self._listeners:
            self._spawn(listener.run(self._stopping))
        for timer in self._timers.values():
            self._spawn(timer.run(self._stopping))

    async def stop(self) -> None:
        """Stop listening, polling and timers; what runs has the grace time to end and is cancelled then."""
        self._stopping.set()
        await asyncio.gather(self._http.stop(), self._end_tasks())
        await self._close()

    async def _close(self) -> None:
        await self._http.stop()
        self._invoker.close()
        await self._queues.close()

    async def _end_tasks(self) -> None:
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("The host met an error of its own", exc_info=error)

    async def _send(self, output: QueueOutput, text: str) -> None:
        await self._queues.open(output.connection, output.queue).send(text)

    async def _run_now(self, name: str, given: Any) -> int:
        function = next((each for each in self.functions if each.name.lower() == name.lower()), None)
        if function is None:
            return 404
        match function.trigger:
            case HttpTrigger():
                return 400
            case TimerTrigger():
                self._spawn(self._timers[function.name].fire())
            case QueueTrigger():
                self._spawn(self._run_message(function, given))
        return 202

    async def _run_message(self, function: Function, given: Any) -> None:
        text = given if isinstance(given, str) else json.dumps(given)
        with suppress(InvocationFailed):
            await self._invoker.invoke(function, QueueMessage(id=str(uuid.uuid4()), body=text, dequeue_count=1))
