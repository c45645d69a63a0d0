"""Which function a request is for: ASP.NET Core route templates, as the Functions host uses them.

Not supported, and refused when the app is loaded: default values (`{n=5}`) and constraints not listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from local.host.metadata import Function, HttpTrigger

_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

CONSTRAINTS = {
    "alpha": r"[a-z]*",
    "bool": r"true|false",
    "guid": rf"{_GUID}|\{{{_GUID}\}}|\({_GUID}\)|[0-9a-f]{{32}}",
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
}
"""Route constraints by name; letters match in either case."""

_PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::\w+)*)(?P<optional>\??)\}")

_LITERAL, _MIXED, _CONSTRAINED, _FREE, _CONSTRAINED_REST, _REST = range(1, 7)
"""Segment kinds in the order of `RoutePrecedence.ComputeInbound` of ASP.NET Core: the lower wins."""


@dataclass(frozen=True, slots=True)
class Route:
    """One compiled template."""

    function: Function
    template: str
    methods: frozenset[str] | None
    precedence: tuple[int, ...]
    pattern: re.Pattern[str]
    checks: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route parameters when this route takes the request; an absent optional parameter is left out."""
        if self.methods is not None and method not in self.methods:
            return None
        if (found := self.pattern.fullmatch(path)) is None:
            return None
        parameters = {}
        for (name, constraints), value in zip(self.checks, found.groups(), strict=True):
            if not value:
                continue
            if not all(constraint.fullmatch(value) for constraint in constraints):
                return None
            parameters[name] = value
        return parameters


class Router:
    """The HTTP functions of an app, the most specific route first, then in the order of definition."""

    def __init__(self, functions: Iterable[Function], prefix: str) -> None:
        self.routes = sorted(
            (
                _compile(function, function.trigger, prefix)
                for function in functions
                if isinstance(function.trigger, HttpTrigger)
            ),
            key=lambda route: route.precedence,
        )

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route that takes the request, with its parameters.

        A route that does not list the method is passed over, so that a catch-all behind it gets the request.
        """
        for route in self.routes:
            if (parameters := route.match(method, path)) is not None:
                return route, parameters
        return None


def _compile(function: Function, trigger: HttpTrigger, prefix: str) -> Route:
    template = "/".join(part for part in (prefix.strip("/"), trigger.route.strip("/")) if part)
    pattern, precedence = "", []
    checks: list[tuple[str, tuple[re.Pattern[str], ...]]] = []
    for segment in filter(None, template.split("/")):
        parameters = list(_PARAMETER.finditer(segment))
        literals = _PARAMETER.split(segment)[:: _PARAMETER.groups + 1]
        if any("{" in literal or "}" in literal for literal in literals):
            raise ValueError(f"function {function.name!r}: this host cannot read {segment!r} of its route")
        checks += [(found["name"], _constraints(function, found)) for found in parameters]
        pattern += _segment_pattern(literals, parameters)
        precedence.append(_precedence(literals, parameters))
    return Route(
        function=function,
        template=f"/{template}",
        methods=trigger.methods,
        precedence=tuple(precedence),
        pattern=re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL),
        checks=tuple(checks),
    )


def _constraints(function: Function, parameter: re.Match[str]) -> tuple[re.Pattern[str], ...]:
    names = filter(None, parameter["constraints"].split(":"))
    try:
        return tuple(re.compile(CONSTRAINTS[name.lower()], re.IGNORECASE | re.ASCII) for name in names)
    except KeyError as unknown:
        raise ValueError(f"function {function.name!r}: this host has no route constraint {unknown}") from None


def _segment_pattern(literals: list[str], parameters: list[re.Match[str]]) -> str:
    whole = len(parameters) == 1 and not any(literals)
    if whole and parameters[0]["star"]:
        return "(?:/(.*))?"
    if whole and parameters[0]["optional"]:
        return "(?:/([^/]+))?"
    return "/" + "([^/]+?)".join(map(re.escape, literals))


def _precedence(literals: list[str], parameters: list[re.Match[str]]) -> int:
    if not parameters:
        return _LITERAL
    if any(literals) or len(parameters) > 1:
        return _MIXED
    constrained = bool(parameters[0]["constraints"])
    if parameters[0]["star"]:
        return _CONSTRAINED_REST if constrained else _REST
    return _CONSTRAINED if constrained else _FREE
