"""docs/operations.md names every log line, every metric, and shows the spans as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from shared.domain.measures import Metric
from tests.support.spans import trees

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "operations.md").read_text()
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def log_lines() -> Iterator[tuple[str, str]]:
    """The name and level of every log line in the source."""
    sources = [ROOT / "function_app.py", *(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
                continue
            if called.value.id == "log" and called.attr in LEVELS and isinstance(node, ast.Call):
                text = node.args[0]
                assert isinstance(text, ast.Constant), f"{source.name}: a log line's text is written out"
                yield str(text.value).split(" ", maxsplit=1)[0], LEVELS[called.attr]


def test_the_inventory_of_logs_is_what_the_source_logs() -> None:
    part = DOC.split("## Logs")[1].split("## Metrics")[0]
    written = {
        (name, level)
        for names, levels in re.findall(r"^\| (`[^|]+`) \| ([a-z, ]+) \|", part, flags=re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
        for level in levels.split(", ")
    }
    assert written == set(log_lines())


def test_the_table_of_metrics_is_the_list_in_the_source() -> None:
    part = DOC.split("## Metrics")[1].split("## Spans")[0]
    assert re.findall(r"^\| `([^`]+)` \|", part, flags=re.MULTILINE) == [metric.value for metric in Metric]


async def test_the_spans_in_the_document_are_those_of_one_create_and_one_rotation() -> None:
    shown = re.findall(r"```\n(.*?)```", DOC.split("## Spans")[1], flags=re.DOTALL)
    assert "\n".join(shown) == await trees()
