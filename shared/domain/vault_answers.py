"""What a customer's Key Vault answered when asked for its secrets, and what is to be done about it.

A 403 says by the code of its `innererror` which of the vault's gates refused: the network, or the rights
(https://learn.microsoft.com/azure/key-vault/general/rest-error-codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Probed:
    """Whether the vault lets its secrets be listed, and if not, what is missing."""

    can_list_secrets: bool | None
    """None when the vault said neither."""
    message: str | None = None


_LISTING = "The vault answers but does not let this connection list its secrets"
_BY_ROLE = (
    'the role "Key Vault Secrets User" (or one with Microsoft.KeyVault/vaults/secrets/readMetadata/action) on the vault'
)
_BY_POLICY = 'the secret permission "List" in the vault\'s access policies'
_POLICY = f"{_LISTING}: give its account or app {_BY_POLICY}"
_REFUSED: Final = {
    "ForbiddenByRbac": f"{_LISTING}: assign its account or app {_BY_ROLE}; a new role takes minutes to work",
    "ForbiddenByPolicy": _POLICY,
    "AccessDenied": _POLICY,
    "ForbiddenByFirewall": "The vault's firewall does not admit this service: add its network, or allow trusted access",
    "ForbiddenByConnection": (
        "The vault is closed to public networks: give this service a private endpoint to it, or open public access"
    ),
}
"""Vaults with access policies answer `ForbiddenByPolicy`, older answers have `AccessDenied`."""

ALLOWED: Final = Probed(can_list_secrets=True)
UNREACHABLE: Final = Probed(
    None, "No vault answers at that address: check its name, and whether this service's network reaches it"
)
UNTRUSTED: Final = Probed(
    None,
    "What answers at that address shows a certificate that is not the vault's: check where this service's network "
    "leads that name",
)
SILENT: Final = Probed(None, "The vault did not answer in time: try again later")
NO_VAULT: Final = Probed(None, "What answers at that address does not speak as a Key Vault does: check its name")


def refused(status: int, code: str | None, retry_after: float | None) -> Probed:
    """What an answer other than 200 says; `code` is that of its `innererror`, `retry_after` is in seconds."""
    if status == 401:
        return Probed(
            can_list_secrets=False,
            message="The vault does not accept this connection's token: vault and connection must be of one tenant",
        )
    if status == 403:
        either = f"{_LISTING}: assign its account or app {_BY_ROLE}, or {_BY_POLICY}"
        return Probed(can_list_secrets=False, message=_REFUSED.get(code or "", either))
    if status == 429:
        when = f"in {retry_after:.0f} seconds" if retry_after else "in a minute"
        return Probed(None, f"The vault is being throttled: try again {when}")
    if status >= 500:
        return Probed(None, f"The vault is in trouble (status {status}): try again later")
    return NO_VAULT
