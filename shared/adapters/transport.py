"""The HTTP transport for requests that must not be sent twice behind our back."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport

OPTIONS: dict[str, Any] = {"use_env_settings": False}
"""For every client. With the environment's settings aiohttp looks for a `.netrc` before each request, in a thread."""


class KeptTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it lazily, without its type
    """azure-core's own transport, whose kept connections serve again where an authority of one's own is trusted.

    It makes a TLS context for each request then, and aiohttp keeps connections apart by context: each request would
    make a connection, and leave it open for a while.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._contexts: dict[str, Any] = {}

    def _build_ssl_config(self, cert: Any, verify: Any) -> Any:
        if cert or not isinstance(verify, str):
            return super()._build_ssl_config(cert, verify)
        if verify not in self._contexts:
            self._contexts[verify] = super()._build_ssl_config(cert, verify)
        return self._contexts[verify]


class CountedTransport(KeptTransport):
    """azure-core's own transport, where each try passes the retry policy and so shows in its history.

    aiohttp sends GET, PUT and DELETE again by itself, and tells nobody, when a kept-alive connection was cut. In Key
    Vault each PUT that acted makes a version.
    """

    async def open(self) -> None:
        """See `AioHttpTransport`."""
        await super().open()
        self.session._retry_connection = False  # aiohttp has no public switch; its own test client sets this one
