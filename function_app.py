"""The function app: wires the blueprints, nothing else."""

import azure.functions as func

from functions import connections, oauth, projects, system, work

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for area in (connections, oauth, projects, work, system):
    app.register_functions(area.blueprint)
