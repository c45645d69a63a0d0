"""Alerts and workbook ask for what the code measures and logs, and each alert leads to a page that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from shared.domain.connection import Health
from shared.domain.measures import Metric
from tests.infra.bicep import INFRA, ROOT, Bicep, Expression, module
from tests.unit.web.api import FUNCTIONS

METRICS = {metric.value for metric in Metric}
ATTRIBUTES = {"state", "method", "days", "outcome", "trigger", "queue", "source", "reason", "service"}
DURATIONS = ("PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "PT6H", "P1D", "P2D")
PROMISED = {
    "poison-queue-not-empty": "StorageQueueLogs",
    "work-poisoned": "work.poisoned",
    "timer-silent": "work.ticks",
    "rotation-overdue": "due.oldest_age",
    "needs-reconnect": "connection.transitions",
    "credential-expiring": "connection.expiry_warnings",
    "server-errors": "requests",
    "upstream-throttled": "upstream.throttled",
}
"""The alerts that must exist, each with what it asks for."""

Alert = dict[str, object]


def alerts(file: Bicep | None = None) -> list[Alert]:
    found = (file or module("monitoring-alerts")).variables["alerts"]
    assert isinstance(found, list)
    return found


def queries(alert: Alert) -> str:
    return str(alert["query"])


def workbook_queries() -> dict[str, str]:
    items = json.loads((INFRA / "modules" / "workbook.json").read_text())["items"]
    return {item["content"]["title"]: item["content"]["query"] for item in items if item["type"] == 3}


def every_query() -> Iterator[tuple[str, str]]:
    yield from ((str(alert["name"]), queries(alert)) for alert in alerts())
    yield from workbook_queries().items()


def log_lines() -> set[str]:
    """The name that each log line of the code begins with."""
    source = "\n".join(path.read_text() for place in ("shared", "functions") for path in (ROOT / place).rglob("*.py"))
    return set(re.findall(r"log\.\w+\(\s*\"([a-z-]+\.[a-z-]+)", source))


def unknown_names(query: str) -> set[str]:
    """Metrics, log lines and attributes that a query asks for and that the code does not have."""
    metrics = set(re.findall(r'name == "([^"]*)"', query))
    lines = set(re.findall(r'message startswith "([^"]*)"', query))
    attributes = set(re.findall(r"customDimensions\.(\w+)", query))
    return (metrics - METRICS) | (lines - log_lines()) | (attributes - ATTRIBUTES)


def test_every_query_asks_for_what_the_code_has() -> None:
    for name, query in every_query():
        assert unknown_names(query) == set(), name
        source = query.split()[0]
        assert source in ("customMetrics", "traces", "requests", "union", "StorageQueueLogs"), name
        if "customMetrics" in query:
            assert 'name == "' in query, name


@pytest.mark.parametrize(
    "query",
    [
        'customMetrics | where name == "work.tick"',
        'traces | where message startswith "work.poison"',
        "customMetrics | summarize by tostring(customDimensions.status)",
    ],
)
def test_a_name_that_the_code_does_not_have_would_be_seen(query: str) -> None:
    assert len(unknown_names(query)) == 1


def test_metrics_say_their_attributes_where_they_are_named() -> None:
    text = (ROOT / "shared" / "domain" / "measures.py").read_text()
    assert {name for name in re.findall(r"`(\w+)`", text) if name not in ("due",)} >= ATTRIBUTES


def test_every_promised_alert_exists_and_asks_for_its_matter() -> None:
    found = {str(alert["name"]): queries(alert) for alert in alerts()}
    assert len(found) == len(alerts())
    for name, asked in PROMISED.items():
        assert asked in found[name], name
    assert Health.NEEDS_RECONNECT.value in found["needs-reconnect"]
    assert "<= 14" in found["credential-expiring"]
    assert ">= 500" in found["server-errors"]


def test_silence_alerts_fire_on_nothing_and_the_others_on_something() -> None:
    silent = {alert["name"] for alert in alerts() if alert["breach"] == "silence"}
    assert silent == {"timer-silent", "upkeep-silent"}
    assert {alert["breach"] for alert in alerts()} == {"rows", "silence"}
    code = " ".join(module("monitoring-alerts").code.split())
    assert "operator: alert.breach == 'rows' ? 'GreaterThan' : 'LessThan'" in code
    assert "threshold: alert.breach == 'rows' ? 0 : 1" in code
    assert "numberOfEvaluationPeriods: alert.name == 'timer-silent' ? 2 : 1" in code
    assert "minFailingPeriodsToAlert: alert.name == 'timer-silent' ? 2 : 1" in code


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["name"]))
def test_an_alert_looks_at_least_as_far_back_as_it_is_apart(alert: Alert) -> None:
    # else what happens in between is never looked at
    frequency, window = str(alert["frequency"]), str(alert["window"])
    assert DURATIONS.index(window) >= DURATIONS.index(frequency)
    assert alert["severity"] in (0, 1, 2, 3)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["name"]))
def test_an_alert_asks_where_its_table_is(alert: Alert) -> None:
    where = "workspaceId" if "StorageQueueLogs" in queries(alert) else "insightsId"
    assert alert["scope"] == Expression(where)


def anchors() -> set[str]:
    """The headings of the runbook, as links name them."""
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def descriptions() -> dict[str, str]:
    found = {str(alert["name"]): str(alert["description"]) for alert in alerts()}
    found["not-ready"] = str(module("monitoring").resource("readyAlert").at("properties.description"))
    return found


def test_every_alert_leads_to_a_heading_of_the_runbook() -> None:
    for name, description in descriptions().items():
        match = re.search(r"What to do: docs/runbook\.md#([a-z0-9-]+)$", description)
        assert match, name
        assert match[1] in anchors(), name


def test_every_heading_of_the_runbook_names_the_alerts_that_lead_to_it() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    for name, description in descriptions().items():
        anchor = description.rpartition("#")[2]
        sections = re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]
        (section,) = (
            text
            for text in sections
            if re.sub(r"[^a-z0-9 -]", "", text.partition("\n")[0].lower()).replace(" ", "-") == anchor
        )
        assert f"`{name}`" in section, f"{name} is not named under its heading"


def test_every_alert_reaches_the_action_group() -> None:
    rules = module("monitoring-alerts").resource("rules")
    assert rules.at("properties.actions.actionGroups") == [Expression("actionGroupId")]
    assert rules.at("properties.enabled") is True
    ready = module("monitoring").resource("readyAlert")
    assert ready.at("properties.actions") == [{"actionGroupId": Expression("operators.id")}]


def test_the_availability_test_asks_a_route_that_exists() -> None:
    url = module("monitoring").resource("ready").at("properties.Request.RequestUrl")
    assert url == Expression("'${publicUrl}/api/health/ready'")
    routes = {str(binding.get_dict_repr().get("route")) for found in FUNCTIONS for binding in found.get_bindings()}
    assert "health/ready" in routes


def test_the_workbook_is_loaded_and_shows_what_was_promised() -> None:
    assert "loadTextContent('workbook.json')" in module("monitoring").code
    shown = " ".join(workbook_queries().values())
    unshown = {metric for metric in METRICS if f'"{metric}"' not in shown}
    assert unshown == set()
    assert "rotation.failed" in shown
