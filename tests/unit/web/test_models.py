"""What callers may send, and every way in which they may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.connection import Method
from shared.domain.errors import Problem
from shared.web.models import AuthorizeBody, Body, CreateOAuthBody, ListQuery, ProjectBody
from shared.web.problems import from_validation

TENANT = "11111111-1111-4111-8111-111111111111"
CONTEXT = {"redirect_uris": {"https://app.example/callback"}, "return_origins": ("https://portal.example",)}
VERIFIER = "v" * 43
ROTATION = {"rotationInterval": 30, "rotateAtUtc": {"hours": 3, "minutes": 0}}
NOT_SUPPORTED = "Not supported for Azure Key Vault Connections"


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "payments", "method": "oauth", "credentials": {"code": "a-code"}} | changes


def credentials(**changes: Any) -> dict[str, Any]:
    return body(credentials={"code": "a-code"} | changes)


def problems(sent: Any, model: type[Body] = CreateOAuthBody) -> dict[tuple[str | int, ...], Problem]:
    try:
        model.model_validate(sent, context=CONTEXT)
    except ValidationError as error:
        return {problem.path: problem for problem in from_validation(error).problems}
    return {}


def parsed(sent: Any) -> CreateOAuthBody:
    return CreateOAuthBody.model_validate(sent, context=CONTEXT)


def test_the_least_body_gives_an_organisation_level_connection_without_rotation() -> None:
    new = parsed(body()).new_connection(None)
    assert (new.name, new.method, new.description, new.project_id) == ("payments", Method.OAUTH, None, None)
    assert (new.is_auto_rotation_enabled, new.rotation) == (False, None)


def test_the_fullest_body_is_taken_word_for_word() -> None:
    sent = body(
        name="  payments-2  ",
        description="  Ünïcode \N{KEY}  ",
        projectId="a-project",
        isPlatformManagedCredentials=False,
        gatewayId=None,
        isAutoRotationEnabled=True,
        rotation=ROTATION,
        credentials={
            "code": "  a-code  ",
            "tenantId": TENANT.upper(),
            "codeVerifier": VERIFIER,
            "redirectUri": "https://app.example/callback",
        },
        somethingUnknown={"deep": []},
    )
    taken = parsed(sent)
    new = taken.new_connection(taken.credentials.tenant_id)
    assert (new.name, new.description, new.project_id) == ("payments-2", "Ünïcode \N{KEY}", "a-project")
    assert (new.tenant, taken.credentials.code) == (TENANT, "a-code")
    assert new.rotation is not None
    assert (new.rotation.rotation_interval, new.rotation.rotate_at_utc.hours) == (30, 3)


@pytest.mark.parametrize("name", ["a", "a" * 64, "0", "a-1-b"])
def test_names_of_1_to_64_characters_pass(name: str) -> None:
    assert parsed(body(name=name)).name == name


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a" * 65, "A", "a_b", "-a", "a-", "a--b", "a b", "ä", "\uff41", "a\n-b", "a\x00", "a/b", None, 5, ["a"]],
)
def test_every_other_name_is_refused(name: object) -> None:
    assert set(problems(body(name=name))) == {("name",)}


@pytest.mark.parametrize(("sent", "kept"), [(None, None), ("", None), ("   ", None), (" x ", "x"), ("x" * 256,) * 2])
def test_an_empty_description_is_none(sent: str | None, kept: str | None) -> None:
    assert parsed(body(description=sent)).description == kept


@pytest.mark.parametrize("sent", ["x" * 257, 5, ["x"], {}])
def test_a_long_description_or_no_text_is_refused(sent: object) -> None:
    assert set(problems(body(description=sent))) == {("description",)}


@pytest.mark.parametrize("sent", ["client-secret", "certificate", "OAuth", None, 1])
def test_a_method_that_is_not_oauth_is_refused_without_a_word_of_python(sent: object) -> None:
    (problem,) = problems(body(method=sent)).values()
    assert (problem.path, problem.message) == (("method",), "Input should be 'oauth'")


@pytest.mark.parametrize("code", ["", "  \t\n"])
def test_an_empty_code_is_refused_in_the_published_words(code: str) -> None:
    (problem,) = problems(credentials(code=code)).values()
    assert (problem.path, problem.message) == (("credentials", "code"), "OAuth code required")


@pytest.mark.parametrize("code", [None, 5, "x" * 8193])
def test_a_code_is_a_text_of_bounded_length(code: object) -> None:
    assert set(problems(credentials(code=code))) == {("credentials", "code")}


@pytest.mark.parametrize("tenant", ["contoso.com", "a.b-c.example", f" {TENANT} ", "Contoso.OnMicrosoft.com", None])
def test_a_tenant_is_an_id_or_a_domain_name(tenant: str | None) -> None:
    expected = tenant and tenant.strip().lower()
    assert parsed(credentials(tenantId=tenant)).credentials.tenant_id == expected


@pytest.mark.parametrize(
    "tenant",
    ["common", "organizations", "consumers", "", "a/../b.com", "contoso.com/x", "contoso.com?x", "contoso.com#", "..",
     "a..b.com", "-a.com", "contoso.com:443", "x@contoso.com", "%2e.com", "контосо.рф", "a." * 130 + "com",
     "{" + TENANT + "}", "urn:uuid:" + TENANT, TENANT.replace("-", ""), 5, [TENANT]],
)  # fmt: skip
def test_whatever_could_break_out_of_a_url_path_is_no_tenant(tenant: object) -> None:
    assert set(problems(credentials(tenantId=tenant))) == {("credentials", "tenantId")}


@pytest.mark.parametrize("verifier", ["v" * 42, "v" * 129, "v" * 42 + "!", 5])
def test_a_code_verifier_obeys_rfc_7636(verifier: object) -> None:
    assert set(problems(credentials(codeVerifier=verifier))) == {("credentials", "codeVerifier")}


@pytest.mark.parametrize(
    "uri", ["https://app.example/callback/", "https://APP.example/callback", "https://evil", "", 5]
)
def test_a_redirect_uri_must_be_a_configured_one_to_the_letter(uri: object) -> None:
    assert set(problems(credentials(redirectUri=uri))) == {("credentials", "redirectUri")}


def test_platform_managed_credentials_and_gateways_are_refused_in_the_published_words() -> None:
    found = problems(body(isPlatformManagedCredentials=True, gatewayId="a-gateway"))
    assert {path: problem.message for path, problem in found.items()} == {
        ("isPlatformManagedCredentials",): NOT_SUPPORTED,
        ("gatewayId",): NOT_SUPPORTED,
    }


@pytest.mark.parametrize("gateway", [False, 0, "", {}])
def test_only_null_is_no_gateway(gateway: object) -> None:
    assert set(problems(body(gatewayId=gateway))) == {("gatewayId",)}


@pytest.mark.parametrize("project", ["", "a b", "a/b", "x" * 65, "a!b", 5])
def test_a_project_id_is_fit_for_a_key(project: object) -> None:
    assert set(problems(body(projectId=project))) == {("projectId",)}


@pytest.mark.parametrize(("sent", "kept"), [(None, False), (False, False), (True, True)])
def test_null_counts_as_rotation_switched_off(sent: bool | None, kept: bool) -> None:
    assert parsed(body(isAutoRotationEnabled=sent, rotation=ROTATION)).is_auto_rotation_enabled is kept


@pytest.mark.parametrize("sent", ["true", 1, 0, []])
def test_only_a_boolean_switches_rotation(sent: object) -> None:
    assert set(problems(body(isAutoRotationEnabled=sent, rotation=ROTATION))) == {("isAutoRotationEnabled",)}


@pytest.mark.parametrize("rotation", [{}, {"rotation": None}])
def test_enabled_rotation_needs_its_details_in_the_published_words(rotation: dict[str, None]) -> None:
    (problem,) = problems(body(isAutoRotationEnabled=True, **rotation)).values()
    assert problem.path == ("rotation",)
    assert problem.message == "Rotation details is required when auto rotation is enabled"


@pytest.mark.parametrize("interval", [1, 365])
def test_an_interval_is_1_to_365_days(interval: int) -> None:
    taken = parsed(body(rotation=ROTATION | {"rotationInterval": interval}))
    assert taken.rotation is not None
    assert taken.rotation.plan().rotation_interval == interval


@pytest.mark.parametrize("interval", [0, -1, 366, 30.0, 1.5, "30", True, None, 10**4000])
def test_every_other_interval_is_refused(interval: object) -> None:
    assert set(problems(body(rotation=ROTATION | {"rotationInterval": interval}))) == {("rotation", "rotationInterval")}


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
    found = problems(body(rotation=ROTATION | {"rotateAtUtc": at}))
    assert set(found) == {("rotation", "rotateAtUtc", *where)}


def test_every_problem_is_told_at_once() -> None:
    sent = {
        "name": "Bad Name",
        "method": "nope",
        "credentials": {"code": "", "tenantId": "common", "codeVerifier": "short", "redirectUri": "https://evil"},
        "description": "x" * 257,
        "projectId": "a b",
        "isPlatformManagedCredentials": True,
        "gatewayId": "g",
        "isAutoRotationEnabled": True,
    }
    assert set(problems(sent)) == {
        ("name",), ("method",), ("description",), ("projectId",), ("isPlatformManagedCredentials",), ("gatewayId",),
        ("rotation",), ("credentials", "code"), ("credentials", "tenantId"), ("credentials", "codeVerifier"),
        ("credentials", "redirectUri"),
    }  # fmt: skip


def test_an_empty_body_names_all_that_is_required() -> None:
    assert set(problems({})) == {("name",), ("method",), ("credentials",)}


@pytest.mark.parametrize("sent", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_told_so(sent: object) -> None:
    (problem,) = problems(sent).values()
    assert (problem.path, problem.code, problem.message) == ((), "invalid_type", "Input should be an object")


def test_no_problem_repeats_what_was_sent() -> None:
    found = problems(credentials(code=5, tenantId="SECRET", codeVerifier="SECRET", redirectUri="SECRET"))
    assert "SECRET" not in repr(found)
    assert "a-code" not in repr(parsed(body()))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(body(rotation=0, projectId=0, gatewayId=0, description=0))), value=json_values)
def test_any_json_in_any_place_is_taken_or_refused_and_never_a_defect(key: str, value: object) -> None:
    assert all(problem.message for problem in problems(body(**{key: value})).values())


def link(**changes: Any) -> dict[str, Any]:
    return {"name": "payments", "method": "oauth"} | changes


@pytest.mark.parametrize("url", [None, "https://portal.example", "https://portal.example/a/b?c=d"])
def test_a_return_url_begins_with_a_configured_origin(url: str | None) -> None:
    assert AuthorizeBody.model_validate(link(returnUrl=url), context=CONTEXT).return_url == url


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
    assert AuthorizeBody.model_validate(link()).credentials.tenant_id is None


def test_a_project_is_named_and_the_rest_has_defaults() -> None:
    project = ProjectBody.model_validate({"projectName": "  Payments  "})
    assert (project.project_name, project.slug, project.type, project.description, project.callers) == (
        "Payments", None, "secret-manager", None, [],
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
    assert ProjectBody.model_validate({"projectName": "P", "callers": [upper]}).callers == [upper.lower()]


@pytest.mark.parametrize(("sent", "limit"), [({}, 1000), ({"limit": "1"}, 1), ({"limit": "1000"}, 1000)])
def test_a_list_is_limited_to_1000(sent: dict[str, str], limit: int) -> None:
    assert ListQuery.model_validate(sent).limit == limit


@pytest.mark.parametrize(
    "sent", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"limit": ""}, {"limit": "9" * 5000},
             {"cursor": "x" * 513}, {"projectId": ""}],
)  # fmt: skip
def test_a_query_out_of_bounds_is_refused(sent: dict[str, str]) -> None:
    assert set(problems(sent, ListQuery)) == {tuple(sent)}
