"""What callers may send to change a connection."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.credential import Method
from shared.domain.editing import Edit, RotationEdit
from shared.domain.errors import BadRequest
from shared.domain.schedule import RotateAt
from shared.web.bodies import UpdateBody
from tests.unit.web.sent import (
    CONTEXT,
    KEY_ID,
    METHODS,
    ROTATION,
    WRONG,
    create,
    credentials,
    json_values,
    parsed,
    problems,
)


def edit(sent: Any) -> Edit:
    return UpdateBody.read(sent, CONTEXT).edit()


def test_an_empty_update_changes_nothing() -> None:
    found = edit({})
    assert found == Edit(name=None, is_auto_rotation_enabled=None, rotation=None)
    assert "description" not in found.model_fields_set


@pytest.mark.parametrize("sent", [None, "", "  "])
def test_a_description_of_null_or_nothing_clears_it_and_an_absent_one_stays(sent: str | None) -> None:
    cleared = edit({"description": sent})
    assert cleared.description is None
    assert "description" in cleared.model_fields_set
    assert "description" not in edit({"name": "other"}).model_fields_set


def test_what_is_sent_changes() -> None:
    sent = {"name": " other ", "description": " x ", "isAutoRotationEnabled": False, "rotation": ROTATION}
    assert edit(sent) == Edit(
        name="other",
        description="x",
        is_auto_rotation_enabled=False,
        rotation=RotationEdit(rotation_interval=30, rotate_at_utc=RotateAt(hours=3, minutes=0)),
    )


@pytest.mark.parametrize("field", ["name", "isAutoRotationEnabled", "rotation", "credentials"])
def test_null_says_the_same_as_nothing_except_for_the_description(field: str) -> None:
    assert edit({field: None}) == edit({})
    assert UpdateBody.read({field: None}, CONTEXT).credentials_for(Method.OAUTH, CONTEXT) is None


@pytest.mark.parametrize("key", ["method", "app", "projectId", "orgId", "id", "ID", "App"])
@pytest.mark.parametrize("value", [None, 5, "something-else", "../x", ["x"], {"deep": []}])
def test_what_callers_cannot_change_is_ignored_whatever_it_is(key: str, value: object) -> None:
    assert problems({key: value}, UpdateBody) == {}
    assert edit({key: value}) == edit({})


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, RotationEdit()),
        ({"rotationInterval": 7}, RotationEdit(rotation_interval=7)),
        ({"rotateAtUtc": {"hours": 5, "minutes": 6}}, RotationEdit(rotate_at_utc=RotateAt(hours=5, minutes=6))),
        ({"rotationInterval": None, "rotateAtUtc": None}, RotationEdit()),
    ],
)
def test_a_schedule_can_be_changed_in_part(sent: dict[str, Any], expected: RotationEdit) -> None:
    assert edit({"rotation": sent}).rotation == expected


def test_every_problem_of_an_update_is_told_at_once() -> None:
    sent = {
        "name": "Bad Name",
        "description": "x" * 257,
        "credentials": "none",
        "isPlatformManagedCredentials": True,
        "gatewayId": "g",
        "isAutoRotationEnabled": "yes",
        "rotation": {"rotationInterval": 0, "rotateAtUtc": {"hours": 24}},
    }
    assert set(problems(sent, UpdateBody)) == {
        ("name",), ("description",), ("credentials",), ("isPlatformManagedCredentials",), ("gatewayId",),
        ("isAutoRotationEnabled",), ("rotation", "rotationInterval"), ("rotation", "rotateAtUtc", "hours"),
        ("rotation", "rotateAtUtc", "minutes"),
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_credentials_of_the_stored_method_are_read_as_when_it_was_created(method: str) -> None:
    sent = credentials(method)
    read = UpdateBody.read({"credentials": sent}, CONTEXT).credentials_for(Method(method), CONTEXT)
    assert read is not None
    assert read.submitted() == parsed(create(method)).credentials.submitted()


WORDS = {"oauth": "OAuth", "client-secret": "Client Secret", "certificate": "Certificate", "federated": "Federated"}


@pytest.mark.parametrize("method", METHODS)
def test_credentials_of_another_shape_are_a_bad_request_in_the_published_words_with_details(method: str) -> None:
    body = UpdateBody.read({"credentials": {"somethingElse": "S3CRET"}}, CONTEXT)
    with pytest.raises(BadRequest) as refused:
        body.credentials_for(Method(method), CONTEXT)
    expected = f"Invalid credential format for Azure Key Vault Connection with method {WORDS[method]}"
    assert refused.value.message == expected
    assert {each.path for each in refused.value.problems} == {("credentials", each) for each in credentials(method)}
    assert {problem.message for problem in refused.value.problems} == {"Field required"}
    assert "S3CRET" not in repr(refused.value.problems)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_credentials_of_an_update_are_all_told_in_the_details(method: str) -> None:
    body = UpdateBody.read({"credentials": WRONG[method]}, CONTEXT)
    with pytest.raises(BadRequest) as refused:
        body.credentials_for(Method(method), CONTEXT)
    assert {problem.path for problem in refused.value.problems} == {("credentials", each) for each in WRONG[method]}


def test_a_key_id_may_come_with_an_update_and_is_never_required() -> None:
    sent = {"isAutoRotationEnabled": True, "credentials": credentials("client-secret")}
    assert problems(sent, UpdateBody) == {}
    sent["credentials"] = credentials("client-secret", clientSecretKeyId=KEY_ID)
    read = UpdateBody.read(sent, CONTEXT).credentials_for(Method.CLIENT_SECRET, CONTEXT)
    assert read is not None
    assert read.key_id == KEY_ID


update_keys = ["name", "description", "credentials", "isAutoRotationEnabled", "rotation", "gatewayId", "method"]


@pytest.mark.parametrize("method", METHODS)
@given(sent=json_values | st.dictionaries(st.sampled_from(update_keys), json_values))
def test_any_json_as_an_update_is_taken_or_refused_and_never_a_defect(method: str, sent: object) -> None:
    with suppress(ValidationError, BadRequest):
        UpdateBody.read(sent, CONTEXT).credentials_for(Method(method), CONTEXT)
