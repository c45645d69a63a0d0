"""The tree of errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from shared.domain import errors
from shared.domain.errors import GrantRefused, Problem, ProductError, Refusal, UpstreamTimeout, ValidationFailed


def tree(root: type[ProductError]) -> Iterator[type[ProductError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_the_drawn_tree_names_every_error() -> None:
    drawn = set(re.findall(r"^[\s│├└─]*([A-Z]\w+)", errors.__doc__ or "", flags=re.MULTILINE))
    here = {kind.__name__ for kind in tree(ProductError) if kind.__module__ == errors.__name__}
    assert here <= drawn


def test_every_error_says_when_it_is_raised() -> None:
    assert all(inspect.getdoc(kind) for kind in tree(ProductError))


def test_a_failed_validation_carries_every_problem() -> None:
    problems = [Problem("too_big", ("name",), "too long"), Problem("custom", ("rotation", 0), "odd")]
    error = ValidationFailed(problems)
    assert error.problems == tuple(problems)
    assert error.message == "too long; odd"


def test_a_refused_grant_keeps_what_entra_said_and_how_to_tell_people() -> None:
    error = GrantRefused(Refusal(error="invalid_grant", aadsts=50173), "The sign-in was revoked.")
    assert error.message == "Failed to get access token: The sign-in was revoked."
    assert error.refusal.error == "invalid_grant"


def test_an_upstream_error_names_the_service() -> None:
    assert "Key Vault" in UpstreamTimeout("Key Vault").message
