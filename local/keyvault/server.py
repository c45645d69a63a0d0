"""The HTTP face of the vault."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from local.faults import Faults, Handler
from local.keyvault import wire
from local.keyvault.errors import VaultError, bad_parameter, disabled, forbidden
from local.keyvault.store import NewVersion, Properties, Store
from local.keyvault.tokens import AUDIENCE, KeyFinder, Principal


class Access(BaseModel):
    """Body of `PUT /_control/access`: the object ids and app ids that have rights; none gives everyone rights."""

    model_config = ConfigDict(extra="forbid")

    principals: list[str]


def create_app(store: Store, *, authority: str, find_key: KeyFinder) -> web.Application:
    """The secrets plane over `store`.

    `authority` (`https://127.0.0.1:<port>/<tenant id>`) is where the 401 challenge sends callers for a token;
    `find_key` finds the keys that tokens are checked with.

    Faults are met only by callers who were let in, so the SDK's first request, which is there to be challenged and
    carries no token, does not use one up. Control routes: faults, `PUT /_control/access`, `GET /_control/state`.
    """
    faults = Faults()
    door = _Door(store, authority, find_key)
    plane = _SecretsPlane(store)
    app = web.Application(middlewares=[_render_errors, door.middleware, faults.middleware])
    app.add_routes([*faults.routes(), *door.routes(), *plane.routes()])
    return app


@web.middleware
async def _render_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VaultError as error:
        return error.response()


class _Door:
    """Who may come in."""

    def __init__(self, store: Store, authority: str, find_key: KeyFinder) -> None:
        self._store = store
        self._find_key = find_key
        self._challenge = f'Bearer authorization="{authority}", resource="{AUDIENCE}"'

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets the control plane and callers with a good token and a right through."""
        if request.path.startswith("/_control/"):
            return await handler(request)
        try:
            caller = await Principal.from_header(request.headers.get("Authorization", ""), self._find_key)
        except VaultError as error:
            answer = error.response()
            if error.status == 401:
                answer.headers["WWW-Authenticate"] = self._challenge
            return answer
        allowed = self._store.vault.allowed_principals
        if allowed and not {caller.object_id, caller.app_id} & set(allowed):
            raise forbidden(caller.object_id, caller.app_id)
        if not request.query.get("api-version"):
            raise bad_parameter("api-version must be specified")
        return await handler(request)

    def routes(self) -> list[web.RouteDef]:
        return [web.put("/_control/access", self._allow), web.get("/_control/state", self._state)]

    async def _allow(self, request: web.Request) -> web.Response:
        self._store.allow((await wire.read_body(request, Access)).principals)
        return web.json_response({})

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self._store.vault.model_dump(by_alias=True))


class _SecretsPlane:
    """https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups, without backup and restore."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        # The SDK writes "no version" as an empty last segment; other callers leave the slash out.
        current, version = "/secrets/{name}", "/secrets/{name}/{version:[^/]*}"
        return [
            web.get("/secrets", self._list, allow_head=False),
            web.get("/secrets/{name}/versions", self._list_versions, allow_head=False),
            web.put(current, self._set),
            web.get(current, self._get, allow_head=False),
            web.get(version, self._get, allow_head=False),
            web.patch(current, self._update),
            web.patch(version, self._update),
            web.delete(current, self._delete),
            web.get("/deletedsecrets", self._list_deleted, allow_head=False),
            web.get("/deletedsecrets/{name}", self._get_deleted, allow_head=False),
            web.post("/deletedsecrets/{name}/recover", self._recover),
            web.delete("/deletedsecrets/{name}", self._purge),
        ]

    async def _set(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        made = self._store.set_secret(name, await wire.read_body(request, NewVersion))
        return web.json_response(wire.bundle(request, name, made))

    async def _get(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        found = self._store.get_version(name, request.match_info.get("version", ""))
        if not found.enabled:
            raise disabled()
        return web.json_response(wire.bundle(request, name, found))

    async def _update(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        properties = await wire.read_body(request, Properties)
        changed = self._store.update(name, request.match_info.get("version", ""), properties)
        return web.json_response(wire.version_item(request, name, changed))

    async def _list(self, request: web.Request) -> web.Response:
        currents = {name: secret.current for name, secret in self._store.alive().items()}
        return wire.page(request, currents, partial(wire.secret_item, request))

    async def _list_versions(self, request: web.Request) -> web.Response:
        # In the order of their ids, which is no order: like the service, this promises nothing about age.
        name = wire.read_name(request)
        versions = {each.version: each for each in self._store.versions(name)}
        return wire.page(request, versions, lambda _id, each: wire.version_item(request, name, each))

    async def _delete(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        return web.json_response(wire.deleted_item(request, name, self._store.delete(name)))

    async def _list_deleted(self, request: web.Request) -> web.Response:
        return wire.page(request, self._store.deleted(), partial(wire.deleted_item, request))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        return web.json_response(wire.deleted_item(request, name, self._store.get_deleted(name)))

    async def _recover(self, request: web.Request) -> web.Response:
        name = wire.read_name(request)
        return web.json_response(wire.version_item(request, name, self._store.recover(name)))

    async def _purge(self, request: web.Request) -> web.Response:
        self._store.purge(wire.read_name(request))
        return web.Response(status=204)
