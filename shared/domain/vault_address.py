"""Which addresses are Key Vaults: everything else is refused before it is asked for anything."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LABEL = r"[a-z](?:-?[a-z0-9]){2,23}"
"""A vault's name: 3 to 24 letters, digits and single hyphens
(https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault)."""


def vault_origin(url: str, suffix: str) -> str | None:
    """`https://<name>.<suffix>` for the URL of a vault in the cloud of that suffix; None for anything else.

    No port, user, query or fragment, and no path but `/`: a check must not become a way to reach other hosts.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme.lower() != "https" or parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    host = parts.netloc.lower()
    if re.fullmatch(rf"{_LABEL}\.{re.escape(suffix)}", host, re.ASCII) is None:
        return None
    return f"https://{host}"
