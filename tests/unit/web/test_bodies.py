"""What callers may send, and every way in which they may not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import Certificate, ClientSecret, Federated, Method
from shared.domain.editing import Edit, RotationEdit
from shared.domain.errors import BadRequest
from shared.domain.schedule import RotateAt
from shared.services.proving import SubmittedCode
from shared.web.bodies import CREATE_BODIES, AuthorizeBody, CreateBody, ProjectBody, UpdateBody
from tests.unit.web.sent import (
    CLIENT,
    CONTEXT,
    KEY_ID,
    METHODS,
    REDIRECT_URI,
    ROTATION,
    TENANT,
    VERIFIER,
    Path,
    create,
    credentials,
    json_values,
    problems,
)

NOT_SUPPORTED = "Not supported for Azure Key Vault Connections"
KEY_ID_REQUIRED = "Client Secret Key ID is required when enabling credential rotation."
ONE_OF_FOUR = "Input should be 'oauth', 'client-secret', 'certificate' or 'federated'"
NEITHER_TEXT_NOR_METHOD = [None, 5, True, ["oauth"], {"oauth": "oauth"}]


def parsed(sent: Any) -> CreateBody:
    return CreateBody.read(sent, CONTEXT)


def messages(sent: Any) -> dict[Path, str]:
    return {path: problem.message for path, problem in problems(sent).items()}


@pytest.mark.parametrize("method", METHODS)
def test_the_least_body_gives_an_organisation_level_connection_without_rotation(method: str) -> None:
    assert parsed(create(method)).new_connection() == NewConnection(name="payments", method=Method(method))


@pytest.mark.parametrize("method", METHODS)
def test_the_fullest_body_is_taken_word_for_word(method: str) -> None:
    sent = create(
        method,
        name="  payments-2  ",
        description="  Ünïcode \N{KEY}  ",
        projectId="a-project",
        isPlatformManagedCredentials=False,
        gatewayId=None,
        isAutoRotationEnabled=True,
        rotation=ROTATION,
        credentials=credentials(method, clientSecretKeyId=KEY_ID),
        somethingUnknown={"deep": []},
        App="azure-key-vault",
    )
    assert parsed(sent).new_connection("a-tenant") == NewConnection(
        name="payments-2",
        method=Method(method),
        description="Ünïcode \N{KEY}",
        project_id="a-project",
        tenant="a-tenant",
        is_auto_rotation_enabled=True,
        rotation=RotationPlan(rotation_interval=30, rotate_at_utc=RotateAt(hours=3, minutes=0)),
    )


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("oauth", SubmittedCode),
        ("client-secret", ClientSecret),
        ("certificate", Certificate),
        ("federated", Federated),
    ],
)
def test_the_method_decides_what_becomes_of_the_credentials(method: str, kind: type[object]) -> None:
    assert type(parsed(create(method)).credentials.submitted()) is kind


def test_every_method_has_its_body() -> None:
    assert set(CREATE_BODIES) == set(Method)


def test_a_code_is_submitted_with_all_that_belongs_to_it() -> None:
    sent = credentials("oauth", code=" a-code ", tenantId=TENANT, codeVerifier=VERIFIER, redirectUri=REDIRECT_URI)
    assert parsed(create(credentials=sent)).credentials.submitted() == SubmittedCode(
        code="a-code", tenant=TENANT, redirect_uri=REDIRECT_URI, verifier=VERIFIER
    )


@pytest.mark.parametrize("name", ["a", "a" * 64, "0", "a-1-b"])
def test_names_of_1_to_64_characters_pass(name: str) -> None:
    assert parsed(create(name=name)).name == name


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a" * 65, "A", "a_b", "-a", "a-", "a--b", "a b", "ä", "\uff41", "a\n-b", "a\x00", "a/b", None, 5, ["a"]],
)
def test_every_other_name_is_refused(name: object) -> None:
    assert set(problems(create(name=name))) == {("name",)}
    if name is not None:  # in an update, null says nothing
        assert set(problems({"name": name}, UpdateBody)) == {("name",)}


@pytest.mark.parametrize(("sent", "kept"), [(None, None), ("", None), ("   ", None), (" x ", "x"), ("x" * 256,) * 2])
def test_an_empty_description_is_none(sent: str | None, kept: str | None) -> None:
    assert parsed(create(description=sent)).description == kept


@pytest.mark.parametrize("sent", ["x" * 257, 5, ["x"], {}])
def test_a_long_description_or_no_text_is_refused(sent: object) -> None:
    assert set(problems(create(description=sent))) == {("description",)}
    assert set(problems({"description": sent}, UpdateBody)) == {("description",)}


@pytest.mark.parametrize("sent", ["nope", "OAuth", "", " oauth ", "Method.OAUTH", *NEITHER_TEXT_NOR_METHOD])
def test_a_method_that_is_none_of_ours_is_refused_without_a_word_of_python(sent: object) -> None:
    assert messages(create(method="oauth") | {"method": sent}) == {("method",): ONE_OF_FOUR}


@pytest.mark.parametrize("sent", ["nope", *NEITHER_TEXT_NOR_METHOD, ...])
def test_a_method_that_is_none_of_ours_hides_no_other_problem(sent: object) -> None:
    wrong = create(
        name="Bad Name",
        credentials="none",
        description="x" * 257,
        projectId="a b",
        isPlatformManagedCredentials=True,
        gatewayId="g",
        isAutoRotationEnabled=True,
    ) | {"method": sent}
    assert set(problems({name: value for name, value in wrong.items() if value is not ...})) == {
        ("name",), ("method",), ("description",), ("projectId",), ("isPlatformManagedCredentials",), ("gatewayId",),
        ("rotation",), ("credentials",),
    }  # fmt: skip


def test_platform_managed_credentials_and_gateways_are_refused_in_the_published_words() -> None:
    expected = {("isPlatformManagedCredentials",): NOT_SUPPORTED, ("gatewayId",): NOT_SUPPORTED}
    sent: dict[str, Any] = {"isPlatformManagedCredentials": True, "gatewayId": "a-gateway"}
    assert messages(create(**sent)) == expected
    assert {path: each.message for path, each in problems(sent, UpdateBody).items()} == expected


@pytest.mark.parametrize("gateway", [False, 0, "", {}])
def test_only_null_is_no_gateway(gateway: object) -> None:
    assert set(problems(create(gatewayId=gateway))) == {("gatewayId",)}


@pytest.mark.parametrize("project", ["", "a b", "a/b", "x" * 65, "a!b", 5])
def test_a_project_id_is_fit_for_a_key(project: object) -> None:
    assert set(problems(create(projectId=project))) == {("projectId",)}


def test_a_project_id_is_kept_in_lower_case_as_it_was_given_out() -> None:
    assert parsed(create(projectId=TENANT.upper().replace("1", "A"))).project_id == TENANT.replace("1", "a")


@pytest.mark.parametrize(("sent", "kept"), [(None, False), (False, False), (True, True), (..., False)])
def test_null_counts_as_rotation_switched_off(sent: object, kept: bool) -> None:
    assert parsed(create(isAutoRotationEnabled=sent, rotation=ROTATION)).is_auto_rotation_enabled is kept


@pytest.mark.parametrize("sent", ["true", 1, 0, []])
def test_only_a_boolean_switches_rotation(sent: object) -> None:
    assert set(problems(create(isAutoRotationEnabled=sent, rotation=ROTATION))) == {("isAutoRotationEnabled",)}
    assert set(problems({"isAutoRotationEnabled": sent}, UpdateBody)) == {("isAutoRotationEnabled",)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rotation", [..., None])
def test_enabled_rotation_needs_its_details_in_the_published_words(method: str, rotation: object) -> None:
    sent = create(
        method,
        isAutoRotationEnabled=True,
        rotation=rotation,
        credentials=credentials(method, clientSecretKeyId=KEY_ID),
    )
    assert messages(sent) == {("rotation",): "Rotation details is required when auto rotation is enabled"}


@pytest.mark.parametrize("key_id", [..., None])
def test_enabled_rotation_of_a_client_secret_needs_its_key_id_in_the_published_words(key_id: object) -> None:
    def body(**changes: Any) -> dict[str, Any]:
        sent = credentials("client-secret", clientSecretKeyId=key_id)
        return create("client-secret", credentials=sent, rotation=ROTATION, **changes)

    ((path, text),) = messages(body(isAutoRotationEnabled=True)).items()
    assert (path[0], text) == ("credentials", KEY_ID_REQUIRED)
    assert messages(body(isAutoRotationEnabled=False)) == {}
    assert messages(body()) == {}


def test_a_missing_key_id_is_told_together_with_whatever_else_is_wrong_with_the_credentials() -> None:
    sent = create(
        "client-secret",
        isAutoRotationEnabled=True,
        rotation=ROTATION,
        credentials=credentials("client-secret", clientId="x", clientSecret=""),
    )
    found = messages(sent)
    assert {("credentials", name) for name in ("clientId", "clientSecret", "clientSecretKeyId")} == set(found)
    assert KEY_ID_REQUIRED in found.values()


@pytest.mark.parametrize("interval", [1, 365])
def test_an_interval_is_1_to_365_days(interval: int) -> None:
    taken = parsed(create(rotation=ROTATION | {"rotationInterval": interval}))
    assert taken.rotation is not None
    assert taken.rotation.plan().rotation_interval == interval


@pytest.mark.parametrize("interval", [0, -1, 366, 30.0, 1.5, "30", True, None, 10**4000])
def test_every_other_interval_is_refused(interval: object) -> None:
    rotation = ROTATION | {"rotationInterval": interval}
    assert set(problems(create(rotation=rotation))) == {("rotation", "rotationInterval")}
    if interval is not None:  # in an update, null says nothing
        assert set(problems({"rotation": rotation}, UpdateBody)) == {("rotation", "rotationInterval")}


@pytest.mark.parametrize(
    ("at", "where"),
    [
        ({"hours": 24, "minutes": 0}, ("hours",)),
        ({"hours": -1, "minutes": 0}, ("hours",)),
        ({"hours": 0, "minutes": 60}, ("minutes",)),
        ({"hours": 0, "minutes": "0"}, ("minutes",)),
        ({"hours": 0}, ("minutes",)),
        ("03:00", ()),
        (None, ()),
    ],
)
def test_a_time_of_day_is_hours_and_minutes_in_range(at: object, where: tuple[str, ...]) -> None:
    rotation = ROTATION | {"rotateAtUtc": at}
    assert set(problems(create(rotation=rotation))) == {("rotation", "rotateAtUtc", *where)}
    if at is not None:  # in an update, null says nothing
        assert set(problems({"rotation": rotation}, UpdateBody)) == {("rotation", "rotateAtUtc", *where)}


WRONG: dict[str, dict[str, Any]] = {
    "oauth": {"code": "", "tenantId": "common", "codeVerifier": "short", "redirectUri": "https://evil"},
    "client-secret": {"clientId": "x", "tenantId": None, "clientSecret": "x" * 51, "clientSecretKeyId": "x"},
    "certificate": {"clientId": "x", "tenantId": None, "certificateBody": "x", "privateKey": "x"},
    "federated": {"clientId": "x", "tenantId": None},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_problem_is_told_at_once(method: str) -> None:
    sent = {
        "name": "Bad Name",
        "method": method,
        "credentials": WRONG[method],
        "description": "x" * 257,
        "projectId": "a b",
        "isPlatformManagedCredentials": True,
        "gatewayId": "g",
        "isAutoRotationEnabled": True,
    }
    assert set(problems(sent)) == {
        ("name",), ("description",), ("projectId",), ("isPlatformManagedCredentials",), ("gatewayId",), ("rotation",),
        *(("credentials", field) for field in WRONG[method]),
    }  # fmt: skip


def test_an_empty_body_names_all_that_is_required() -> None:
    assert set(problems({})) == {("name",), ("method",), ("credentials",)}


@pytest.mark.parametrize("sent", [None, [], "text", 5, True])
@pytest.mark.parametrize("model", [CreateBody, UpdateBody, AuthorizeBody, ProjectBody])
def test_a_body_that_is_no_object_is_told_so(sent: object, model: type[CreateBody]) -> None:
    (problem,) = problems(sent, model).values()
    assert (problem.path, problem.code, problem.message) == ((), "invalid_type", "Input should be an object")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sent", [None, [], "text", 5, True])
def test_credentials_that_are_no_object_are_told_so(method: str, sent: object) -> None:
    (problem,) = problems(create(method, credentials=sent)).values()
    assert (problem.path, problem.code) == (("credentials",), "invalid_type")
    assert problem.message == "Input should be an object"


@pytest.mark.parametrize("method", METHODS)
def test_no_problem_and_no_repr_repeats_what_was_sent(method: str) -> None:
    found = problems(create(method, credentials=dict.fromkeys(credentials(method), "S3CRET"), gatewayId="S3CRET"))
    assert "S3CRET" not in repr(found)
    shown = repr(parsed(create(method))) + repr(UpdateBody.read({"credentials": credentials(method)}, CONTEXT))
    for secret in ("a-code", "a-secret", "PRIVATE KEY"):
        assert secret not in shown


everything = sorted(create(rotation=0, projectId=0, gatewayId=0, description=0, isAutoRotationEnabled=0))


@pytest.mark.parametrize("method", METHODS)
@given(key=st.sampled_from(everything), value=json_values)
def test_any_json_in_any_place_is_taken_or_refused_and_never_a_defect(method: str, key: str, value: object) -> None:
    assert all(problem.message for problem in problems(create(method) | {key: value}).values())


@given(sent=json_values | st.dictionaries(st.sampled_from(everything), json_values))
def test_any_json_is_taken_or_refused_and_never_a_defect(sent: object) -> None:
    assert all(problem.message for problem in problems(sent).values())
    assert all(problem.message for problem in problems(sent, AuthorizeBody).values())
    assert all(problem.message for problem in problems(sent, ProjectBody).values())


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


def link(**changes: Any) -> dict[str, Any]:
    return {"name": "payments", "method": "oauth"} | changes


@pytest.mark.parametrize("sent", ["client-secret", "certificate", "federated", "OAuth", None, 1])
def test_a_link_is_for_oauth_only_and_says_so_without_a_word_of_python(sent: object) -> None:
    (problem,) = problems(link(method=sent), AuthorizeBody).values()
    assert (problem.path, problem.message) == (("method",), "Input should be 'oauth'")


@pytest.mark.parametrize("url", [None, "https://portal.example", "https://portal.example/a/b?c=d"])
def test_a_return_url_begins_with_a_configured_origin(url: str | None) -> None:
    assert AuthorizeBody.read(link(returnUrl=url), CONTEXT).return_url == url


@pytest.mark.parametrize(
    "url",
    ["https://portal.example.evil.com/", "https://portal.example@evil.com/", "https://user@portal.example/",
     "http://portal.example/", "//portal.example", "/local", "javascript:alert(1)", "https://portal.example:444/",
     "https://portal.example\\@evil.com", "https://[bad", "https://[bad-address]", "", "https://portal.example/#fragment",
     "https://portal.example/\r\nSet-Cookie: a=b", "https://portal.example/\x0b", "https://por\ntal.example/",
     "https://portal.example/a b", " https://portal.example/", "https://portal.example/ü",
     "https://portal.example/" + "x" * 2048, 5],
)  # fmt: skip
def test_every_other_return_url_is_refused(url: object) -> None:
    found = problems(link(returnUrl=url), AuthorizeBody)
    assert set(found) == {("returnUrl",)}
    assert "bad-address" not in repr(found)


def test_a_connect_link_needs_no_credentials() -> None:
    assert AuthorizeBody.read(link(), {}).credentials.tenant_id is None


def test_a_connect_link_can_name_the_tenant_and_ignores_the_rest_of_the_credentials() -> None:
    sent = link(credentials={"tenantId": TENANT.upper(), "code": 5, "clientId": CLIENT})
    assert AuthorizeBody.read(sent, CONTEXT).credentials.tenant_id == TENANT


@pytest.mark.parametrize("connection", ["prod", "", 5, False])
def test_a_connect_link_for_an_existing_connection_needs_its_id(connection: object) -> None:
    assert set(problems(link(connectionId=connection), AuthorizeBody)) == {("connectionId",)}


def test_a_connect_link_for_an_existing_connection_need_not_describe_a_new_one() -> None:
    body = AuthorizeBody.read({"connectionId": TENANT.upper(), "allowDifferentAccount": True}, CONTEXT)
    assert (body.connection_id, body.allow_different_account, body.return_url) == (TENANT, True, None)


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
