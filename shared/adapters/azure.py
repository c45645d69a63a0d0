"""The real parts: every adapter over official clients. Imported at the first request, never at the app's import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import ManagedIdentityCredential

from shared.adapters import app_authority, entra, graph, vault, vault_probe
from shared.adapters.app_credential import app_credential
from shared.adapters.http_session import EntraSession
from shared.adapters.tables import audit, claims, client, connections, due, flows, history, keys, projects
from shared.adapters.throttling import watched, watched_transport
from shared.adapters.transport import CountedTransport
from shared.services.ports import Audience, Clock, EventTopic, Release, Telemetry, WorkQueue
from shared.settings import Settings


def telemetry_for(settings: Settings) -> Telemetry | None:
    """Where measures go; None where no connection string is configured."""
    if settings.insights is None:
        return None
    from shared.adapters.telemetry import to_application_insights  # noqa: PLC0415 -- heavy, and often not wanted

    return to_application_insights(settings.insights, settings.identity_client_id)


def azure_adapters(settings: Settings, clock: Clock) -> dict[str, Any]:
    """The real parts, over clients that are made once and kept warm."""
    identity = ManagedIdentityCredential(client_id=settings.identity_client_id)
    trust: dict[str, Any] = {}
    if settings.ca_file:  # the local stand-in's certificate, and an address outside the vault's own domain
        trust = {"connection_verify": settings.ca_file, "verify_challenge_resource": False}
    telemetry = telemetry_for(settings)
    transport = CountedTransport(**vault.OPTIONS, **trust)
    options = {**trust, **watched("key-vault", telemetry), "transport": transport}
    secrets = vault.AzureVault(vault.secret_client(settings.vault_url, identity, **options))
    if settings.storage_connection_string:
        tables = client.from_connection_string(settings.storage_connection_string, telemetry)
    else:
        tables = client.from_account(settings.table_endpoint, identity, telemetry)
    entra_options = {**app_authority.OPTIONS, **trust}
    entra_transport = watched_transport("entra", telemetry, {settings.graph_url: "graph"}, **entra_options)
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

        topic = AzureEventTopic(settings.event_topic, identity, telemetry=telemetry)
    main = connections.AzureConnectionTable(tables.get_table_client(keys.CONNECTIONS))
    return {
        "clock": clock,
        "connections": main,
        "projects": projects.AzureProjectTable(tables.get_table_client(keys.CONNECTIONS)),
        "due": due.AzureDueTable(tables.get_table_client(keys.DUE), clock),
        "queue": _Queue(settings, identity, clock, telemetry),
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
            session=EntraSession(settings.ca_file, telemetry),
            instance_discovery=settings.authority_host is None,
        ),
        "apps": apps,
        "graph": graph.AzureGraph(url=settings.graph_url, authority=apps, transport=entra_transport),
        "probe": vault_probe.AzureVaultProbe(
            watched_transport("customer-vault", telemetry, **{**vault_probe.OPTIONS, **trust})
        ),
        "claims": claims.AzureClaimTable(tables.get_table_client(keys.CLAIMS)),
        "topic": topic,
        "telemetry": telemetry,
        "checks": {"storage": main.check, "keyVault": secrets.check},
    }


class _Queue(WorkQueue):
    """Queue `work`, whose client is imported and made by the first tick that sends: most processes never do."""

    def __init__(
        self, settings: Settings, identity: AsyncTokenCredential, clock: Clock, telemetry: Telemetry | None
    ) -> None:
        self._settings, self._identity = settings, identity
        self._clock, self._telemetry = clock, telemetry
        self._queue: WorkQueue | None = None

    async def send(self, releases: Sequence[Release]) -> None:
        """See `WorkQueue`."""
        if not releases:
            return
        if self._queue is None:
            from shared.adapters import work_queue  # noqa: PLC0415 -- see above

            if self._settings.storage_connection_string:
                connection = self._settings.storage_connection_string
                self._queue = work_queue.from_connection_string(connection, self._clock, self._telemetry)
            else:
                self._queue = work_queue.from_account(
                    self._settings.queue_endpoint, self._identity, self._clock, self._telemetry
                )
        await self._queue.send(releases)
