"""Projects: scopes for connection names."""

import azure.functions as func

from functions.api import api
from shared.domain.caller import Permission
from shared.domain.errors import Conflict, NotFound
from shared.web.answers import ProjectAnswer, ProjectList
from shared.web.bodies import ProjectBody
from shared.web.endpoint import Call

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS
PROJECTS = "v1/projects"
PROJECT = f"{PROJECTS}/{{projectId}}"


@blueprint.function_name("projects_create")
@blueprint.route(route=PROJECTS, methods=["POST"], auth_level=ANONYMOUS)
@api.endpoint(Permission.PROJECTS, Conflict)
async def projects_create(call: Call, body: ProjectBody) -> ProjectAnswer:
    """A new project; `callers` limits who may know of its connections."""
    project = await call.app.projects.create(
        call.caller,
        name=body.project_name,
        slug=body.slug,
        type_=body.type,
        description=body.description,
        callers=body.callers,
    )
    return ProjectAnswer(project=project)


@blueprint.function_name("projects_list")
@blueprint.route(route=PROJECTS, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.PROJECTS)
async def projects_list(call: Call) -> ProjectList:
    """Every project of the organisation, ordered by name."""
    return ProjectList(projects=await call.app.projects.all(call.caller))


@blueprint.function_name("projects_get")
@blueprint.route(route=PROJECT, methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.PROJECTS, NotFound)
async def projects_get(call: Call) -> ProjectAnswer:
    """One project."""
    return ProjectAnswer(project=await call.app.projects.get(call.caller, call.path_id("projectId")))


@blueprint.function_name("projects_delete")
@blueprint.route(route=PROJECT, methods=["DELETE"], auth_level=ANONYMOUS)
@api.endpoint(Permission.PROJECTS, NotFound, Conflict)
async def projects_delete(call: Call) -> ProjectAnswer:
    """Remove a project; refused while it has connections."""
    return ProjectAnswer(project=await call.app.projects.delete(call.caller, call.path_id("projectId")))
