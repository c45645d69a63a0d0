"""The promised alerts exist, reach somebody and name the page that says what to do; the workbook shows all."""

from __future__ import annotations

import json
import re

import pytest

from shared.domain.connection import Health
from shared.domain.measures import Metric
from tests.infra.bicep import INFRA, ROOT, Expression, module
from tests.infra.queries import Alert, alerts, workbook
from tests.unit.web.api import FUNCTIONS

METRICS = {metric.value for metric in Metric}
DURATIONS = ("PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "PT6H", "P1D", "P2D")
PROMISED = {
    "poison-queue-not-empty": "StorageQueueLogs",
    "work-poisoned": "work.poisoned",
    "timer-silent": "work.ticks",
    "rotation-overdue": "due.oldest_age",
    "rotation-keeps-failing": "rotation.overdue",
    "needs-reconnect": "connection.transitions",
    "credential-expiring": "connection.expiry_warnings",
    "server-errors": "requests",
    "line-to-act-on": "events.dropped",
    "events-not-leaving": "action=publish",
    "upstream-throttled": "upstream.throttled",
    "vault-read-by-another": "AZKVAuditLogs",
}
"""The alerts that must exist, each with what it asks for."""

PANELS = {
    "Connections by state": ["connections", "state"],
    "Due next": ["due.next", "within"],
    "Longest waiting (seconds)": ["due.oldest_age"],
    "Rotations by outcome": ["rotations", "outcome"],
    "Duration of rotations (seconds)": ["rotation.duration", "outcome"],
    "Age of the oldest success, by method (days)": ["rotation.oldest_success_age", "method"],
    "Rotations overdue, by method": ["rotation.overdue", "method"],
    "Latency of access tokens (milliseconds)": ["access_token.duration"],
    "Failures, by reason": ["rotation.failed", "work.paused", "reason="],
}
"""What the workbook must show, each with what it asks for."""


def queries(alert: Alert) -> str:
    return str(alert["query"])


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
    assert silent == {"timer-silent"}
    assert {alert["breach"] for alert in alerts()} == {"rows", "silence"}
    code = " ".join(module("monitoring-alerts").code.split())
    assert "operator: alert.breach == 'rows' ? 'GreaterThan' : 'LessThan'" in code
    assert "threshold: alert.breach == 'rows' ? 0 : 1" in code
    assert "numberOfEvaluationPeriods: alert.name == 'timer-silent' ? 2 : 1" in code
    assert "minFailingPeriodsToAlert: alert.name == 'timer-silent' ? 2 : 1" in code


def test_a_new_deployment_is_given_time_for_its_first_daily_round() -> None:
    (alert,) = (alert for alert in alerts() if alert["name"] == "upkeep-silent")
    assert alert["breach"] == "rows"
    given = re.search(r"where rounds == 0 and since < ago\((\d+)h\)", queries(alert))
    assert given
    assert 24 < int(given[1]) < 48, "a round begins within a day; a window of two days shows no more"
    assert alert["window"] == "P2D"


def test_the_documents_say_which_alerts_a_new_deployment_fires() -> None:
    after = (ROOT / "docs" / "deploy.md").read_text().partition("## After it")[2].partition("\n## ")[0]
    for name in ("timer-silent", "not-ready"):
        assert f"`{name}`" in after, "it fires between provision and deploy"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["name"]))
def test_an_alert_looks_at_least_as_far_back_as_it_is_apart(alert: Alert) -> None:
    # else what happens in between is never looked at
    frequency, window = str(alert["frequency"]), str(alert["window"])
    assert DURATIONS.index(window) >= DURATIONS.index(frequency)
    assert alert["severity"] in (0, 1, 2, 3)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["name"]))
def test_an_alert_asks_where_its_table_is(alert: Alert) -> None:
    of_resources = any(table in queries(alert) for table in ("StorageQueueLogs", "AZKVAuditLogs"))
    where = "workspaceId" if of_resources else "insightsId"
    assert alert["scope"] == Expression(where)


def test_each_line_that_asks_to_act_is_in_an_alert() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    to_act_on = re.findall(r"^\| `([^`]+)` \| [a-z, ]+ \| \*\*act\*\*", operations, re.MULTILINE)
    assert len(to_act_on) == operations.count("**act**") > 0
    asked = " ".join(queries(alert) for alert in alerts())
    assert [line for line in to_act_on if f'message startswith "{line}"' not in asked] == []


def test_the_runbook_says_of_each_line_of_an_alert_over_several_what_to_do() -> None:
    (query,) = (queries(alert) for alert in alerts() if alert["name"] == "line-to-act-on")
    section = (
        (ROOT / "docs" / "runbook.md").read_text().partition("## A line asks for somebody")[2].partition("\n## ")[0]
    )
    lines = re.findall(r'startswith "([^"]+)"', query)
    assert len(lines) > 1
    assert [line for line in lines if f"- `{line}`" not in section] == []


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


def test_the_alert_on_the_vault_knows_who_the_service_is() -> None:
    (query,) = (queries(alert) for alert in alerts() if alert["name"] == "vault-read-by-another")
    assert "SERVICE_CLIENT_ID" in query
    (condition,) = _list(module("monitoring-alerts").resource("rules").at("properties.criteria.allOf"))
    assert isinstance(condition, dict)
    assert condition["query"] == Expression("replace(alert.query, 'SERVICE_CLIENT_ID', clientId)")
    assert module("identity").outputs["clientId"] == "identity.properties.clientId"


def _list(found: object) -> list[object]:
    assert isinstance(found, list)
    return found


def test_the_runbook_names_panels_that_the_workbook_has() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    named = re.findall(r"(?:Workbook, |workbook's )\*([^*]+)\*|\*([^*]+)\* in the workbook", runbook)
    assert len(named) >= 3
    for before, after in named:
        assert any(title.startswith(before or after) for title in workbook()), before or after


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


def test_what_the_daily_round_counted_is_shown_from_one_round_to_the_next() -> None:
    items = json.loads((INFRA / "modules" / "workbook.json").read_text())["items"]
    for item in items:
        if item["content"].get("title") in ("Connections by state", "Due next"):
            assert item["content"]["timeContext"] == {"durationMs": 2 * 86_400_000}, "it is exported once a day"
            assert "timeContextFromParameter" not in item["content"]


def test_the_workbook_is_loaded_and_shows_what_was_promised() -> None:
    assert "loadTextContent('workbook.json')" in module("monitoring").code
    shown = workbook()
    for title, asked in PANELS.items():
        assert all(name in shown[title] for name in asked), title
    unshown = {metric for metric in METRICS if f'"{metric}"' not in " ".join(shown.values())}
    assert unshown == set()
