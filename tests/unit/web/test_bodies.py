"""What callers may send, and every way in which they may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import Certificate, ClientSecret, Federated, Method
from shared.domain.schedule import RotateAt
from shared.services.proving import SubmittedCode
from shared.web.bodies import CREATE_BODIES, AuthorizeBody, CreateBody, ProjectBody, UpdateBody
from tests.unit.web.sent import (
    CONTEXT,
    KEY_ID,
    METHODS,
    REDIRECT_URI,
    ROTATION,
    TENANT,
    VERIFIER,
    WRONG,
    Path,
    create,
    credentials,
    json_values,
    parsed,
    problems,
)

NOT_SUPPORTED = "Not supported for Azure Key Vault Connections"
KEY_ID_REQUIRED = "Client Secret Key ID is required when enabling credential rotation."
ONE_OF_FOUR = "Input should be 'oauth', 'client-secret', 'certificate' or 'federated'"
NEITHER_TEXT_NOR_METHOD = [None, 5, True, ["oauth"], {"oauth": "oauth"}]


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
