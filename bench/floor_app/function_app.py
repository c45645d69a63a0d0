"""The floor over HTTP: each route makes the bare calls of one of the product's, behind the same functions host."""

import json
import logging
import os
from contextlib import AsyncExitStack
from functools import lru_cache

import azure.functions as func

from bench.floor import Floor, Properties, Written
from shared.adapters.tables import keys

logging.getLogger("azure").setLevel(logging.WARNING)  # as the product: else each request is told of
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class _Warm:
    """The clients of this process, made at the first request."""

    def __init__(self) -> None:
        self._floor: Floor | None = None
        self._open = AsyncExitStack()
        self.written = Written([], [])
        self.link: Properties = {}

    async def floor(self) -> Floor:
        if self._floor is None:
            self._floor = await self._open.enter_async_context(Floor.open(os.environ))
        return self._floor


@lru_cache(maxsize=1)
def _warm() -> _Warm:
    return _Warm()


@app.function_name("examples")
@app.route(route="floor/examples", methods=["POST"])
async def examples(req: func.HttpRequest) -> func.HttpResponse:
    """What the other calls write, told once."""
    told = json.loads(req.get_body())
    _warm().written, _warm().link = Written(*told["written"]), told["link"]
    return func.HttpResponse("{}", mimetype="application/json")


@app.function_name("create")
@app.route(route="floor/create", methods=["POST"])
async def create(req: func.HttpRequest) -> func.HttpResponse:
    """1 token call, 1 vault set, 2 table writes."""
    wanted = json.loads(req.get_body())
    await (await _warm().floor()).create(wanted["organisation"], wanted["code"], _warm().written)
    return func.HttpResponse("{}", mimetype="application/json")


@app.function_name("authorize")
@app.route(route="floor/authorize", methods=["POST"])
async def authorize(req: func.HttpRequest) -> func.HttpResponse:
    """1 table insert."""
    wanted = json.loads(req.get_body())
    await (await _warm().floor()).put(wanted["key"], "link", _warm().link)
    return func.HttpResponse("{}", mimetype="application/json")


@app.function_name("list")
@app.route(route="floor/list", methods=["GET"])
async def list_page(req: func.HttpRequest) -> func.HttpResponse:
    """1 table page."""
    floor = await _warm().floor()
    found = await floor.page(floor.table(keys.CONNECTIONS), req.params["org"])
    return func.HttpResponse(str(found), mimetype="application/json")
