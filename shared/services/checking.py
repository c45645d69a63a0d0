"""Does the connection work, right now? Asked by a person, so a connection that needs mending is tried as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.domain.caller import Caller
from shared.domain.connection import Health
from shared.domain.errors import ConnectionBroken
from shared.services.connections import Connections
from shared.services.ports import Clock, VaultProbe
from shared.services.using import Using


@dataclass(frozen=True, slots=True)
class Checked:
    """How the connection stands after the try."""

    state: Health
    at: datetime
    message: str | None = None
    can_list_secrets: bool | None = None


class Checking:
    """`await check(caller, connection_id, vault)`."""

    def __init__(self, *, connections: Connections, use: Using, probe: VaultProbe, clock: Clock) -> None:
        self._connections = connections
        self._use = use
        self._probe = probe
        self._clock = clock

    async def __call__(self, caller: Caller, connection_id: str, vault: str | None) -> Checked:
        """A token is fetched, never taken from memory; with `vault`, a vault's address, that vault is asked with it.

        What is learnt of the credential is written to the row. Raises `NotFound`, and `UpstreamError` for what passes.
        """
        row = await self._connections.get(caller, connection_id)
        try:
            row, token = await self._use(row)
        except ConnectionBroken as broken:
            return Checked(Health(broken.details["state"]), self._clock(), broken.message)
        status = row.connection.status
        if vault is None:
            return Checked(status.state, self._clock(), status.reason)
        probed = await self._probe.probe(vault, token.access_token)
        return Checked(status.state, self._clock(), probed.message or status.reason, probed.can_list_secrets)
