"""The OpenAPI document as it is shipped, and the same as a page for people: no script, no asset from elsewhere."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import azure.functions as func

from shared.web.pages import styled_page

OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.json"

STYLE = """
main,.brand{max-width:56rem}
h2{margin:2rem 0 .25rem;font-size:1rem;overflow-wrap:anywhere}
code{font:.9rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
b.method{display:inline-block;min-width:4rem;color:var(--go)}
""".strip()


@lru_cache(maxsize=1)
def openapi_text() -> str:
    """The document, JSON."""
    return OPENAPI.read_text(encoding="utf-8")


def page() -> func.HttpResponse:
    """Every endpoint with what it takes and what it can answer."""
    document = json.loads(openapi_text())
    endpoints = [
        _endpoint(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    info = document["info"]
    head = f"<h1>The API</h1><p>{_with_code(info['description'])}</p>"
    link = '<p><a href="openapi.json">openapi.json</a></p>'
    return styled_page(str(info["title"]), head + link + "".join(endpoints), extra_style=STYLE)


def _endpoint(path: str, method: str, operation: dict[str, Any]) -> str:
    takes = [f"{parameter['name']} ({parameter['in']})" for parameter in operation["parameters"]]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        takes.append(f"{schema.rpartition('/')[2]} (body)")
    facts = {
        "Permission": operation["description"].partition("`")[2].rstrip("`"),
        "Takes": ", ".join(takes) or "nothing",
        "Answers": ", ".join(operation["responses"]),
    }
    rows = "".join(f"<div><dt>{term}</dt><dd>{escape(value)}</dd></div>" for term, value in facts.items())
    return (
        f'<h2><code><b class="method">{method.upper()}</b> {escape(path)}</code></h2>'
        f"<p>{_with_code(operation['summary'])}</p><dl>{rows}</dl>"
    )


def _with_code(text: str) -> str:
    """The text as HTML, what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
