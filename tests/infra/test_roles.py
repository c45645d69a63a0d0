"""Exactly the roles that the code needs are granted, at the scope that is said, in one file, each with its reason."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.infra.bicep import INFRA, ROOT, Bicep, Declaration, Expression, every_file, module

MAIN = Bicep.read(INFRA / "main.bicep")

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
    assert [file.path.name for file in every_file() if grants(file)] == ["rbac.bicep"]
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


def test_who_deploys_from_github_may_grant_these_roles_only() -> None:
    condition = (INFRA / "grants-condition.txt").read_text()
    assert_only_these_roles(condition)
    for source in ("Request", "Resource"):
        assert re.search(rf"@{source}\[[^\]]*:PrincipalType\] \S+ {{'ServicePrincipal'}}", condition)


def test_after_the_first_deployment_they_may_be_granted_to_the_identity_only() -> None:
    document = (ROOT / "docs" / "deploy.md").read_text()
    (command,) = re.findall(r'--condition "\$\((sed .*)\)"', document)
    principal = "11111111-2222-3333-4444-555555555555"
    ran = subprocess.run(  # noqa: S603 -- our own command
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env={"IDENTITY_PRINCIPAL_ID": principal},
        capture_output=True,
        text=True,
        check=True,
    )
    assert_only_these_roles(ran.stdout)
    for source in ("Request", "Resource"):
        attribute = rf"@{source}\[Microsoft\.Authorization/roleAssignments:PrincipalId\]"
        assert re.search(rf"{attribute} ForAnyOfAnyValues:GuidEquals {{{principal}}}", ran.stdout)


def assert_only_these_roles(condition: str) -> None:
    for verb, source in (("write", "Request"), ("delete", "Resource")):
        assert f"!(ActionMatches{{'Microsoft.Authorization/roleAssignments/{verb}'}})" in condition
        (allowed,) = re.findall(
            rf"@{source}\[[^\]]*:RoleDefinitionId\] ForAnyOfAnyValues:GuidEquals {{([^}}]*)}}", condition
        )
        assert set(allowed.split(", ")) == ROLES.keys()
