"""The settings of shared/settings.py, the README, the sample file and the Bicep are one set."""

from __future__ import annotations

import json
import re

import pytest

from shared.settings import Environment, Settings, SettingsError
from tests.infra.bicep import ROOT, Bicep, module

ALIASES = {str(field.alias) for field in Settings.model_fields.values()}
DEVELOPMENT = {
    "AzureWebJobsStorage",
    "AUTHORITY_HOST",
    "LOOPBACK_CA_FILE",
    "LEASE_SECONDS",
    "CLOCK_AHEAD_SECONDS",
    "ROTATION_INTERVAL_UNIT",
}
"""What only a local stack may set. Anything else that settings.py knows, a deployment sets."""

PLATFORM = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
}
"""What the functions host and the telemetry read. The service itself does not."""

OPTIONAL = {"EVENT_TOPIC_ENDPOINT"}
"""Set only where the part that it belongs to is deployed."""

LOCAL_HOST = {"FUNCTIONS_WORKER_RUNTIME", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
"""What the sample file tells `func` and plays of the platform."""

FORBIDDEN = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME.*|FUNCTIONS_EXTENSION_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*"
    r"|WEBSITE_NODE_DEFAULT_VERSION|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|FUNCTIONS_WORKER_PROCESS_COUNT"
    r"|AzureWebJobsStorage|WEBSITE_USE_PLACEHOLDER.*|FUNCTIONS_MAX_HTTP_CONCURRENCY"
    r"|PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY|PYTHON_ENABLE_OPENTELEMETRY"
)
"""What Flex Consumption refuses, what would put a key into a setting, and what makes the host drop the worker's lines
(it forwards them to Application Insights only while the worker does not say that it sends them itself)."""

GUID = "a0000000-0000-4000-8000-0000000000a1"


def objects(file: Bicep) -> dict[str, dict[str, object]]:
    """The variables that the app's settings are the union of; a conditional one by its filled branch."""
    union = re.search(r"properties: union\(([^)]*)\)", file.code)
    assert union, "the settings are one union"
    found: dict[str, dict[str, object]] = {}
    for name in (part.strip() for part in union[1].split(",")):
        source = re.search(rf"var {name} = (?:[^{{\n]*\? {{}} : )?({{.*?\n?}})\n", file.code, re.DOTALL)
        assert source, name
        value = Bicep(f"var x = {source[1]}\n".encode()).variables["x"]
        assert isinstance(value, dict)
        found[name] = value
    return found


def deployed(file: Bicep | None = None) -> set[str]:
    """Every app setting of a deployment."""
    return {name for settings in objects(file or module("app")).values() for name in settings}


def documented() -> set[str]:
    table = (ROOT / "README.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def sample() -> set[str]:
    values: dict[str, str] = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    return set(values)


def test_a_deployment_sets_all_that_the_service_reads_and_nothing_that_nobody_reads() -> None:
    assert ALIASES - DEVELOPMENT - deployed() == set()
    assert deployed() - ALIASES == (PLATFORM | OPTIONAL) - ALIASES


def test_no_log_line_is_lost_to_sampling() -> None:
    telemetry = objects(module("app"))["telemetrySettings"]
    assert telemetry["OTEL_TRACES_SAMPLER"] == "microsoft.fixed_percentage"
    assert telemetry["OTEL_TRACES_SAMPLER_ARG"] == "1.0"


def test_a_deployment_sets_nothing_that_is_for_development_or_that_flex_forbids() -> None:
    assert deployed() & DEVELOPMENT == set()
    assert [name for name in deployed() if FORBIDDEN.fullmatch(name)] == []


@pytest.mark.parametrize(
    "name", ["SCM_DO_BUILD_DURING_DEPLOYMENT", "PYTHON_ENABLE_OPENTELEMETRY", "AzureWebJobsStorage", "SOMETHING_ELSE"]
)
def test_a_setting_too_many_would_be_seen(name: str) -> None:
    source = module("app").source.decode().replace("  RETURN_ORIGINS: returnOrigins\n", f"  {name}: 'x'\n")
    found = deployed(Bicep(source.encode()))
    assert name in found
    assert "RETURN_ORIGINS" not in found
    assert found - ALIASES != (PLATFORM | OPTIONAL) - ALIASES or found & DEVELOPMENT


def test_what_is_for_development_only_is_refused_in_production() -> None:
    values = {"AzureWebJobsStorage": "x", "AUTHORITY_HOST": "https://127.0.0.1:1", "LOOPBACK_CA_FILE": "x",
              "LEASE_SECONDS": "5", "CLOCK_AHEAD_SECONDS": "60", "ROTATION_INTERVAL_UNIT": "seconds"}  # fmt: skip
    assert values.keys() == DEVELOPMENT
    for name, value in values.items():
        with pytest.raises(SettingsError, match=f"{name}: for development only"):
            Settings.from_environment(production() | {name: value})


def production() -> dict[str, str]:
    """What the Bicep sets, with something in the place of what only a deployment knows."""
    known = {
        "AZURE_CLOUD": "public",
        "PUBLIC_URL": "https://func-x.example",
        "ALLOWED_TENANTS": GUID,
        "API_AUDIENCE": GUID,
        "VAULT_URL": "https://kv-x.vault.azure.net/",
        "AZURE_CLIENT_ID": GUID,
        "OAUTH_CLIENT_ID": GUID,
        "OAUTH_CREDENTIAL": "federated",
        "AzureWebJobsStorage__accountName": "stx",
    }
    literal = {
        name: value
        for settings in objects(module("app")).values()
        for name, value in settings.items()
        if isinstance(value, str)
    }
    return literal | known


def test_the_service_accepts_what_a_deployment_sets() -> None:
    settings = Settings.from_environment(production())
    assert settings.environment is Environment.PRODUCTION
    assert settings.redirect_uri.startswith("https://func-x.example/")


def test_the_readme_lists_exactly_the_settings() -> None:
    assert ALIASES - documented() == set()
    assert documented() - ALIASES <= OPTIONAL | PLATFORM


def test_the_sample_file_sets_only_what_is_known_and_all_that_is_required() -> None:
    assert sample() - ALIASES - OPTIONAL == LOCAL_HOST
    required = {str(field.alias) for field in Settings.model_fields.values() if field.is_required()}
    assert required - sample() == set()


def test_schedules_that_the_functions_name_are_settings() -> None:
    named = set(re.findall(r"%(\w+)%", (ROOT / "functions" / "work.py").read_text()))
    assert named
    assert named <= ALIASES & deployed() & sample()
