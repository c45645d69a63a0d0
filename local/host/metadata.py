"""From an app's own metadata to what this host must listen for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from local.host.settings import resolve


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Runs for each request to `route` (a template below the route prefix) whose method is listed; None is all."""

    parameter: str
    route: str
    methods: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Runs at the times of an NCRONTAB schedule, in UTC."""

    parameter: str
    schedule: str
    run_on_startup: bool


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Runs for each message of a queue; `connection` names an app setting."""

    parameter: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """What a function sets on `parameter` goes to a queue."""

    parameter: str
    queue: str
    connection: str


Trigger = HttpTrigger | TimerTrigger | QueueTrigger


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app."""

    name: str
    call: Callable[..., Any]
    trigger: Trigger
    outputs: tuple[QueueOutput, ...]
    wants_context: bool


def read_functions(app: func.FunctionRegister, environ: Mapping[str, str]) -> list[Function]:
    """The app's functions, in the order of their definition, with all `%NAME%` expressions resolved.

    Raises ValueError, naming the function, for an unknown app setting or a binding that this host cannot serve.
    """
    return [_read_function(found, environ) for found in app.get_functions()]


def _read_function(found: func.Function, environ: Mapping[str, str]) -> Function:
    name = str(found.get_function_name())
    declared = found.get_trigger()
    if declared is None:
        raise ValueError(f"function {name!r} has no trigger")
    call = found.get_user_function()
    bindings = [binding.get_dict_repr() for binding in found.get_bindings() if binding is not declared]
    try:
        return Function(
            name=name,
            call=call,
            trigger=_read_trigger(name, declared.get_dict_repr(), environ),
            outputs=tuple(_read_output(each, environ) for each in bindings if each["type"] != "http"),
            wants_context="context" in inspect.signature(call).parameters,
        )
    except ValueError as error:
        raise ValueError(f"function {name!r}: {error}") from error


def _read_trigger(name: str, declared: Mapping[str, Any], environ: Mapping[str, str]) -> Trigger:
    parameter = declared["name"]
    match declared["type"]:
        case "httpTrigger":
            methods = frozenset(getattr(each, "value", each).upper() for each in declared.get("methods") or ())
            return HttpTrigger(parameter, resolve(declared.get("route", name), environ), methods or None)
        case "timerTrigger":
            schedule = resolve(declared["schedule"], environ)
            return TimerTrigger(parameter, schedule, bool(declared.get("runOnStartup")))
        case "queueTrigger":
            return QueueTrigger(parameter, *_queue(declared, environ))
        case other:
            raise ValueError(f"this host has no trigger {other!r}")


def _read_output(declared: Mapping[str, Any], environ: Mapping[str, str]) -> QueueOutput:
    if declared["type"] != "queue":
        raise ValueError(f"this host has no binding {declared['type']!r}")
    return QueueOutput(declared["name"], *_queue(declared, environ))


def _queue(declared: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    return resolve(declared["queueName"], environ), resolve(declared["connection"], environ)
