"""A stand-in for an Event Grid topic on loopback: `python -m local.topic --port 7078 --state FILE`.

It takes CloudEvents in batches as the service does, prints one line for each and keeps them. `GET /_control/events`
shows what was sent, repeats included; `POST /_control/faults` makes it fail (see `local.faults`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from local.faults import Faults
from local.serving import serve

PATH = "/api/events"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("id", "source", "type", "specversion")


class Topic:
    """What was sent, in memory and in a file of one event a line."""

    def __init__(self, state: Path | None = None) -> None:
        self.faults = Faults()
        self._state = state
        self.events: list[dict[str, Any]] = []
        if state is not None and state.exists():
            self.events = [json.loads(line) for line in state.read_text().splitlines()]

    async def publish(self, request: web.Request) -> web.Response:
        """Take a batch, or refuse all of it."""
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return _refusal(401, "Unauthorized")
        events = await request.json()
        well_formed = isinstance(events, list) and all(event.get(name) for event in events for name in REQUIRED)
        if request.content_type != BATCH or not well_formed:
            return _refusal(400, "BadRequest")
        self.events += events
        for event in events:
            print(f"{event['time']} {event['type']} {event['subject']} id={event['id']}", flush=True)
        if self._state is not None:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            with self._state.open("a") as kept:
                kept.writelines(json.dumps(event) + "\n" for event in events)
        return web.Response(status=200)

    async def show(self, _: web.Request) -> web.Response:
        """All that was sent."""
        return web.json_response(self.events)


def _refusal(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "The batch was not taken."}}, status=status)


def create_app(topic: Topic) -> web.Application:
    """The topic's routes."""
    app = web.Application(middlewares=[topic.faults.middleware])
    app.add_routes([web.post(PATH, topic.publish), web.get("/_control/events", topic.show), *topic.faults.routes()])
    return app


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.topic", description="An Event Grid stand-in on loopback.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--state", type=Path, help="file that keeps the events; in memory only when left out")
    arguments = parser.parse_args()
    asyncio.run(serve(create_app(Topic(arguments.state)), arguments.port, f"Event Grid stand-in ready at {{}}{PATH}"))


if __name__ == "__main__":
    main()
