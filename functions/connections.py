"""Create, read, delete and rotate connections."""

import azure.functions as func

from functions.api import KEY_VAULT, QUEUE, STORAGE, api
from shared.domain.caller import Permission
from shared.web import cursor
from shared.web.endpoint import Answer, Call
from shared.web.models import CreateOAuthBody, ListQuery

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS  # function keys would be read from `?code=`, which OAuth uses; tokens guard us


@blueprint.function_name("connections_list")
@blueprint.route(route=KEY_VAULT, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def connections_list(call: Call) -> Answer:
    """Connections ordered by name: the organisation's, or one project's."""
    query = call.query(ListQuery)
    scope = (call.caller.org_id, query.project_id)
    items, place = await call.app.connections.page(
        call.caller, query.project_id, after=cursor.decode(query.cursor, *scope), limit=query.limit
    )
    following = cursor.encode(place, *scope)
    return {"appConnections": items, **({"nextCursor": following} if following else {})}


@blueprint.function_name("connections_get")
@blueprint.route(route=f"{KEY_VAULT}/{{connectionId}}", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def connections_get(call: Call) -> Answer:
    """One connection, without its secret."""
    return {"appConnection": await call.app.connections.get(call.caller, call.path_id("connectionId"))}


@blueprint.function_name("connections_create")
@blueprint.route(route=KEY_VAULT, methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CREATE)
async def connections_create(call: Call) -> Answer:
    """A new connection from a credential that the caller brings; it is proven at Entra before it is stored."""
    body = call.body(CreateOAuthBody)
    credentials = body.credentials
    connection = await call.app.oauth.create_with_code(
        call.caller,
        body.new_connection(credentials.tenant_id),
        code=credentials.code,
        redirect_uri=credentials.redirect_uri,
        verifier=credentials.code_verifier,
    )
    return {"appConnection": connection}


@blueprint.function_name("connections_delete")
@blueprint.route(route=f"{KEY_VAULT}/{{connectionId}}", methods=["DELETE"], auth_level=ANONYMOUS)
@api.endpoint(Permission.DELETE)
async def connections_delete(call: Call) -> Answer:
    """Gone at once for callers; its credential is removed in the background."""
    return {"appConnection": await call.app.connections.delete(call.caller, call.path_id("connectionId"))}


@blueprint.function_name("connections_rotate")
@blueprint.route(route=f"{KEY_VAULT}/{{connectionId}}/rotate-credentials", methods=["POST"], auth_level=ANONYMOUS)
@blueprint.queue_output(arg_name="work", queue_name=QUEUE, connection=STORAGE)
@api.endpoint_with_work(Permission.ROTATE)
async def connections_rotate(call: Call) -> Answer:
    """Begin a rotation now; asked again while one is under way, the same answer and no second one."""
    connection = await call.app.connections.rotate(call.caller, call.path_id("connectionId"))
    call.look_at(connection)
    return {"appConnection": connection}
