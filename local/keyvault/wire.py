"""The JSON shapes of the secrets plane.

Source: https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from local.keyvault.errors import bad_parameter
from local.keyvault.store import RETENTION_DAYS, Deletion, Secret, Version

NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
MAX_PAGE = 25

Body = TypeVar("Body", bound=BaseModel)
Item = TypeVar("Item")


async def read_body(request: web.Request, model: type[Body]) -> Body:
    """The parsed body; `VaultError` 400 names the first property that is wrong, never its value."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise bad_parameter(f"Property {where} has invalid value: {first['msg']}") from error


def read_name(request: web.Request) -> str:
    """The secret's name in the path."""
    name = request.match_info["name"]
    if not NAME.fullmatch(name):
        raise bad_parameter(f"The request URI contains an invalid name: {name}")
    return name


def secret_item(request: web.Request, name: str, version: Version) -> dict[str, Any]:
    """A secret in a list, described by its current version."""
    return _without_nulls(
        {
            "id": f"{request.url.origin()}/secrets/{name}",
            "contentType": version.content_type,
            "tags": version.tags or None,
            "attributes": _without_nulls(
                {
                    "enabled": version.enabled,
                    "nbf": version.nbf,
                    "exp": version.exp,
                    "created": version.created,
                    "updated": version.updated,
                    "recoveryLevel": "Recoverable+Purgeable",
                    "recoverableDays": RETENTION_DAYS,
                }
            ),
        }
    )


def version_item(request: web.Request, name: str, version: Version) -> dict[str, Any]:
    """One version without its value: what lists, updates and recoveries answer with."""
    return secret_item(request, name, version) | {"id": f"{request.url.origin()}/secrets/{name}/{version.version}"}


def bundle(request: web.Request, name: str, version: Version) -> dict[str, Any]:
    """One version with its value."""
    return {"value": version.value} | version_item(request, name, version)


def deleted_item(request: web.Request, name: str, deleted: tuple[Secret, Deletion]) -> dict[str, Any]:
    """A deleted secret, without value."""
    secret, deletion = deleted
    return version_item(request, name, secret.current) | {
        "recoveryId": f"{request.url.origin()}/deletedsecrets/{name}",
        "deletedDate": deletion.date,
        "scheduledPurgeDate": deletion.scheduled_purge,
    }


def page(request: web.Request, items: Mapping[str, Item], render: Callable[[str, Item], object]) -> web.Response:
    """One page of `items` in the order of their keys, with the link to the next page or null.

    The token is the last key sent: a page neither repeats nor skips what was there all the time.
    """
    size = request.query.get("maxresults", str(MAX_PAGE))
    if not size.isdecimal() or not 1 <= int(size) <= MAX_PAGE:
        raise bad_parameter(f"maxresults must be between 1 and {MAX_PAGE}")
    rest = sorted(key for key in items if key > request.query.get("$skiptoken", ""))
    keys, more = rest[: int(size)], len(rest) > int(size)
    next_link = str(request.url.update_query({"$skiptoken": keys[-1]})) if more else None
    return web.json_response({"value": [render(key, items[key]) for key in keys], "nextLink": next_link})


def _without_nulls(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}
