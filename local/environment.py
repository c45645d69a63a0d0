"""The app settings of a local stack: the same names as in Azure, with loopback addresses.

Nothing secret is among them. As in Azure, the product proves itself by a managed identity, which the Entra stand-in
plays.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from local.entra import seed
from local.ports import DEFAULT_BASE, Ports, Refused, base_port

STATE = Path(".local")
CERTIFICATES = STATE / "certificates"

EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's one account and key, the same on every machine and published by Microsoft
(https://learn.microsoft.com/azure/storage/common/storage-use-azurite)."""


def storage_connection_string(ports: Ports) -> str:
    """Azurite at the stack's own ports."""
    endpoints = {"Blob": ports.blob, "Queue": ports.queue, "Table": ports.table}
    parts = [
        "DefaultEndpointsProtocol=http",
        f"AccountName={EMULATOR_ACCOUNT}",
        f"AccountKey={EMULATOR_KEY}",
        *(f"{name}Endpoint=http://127.0.0.1:{port}/{EMULATOR_ACCOUNT}" for name, port in endpoints.items()),
    ]
    return ";".join(parts) + ";"


def app_settings(ports: Ports, *, public_url: str | None = None) -> dict[str, str]:
    """Every app setting of the stack at `ports`."""
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "ENVIRONMENT": "development",
        "PUBLIC_URL": public_url or f"http://127.0.0.1:{ports.api}",
        "ALLOWED_TENANTS": f"{seed.HOME_TENANT_ID},{seed.CONTOSO_TENANT_ID},{seed.FABRIKAM_TENANT_ID}",
        "API_AUDIENCE": seed.API_CLIENT_ID,
        "VAULT_URL": f"https://127.0.0.1:{ports.vault}",
        "AzureWebJobsStorage": storage_connection_string(ports),
        "AZURE_CLIENT_ID": seed.IDENTITY_CLIENT_ID,
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{ports.identity}/msi/token",
        "IDENTITY_HEADER": seed.IDENTITY_HEADER,
        "OAUTH_CLIENT_ID": seed.OAUTH_CLIENT_ID,
        "OAUTH_CREDENTIAL": "federated",
        "RETURN_ORIGINS": "http://127.0.0.1:3000",
        "AUTHORITY_HOST": f"https://127.0.0.1:{ports.entra}",
        "LOOPBACK_CA_FILE": str(CERTIFICATES / "loopback.pem"),
        "EVENT_TOPIC_ENDPOINT": f"http://127.0.0.1:{ports.topic}/api/events",
        "WORK_SCHEDULE": "*/10 * * * * *",
        "UPKEEP_SCHEDULE": "0 17 4 * * *",
        "ROTATION_INTERVAL_UNIT": "days",
    }


def sample(base: int = DEFAULT_BASE) -> str:
    """The text of `local.settings.sample.json`, which `func start` uses beside `make emulators`; or of another stack's.

    `python -m local.environment --port 7171 > local.settings.json` writes the latter.
    """
    document = {"IsEncrypted": False, "Values": app_settings(Ports.from_base(base))}
    return json.dumps(document, indent=2) + "\n"


def main() -> int:
    """Print the settings of the stack at `--port`; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.environment", description=sample.__doc__)
    parser.add_argument("--port", default=str(DEFAULT_BASE), help="base port of the stack")
    try:
        print(sample(base_port(parser.parse_args().port)), end="")
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
