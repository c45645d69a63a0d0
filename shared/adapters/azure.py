"""The real parts: every adapter over official clients. Imported at the first request, never at the app's import."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient

from shared.adapters import app_authority, entra, graph, vault
from shared.adapters.app_credential import app_credential
from shared.adapters.http_session import EntraSession
from shared.adapters.tables import audit, claims, client, connections, due, flows, history, keys, projects
from shared.adapters.transport import CountedTransport
from shared.services.ports import Audience, Clock, EventTopic
from shared.settings import Settings


def azure_adapters(settings: Settings, clock: Clock) -> dict[str, Any]:
    """The real parts, over clients that are made once and kept warm."""
    identity = ManagedIdentityCredential(client_id=settings.identity_client_id)
    trust: dict[str, Any] = {}
    if settings.ca_file:  # the local stand-in's certificate, and an address outside the vault's own domain
        trust = {"connection_verify": settings.ca_file, "verify_challenge_resource": False}
    options = {**vault.OPTIONS, **trust}
    transport = CountedTransport(**options)
    secrets = vault.AzureVault(SecretClient(settings.vault_url, identity, transport=transport, **options))
    if settings.storage_connection_string:
        tables = client.from_connection_string(settings.storage_connection_string)
    else:
        tables = client.from_account(settings.table_endpoint, identity)
    entra_transport = AioHttpTransport(**{**app_authority.OPTIONS, **trust})
    apps = app_authority.AzureIdentityAuthority(
        authority=settings.authority,
        scopes={
            Audience.VAULT: f"{settings.vault_resource}/.default",
            Audience.GRAPH: f"{settings.graph_resource}/.default",
        },
        exchange_scope=settings.token_exchange_scope,
        identity=identity,
        transport=entra_transport,
    )
    topic: EventTopic | None = None
    if settings.event_topic:
        from shared.adapters.event_grid import AzureEventTopic  # noqa: PLC0415 -- costs nothing where there is none

        topic = AzureEventTopic(settings.event_topic, identity)
    main = connections.AzureConnectionTable(tables.get_table_client(keys.CONNECTIONS))
    return {
        "clock": clock,
        "connections": main,
        "projects": projects.AzureProjectTable(tables.get_table_client(keys.CONNECTIONS)),
        "due": due.AzureDueTable(tables.get_table_client(keys.DUE), clock),
        "flows": flows.AzureFlowTable(tables.get_table_client(keys.FLOWS)),
        "history": history.AzureRotationHistory(tables.get_table_client(keys.ROTATIONS)),
        "audit": audit.AzureAuditTrail(tables.get_table_client(keys.AUDIT_LOGS)),
        "vault": secrets,
        "entra": entra.MsalEntra(
            client_id=settings.oauth_client_id,
            authority_host=settings.authority,
            scope=f"{settings.vault_resource}/user_impersonation",
            app_credential=app_credential(settings, identity, secrets),
            clock=clock,
            session=EntraSession(settings.ca_file),
            instance_discovery=settings.authority_host is None,
        ),
        "apps": apps,
        "graph": graph.AzureGraph(url=settings.graph_url, authority=apps, transport=entra_transport),
        "claims": claims.AzureClaimTable(tables.get_table_client(keys.CLAIMS)),
        "topic": topic,
        "checks": {"storage": main.check, "keyVault": secrets.check},
    }
