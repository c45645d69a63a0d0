"""Queries ask for what the code measures and logs, by its names, dimensions and fields; and Kusto understands them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from shared.domain.connection import Health
from shared.domain.measures import Metric
from tests.infra.bicep import ROOT
from tests.infra.kusto import complaints
from tests.infra.queries import every_query, written
from tests.unit.web.api import FUNCTIONS

SOURCES = [path for place in ("shared", "functions") for path in (ROOT / place).rglob("*.py")]
KINDS = {"count": "Counter", "record": "Histogram", "gauge": "Gauge"}
COLUMNS = {"Counter": {"valueSum"}, "Gauge": {"valueMax"}, "Histogram": {"valueSum", "valueCount", "valueMax"}}
"""Where Application Insights keeps what an instrument says. A counter's points are differences: they are summed."""


@dataclass(frozen=True)
class Measure:
    """What a metric says of itself."""

    kind: str
    attributes: dict[str, set[str]]
    """Each attribute with its values where they are listed."""


def said(text: str) -> Measure:
    """Read from a metric's words: ``Counter, by `a` (x, y) and `b`: …``."""
    head, _, _ = text.partition(":")
    attributes = {
        name: {value.strip() for value in values.split(",")} if values else set()
        for name, values in re.findall(r"`(\w+)`(?: \(([^)]*)\))?", head)
    }
    return Measure(re.split(r"[ ,]", head)[0], attributes)


def measures() -> dict[str, Measure]:
    """Each metric by name, as shared/domain/measures.py describes it."""
    (body,) = (
        node.body
        for node in ast.parse((ROOT / "shared" / "domain" / "measures.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    found = {}
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(node.value, ast.Constant):
            assert isinstance(after.value, ast.Constant)
            found[str(node.value.value)] = said(str(after.value.value))
    return found


MEASURES = measures()


def measured(sources: list[Path]) -> Iterator[tuple[str, str, set[str]]]:
    """Each place that measures: metric, instrument, attributes."""
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            named = node.args[0]
            if node.func.attr in KINDS and isinstance(named, ast.Attribute) and ast.unparse(named.value) == "Metric":
                yield Metric[named.attr].value, KINDS[node.func.attr], {str(word.arg) for word in node.keywords}


def logged() -> dict[str, list[str]]:
    """Each log line's name, with the whole of what is written wherever it is."""
    found: dict[str, list[str]] = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and re.fullmatch(r"log\.[a-z]+", ast.unparse(node.func)):
                text = node.args[0]
                assert isinstance(text, ast.Constant)
                found.setdefault(str(text.value).split(" ")[0], []).append(str(text.value))
    return found


LOGGED = logged()
NAMES = {function.get_function_name() for function in FUNCTIONS}


def wrong(query: str) -> list[str]:
    """What a query asks for that the code does not have."""
    metrics = re.findall(r'name == "([^"]*)"', query)
    lines = re.findall(r'message startswith "([^"]*)"', query)
    found = [name for name in metrics if name not in MEASURES]
    found += [name for name in lines if name not in LOGGED]
    of_these = [MEASURES[name] for name in metrics if name in MEASURES]
    for attribute in re.findall(r"customDimensions\.(\w+)", query):
        if "customMetrics" in query and not any(attribute in measure.attributes for measure in of_these):
            found.append(attribute)
    found += [name for name in re.findall(r"Functions?\.(\w+)", query) if name not in NAMES]
    for attribute, value in re.findall(r'customDimensions\.(\w+)\)? == "([^"]*)"', query):
        values = {value for measure in of_these for value in measure.attributes.get(attribute, ())}
        if "customMetrics" in query and value not in (
            {state.value for state in Health} if attribute == "state" else values
        ):
            found.append(f"{attribute}={value}")
    fitting = {column for measure in of_these for column in COLUMNS[measure.kind]}
    found += sorted(set(re.findall(r"\bvalue(?:Sum|Max|Min|Count)?\b", query)) - fitting)
    for field, last in re.findall(r'extract\("(\w+)=[^"$]*(\$?)"', query):
        for text in (text for name in lines for text in LOGGED.get(name, ())):
            if not re.search(rf" {field}=%s{last}", text):
                found.append(f"{field} of {text}")
    return found


@pytest.mark.parametrize(("name", "query"), every_query().items(), ids=list(every_query()))
def test_a_query_asks_for_what_the_code_has(name: str, query: str) -> None:
    assert wrong(query) == [], name
    if "customMetrics" in query:
        assert 'name == "' in query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('customMetrics | where name == "work.tick" and valueSum > 0', ["work.tick", "valueSum"]),
        ('traces | where message startswith "work.poison"', ["work.poison"]),
        ('traces | where message has "Functions.work_tock"', ["work_tock"]),
        ('exceptions | where tostring(customDimensions.CategoryName) == "Function.work_on"', ["work_on"]),
        ('customMetrics | where name == "rotations" | summarize by tostring(customDimensions.status)', ["status"]),
        ('customMetrics | where name == "rotations" | summarize by tostring(customDimensions.state)', ["state"]),
        (
            'customMetrics | where name == "rotations" and tostring(customDimensions.outcome) == "failure"',
            ["outcome=failure"],
        ),
        ('customMetrics | where name == "due.oldest_age" | summarize sum(valueSum)', ["valueSum"]),
        ('customMetrics | where name == "rotations" and value > 0', ["value"]),
        (
            'traces | where message startswith "rotation.failed" | extend why = extract("why=(.*)$", 1, message)',
            ["why of rotation.failed orgId=%s connectionId=%s reason=%s"] * 2,
        ),
    ],
)
def test_what_the_code_does_not_have_would_be_seen(query: str, found: list[str]) -> None:
    assert wrong(query) == found


def test_a_metric_is_measured_as_it_says() -> None:
    places = list(measured(SOURCES))
    assert {metric for metric, _, _ in places} == MEASURES.keys() == {metric.value for metric in Metric}
    for metric, kind, attributes in places:
        assert (kind, attributes) == (MEASURES[metric].kind, set(MEASURES[metric].attributes)), metric


def test_the_document_for_operators_says_the_same_of_each_metric() -> None:
    part = (ROOT / "docs" / "operations.md").read_text().partition("## Metrics")[2].partition("## Spans")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", part, re.MULTILINE))
    assert {name: said(text) for name, text in rows.items()} == MEASURES


def test_kusto_understands_every_query() -> None:
    assert {name: said for name, said in complaints(every_query()).items() if said} == {}


def test_a_query_that_kusto_does_not_understand_would_be_seen() -> None:
    queries = {
        "table": "AppTraces | take 1",
        "column": "traces | where text == 'x'",
        "function": "traces | summarize summed(itemCount)",
        "syntax": "traces | where (message",
    }
    assert all(complaints(queries).values())


def test_documents_are_read() -> None:
    assert {name.partition(":")[0] for name in written()} >= {"runbook.md", "security.md"}
