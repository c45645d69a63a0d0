"""What callers may send to make a project."""

from __future__ import annotations

from typing import Any

import pytest

from shared.web.bodies import ProjectBody
from tests.unit.web.sent import (
    TENANT,
    problems,
)


def test_a_project_is_named_and_the_rest_has_defaults() -> None:
    project = ProjectBody.model_validate({"projectName": "  Payments  "})
    assert (project.project_name, project.slug, project.type, project.description, project.callers) == (
        "Payments", None, "secret-manager", None, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"projectName": " "}, ("projectName",)),
        ({"projectName": "x" * 65}, ("projectName",)),
        ({"slug": "abcd"}, ("slug",)),
        ({"slug": "Abcde"}, ("slug",)),
        ({"slug": "a" * 65}, ("slug",)),
        ({"type": "Nope!"}, ("type",)),
        ({"callers": ["nobody"]}, ("callers", 0)),
        ({"callers": [TENANT] * 101}, ("callers",)),
        ({"callers": None}, ("callers",)),
    ],
)
def test_a_project_out_of_bounds_is_refused(changes: dict[str, Any], path: tuple[str | int, ...]) -> None:
    assert set(problems({"projectName": "Payments"} | changes, ProjectBody)) == {path}


def test_callers_are_kept_in_lower_case_as_tokens_carry_them() -> None:
    upper = "ABCDEF00-0000-4000-8000-000000000000"
    assert ProjectBody.model_validate({"projectName": "P", "callers": [upper]}).callers == (upper.lower(),)
