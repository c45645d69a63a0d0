"""Run the stand-in: `python -m local.keyvault --port 7075 --entra-port 7076 --tenant <id> --state FILE …`."""

from __future__ import annotations

import argparse
import asyncio
import ssl
from pathlib import Path

from local.certificate import ensure_certificate, server_context
from local.keyvault.server import create_app
from local.keyvault.store import Store
from local.keyvault.tokens import PublishedKeys
from local.ports import ADDRESS
from local.serving import serve


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.keyvault", description="A Key Vault stand-in on loopback.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--entra-port", type=int, required=True, help="where the Entra stand-in listens")
    parser.add_argument("--tenant", required=True, help="tenant id that the vault sends callers to")
    parser.add_argument("--state", type=Path, help="file that keeps the secrets; in memory only when left out")
    parser.add_argument("--certificates", type=Path, required=True, help="folder of the loopback certificate")
    parser.add_argument("--deleting-seconds", type=float, default=0, help="how long a deletion takes")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    certificate, key = ensure_certificate(arguments.certificates)
    entra = f"https://{ADDRESS}:{arguments.entra_port}"
    app = create_app(
        Store(arguments.state, deleting_seconds=arguments.deleting_seconds),
        authority=f"{entra}/{arguments.tenant}",
        find_key=PublishedKeys(f"{entra}/common/discovery/v2.0/keys", ssl.create_default_context(cafile=certificate)),
    )
    await serve(app, arguments.port, "Key Vault stand-in ready at {}", tls=server_context(certificate, key))


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
