"""Writes the OpenAPI document: `python -m local.openapi`."""

from __future__ import annotations

import json

from function_app import app
from shared.web.docs import OPENAPI
from shared.web.openapi import document


def main() -> None:
    """Write `docs/openapi.json` anew from the code."""
    OPENAPI.write_text(json.dumps(document(app.get_functions()), indent=2) + "\n", encoding="utf-8")
    print(f"wrote {OPENAPI}")


if __name__ == "__main__":
    main()
