"""Create, read, change, delete and rotate connections."""

import azure.functions as func

from functions.api import KEY_VAULT, QUEUE, STORAGE, api
from shared.domain.caller import Permission
from shared.domain.errors import BadRequest, Conflict, ConnectionBroken, NotFound, PreconditionFailed
from shared.domain.rotation import RotationRecord
from shared.services.updating import Update
from shared.web import cursor
from shared.web.answers import (
    AvailableConnection,
    AvailableList,
    CheckAnswer,
    ConnectionAnswer,
    ConnectionList,
    RotateAnswer,
    RotationList,
    TokenAnswer,
)
from shared.web.bodies import CheckBody, CreateBody, RotateBody, UpdateBody
from shared.web.endpoint import Call
from shared.web.queries import ListQuery, PageQuery, RotateQuery, ScopeQuery
from shared.web.request import Key, Revisions

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS  # function keys would be read from `?code=`, which OAuth uses; tokens guard us
CONNECTION = f"{KEY_VAULT}/{{connectionId}}"


@blueprint.function_name("connections_list")
@blueprint.route(route=KEY_VAULT, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def connections_list(call: Call, query: ListQuery) -> ConnectionList:
    """Connections ordered by name: the organisation's, or one project's."""
    return await listed(call, query)


@blueprint.function_name("connections_available")
@blueprint.route(route=f"{KEY_VAULT}/available", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CONNECT)
async def connections_available(call: Call, query: ListQuery) -> AvailableList:
    """What can be used in a scope: the connections of no project, and those of the project that is named."""
    scope = ("available", call.caller.org_id, query.project_id)
    items, place = await call.app.connections.available(
        call.caller, query.project_id, after=cursor.decode(query.cursor, *scope), limit=query.limit
    )
    found = [
        AvailableConnection(name=item.name, id=item.id, project_id=item.project_id, org_id=item.org_id)
        for item in items
    ]
    return AvailableList(app_connections=found, next_cursor=cursor.encode(place, *scope))


@blueprint.function_name("connections_get")
@blueprint.route(route=CONNECTION, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ, NotFound)
async def connections_get(call: Call) -> ConnectionAnswer:
    """One connection, without its secret."""
    return call.shown(await call.app.connections.get(call.caller, call.path_id("connectionId")))


@blueprint.function_name("connections_get_by_name")
@blueprint.route(route=f"{KEY_VAULT}/connection-name/{{connectionName}}", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ, NotFound)
async def connections_get_by_name(call: Call, query: ScopeQuery) -> ConnectionAnswer:
    """One connection by its name, in a project or among those of none."""
    row = await call.app.connections.get_by_name(call.caller, call.path_name("connectionName"), query.project_id)
    return call.shown(row)


@blueprint.function_name("connections_create")
@blueprint.route(route=KEY_VAULT, methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CREATE, BadRequest, Conflict)
async def connections_create(call: Call, body: CreateBody, key: Key) -> ConnectionAnswer:
    """A new connection from a credential that the caller brings; it is proven at Entra before it is stored."""
    row = await call.app.creating.create(
        call.caller.org_id,
        body.new_connection(),
        key=key,
        project=await call.app.connections.project_for(call.caller, body.project_id),
        prove=call.app.proving.of(body.credentials.submitted()),
        requested=call.origin,
        secret_key_id=body.credentials.key_id,
    )
    return call.shown(row)


@blueprint.function_name("connections_update")
@blueprint.route(route=CONNECTION, methods=["PATCH"], auth_level=ANONYMOUS)
@api.endpoint(Permission.EDIT, NotFound, BadRequest, Conflict, PreconditionFailed)
async def connections_update(call: Call, body: UpdateBody, revisions: Revisions) -> ConnectionAnswer:
    """Change what is sent; credentials are proven at Entra before they replace the stored ones."""
    connection_id = call.path_id("connectionId")
    present = await call.app.connections.get(call.caller, connection_id)
    credentials = body.credentials_for(present.connection.method, call.context)
    update = Update(
        edit=body.edit(),
        submitted=credentials.submitted() if credentials else None,
        secret_key_id=credentials.key_id if credentials else None,
        revisions=revisions,
    )
    return call.shown(await call.app.updating.update(call.caller, connection_id, update))


@blueprint.function_name("connections_delete")
@blueprint.route(route=CONNECTION, methods=["DELETE"], auth_level=ANONYMOUS)
@api.endpoint(Permission.DELETE, NotFound, Conflict)
async def connections_delete(call: Call) -> ConnectionAnswer:
    """Gone at once for callers; its credential is removed in the background."""
    row = await call.app.connections.delete(call.caller, call.path_id("connectionId"))
    return ConnectionAnswer(app_connection=row.connection)


@blueprint.function_name("connections_rotate")
@blueprint.route(route=f"{CONNECTION}/rotate-credentials", methods=["POST"], auth_level=ANONYMOUS)
@blueprint.queue_output(arg_name="work", queue_name=QUEUE, connection=STORAGE)
@api.endpoint_with_work(Permission.ROTATE, NotFound, Conflict)
async def connections_rotate(call: Call, query: RotateQuery, body: RotateBody) -> RotateAnswer:  # noqa: ARG001 -- empty
    """Begin a rotation now; asked again while one is under way, the same answer and no second one.

    With `dryRun=true`, only tell what a rotation would do.
    """
    connection_id = call.path_id("connectionId")
    if query.dry_run:
        row, plan = await call.app.connections.forecast(call.caller, connection_id)
        return RotateAnswer(app_connection=call.shown(row).app_connection, plan=plan)
    row, begun = await call.app.connections.rotate(call.caller, connection_id)
    if begun:
        call.look_at(row)
    return RotateAnswer(app_connection=call.shown(row).app_connection)


@blueprint.function_name("connections_access_token")
@blueprint.route(route=f"{CONNECTION}/access-token", methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CONNECT, NotFound, ConnectionBroken)
async def connections_access_token(call: Call) -> TokenAnswer:
    """A Key Vault token of the connection, with at least five minutes to live."""
    token = await call.app.tokens.token(call.caller, call.path_id("connectionId"))
    return TokenAnswer(access_token=token.access_token, expires_at=token.expires_at)


@blueprint.function_name("connections_check")
@blueprint.route(route=f"{CONNECTION}/check", methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CONNECT, NotFound)
async def connections_check(call: Call, body: CheckBody) -> CheckAnswer:
    """Whether a token can be had now and, with `vaultUrl`, whether that vault lets its secrets be listed."""
    checked = await call.app.checking(call.caller, call.path_id("connectionId"), body.vault_url)
    return CheckAnswer(
        status=checked.state,
        checked_at=checked.at,
        message=checked.message,
        can_list_secrets=checked.can_list_secrets,
    )


@blueprint.function_name("connections_rotations")
@blueprint.route(route=f"{CONNECTION}/rotations", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ, NotFound)
async def connections_rotations(call: Call, query: PageQuery) -> RotationList:
    """The finished rotation runs of a connection, newest first."""
    connection_id = call.path_id("connectionId")
    scope = ("rotations", call.caller.org_id, connection_id)
    page = await call.app.connections.rotations(
        call.caller, connection_id, after=cursor.decode(query.cursor, *scope, places=cursor.TIMES), limit=query.limit
    )
    return RotationList(
        rotations=[RotationRecord.model_validate(item) for item in page.items],
        next_cursor=cursor.encode(page.next_key, *scope),
    )


async def listed(call: Call, query: ListQuery) -> ConnectionList:
    """A page of connections."""
    scope = (call.caller.org_id, query.project_id)
    items, place = await call.app.connections.page(
        call.caller, query.project_id, after=cursor.decode(query.cursor, *scope), limit=query.limit
    )
    return ConnectionList(app_connections=items, next_cursor=cursor.encode(place, *scope))
