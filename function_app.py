"""The function app: wires the blueprints, nothing else."""

import azure.functions as func

from functions import app_connections, audit, connections, oauth, projects, system, work

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for area in (app_connections, connections, oauth, projects, audit, work, system):
    app.register_functions(area.blueprint)
