"""What spans all kinds of connections. This service makes one kind, so its lists are the same."""

import azure.functions as func

from functions.api import APP_CONNECTIONS, api
from functions.connections import listed
from shared.domain.caller import Permission
from shared.domain.credential import Method
from shared.web.answers import AppConnectionOption, ConnectionList, OptionList
from shared.web.endpoint import Call
from shared.web.queries import ListQuery

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS


@blueprint.function_name("app_connections_options")
@blueprint.route(route=f"{APP_CONNECTIONS}/options", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def app_connections_options(call: Call) -> OptionList:
    """The kinds of connections, with their methods."""
    option = AppConnectionOption(methods=list(Method), oauth_client_id=call.app.settings.oauth_client_id)
    return OptionList(app_connection_options=[option])


@blueprint.function_name("app_connections_list")
@blueprint.route(route=APP_CONNECTIONS, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def app_connections_list(call: Call, query: ListQuery) -> ConnectionList:
    """Connections of every kind, ordered by name: the organisation's, or one project's."""
    return await listed(call, query)
