"""Is it alive, and is it ready?"""

import azure.functions as func
from pydantic_core import to_json

from shared import bootstrap
from shared.web.health import readiness
from shared.web.problems import SAFE_HEADERS

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS


@blueprint.function_name("health_live")
@blueprint.route(route="health/live", methods=["GET"], auth_level=ANONYMOUS)
async def health_live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 -- the trigger's binding
    """The process answers."""
    return func.HttpResponse(to_json({"status": "ok"}), mimetype="application/json", headers=SAFE_HEADERS)


@blueprint.function_name("health_ready")
@blueprint.route(route="health/ready", methods=["GET"], auth_level=ANONYMOUS)
async def health_ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 -- the trigger's binding
    """Every system that the product needs can be used: 200, else 503 and which one cannot."""
    report = await readiness(bootstrap.application)
    return func.HttpResponse(
        to_json({"status": "ok" if report.ready else "unavailable", "checks": report.checks}),
        status_code=200 if report.ready else 503,
        mimetype="application/json",
        headers=SAFE_HEADERS,
    )
