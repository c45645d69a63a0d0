"""Projects: slugs and callers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caller import Caller
from shared.domain.project import slug_of
from tests.unit.domain.rows import a_project

SOMEBODY = Caller(org_id="an-org", object_id="somebody")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Payments", "payments"),
        ("  Payments -- EU  ", "payments-eu"),
        ("Zürich Büro №1", "zurich-buro-no1"),
        ("日本", ""),
        ("---", ""),
        ("a" * 80, "a" * 59),
    ],
)
def test_a_slug_is_made_of_the_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(name=st.text(max_size=100))
def test_a_slug_is_always_fit_for_a_url_and_a_key(name: str) -> None:
    assert re.fullmatch(r"(?:[a-z0-9]+(?:-[a-z0-9]+)*)?", slug_of(name))
    assert len(slug_of(name)) <= 64


def test_a_project_without_callers_admits_everybody_and_one_with_callers_only_them() -> None:
    assert a_project().admits(SOMEBODY)
    assert a_project("somebody", "else").admits(SOMEBODY)
    assert not a_project("else").admits(SOMEBODY)
