"""A function app of one function that imports azure.functions and pydantic only: the floor of a cold start."""

import azure.functions as func
from pydantic import BaseModel

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Greeting(BaseModel):
    """What is sent and what comes back."""

    name: str


@app.function_name("greet")
@app.route(route="greet", methods=["POST"])
async def greet(req: func.HttpRequest) -> func.HttpResponse:
    """Say it back."""
    return func.HttpResponse(Greeting.model_validate_json(req.get_body()).model_dump_json())
