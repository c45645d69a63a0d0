"""Cursors lead back to their own list and nowhere else."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import ValidationFailed
from shared.web import cursor

names = st.from_regex(r"\A[0-9A-Za-z!-]{1,200}\Z")
times = st.from_regex(r"\A[0-9]{14}(![0-9A-Za-z-]{1,64})?\Z")
parts = st.none() | st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40)


@given(place=names, org=parts, project=parts)
def test_a_cursor_leads_back_to_its_place(place: str, org: str | None, project: str | None) -> None:
    encoded = cursor.encode(place, org, project)
    assert encoded is not None
    assert len(encoded) <= cursor.MAX_CHARS
    assert cursor.decode(encoded, org, project) == place


@given(place=times)
def test_a_cursor_into_a_list_of_records_leads_back_to_its_time(place: str) -> None:
    assert cursor.decode(cursor.encode(place, "org"), "org", places=cursor.TIMES) == place


def test_there_is_no_cursor_at_the_end_and_none_at_the_beginning() -> None:
    assert cursor.encode(None, "org", None) is None
    assert cursor.decode(None, "org", None) is None


@given(place=names, here=st.tuples(parts, parts), there=st.tuples(parts, parts))
def test_a_cursor_of_another_list_is_refused(
    place: str, here: tuple[str | None, str | None], there: tuple[str | None, str | None]
) -> None:
    encoded = cursor.encode(place, *here)
    if here != there:
        with pytest.raises(ValidationFailed):
            cursor.decode(encoded, *there)


def forged(text: str) -> str:
    mark = base64.urlsafe_b64decode((cursor.encode("x", "org", None) or "") + "==")[:-1].decode()
    return base64.urlsafe_b64encode(f"{mark}{text}".encode()).decode().rstrip("=")


@pytest.mark.parametrize("place", ["", "a'b", "a b", "a/b", "a#", "x" * 201, "x" * 301, 'a"', "ü", "a\n", "a_b", "a.b"])
@pytest.mark.parametrize("places", [cursor.NAMES, cursor.TIMES])
def test_a_forged_cursor_cannot_hold_what_no_key_holds(place: str, places: re.Pattern[str]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        cursor.decode(forged(place), "org", None, places=places)
    assert [problem.path for problem in refused.value.problems] == [("cursor",)]


@pytest.mark.parametrize("place", ["payments!", "1" * 13, "1" * 15, "1" * 14 + "!", f"{'1' * 14}!{'x' * 65}", "٣" * 14])
def test_a_forged_cursor_cannot_hold_a_time_that_is_none(place: str) -> None:
    with pytest.raises(ValidationFailed):
        cursor.decode(forged(place), "org", None, places=cursor.TIMES)


@given(garbage=st.text(max_size=600))
def test_garbage_is_refused_and_never_a_defect(garbage: str) -> None:
    with pytest.raises(ValidationFailed):
        cursor.decode(garbage, "org", None)
