"""What azd and the workflows run: the hooks, the package and its bytecode, the sign-in without a secret."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, ROOT

SCRIPT = INFRA / "register-apps.sh"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


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
    needed = ["function_app.py", "host.json", "requirements.txt", "docs/openapi.json", "appsvc.yaml"]
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


def test_the_remote_build_compiles_everything_so_that_file_times_do_not_matter(tmp_path: Path) -> None:
    command = re.search(r"^post-build: (.*)$", (ROOT / "appsvc.yaml").read_text(), re.MULTILINE)
    assert command
    packages = tmp_path / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    for source in (tmp_path / "own.py", packages / "installed.py"):
        source.write_text("answer = 42\n")
    (packages / "template.py").write_text("not python\n")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    ran = subprocess.run(  # noqa: S603 -- our own command
        ["/bin/bash", "-e", "-c", command[1]],
        cwd=tmp_path,
        env={"PATH": f"{python.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for name, place in (("own", tmp_path), ("installed", packages)):
        (bytecode,) = (place / "__pycache__").glob(f"{name}.*.pyc")
        assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == 0b01, "by hash, and the hash is not checked"


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


def test_what_runs_before_the_approval_signs_in_as_an_app_that_can_only_read() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    what_if = text.partition("  what-if:\n")[2].partition("  deploy:\n")[0]
    assert "environment: ${{ inputs.environment }}-preview" in what_if
    assert "--validation-level ProviderNoRbac" in what_if, "else what-if asks for the right to write"
    role = json.loads((INFRA / "preview-role.json").read_text())
    deployments = "Microsoft.Resources/deployments"
    assert role["Actions"] == ["*/read", f"{deployments}/whatIf/action", f"{deployments}/validate/action"]
    assert (role.get("DataActions"), role["AssignableScopes"]) == (None, ["/subscriptions/SUBSCRIPTION_ID"])
    document = (ROOT / "docs" / "deploy.md").read_text()
    (preview,) = re.findall(r"^ *\| `production-preview` \| (.*) \|$", document, re.MULTILINE)
    assert "preview-role.json" in preview
    assert "Contributor" not in preview


def test_the_what_if_and_the_deployment_get_the_same_parameters_all_of_them() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    entries = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    variables = {}
    for name, entry in entries.items():
        match = re.fullmatch(r"\$\{([A-Z_]+)(?:=(.*))?\}", entry["value"])
        assert match
        variables[name] = (match[1], match[2])
    given = dict(re.findall(r"\b(\w+)=\"\$([A-Z_]+)\"", text.partition("sub what-if")[2]))
    assert given == {name: variable for name, (variable, _) in variables.items()}
    environment = dict(re.findall(r"^  ([A-Z_]+): (.*)$", text, re.MULTILINE))
    for variable, default in variables.values():
        if variable == "AZURE_ENV_NAME":
            continue
        value = f"vars.{variable} || '{default}'" if default else f"vars.{variable}"
        assert environment[variable] == f"${{{{ {value} }}}}", "an empty variable would not be the default"
