"""Connect links and the OAuth callback."""

import azure.functions as func

from functions.api import APP_CONNECTIONS, KEY_VAULT, api
from shared import bootstrap
from shared.domain.caller import Permission
from shared.domain.model import format_instant
from shared.services.oauth_flow import connect_path
from shared.web.browser import Browser
from shared.web.endpoint import Answer, Call
from shared.web.models import AuthorizeBody

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS
CONNECT = f"{KEY_VAULT}/oauth/connect/{{linkSecret}}"


@blueprint.function_name("oauth_authorize")
@blueprint.route(route=f"{KEY_VAULT}/oauth/authorize", methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CREATE)
async def oauth_authorize(call: Call) -> Answer:
    """A connect link for an administrator to open, and where to ask how it went."""
    body = call.body(AuthorizeBody)
    new = await call.app.oauth.authorize(
        call.caller, body.new_connection(body.credentials.tenant_id), return_url=body.return_url
    )
    return {
        "connectUrl": f"{call.app.settings.public_url}{connect_path(new.secret)}",
        "connectionId": new.link.connection_id,
        "flowId": new.link.flow_id,
        "expiresAt": format_instant(new.link.expires_at),
    }


@blueprint.function_name("oauth_flow_status")
@blueprint.route(route=f"{KEY_VAULT}/oauth/flows/{{flowId}}", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ)
async def oauth_flow_status(call: Call) -> Answer:
    """How a connect link stands."""
    link, state = await call.app.oauth.status(call.caller, call.path_id("flowId"))
    return {
        "flowId": link.flow_id,
        "connectionId": link.connection_id,
        "state": state.value,
        "message": link.message if state == link.state else None,
        "expiresAt": format_instant(link.expires_at),
    }


@blueprint.function_name("oauth_connect_page")
@blueprint.route(route=CONNECT, methods=["GET"], auth_level=ANONYMOUS)
async def oauth_connect_page(req: func.HttpRequest) -> func.HttpResponse:
    """The page behind a connect link; opening it changes nothing."""
    return await _browser().show(req.route_params["linkSecret"])


@blueprint.function_name("oauth_connect_start")
@blueprint.route(route=CONNECT, methods=["POST"], auth_level=ANONYMOUS)
async def oauth_connect_start(req: func.HttpRequest) -> func.HttpResponse:
    """The page's button: on to Microsoft's sign-in."""
    return await _browser().press(req.route_params["linkSecret"], req.headers.get("Origin"))


@blueprint.function_name("oauth_callback")
@blueprint.route(route=f"{APP_CONNECTIONS}/azure/oauth/callback", methods=["GET", "POST"], auth_level=ANONYMOUS)
async def oauth_callback(req: func.HttpRequest) -> func.HttpResponse:
    """Where Entra sends the browser back to; completes the flow."""
    return await _browser().answer(req)


def _browser() -> Browser:
    app = bootstrap.application()
    return Browser(flow=app.oauth, settings=app.settings)
