"""Is it alive, and is it ready? What can be called? And what answers to every other path."""

import azure.functions as func
from pydantic_core import to_json

from shared import bootstrap
from shared.domain.errors import NotFound
from shared.web import console, docs
from shared.web.health import Readiness
from shared.web.problems import SAFE_HEADERS, render
from shared.web.request import request_id_of

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS
readiness = Readiness()


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


@blueprint.function_name("openapi")
@blueprint.route(route="openapi.json", methods=["GET"], auth_level=ANONYMOUS)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 -- the trigger's binding
    """The OpenAPI document of this API."""
    return func.HttpResponse(docs.openapi_text(), mimetype="application/json", headers=SAFE_HEADERS)


@blueprint.function_name("docs")
@blueprint.route(route="docs", methods=["GET"], auth_level=ANONYMOUS)
async def docs_page(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 -- the trigger's binding
    """The same document as a page for people."""
    return docs.page()


@blueprint.function_name("console")
@blueprint.route(route="console", methods=["GET"], auth_level=ANONYMOUS)
async def console_page(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 -- the trigger's binding
    """A page for operators; it asks for a token of its reader."""
    return console.page()


@blueprint.function_name("not_found")
@blueprint.route(route="{*path}", auth_level=ANONYMOUS)
async def not_found(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Every path and method that no other function takes: 404 in the one envelope, as the host itself would answer."""
    return render(NotFound(f"There is no {req.method} on this path; see /api/docs"), request_id_of(context))
