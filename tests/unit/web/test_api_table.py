"""The table of routes in docs/api.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from shared.web.openapi import statuses
from tests.unit.web.api import OPERATIONS

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
ROW = re.compile(r"^\| `([A-Z]+)` \| `(/api/[^`]+)` \| (.+?) \| ([0-9, ]+) \|$", re.MULTILINE)

CONNECT = "/api/v1/app-connections/azure-key-vault/oauth/connect/{linkSecret}"
CALLBACK = "/api/v1/app-connections/azure/oauth/callback"
ANONYMOUS = {
    ("GET", CONNECT): ("none: the link", [200, 404, 410, 500, 502, 503, 504]),
    ("POST", CONNECT): ("none: the link", [200, 303, 400, 403, 404, 410, 500, 502, 503, 504]),
    ("GET", CALLBACK): ("none: state and cookie", [200, 303, 400, 405, 409, 500, 502, 503, 504]),
    ("POST", CALLBACK): ("none: state and cookie", [200, 303, 400, 405, 409, 500, 502, 503, 504]),
    ("GET", "/api/health/live"): ("none", [200]),
    ("GET", "/api/health/ready"): ("none", [200, 503]),
    ("GET", "/api/openapi.json"): ("none", [200]),
    ("GET", "/api/docs"): ("none", [200]),
    ("GET", "/api/console"): ("none", [200]),
}
"""The routes that ask for no token."""


def test_every_route_stands_in_the_table_with_its_permission_and_statuses() -> None:
    written = {
        (method, path): (permission, [int(status) for status in codes.split(",")])
        for method, path, permission, codes in ROW.findall(DOCUMENT.read_text())
    }
    coded = {
        (method, path): (f"`{operation.permission.value}`", [200, *statuses(path, operation)])
        for path, method, operation in OPERATIONS.values()
    }
    assert written == coded | ANONYMOUS
