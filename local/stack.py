"""The parts of a local stack and how each one is started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableServiceClient

from local.certificate import ensure_certificate
from local.entra import seed
from local.environment import CERTIFICATES, STATE, app_settings, storage_connection_string
from local.ports import Ports
from local.processes import Processes
from shared.adapters.tables.keys import TABLES

AZURITE = Path("local/node_modules/.bin/azurite")


class Stack:
    """Azurite, the stand-ins and the functions host of one base port; state in `.local/<port>/`.

    With `in_memory`, nothing that is stored outlives its process, and a change costs the same however much is there.
    """

    def __init__(
        self,
        base: int,
        *,
        state: Path | None = None,
        settings: Mapping[str, str] | None = None,
        hidden_seconds: int | None = None,
        in_memory: bool = False,
    ) -> None:
        self.ports = Ports.from_base(base)
        self.state = state or STATE / str(base)
        self.settings = {**app_settings(self.ports), **(settings or {})}
        self.processes = Processes(self.state / "logs")
        self._hidden_seconds = hidden_seconds
        self._in_memory = in_memory

    @property
    def api(self) -> str:
        """The API's address."""
        return self.settings["PUBLIC_URL"]

    @property
    def entra(self) -> str:
        """The Entra stand-in's address."""
        return f"https://127.0.0.1:{self.ports.entra}"

    @property
    def vault(self) -> str:
        """The Key Vault stand-in's address."""
        return f"https://127.0.0.1:{self.ports.vault}"

    @property
    def storage(self) -> str:
        """Azurite's connection string."""
        return storage_connection_string(self.ports)

    def forget(self) -> None:
        """Remove everything that was stored, but not the logs, which tell of earlier runs."""
        for stored in self.state.glob("*"):
            if stored.is_file():
                stored.unlink()
            elif stored.name != "logs":
                shutil.rmtree(stored)

    async def start_emulators(self) -> None:
        """Everything but the functions host, and the tables that Bicep makes in Azure."""
        ensure_certificate(CERTIFICATES)
        ports, python = self.ports, sys.executable
        azurite = [
            str(AZURITE), "--silent", "--disableTelemetry", "--skipApiVersionCheck",
            *([] if self._in_memory else ["--location", str(self.state / "azurite")]),
            "--blobPort", str(ports.blob), "--queuePort", str(ports.queue), "--tablePort", str(ports.table),
        ]  # fmt: skip
        entra = [
            python, "-m", "local.entra", "--port", str(ports.entra), "--identity-port", str(ports.identity),
            "--state", str(self.state / "entra"), "--certificates", str(CERTIFICATES), "--public-url", self.api,
        ]  # fmt: skip
        vault = [
            python, "-m", "local.keyvault", "--port", str(ports.vault), "--entra-port", str(ports.entra),
            "--tenant", seed.HOME_TENANT_ID, "--certificates", str(CERTIFICATES),
        ]  # fmt: skip
        if self._in_memory:
            azurite.append("--inMemoryPersistence")
            entra.append("--in-memory")
        else:
            vault += ["--state", str(self.state / "keyvault.json")]
        topic = [python, "-m", "local.topic", "--port", str(ports.topic), "--state", str(self.state / "events.jsonl")]
        await self.processes.start("azurite", azurite, port=ports.table)
        await self.processes.start("entra", entra, port=ports.entra)
        await self.processes.start("keyvault", vault, port=ports.vault)
        await self.processes.start("topic", topic, port=ports.topic)
        await create_tables(self.storage)

    async def start_host(self) -> str:
        """The functions host: `func` where it is installed, else ours. Says which."""
        func = shutil.which("func") if not self._hidden_seconds else None
        port = str(self.ports.api)
        if func is not None:
            # func wants the runtime named in local.settings.json; the environment overrides every value in it
            sample, settings = Path("local.settings.sample.json"), Path("local.settings.json")
            if not settings.exists():
                shutil.copy(sample, settings)
            command = [func, "start", "--port", port]
        else:
            command = [sys.executable, "-m", "local.host", "--port", port]
            if self._hidden_seconds:
                command += ["--hidden-seconds", str(self._hidden_seconds)]
            if self.api.startswith("https://"):
                certificate, key = ensure_certificate(CERTIFICATES)
                command += ["--certificate", str(certificate), "--key", str(key)]
        environment = {**self.settings, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        await self.processes.start("host", command, port=self.ports.api, env=environment)
        return "Azure Functions Core Tools" if func else "the repository's own small host"

    async def token(self, *, tenant: str = seed.HOME_TENANT_ID, roles: list[str], name: str = "local developer") -> str:
        """A bearer token for the API, made by the Entra stand-in."""
        wanted = {"tenant": tenant, "roles": roles, "audience": seed.API_CLIENT_ID, "name": name, "expiresIn": 8 * 3600}
        connector = aiohttp.TCPConnector(ssl=False)  # our own stand-in on loopback
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"{self.entra}/_control/tokens", json=wanted) as answer,
        ):
            answer.raise_for_status()
            return str((await answer.json())["accessToken"])


async def create_tables(connection_string: str) -> None:
    """The tables that Bicep makes in Azure."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        for name in TABLES:
            try:
                await service.create_table(name)
            except ResourceExistsError:
                continue
