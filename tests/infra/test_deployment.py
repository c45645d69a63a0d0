"""What azd and the workflows run: the app registrations, the package, the sign-in without a secret."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.clouds import TOKEN_EXCHANGE_RESOURCES, Cloud
from shared.domain.caller import Permission
from shared.settings import CALLBACK_PATH
from tests.infra.bicep import INFRA, ROOT, Bicep

SCRIPT = INFRA / "register-apps.sh"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PRINCIPAL = "a0000000-0000-4000-8000-0000000000c9"
GRAPH = "https://graph.example/v1.0/"
TENANT = "a0000000-0000-4000-8000-000000000001"

AZ = """#!PYTHON -IS
import json, os, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\\n")
query = words[words.index("--query") + 1] if "--query" in words else ""
url = words[words.index("--url") + 1] if "--url" in words else ""
answers = {
    "endpoints.microsoftGraphResourceId": "https://graph.example/",
    "endpoints.activeDirectory": "https://login.example",
    "name": os.environ.get("CLOUD", "AzureCloud"),
    "tenantId": "TENANT",
    "appId": "api-client" if "-api-" in url else "oauth-client",
    "id": "object-id",
}
fails = os.environ.get("FAILS")
if fails and url and not os.path.exists(fails):
    open(fails, "w").close()
    sys.exit("Resource does not exist yet")
if query:
    print(answers[query])
""".replace("TENANT", TENANT).replace("PYTHON", sys.executable)

Call = list[str]


def run(tmp_path: Path, **environment: str) -> tuple[list[Call], str]:
    """Runs the script against an `az` that notes what it is asked."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    az = tmp_path / "bin" / "az"
    az.write_text(AZ)
    az.chmod(0o755)
    calls = tmp_path / "calls"
    calls.write_text("")
    known = {"PATH": f"{az.parent}:{os.environ['PATH']}", "CALLS": str(calls), "RETRY_SECONDS": "0"}
    fixed = {"AZURE_ENV_NAME": "test", "SET_AZD_ENVIRONMENT": "false"}
    ran = subprocess.run(  # noqa: S603 -- our own script
        ["/bin/bash", str(SCRIPT)], env=known | fixed | environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in calls.read_text().splitlines()], ran.stdout


def written(calls: list[Call]) -> list[tuple[str, dict[str, object]]]:
    """Address and body of each change."""
    changes = [call for call in calls if call[:3] == ["rest", "--method", "patch"]]
    return [(_after(call, "--url").removeprefix(GRAPH), json.loads(_after(call, "--body"))) for call in changes]


def _after(call: Call, option: str) -> str:
    return call[call.index(option) + 1]


def test_the_first_run_makes_both_apps_and_tells_their_ids(tmp_path: Path) -> None:
    calls, said = run(tmp_path)
    assert "API_CLIENT_ID=api-client\nOAUTH_CLIENT_ID=oauth-client\n" in said
    changes = written(calls)
    assert [path for path, _ in changes] == [
        "applications(uniqueName='keyvault-connections-api-test')",
        "applications(uniqueName='keyvault-connections-api-test')",
        "servicePrincipals(appId='api-client')",
        "applications(uniqueName='keyvault-connections-oauth-test')",
        "servicePrincipals(appId='oauth-client')",
    ]
    assert changes[0][1]["api"] == {"requestedAccessTokenVersion": 2}
    assert changes[1][1] == {"identifierUris": ["api://api-client"]}
    assert changes[3][1]["requiredResourceAccess"] == [
        {
            "resourceAppId": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
            "resourceAccess": [{"id": "f53da476-18e3-4152-8e01-aec403e6edc0", "type": "Scope"}],
        }
    ]


def test_every_change_makes_what_is_missing_and_nothing_else_is_made(tmp_path: Path) -> None:
    calls, _ = run(tmp_path, PUBLIC_URL="https://func.example", IDENTITY_PRINCIPAL_ID=PRINCIPAL)
    changes = [call for call in calls if call[0] == "rest" and "get" not in call]
    assert changes
    for call in changes:
        assert call[:3] == ["rest", "--method", "patch"], "a POST would make a second one"
        assert "Prefer=create-if-missing" in call
    assert not any("addPassword" in word or "credential reset" in word for call in calls for word in call)


def test_a_second_run_asks_for_the_same(tmp_path: Path) -> None:
    once, _ = run(tmp_path, PUBLIC_URL="https://func.example", IDENTITY_PRINCIPAL_ID=PRINCIPAL)
    again, _ = run(tmp_path, PUBLIC_URL="https://func.example", IDENTITY_PRINCIPAL_ID=PRINCIPAL)
    assert once == again


def test_after_provisioning_the_redirect_uri_and_the_identity_are_known(tmp_path: Path) -> None:
    calls, _ = run(
        tmp_path,
        PUBLIC_URL="https://func.example/",
        IDENTITY_PRINCIPAL_ID=PRINCIPAL,
        OAUTH_REDIRECT_URIS="https://one.example/a, https://two.example/b",
    )
    changes = written(calls)
    assert changes[-2] == (
        "applications(uniqueName='keyvault-connections-oauth-test')",
        {
            "web": {
                "redirectUris": [
                    f"https://func.example{CALLBACK_PATH}",
                    "https://one.example/a",
                    "https://two.example/b",
                ]
            }
        },
    )
    path, credential = changes[-1]
    assert path == "applications/object-id/federatedIdentityCredentials(name='managed-identity')"
    assert credential["issuer"] == f"https://login.example/{TENANT}/v2.0"
    assert credential["subject"] == PRINCIPAL
    assert credential["audiences"] == [TOKEN_EXCHANGE_RESOURCES[Cloud.PUBLIC]]


@pytest.mark.parametrize(
    ("name", "cloud"), [("AzureUSGovernment", Cloud.US_GOVERNMENT), ("AzureChinaCloud", Cloud.CHINA)]
)
def test_the_audience_is_the_clouds(tmp_path: Path, name: str, cloud: Cloud) -> None:
    calls, _ = run(tmp_path, CLOUD=name, IDENTITY_PRINCIPAL_ID=PRINCIPAL)
    assert written(calls)[-1][1]["audiences"] == [TOKEN_EXCHANGE_RESOURCES[cloud]]


def test_a_directory_that_does_not_know_yet_is_asked_again(tmp_path: Path) -> None:
    calls, _ = run(tmp_path, FAILS=str(tmp_path / "failed"))
    changes = written(calls)
    assert changes[0] == changes[1]
    assert len(changes) == 6


def test_registrations_of_others_are_left_alone(tmp_path: Path) -> None:
    calls, _ = run(tmp_path, REGISTER_APPS="false", API_CLIENT_ID="a", OAUTH_CLIENT_ID="b")
    assert calls == []


def test_the_app_roles_are_the_permissions_of_the_code() -> None:
    roles = json.loads((INFRA / "app-roles.json").read_text())
    assert [role["value"] for role in roles] == [permission.value for permission in Permission]
    assert len({role["id"] for role in roles}) == len(roles)
    for role in roles:
        assert role["isEnabled"] is True
        assert role["allowedMemberTypes"] == ["User", "Application"]
        assert role["description"]


def test_azd_runs_the_script_before_and_after_and_builds_remotely() -> None:
    text = (ROOT / "azure.yaml").read_text()
    for hook in ("preprovision", "postprovision"):
        assert re.search(rf"  {hook}:\n    shell: sh\n    run: bash infra/register-apps.sh\n", text)
    assert "    host: function\n" in text
    assert "    remoteBuild: true\n" in text
    assert os.access(SCRIPT, os.X_OK)


def ignored(path: str) -> bool:
    """Whether the package leaves a file out."""
    lines = (ROOT / ".funcignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    parts = path.split("/")
    return any(
        fnmatch.fnmatch(path, pattern)
        or ("/" not in pattern.rstrip("/") and any(fnmatch.fnmatch(part, pattern.rstrip("/")) for part in parts))
        for pattern in patterns
    )


def test_the_package_has_what_the_service_needs_and_no_more() -> None:
    needed = ["function_app.py", "host.json", "requirements.txt", "docs/openapi.json"]
    needed += [
        str(path.relative_to(ROOT)) for place in ("shared", "functions") for path in (ROOT / place).rglob("*.py")
    ]
    assert [path for path in needed if ignored(path)] == []
    left_out = [
        "local.settings.json",
        "local/start.py",
        "tests/conftest.py",
        "bench/create.py",
        "docs/api.md",
        ".venv/x",
        ".git/config",
    ]
    assert [path for path in left_out if not ignored(path)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_hold_no_secret_and_pin_their_actions(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text
    assert [use for use in re.findall(r"uses: (\S+)", text) if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", use)] == []
    assert "permissions:\n  contents: read\n" in text


def test_the_workflows_test_build_preview_and_then_deploy() -> None:
    ci, deploy = (ROOT / ".github" / "workflows" / name for name in ("ci.yml", "deploy.yml"))
    for path in (ci, deploy):
        for step in ("make check", "make test", "az bicep build", "az bicep lint"):
            assert step in path.read_text(), (path.name, step)
    text = deploy.read_text()
    assert "id-token: write" in text
    assert "--federated-credential-provider github" in text
    assert text.index("az deployment sub what-if") < text.index("azd provision") < text.index("azd deploy")
    assert re.search(r"deploy:\n    needs: what-if\n", text)
    assert re.search(r"what-if:\n    needs: test\n", text)


def test_the_what_if_gives_parameters_that_exist_and_all_that_are_needed() -> None:
    parameters = Bicep.read(INFRA / "main.bicep").parameters
    command = (ROOT / ".github" / "workflows" / "deploy.yml").read_text().partition("what-if --location")[2]
    given = set(re.findall(r"\b(\w+)=\"\$", command))
    assert given - parameters.keys() == set()
    assert {name for name, needed in parameters.items() if needed} - given == set()
