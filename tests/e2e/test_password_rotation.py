"""An app's own password is rotated through timer, queue and Microsoft Graph, and by a worker that is killed."""

from __future__ import annotations

from typing import Any

import pytest

from local.client import KEY_VAULT, Client
from local.entra import seed
from tests.e2e.apps import App, create_app, get, patch
from tests.e2e.world import DAILY_AT_THREE, Customer, call, eventually, refusal

SECRET = "the-users-own-secret"
PATIENCE = 60.0
"""A new password is proven twice, 15 seconds apart."""


@pytest.fixture
async def app(client: Client, customer: Customer) -> App:
    """An app that may manage its own passwords."""
    return await App.new(client, customer, graphRoles=["Application.ReadWrite.OwnedBy"])


async def passwords(client: Client, app: App) -> list[dict[str, Any]]:
    """The app's passwords in the directory, oldest first."""
    state = await client.entra("GET", "state")
    (found,) = [each for each in state["directory"]["applications"] if each["appId"] == app.client_id]
    listed: list[dict[str, Any]] = found["passwords"]
    return listed


async def rotating(client: Client, app: App, **body: Any) -> dict[str, Any]:
    """A connection whose app password is rotated."""
    key_id = await app.add_password(client, SECRET)
    credentials = app.submits(clientSecret=SECRET, clientSecretKeyId=key_id)
    wished = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE} | body
    return (await create_app(client, "client-secret", credentials, **wished)).connection


async def settled(client: Client, made: dict[str, Any]) -> dict[str, Any]:
    """The connection once its rotation has ended."""
    return await eventually(
        lambda: get(client, made),
        lambda seen: seen["rotation"]["rotationStatus"] != "in-progress",
        patience=PATIENCE,
    )


async def test_a_rotation_by_hand_replaces_the_users_secret_and_removes_it(client: Client, app: App) -> None:
    made = await rotating(client, app)
    plan = (await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials?dryRun=true")).json["plan"]
    (own,) = await passwords(client, app)
    assert (plan["issues"], plan["revokes"], plan["keeps"]) == ("app-password", [own["keyId"]], [])
    unclear = await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials?dryRun=")
    assert unclear.status == 422
    assert (await get(client, made))["rotation"]["rotationStatus"] == "success"
    begun = (await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")).connection
    assert begun["rotation"]["rotationStatus"] == "in-progress"
    seen = await settled(client, made)
    assert (seen["rotation"]["rotationStatus"], seen["credentialsHash"]) == ("success", made["credentialsHash"])
    (left,) = await eventually(lambda: passwords(client, app), lambda found: len(found) == 1)
    assert left["keyId"] != own["keyId"]
    assert made["id"] in left["displayName"]
    (run,) = (await call(client, "GET", f"{KEY_VAULT}/{made['id']}/rotations")).json["rotations"]
    assert (run["outcome"], run["keyId"], run["formerKeyId"]) == ("success", left["keyId"], own["keyId"])
    from_terraform = {
        "ID": made["id"],
        "App": "azure-key-vault",
        "name": made["name"],
        "description": "",
        "method": "client-secret",
        "projectId": None,
        "credentials": app.submits(clientSecret=SECRET),
    }
    same = (await patch(client, made, **from_terraform)).connection
    assert same == seen, "the secret that was rotated away is not put back"


async def test_what_stands_in_the_way_is_told_when_rotation_is_enabled(client: Client, customer: Customer) -> None:
    powerless = await App.new(client, customer)
    key_id = await powerless.add_password(client, SECRET)
    wished = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE}
    credentials = powerless.submits(clientSecret=SECRET, clientSecretKeyId=key_id)
    message = refusal(await create_app(client, "client-secret", credentials, **wished), 400, "BadRequest")
    assert "Application.ReadWrite.OwnedBy" in message
    wrong = credentials | {"clientSecretKeyId": seed.CONTOSO_APP_SECRET_KEY_ID}
    await powerless.change(client, graphRoles=["Application.ReadWrite.OwnedBy"])
    message = refusal(await create_app(client, "client-secret", wrong, **wished), 400, "BadRequest")
    assert message.startswith("The Client Secret Key ID is not among the client secrets")
    assert (await create_app(client, "client-secret", credentials, **wished)).status == 200
    other = await create_app(client, "client-secret", credentials, name="other", **wished)
    assert refusal(other, 400, "BadRequest").startswith('Another App Connection "app" rotates')


async def test_a_connection_that_is_deleted_during_its_rotation_is_gone_for_callers(client: Client, app: App) -> None:
    made = await rotating(client, app)
    await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")
    await eventually(lambda: passwords(client, app), lambda found: len(found) == 2)
    assert (await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")).status == 200
    refusal(await call(client, "GET", f"{KEY_VAULT}/{made['id']}"), 404, "NotFound")
