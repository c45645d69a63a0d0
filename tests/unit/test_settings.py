"""Every setting is checked at start, and all that is wrong is told at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clouds import Cloud
from shared.domain.quota import PERIOD
from shared.domain.schedule import IntervalUnit
from shared.settings import OAuthCredential, Settings, SettingsError

GUID = "a0000000-0000-4000-8000-0000000000a1"
PRODUCTION = {
    "PUBLIC_URL": "https://connections.example",
    "ALLOWED_TENANTS": GUID,
    "API_AUDIENCE": GUID,
    "VAULT_URL": "https://credentials.vault.azure.net/",
    "AzureWebJobsStorage__accountName": "connections1",
    "OAUTH_CLIENT_ID": GUID,
}
DEVELOPMENT = {
    "ENVIRONMENT": "development",
    "PUBLIC_URL": "http://127.0.0.1:7071",
    "API_AUDIENCE": GUID,
    "VAULT_URL": "https://127.0.0.1:8443",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "OAUTH_CLIENT_ID": GUID,
}
REQUIRED = ("PUBLIC_URL", "API_AUDIENCE", "VAULT_URL", "AzureWebJobsStorage__accountName", "OAUTH_CLIENT_ID")


def settings(base: dict[str, str] = PRODUCTION, /, **changes: str) -> Settings:
    return Settings.from_environment(base | changes)


def complaint(base: dict[str, str] = PRODUCTION, /, **changes: str) -> str:
    with pytest.raises(SettingsError) as wrong:
        settings(base, **changes)
    return str(wrong.value)


def blamed(text: str) -> set[str]:
    """The names that a complaint is about, without the place inside a list."""
    problems = text.removeprefix("These settings need attention: ").split("; ")
    return {problem.partition(":")[0].partition(".")[0] for problem in problems}


def test_what_a_deployment_sets_is_enough_and_the_rest_is_safe() -> None:
    found = settings()
    assert found.vault_url == "https://credentials.vault.azure.net"
    assert found.redirect_uri == "https://connections.example/api/v1/app-connections/azure/oauth/callback"
    assert found.all_redirect_uris == {found.redirect_uri}
    assert found.secure_browser
    assert found.oauth_credential is OAuthCredential.FEDERATED
    assert (found.interval_unit, found.work_schedule) == (IntervalUnit.DAYS, "*/10 * * * * *")
    assert (found.return_origins, found.redirect_uris) == ((), ())


def test_without_a_tenant_on_the_list_nobody_is_on_it() -> None:
    assert settings(DEVELOPMENT).allowed_tenants == ()


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(PRODUCTION, "")])
def test_nothing_set_names_every_setting_that_is_required(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment(environment)
    assert blamed(str(wrong.value)) == set(REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_setting_is_missed_by_its_own_name(name: str) -> None:
    assert blamed(complaint(**{name: ""})) == {name}


def test_an_empty_or_unknown_setting_counts_for_nothing() -> None:
    assert settings(AZURE_CLOUD="", SOMETHING_ELSE="x") == settings()


def test_space_around_a_value_is_cut_off() -> None:
    assert settings(API_AUDIENCE=f" {GUID}\n", VAULT_URL=" https://credentials.vault.azure.net/ ") == settings()


@pytest.mark.parametrize("audience", ["{}", "api://{}", "https://example.com/{}/api"])
def test_the_services_own_apps_are_known_however_they_are_written(audience: str) -> None:
    api, oauth = "abcdef00-0000-4000-8000-0000000000a2", "abcdef00-0000-4000-8000-0000000000a3"
    configured = settings(API_AUDIENCE=audience.format(api.upper()), OAUTH_CLIENT_ID=oauth.upper())
    assert configured.own_apps == {api, oauth}


def test_an_audience_without_an_id_names_no_app() -> None:
    assert settings(API_AUDIENCE="https://api.example.com").own_apps == {GUID}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTHORITY_HOST", "https://127.0.0.1:8444"),
        ("LOOPBACK_CA_FILE", "/loopback.pem"),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("ROTATION_INTERVAL_UNIT", "minutes"),
        ("ROTATION_INTERVAL_UNIT", "seconds"),
    ],
)
def test_what_would_weaken_a_deployment_is_refused_there_by_name(name: str, value: str) -> None:
    assert complaint(**{name: value}) == f"These settings need attention: {name}: for development only"
    assert settings(DEVELOPMENT, **{name: value})


def test_everything_that_is_for_development_only_is_named_at_once() -> None:
    text = complaint(
        AUTHORITY_HOST="https://127.0.0.1:1", LOOPBACK_CA_FILE="x", AzureWebJobsStorage="x",
        ROTATION_INTERVAL_UNIT="seconds",
    )  # fmt: skip
    assert blamed(text) == {"AUTHORITY_HOST", "LOOPBACK_CA_FILE", "AzureWebJobsStorage", "ROTATION_INTERVAL_UNIT"}


def test_days_are_no_weakening() -> None:
    assert settings(ROTATION_INTERVAL_UNIT="days").interval_unit is IntervalUnit.DAYS


@pytest.mark.parametrize("name", ["PUBLIC_URL", "VAULT_URL", "EVENT_TOPIC_ENDPOINT"])
@pytest.mark.parametrize("url", ["http://connections.example", "http://127.0.0.1:7071", "http://localhost"])
def test_production_speaks_https_only(name: str, url: str) -> None:
    assert f"{name}: must be https" in complaint(**{name: url})


@pytest.mark.parametrize("url", ["http://connections.example", "http://127.0.0.1.evil.example", "http://0.0.0.0:7071"])
def test_development_speaks_http_on_loopback_only(url: str) -> None:
    assert "PUBLIC_URL: must be https" in complaint(DEVELOPMENT, PUBLIC_URL=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:7071", "http://localhost:7071", "http://[::1]:7071"])
def test_loopback_is_plain_http_in_development(url: str) -> None:
    assert not settings(DEVELOPMENT, PUBLIC_URL=url).secure_browser


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("AZURE_CLOUD", "mars"),
        ("PUBLIC_URL", "connections.example"),
        ("PUBLIC_URL", "ftp://connections.example"),
        ("PUBLIC_URL", "https://user:pass@connections.example"),
        ("PUBLIC_URL", "https://connections.example/?a=b"),
        ("PUBLIC_URL", "https://connections.example/#x"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://[bad"),
        ("PUBLIC_URL", "https://[bad-address]"),
        ("PUBLIC_URL", "https://\N{ACCOUNT OF}connections.example"),
        ("PUBLIC_URL", "https://connections.example:99999"),
        ("VAULT_URL", "credentials"),
        ("ALLOWED_TENANTS", "contoso.com"),
        ("ALLOWED_TENANTS", "thirty two characters, no guid!!"),
        ("ALLOWED_TENANTS", f"{GUID}, nobody"),
        ("API_AUDIENCE", "   "),
        ("AzureWebJobsStorage__accountName", "Not-An-Account"),
        ("AzureWebJobsStorage__accountName", "x.evil.example/"),
        ("AZURE_CLIENT_ID", "an-identity"),
        ("OAUTH_CLIENT_ID", "an-app"),
        ("OAUTH_CREDENTIAL", "password"),
        ("OAUTH_CREDENTIAL_SECRET", "../other"),
        ("OAUTH_CREDENTIAL_SECRET", "x" * 128),
        ("OAUTH_REDIRECT_URIS", "https://app.example/a, nonsense"),
        ("OAUTH_REDIRECT_URIS", "https://app.example/#fragment"),
        ("RETURN_ORIGINS", "https://portal.example/path"),
        ("RETURN_ORIGINS", "*"),
        ("WORK_SCHEDULE", "* * * * *"),
        ("WORK_SCHEDULE", "hourly"),
        ("ROTATION_INTERVAL_UNIT", "weeks"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name_and_never_repeated(name: str, value: str) -> None:
    text = complaint(**{name: value})
    assert blamed(text) == {name}
    assert len(value.strip()) < 4 or value not in text


@given(name=st.sampled_from(sorted({*PRODUCTION} - {"API_AUDIENCE"})), value=st.text(max_size=30))
def test_whatever_a_value_is_a_complaint_does_not_show_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        settings(**{name: f"x://SECRET{value}@[:99999"})
    assert "SECRET" not in str(wrong.value)
    assert wrong.value.__cause__ is None


@pytest.mark.parametrize("kind", ["certificate", "secret"])
def test_a_credential_of_its_own_needs_the_name_of_its_secret(kind: str) -> None:
    assert "OAUTH_CREDENTIAL_SECRET: required unless" in complaint(OAUTH_CREDENTIAL=kind)
    assert settings(OAUTH_CREDENTIAL=kind, OAUTH_CREDENTIAL_SECRET="oauth-app").oauth_credential_secret == "oauth-app"


def test_all_that_is_wrong_is_told_at_once_whatever_kind_of_rule_it_breaks() -> None:
    text = complaint(
        {"API_AUDIENCE": GUID},
        PUBLIC_URL="http://connections.example",
        AUTHORITY_HOST="https://127.0.0.1:1",
        OAUTH_CREDENTIAL="secret",
        OAUTH_CLIENT_ID="nonsense",
    )
    assert blamed(text) == {
        "PUBLIC_URL", "VAULT_URL", "AzureWebJobsStorage__accountName", "OAUTH_CLIENT_ID", "OAUTH_CREDENTIAL_SECRET",
        "AUTHORITY_HOST",
    }  # fmt: skip


def test_lists_are_split_at_commas() -> None:
    found = settings(
        ALLOWED_TENANTS=f" {GUID.upper()} ,, {GUID[:-1]}2 ",
        RETURN_ORIGINS="https://Portal.example/,https://other.example:8443",
    )
    assert found.allowed_tenants == (GUID, f"{GUID[:-1]}2")
    assert found.return_origins == ("https://portal.example", "https://other.example:8443")


def test_addresses_are_kept_as_browsers_write_them() -> None:
    assert settings(PUBLIC_URL="https://Connections.EXAMPLE:443/").public_url == "https://connections.example"
    assert settings(PUBLIC_URL="https://connections.example/base/").public_url == "https://connections.example/base"


def test_redirect_uris_are_kept_to_the_letter() -> None:
    uri = "https://App.example/Callback/"
    assert uri in settings(OAUTH_REDIRECT_URIS=uri).all_redirect_uris


def test_the_timer_comes_as_often_as_it_plans_ahead() -> None:
    assert settings().work_schedule == f"*/{PERIOD.seconds} * * * * *"


@pytest.mark.parametrize("cloud", list(Cloud))
def test_each_cloud_has_its_own_addresses(cloud: Cloud) -> None:
    found = settings(AZURE_CLOUD=cloud.value)
    assert found.authority.startswith("https://login.")
    assert found.vault_resource.startswith("https://vault.")
    assert found.table_endpoint.startswith("https://connections1.table.core.")
    assert found.queue_endpoint == found.table_endpoint.replace(".table.", ".queue.")
    others = [settings(AZURE_CLOUD=other.value) for other in Cloud if other is not cloud]
    assert all(found.authority != other.authority for other in others)
    assert all(found.vault_resource != other.vault_resource for other in others)


def test_the_authority_can_be_replaced_in_development() -> None:
    assert settings(DEVELOPMENT, AUTHORITY_HOST="https://127.0.0.1:8444/").authority == "https://127.0.0.1:8444"


def test_a_connection_string_does_not_show_in_a_repr() -> None:
    assert "AccountKey" not in repr(settings(DEVELOPMENT, AzureWebJobsStorage="AccountKey=x"))


def test_the_environment_of_the_process_is_the_usual_source(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment().public_url == "https://connections.example"


def test_every_setting_has_a_name_and_a_description() -> None:
    assert all(field.alias and field.description for field in Settings.model_fields.values())
