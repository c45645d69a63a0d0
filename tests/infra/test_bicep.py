"""The Bicep holds together: it parses, what it names exists, and it is as closed as it claims."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

import functions.api
from shared.adapters.tables import keys
from tests.infra.bicep import INFRA, ROOT, Bicep, Declaration, Expression, every_file, module, walk
from tests.unit.web.api import FUNCTIONS

FILES = every_file()
MAIN = Bicep.read(INFRA / "main.bicep")
MODULE_OUTPUT = re.compile(r"\b(\w+)!?\.outputs\.(\w+)")
SECRET_SOURCES = re.compile(
    r"listKeys|listAccountSas|listSecrets|listCredentials|ConnectionString|InstrumentationKey|getSecret|primaryKey"
    r"|AccountKey|@secure",
    re.IGNORECASE,
)


def ids(file: Bicep) -> str:
    return file.path.name


every = pytest.mark.parametrize("file", FILES, ids=ids)


# The files hold together


@every
def test_no_file_has_a_syntax_error(file: Bicep) -> None:
    assert file.errors() == []


@pytest.mark.parametrize("broken", [b"param a string = ", b"var a = {\n  b: 1\n", b"resource x 'a@1' = {\n  ]\n}"])
def test_a_syntax_error_would_be_seen(broken: bytes) -> None:
    assert Bicep(broken).errors()


def calls(file: Bicep) -> list[str]:
    """What is wrong with how a file calls its modules."""
    wrong = []
    for call in file.modules:
        path = file.path.parent / call.kind
        if not path.is_file():
            wrong.append(f"{call.symbol}: {call.kind} does not exist")
            continue
        parameters = Bicep.read(path).parameters
        given = call.at("params")
        assert isinstance(given, dict)
        wrong += [f"{call.symbol}: unknown {name}" for name in given.keys() - parameters.keys()]
        wrong += [
            f"{call.symbol}: misses {name}" for name, needed in parameters.items() if needed and name not in given
        ]
    return wrong


@every
def test_every_module_exists_and_gets_exactly_its_parameters(file: Bicep) -> None:
    assert calls(file) == []


def test_a_wrong_call_would_be_seen() -> None:
    source = (
        b"module a 'modules/none.bicep' = {\n}\nmodule b 'modules/identity.bicep' = {\n  params: { nome: 'x' }\n}\n"
    )
    assert calls(Bicep(source)) == [
        "a: modules/none.bicep does not exist",
        "b: unknown nome",
        "b: misses name",
        "b: misses location",
        "b: misses tags",
    ]


@every
def test_every_output_that_is_used_exists(file: Bicep) -> None:
    outputs = {call.symbol: Bicep.read(file.path.parent / call.kind).outputs for call in file.modules}
    used = MODULE_OUTPUT.findall(file.code)
    assert [(symbol, name) for symbol, name in used if name not in outputs[symbol]] == []


@every
def test_every_name_is_declared_and_every_declaration_used(file: Bicep) -> None:
    assert file.used() - file.declared() == set()
    assert {*file.parameters, *file.variables} - file.used() == set()


def test_an_undeclared_or_unused_name_would_be_seen() -> None:
    file = Bicep(b"param a string\nvar b = [for (x, i) in c: '${x}${i}${d}']\noutput e string = f(b)\n")
    assert file.used() - file.declared() == {"c", "d"}
    assert {*file.parameters, *file.variables} - file.used() == {"a"}


def test_every_file_is_reached_from_main() -> None:
    reached, todo = set(), [MAIN]
    while todo:
        file = todo.pop()
        reached.add(file.path.resolve())
        todo += [Bicep.read(file.path.parent / call.kind) for call in file.modules]
    assert reached == {file.path.resolve() for file in FILES}


@every
def test_api_versions_are_pinned_stable_and_one_a_type(file: Bicep) -> None:
    for resource in file.resources:
        version = resource.kind.partition("@")[2]
        if "/" in resource.kind and not resource.type.endswith("diagnosticSettings"):  # these have previews only
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", version), resource.kind
    everywhere = {resource.kind for other in FILES for resource in other.resources if "@" in resource.kind}
    assert len(everywhere) == len({kind.partition("@")[0] for kind in everywhere})


def test_the_parameter_file_names_parameters_that_exist_and_all_that_are_needed() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert given.keys() == MAIN.parameters.keys()
    for name, needed in MAIN.parameters.items():
        assert re.fullmatch(r"\$\{[A-Z_]+}" if needed else r"\$\{[A-Z_]+=.*}", given[name]["value"]), name


# What is made


def queues_in_code() -> set[str]:
    """Each queue that a function reads or writes, and where the host puts what keeps failing there."""
    bindings = [binding.get_dict_repr() for function in FUNCTIONS for binding in function.get_bindings()]
    named = {str(binding["queueName"]) for binding in bindings if "queueName" in binding}
    triggers = {str(found["queueName"]) for found in bindings if found["type"] == "queueTrigger"}
    return named | {f"{queue}-poison" for queue in triggers if not queue.endswith("-poison")}


def test_every_table_and_queue_of_the_code_is_made_and_no_other() -> None:
    storage = module("storage")
    assert storage.variables["tableNames"] == list(keys.TABLES)
    assert sorted(map(str, _list(storage.variables["queueNames"]))) == sorted(queues_in_code())
    assert functions.api.QUEUE in queues_in_code()
    for symbol, names, kind in [
        ("tables", "tableNames", "tables"),
        ("queues", "queueNames", "queues"),
        ("containers", "containerNames", "containers"),
    ]:
        assert storage.resource(symbol).type.endswith(f"/{kind}")
        assert re.search(rf"resource {symbol} '[^']*' = \[for (\w+) in {names}: {{[^}}]*name: \1\n", storage.code)


def test_the_package_goes_into_the_container_that_is_made() -> None:
    storage, app = module("storage"), module("app").resource("app")
    assert storage.variables["containerNames"] == ["deployment"]
    assert storage.outputs["deploymentContainer"] == "containers[0].name"
    deployment = "properties.functionAppConfig.deployment.storage"
    assert app.at(f"{deployment}.value") == Expression(
        "'${account.properties.primaryEndpoints.blob}${deploymentContainer}'"
    )
    assert app.at(f"{deployment}.authentication.type") == "UserAssignedIdentity"


def _list(found: object) -> list[object]:
    assert isinstance(found, list)
    return found


# How closed it is

CLOSED: list[tuple[str, str, str, object]] = [
    ("storage", "account", "properties.allowSharedKeyAccess", False),
    ("storage", "account", "properties.allowBlobPublicAccess", False),
    ("storage", "account", "properties.minimumTlsVersion", "TLS1_2"),
    ("storage", "account", "properties.supportsHttpsTrafficOnly", True),
    ("storage", "containers", "properties.publicAccess", "None"),
    ("vault", "vault", "properties.enableRbacAuthorization", True),
    ("vault", "vault", "properties.enableSoftDelete", True),
    ("vault", "vault", "properties.enablePurgeProtection", True),
    ("vault", "vault", "properties.softDeleteRetentionInDays", 90),
    ("logs", "insights", "properties.DisableLocalAuth", True),
    ("logs", "workspace", "properties.features.disableLocalAuth", True),
    ("events", "topic", "properties.disableLocalAuth", True),
    ("app", "app", "properties.httpsOnly", True),
    ("app", "app", "properties.siteConfig.minTlsVersion", "1.2"),
    ("app", "ftp", "properties.allow", False),
    ("app", "scm", "properties.allow", False),
    ("app", "plan", "sku.name", "FC1"),
    ("app", "app", "identity.type", "UserAssigned"),
    ("app", "app", "properties.functionAppConfig.runtime", {"name": "python", "version": "3.11"}),
    (
        "app",
        "app",
        "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency",
        16,
    ),
    (
        "app",
        "app",
        "properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount",
        Expression("maximumInstanceCount"),
    ),
]


@pytest.mark.parametrize(("name", "symbol", "path", "expected"), CLOSED)
def test_what_is_promised_of_a_resource_is_said(name: str, symbol: str, path: str, expected: object) -> None:
    assert module(name).resource(symbol).at(path) == expected


def test_with_a_private_network_nothing_answers_outside_it() -> None:
    for name, symbol in [("storage", "account"), ("vault", "vault"), ("events", "topic")]:
        assert module(name).resource(symbol).at("properties.publicNetworkAccess") == Expression(
            "privateNetwork ? 'Disabled' : 'Enabled'"
        )
    text = module("network").code
    assert "map(['blob', 'queue', 'table']" in text
    assert "kind: 'vault'" in text
    assert "kind: 'topic'" in text


def test_who_touched_the_vault_is_logged() -> None:
    logs = module("vault").resource("vaultLogs")
    assert logs.at("properties.logs") == [{"categoryGroup": "allLogs", "enabled": True}]
    assert logs.at("scope") == Expression("vault")
    assert logs.at("properties.workspaceId") == Expression("workspaceId")


def secrets_in(file: Bicep) -> list[str]:
    """Where a secret could get out of a file, or into it."""
    found = [f"output {name}" for name, text in file.outputs.items() if SECRET_SOURCES.search(f"{name} {text}")]
    allowed = "APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString"  # with local auth off
    code = file.code.replace(allowed, "")
    return found + [match.group() for match in SECRET_SOURCES.finditer(code) if not found]


@every
def test_no_secret_is_an_output_a_setting_or_a_parameter(file: Bicep) -> None:
    assert secrets_in(file) == []


@pytest.mark.parametrize(
    "source",
    [
        b"output key string = account.listKeys().keys[0].value",
        b"output x string = insights.properties.ConnectionString",
        b"@secure()\nparam p string",
        b"var s = { A: account.listKeys().keys[0].value }",
        b"output primaryKey string = x",
    ],
)
def test_a_secret_would_be_seen(source: bytes) -> None:
    assert secrets_in(Bicep(source))


# Roles

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
}
"""Azure's own, by id (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles)."""

NEEDED = {
    ("Storage Blob Data Owner", "Microsoft.Storage/storageAccounts", None),
    ("Storage Queue Data Contributor", "Microsoft.Storage/storageAccounts", None),
    ("Storage Table Data Contributor", "Microsoft.Storage/storageAccounts", None),
    ("Key Vault Secrets Officer", "Microsoft.KeyVault/vaults", None),
    ("Monitoring Metrics Publisher", "Microsoft.Insights/components", None),
    ("EventGrid Data Sender", "Microsoft.EventGrid/topics", "(!empty(topicName))"),
}
"""Role, what it is granted on, and when."""

NEEDED_BY = {
    "azure.data.tables": "Storage Table Data Contributor",
    "azure.keyvault.secrets": "Key Vault Secrets Officer",
    "azure.eventgrid": "EventGrid Data Sender",
    "azure.storage.queue": "Storage Queue Data Contributor",
}
"""The role that the client of an Azure service needs here."""

FEDERATED_OR_OPEN = {"azure.identity", "azure.core", "azure.functions", "azure.monitor.opentelemetry"}


def grants(file: Bicep) -> list[Declaration]:
    return [resource for resource in file.resources if "roleAssignments" in resource.type]


def granted(file: Bicep) -> set[tuple[str, str, str | None]]:
    """Role, type of what it is granted on, condition."""
    roles = file.variables["roles"]
    assert isinstance(roles, dict)
    found = set()
    for grant in grants(file):
        definition, scope = grant.at("properties.roleDefinitionId"), grant.at("scope")
        assert isinstance(definition, Expression)
        assert isinstance(scope, Expression)
        pattern = r"subscriptionResourceId\('Microsoft.Authorization/roleDefinitions', roles\.(\w+)\)"
        match = re.fullmatch(pattern, definition.text)
        assert match, definition.text
        found.add((ROLES[str(roles[match[1]])], file.resource(scope.text).type, grant.condition))
    return found


def test_exactly_the_roles_that_are_needed_are_granted() -> None:
    rbac = module("rbac")
    assert granted(rbac) == NEEDED
    assert len(grants(rbac)) == len(NEEDED)
    assert {grant.at("properties.principalId") for grant in grants(rbac)} == {Expression("principalId")}
    assert [call.at("params.principalId") for call in MAIN.modules if call.symbol == "grants"] == [
        Expression("identity.outputs.principalId")
    ]


def test_every_client_of_the_code_has_its_role_and_no_role_is_left_over() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (azure\.\w+(?:\.\w+)?)", source, re.MULTILINE))
    clients = {client for client in imported if client in NEEDED_BY}
    unknown = {
        name for name in imported if not any(name.startswith(known) for known in (*NEEDED_BY, *FEDERATED_OR_OPEN))
    }
    assert unknown == set(), "a new client: which role does it need?"
    assert {"azure.data.tables", "azure.keyvault.secrets"} <= clients
    assert {NEEDED_BY[client] for client in clients} <= {role for role, _, _ in granted(module("rbac"))}


def test_roles_are_granted_in_one_file_each_with_its_reason() -> None:
    assert [file.path.name for file in FILES if grants(file)] == ["rbac.bicep"]
    rbac = module("rbac")
    for grant in grants(rbac):
        above = rbac.lines[: grant.line]
        comment: list[str] = []
        while above and above[-1].startswith("//"):
            comment.insert(0, above.pop())
        assert comment, grant.symbol
        assert comment[0].startswith("// Reason: "), grant.symbol


def test_the_app_waits_for_its_roles() -> None:
    (app,) = (call for call in MAIN.modules if call.symbol == "app")
    assert app.at("dependsOn") == [Expression("grants")]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "3913510d-42f4-4e42-8a64-420c390055eb"),
        lambda text: text.replace("  scope: vault\n", "  scope: account\n"),
        lambda text: text.replace("= if (!empty(topicName)) {\n  scope: topic", "= {\n  scope: topic"),
        lambda text: text[: text.index("// Reason: local authentication")],
    ],
)
def test_another_role_scope_or_condition_would_be_seen(change: Callable[[str], str]) -> None:
    rbac = module("rbac")
    changed = change(rbac.source.decode())
    assert changed != rbac.source.decode()
    assert granted(Bicep(changed.encode())) != NEEDED


# The real compiler, where there is one


def bicep_command() -> list[str] | None:
    """The Bicep CLI, or None where there is none."""
    if found := shutil.which("bicep"):
        return [found]
    az = shutil.which("az")
    if az and subprocess.run([az, "bicep", "version"], check=False, capture_output=True).returncode == 0:  # noqa: S603 -- our own command
        return [az, "bicep"]
    return None


def test_bicep_build_and_lint_have_nothing_to_say(record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = bicep_command()
    record_property("bicep_cli", "used" if command else "not at hand: bicep build and lint did not run")
    if command is None:
        with capsys.disabled():
            print("\nNOT CHECKED: the Bicep CLI is not at hand, so bicep build and bicep lint did not run")  # noqa: T201 -- whoever reads the run must see it
        return
    main = str(INFRA / "main.bicep")
    file = ["--file", main] if command[-1] == "bicep" and len(command) > 1 else [main]
    for verb, more in (("build", ["--stdout"]), ("lint", [])):
        ran = subprocess.run([*command, verb, *file, *more], check=False, capture_output=True, text=True)  # noqa: S603 -- our own command
        assert (ran.returncode, ran.stderr.strip()) == (0, "")


def test_comments_are_no_code() -> None:
    file = Bicep(b"// @secure listKeys\nvar a = 1 // more\nvar b = 'x // y'\n")
    assert "listKeys" not in file.code
    assert "'x // y'" in file.code
    assert any(node.type == "comment" for node in walk(file.root))
