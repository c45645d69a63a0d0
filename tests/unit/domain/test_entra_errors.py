"""What Entra's errors mean for people, and for the connection."""

from __future__ import annotations

import pytest

from shared.domain.connection import Health
from shared.domain.entra_errors import (
    BY_ERROR,
    DEAD_GRANT_ERRORS,
    EXPLANATIONS,
    TRANSIENT_ERRORS,
    UNKNOWN,
    explain,
    judge,
)
from shared.domain.errors import Refusal

DOCUMENTED = (
    7000215, 7000222, 7000218, 700016, 7000112, 70001, 700025, 700027, 70021, 700236, 90002, 50194, 700005, 50011,
    501481, 54005, 70008, 700082, 700084, 50173, 70043, 65001, 65004, 90094, 90095, 650057, 500011, 50076, 50079,
    53003, 53000, 50057, 50105, 50196, 90033, 90090, 50033, 90055,
)  # fmt: skip


@pytest.mark.parametrize("number", DOCUMENTED)
def test_every_number_worth_a_text_has_one(number: int) -> None:
    assert EXPLANATIONS[number].text in explain(Refusal(error="invalid_grant", aadsts=number))
    assert f"(AADSTS{number})" in explain(Refusal(error="invalid_grant", aadsts=number))


def test_every_text_says_what_to_do_and_leaves_the_full_stop_to_the_sentence() -> None:
    for explanation in (*EXPLANATIONS.values(), *BY_ERROR.values(), UNKNOWN):
        for part in (explanation.text, explanation.remedy):
            assert part[0].isupper()
            assert not part.endswith(".")
    assert ".." not in explain(Refusal(error="invalid_grant", aadsts=50173, correlation_id="c"))


def test_an_unknown_number_is_explained_by_its_error() -> None:
    text = explain(Refusal(error="invalid_client", aadsts=999999))
    assert text.startswith("The application could not prove its identity (AADSTS999999). ")


def test_an_unknown_error_is_still_a_sentence() -> None:
    assert explain(Refusal(error="made_up")).startswith(UNKNOWN.text)


def test_the_correlation_id_is_given_to_those_who_need_support() -> None:
    assert explain(Refusal(error="x", correlation_id="c-1")).endswith(" Correlation id: c-1.")
    assert "Correlation" not in explain(Refusal(error="x"))


@pytest.mark.parametrize("error", sorted(DEAD_GRANT_ERRORS))
def test_a_dead_grant_needs_a_person_and_says_so_without_a_number(error: str) -> None:
    assert judge(Refusal(error=error)) is Health.NEEDS_RECONNECT
    assert error in BY_ERROR


@pytest.mark.parametrize("number", [None, 50173, 7000222, 65001])
def test_the_judgement_branches_on_the_error_and_never_on_the_number(number: int | None) -> None:
    assert judge(Refusal(error="invalid_client", aadsts=number)) is Health.DEGRADED
    assert judge(Refusal(error="invalid_grant", aadsts=number)) is Health.NEEDS_RECONNECT


def test_no_error_is_both_passing_and_final() -> None:
    assert not TRANSIENT_ERRORS & DEAD_GRANT_ERRORS
