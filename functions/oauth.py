"""Connect links and the OAuth callback."""

import azure.functions as func

from functions.api import APP_CONNECTIONS, KEY_VAULT, api
from shared import bootstrap
from shared.domain.caller import Permission
from shared.domain.errors import BadRequest, Conflict, NotFound
from shared.services.connect_links import connect_path
from shared.web.answers import AuthorizeAnswer, FlowAnswer
from shared.web.bodies import AuthorizeBody
from shared.web.browser import Browser, page
from shared.web.endpoint import Call

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS
CONNECT = f"{KEY_VAULT}/oauth/connect/{{linkSecret}}"


@blueprint.function_name("oauth_authorize")
@blueprint.route(route=f"{KEY_VAULT}/oauth/authorize", methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.CREATE, NotFound, BadRequest, Conflict, alternative=Permission.EDIT)
async def oauth_authorize(call: Call, body: AuthorizeBody) -> AuthorizeAnswer:
    """A connect link for an administrator to open, and where to ask how it went.

    With `connectionId` (permission `AppConnections.Edit`) it reconnects that connection in place.
    """
    if body.connection_id is None:
        call.caller.require(Permission.CREATE)
        wanted = body.new_connection(body.credentials.tenant_id)
        new = await call.app.links.authorize(call.caller, wanted, return_url=body.return_url)
    else:
        call.caller.require(Permission.EDIT)
        new = await call.app.links.authorize_again(
            call.caller,
            body.connection_id,
            return_url=body.return_url,
            allow_different_account=body.allow_different_account,
        )
    return AuthorizeAnswer(
        connect_url=f"{call.app.settings.public_url}{connect_path(new.secret)}",
        connection_id=new.link.connection_id,
        flow_id=new.link.flow_id,
        expires_at=new.link.expires_at,
    )


@blueprint.function_name("oauth_flow_status")
@blueprint.route(route=f"{KEY_VAULT}/oauth/flows/{{flowId}}", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.READ, NotFound)
async def oauth_flow_status(call: Call) -> FlowAnswer:
    """How a connect link stands."""
    link, state = await call.app.oauth.status(call.caller, call.path_id("flowId"))
    return FlowAnswer(
        flow_id=link.flow_id,
        connection_id=link.connection_id,
        state=state,
        message=link.message if state == link.state else None,
        expires_at=link.expires_at,
    )


@blueprint.function_name("oauth_connect_page")
@blueprint.route(route=CONNECT, methods=["GET"], auth_level=ANONYMOUS)
@page(bootstrap.application)
async def oauth_connect_page(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
    """The page behind a connect link; opening it changes nothing."""
    return await browser.show(req.route_params["linkSecret"])


@blueprint.function_name("oauth_connect_start")
@blueprint.route(route=CONNECT, methods=["POST"], auth_level=ANONYMOUS)
@page(bootstrap.application)
async def oauth_connect_start(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
    """The page's button: on to Microsoft's sign-in."""
    return await browser.press(req.route_params["linkSecret"], req.headers.get("Origin"))


@blueprint.function_name("oauth_callback")
@blueprint.route(route=f"{APP_CONNECTIONS}/azure/oauth/callback", methods=["GET", "POST"], auth_level=ANONYMOUS)
@page(bootstrap.application)
async def oauth_callback(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
    """Where Entra sends the browser back to; completes the flow."""
    return await browser.answer(req)
