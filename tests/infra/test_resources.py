"""What a deployment makes is what the code uses, and as closed as it is promised to be."""

from __future__ import annotations

import re

import pytest

import functions.api
from shared.adapters.tables import keys
from tests.infra.bicep import Expression, module
from tests.unit.web.api import FUNCTIONS


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
    assert logs.at("properties.logAnalyticsDestinationType") == "Dedicated", "the alert asks AZKVAuditLogs"
