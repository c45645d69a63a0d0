"""The functions that a host finds. An import error would show as none at all."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

from azure.functions.decorators.function_app import Function

from tests.unit.web.api import FUNCTIONS

AC = "v1/app-connections"
KV = f"{AC}/azure-key-vault"
EXPECTED: list[tuple[str, str, tuple[str, ...], str]] = [
    ("app_connections_list", "httpTrigger", ("GET",), AC),
    ("app_connections_options", "httpTrigger", ("GET",), f"{AC}/options"),
    ("audit_logs_list", "httpTrigger", ("GET",), "v1/audit-logs"),
    ("connections_access_token", "httpTrigger", ("POST",), f"{KV}/{{connectionId}}/access-token"),
    ("connections_available", "httpTrigger", ("GET",), f"{KV}/available"),
    ("connections_check", "httpTrigger", ("POST",), f"{KV}/{{connectionId}}/check"),
    ("connections_create", "httpTrigger", ("POST",), KV),
    ("connections_delete", "httpTrigger", ("DELETE",), f"{KV}/{{connectionId}}"),
    ("connections_get", "httpTrigger", ("GET",), f"{KV}/{{connectionId}}"),
    ("connections_get_by_name", "httpTrigger", ("GET",), f"{KV}/connection-name/{{connectionName}}"),
    ("connections_list", "httpTrigger", ("GET",), KV),
    ("connections_rotate", "httpTrigger", ("POST",), f"{KV}/{{connectionId}}/rotate-credentials"),
    ("connections_rotations", "httpTrigger", ("GET",), f"{KV}/{{connectionId}}/rotations"),
    ("connections_update", "httpTrigger", ("PATCH",), f"{KV}/{{connectionId}}"),
    ("console", "httpTrigger", ("GET",), "console"),
    ("docs", "httpTrigger", ("GET",), "docs"),
    ("health_live", "httpTrigger", ("GET",), "health/live"),
    ("health_ready", "httpTrigger", ("GET",), "health/ready"),
    ("not_found", "httpTrigger", (), "{*path}"),
    ("oauth_authorize", "httpTrigger", ("POST",), f"{KV}/oauth/authorize"),
    ("oauth_callback", "httpTrigger", ("GET", "POST"), f"{AC}/azure/oauth/callback"),
    ("oauth_connect_page", "httpTrigger", ("GET",), f"{KV}/oauth/connect/{{linkSecret}}"),
    ("oauth_connect_start", "httpTrigger", ("POST",), f"{KV}/oauth/connect/{{linkSecret}}"),
    ("oauth_flow_status", "httpTrigger", ("GET",), f"{KV}/oauth/flows/{{flowId}}"),
    ("openapi", "httpTrigger", ("GET",), "openapi.json"),
    ("projects_create", "httpTrigger", ("POST",), "v1/projects"),
    ("projects_delete", "httpTrigger", ("DELETE",), "v1/projects/{projectId}"),
    ("projects_get", "httpTrigger", ("GET",), "v1/projects/{projectId}"),
    ("projects_list", "httpTrigger", ("GET",), "v1/projects"),
    ("work_advance", "queueTrigger", (), "work"),
    ("work_poison", "queueTrigger", (), "work-poison"),
    ("work_tick", "timerTrigger", (), "%WORK_SCHEDULE%"),
    ("work_upkeep", "timerTrigger", (), "%UPKEEP_SCHEDULE%"),
    ("work_upkeep_page", "queueTrigger", (), "upkeep"),
    ("work_upkeep_poison", "queueTrigger", (), "upkeep-poison"),
]
"""In order of name. Without methods a route takes them all."""


def trigger(function: Function) -> dict[str, Any]:
    found = function.get_trigger()
    assert found is not None, "a function without trigger never runs"
    described: dict[str, Any] = found.get_dict_repr()
    return described


def signature(function: Function) -> tuple[str, str, tuple[str, ...], str]:
    """Name, kind of trigger, methods, and the route, queue or schedule."""
    found = trigger(function)
    methods = tuple(sorted(getattr(method, "value", method) for method in found.get("methods", ())))
    where = found.get("route") or found.get("queueName") or found.get("schedule") or ""
    return str(function.get_function_name()), str(found["type"]), methods, str(where)


def test_the_host_finds_exactly_these_functions() -> None:
    assert sorted(signature(function) for function in FUNCTIONS) == EXPECTED


def test_every_function_says_what_it_does() -> None:
    assert [function.get_function_name() for function in FUNCTIONS if not function.get_user_function().__doc__] == []


def test_every_function_takes_exactly_its_bindings_and_perhaps_the_context() -> None:
    # the worker refuses to load a function whose parameters and bindings differ
    for function in FUNCTIONS:
        bindings = {str(binding.name) for binding in function.get_bindings()} - {"$return"}
        assert set(inspect.signature(function.get_user_function()).parameters) - {"context"} == bindings


def test_no_two_functions_answer_to_the_same_route_and_method() -> None:
    routes = [(route, method) for _, kind, methods, route in EXPECTED if kind == "httpTrigger" for method in methods]
    assert [taken for taken, times in Counter(routes).items() if times > 1] == []


def test_no_route_asks_for_a_function_key() -> None:
    levels = {trigger(function)["authLevel"] for function in FUNCTIONS if trigger(function)["type"] == "httpTrigger"}
    assert {str(getattr(level, "value", level)).lower() for level in levels} == {"anonymous"}


def test_every_queue_and_output_uses_the_storage_of_the_host() -> None:
    bindings = [binding.get_dict_repr() for function in FUNCTIONS for binding in function.get_bindings()]
    queues = [binding for binding in bindings if str(binding["type"]).startswith("queue")]
    assert {binding["connection"] for binding in queues} == {"AzureWebJobsStorage"}
    assert {binding["queueName"] for binding in queues} == {"work", "work-poison", "upkeep", "upkeep-poison"}
    outputs = [binding for binding in queues if binding["type"] == "queue"]
    assert {binding["queueName"] for binding in outputs} == {"work", "upkeep"}


def test_no_timer_runs_at_start_and_each_remembers_missed_ticks() -> None:
    timers = [trigger(function) for function in FUNCTIONS if trigger(function)["type"] == "timerTrigger"]
    assert {(timer["runOnStartup"], timer["useMonitor"]) for timer in timers} == {(False, True)}
