"""Exactly what the existing Terraform provider sends, from create to delete: it must see no drift."""

from __future__ import annotations

from typing import Any

from local.client import KEY_VAULT, Client
from tests.e2e.apps import App
from tests.e2e.world import Customer, call, refusal

SECRET = "terraform-keeps-this-one"
NEEDED = {
    "id": str, "credentialsHash": str, "name": str, "method": str, "description": str | None, "projectId": str | None,
    "version": int, "orgId": str, "app": str, "gatewayId": None,
}  # fmt: skip
"""What the provider reads of `appConnection`."""


def readable(connection: dict[str, Any]) -> bool:
    """Whether the provider can decode it."""
    return all(
        connection[name] is None if kind is None else isinstance(connection[name], kind)
        for name, kind in NEEDED.items()
    )


async def test_a_resource_lives_from_create_to_delete_without_drift(client: Client, customer: Customer) -> None:
    app = await App.new(client, customer)
    await app.add_password(client, SECRET)
    credentials = app.submits(clientSecret=SECRET)
    created = await call(
        client,
        "POST",
        KEY_VAULT,
        {
            "App": "azure-key-vault",
            "name": "from-terraform",
            "description": "made by terraform",
            "method": "client-secret",
            "credentials": credentials,
            "projectId": None,
        },
    )
    made = created.connection
    assert readable(made)
    path = f"{KEY_VAULT}/{made['id']}"
    assert (await call(client, "GET", path)).connection == made

    update = {
        "ID": made["id"],
        "App": "azure-key-vault",
        "name": "from-terraform",
        "description": "",
        "method": "client-secret",
        "projectId": None,
        "credentials": credentials,
    }
    changed = (await call(client, "PATCH", path, update)).connection
    assert changed == made | {"description": None, "updatedAt": changed["updatedAt"]}
    versions = await client.versions(made["id"])
    assert (await call(client, "PATCH", path, update)).connection == changed
    assert await client.versions(made["id"]) == versions

    await app.add_password(client, "the next one")
    replaced = (
        await call(client, "PATCH", path, update | {"credentials": app.submits(clientSecret="the next one")})
    ).connection
    assert replaced["credentialsHash"] != made["credentialsHash"]
    assert (await call(client, "GET", path)).connection == replaced

    assert (await call(client, "DELETE", path)).connection == replaced
    refusal(await call(client, "GET", path), 404, "NotFound")


async def test_a_name_in_use_is_an_error_that_the_provider_shows(client: Client, customer: Customer) -> None:
    app = await App.new(client, customer)
    await app.add_password(client, SECRET)
    body = {
        "App": "azure-key-vault",
        "name": "twice",
        "method": "client-secret",
        "credentials": app.submits(clientSecret=SECRET),
    }
    await call(client, "POST", KEY_VAULT, body)
    message = refusal(await call(client, "POST", KEY_VAULT, body), 409, "Conflict")
    assert message == 'An App Connection with the name "twice" already exists'
