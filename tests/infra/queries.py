"""Every query that operators are given: of the alerts, of the workbook, and of the documents."""

from __future__ import annotations

import json
import re

from tests.infra.bicep import INFRA, ROOT, Bicep, module
from tests.infra.kusto import TABLES

Alert = dict[str, object]

DOCUMENTS = ("deploy.md", "operations.md", "runbook.md", "security.md", "scale.md")
_IN_TEXT = re.compile(rf"`((?:{'|'.join(TABLES)}) \|[^`]*)`")


def alerts(file: Bicep | None = None) -> list[Alert]:
    """The alert rules over logs."""
    found = (file or module("monitoring-alerts")).variables["alerts"]
    assert isinstance(found, list)
    return found


def workbook() -> dict[str, str]:
    """The queries of the workbook by the title that is shown over each."""
    items = json.loads((INFRA / "modules" / "workbook.json").read_text())["items"]
    return {item["content"]["title"]: item["content"]["query"] for item in items if item["type"] == 3}


def written() -> dict[str, str]:
    """The queries that a document tells to run, by document and place."""
    return {
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}": " ".join(match[1].split())
        for name in DOCUMENTS
        for text in [(ROOT / "docs" / name).read_text()]
        for match in _IN_TEXT.finditer(text)
    }


def every_query() -> dict[str, str]:
    """All of them by name."""
    return {str(alert["name"]): str(alert["query"]) for alert in alerts()} | workbook() | written()
