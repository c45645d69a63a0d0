"""An authority on loopback that publishes signing keys, and tokens signed by them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

TENANT = "c0000000-0000-4000-8000-000000000001"
AUDIENCE = "a0000000-0000-4000-8000-0000000000a2"
CALLER = "c0000000-0000-4000-8000-000000000011"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """The signing key of that name; made once, since making one is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Authority:
    """What Entra publishes, and how it misbehaves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.published = ["first"]
        self.ids: dict[str, str] = {}
        """Where a key's id is not its name."""
        self.fetches = 0
        self.status = 200
        self.raw: bytes | None = None
        self.delay_seconds = 0.0

    def document(self) -> bytes:
        """The key set as Entra shows it: without `alg`."""
        keys = [
            {**RSAAlgorithm.to_jwk(key(name).public_key(), as_dict=True), "kid": self.ids.get(name, name), "use": "sig"}
            for name in self.published
        ]
        return json.dumps({"keys": keys}).encode()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to None leaves one out."""
        now = int(time.time())
        usual = {
            "aud": AUDIENCE, "iss": f"{self.url}/{TENANT}/v2.0", "tid": TENANT, "oid": CALLER,
            "nbf": now - 5, "exp": now + 3600, "roles": ["AppConnections.Read"], "azp": "an-app",
        }  # fmt: skip
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(self, *, signed_by: str = "first", kid: str | None = None, **changes: Any) -> str:
        """A token."""
        return jwt.encode(self.claims(**changes), key(signed_by), "RS256", headers={"kid": kid or signed_by})


@contextmanager
def running_authority() -> Iterator[Authority]:
    """An authority on an ephemeral port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authority.fetches += 1
            time.sleep(authority.delay_seconds)
            body = authority.document() if authority.raw is None else authority.raw
            self.send_response(authority.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority = Authority(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
