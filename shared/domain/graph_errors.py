"""What a refusal of Microsoft Graph means for a person (https://learn.microsoft.com/graph/errors)."""

from __future__ import annotations

from typing import Final

PERMISSION: Final = (
    "The app may not manage its own passwords. Give it the application permission Application.ReadWrite.OwnedBy on "
    "Microsoft Graph, make its service principal an owner of the app registration, and have an administrator consent."
)
POLICY: Final = (
    "An app management policy of the tenant forbids this client secret. Ask an administrator for an exception, or use "
    "a certificate or federated connection, which needs no client secret."
)
FULL: Final = "The app registration holds as many credentials as fit. Remove some that are not in use."
TWO_PASSWORDS: Final = (
    "The app registration accepts personal accounts and holds its two client secrets already. Remove one that is not "
    "in use, or register an app without personal accounts."
)
HOME_TENANT: Final = (
    "The app registration was not found in this tenant. Rotation works in the app's home tenant: connect with the "
    "tenant id of the tenant where the app is registered."
)
UNKNOWN: Final = "Microsoft Graph refused to change the app's client secrets. Look at the app registration's audit log."

_BY_CODE: Final = {
    "Authorization_RequestDenied": PERMISSION,
    "Directory_ResourceSizeExceeded": FULL,
    "Directory_QuotaExceeded": FULL,
    "TooManyAppPasswords": TWO_PASSWORDS,
}


_POLICY_PHRASES: Final = ("assigned policy", "credential policy")
"""Graph names the policy only in the text of some refusals, under a code that fits anything."""


def explain_graph(status: int, code: str, message: str = "") -> str:
    """What happened and what to do, for a refusal that does not pass by itself.

    The `message` of Graph only chooses the text and is never shown.
    """
    if code in _BY_CODE:
        return _BY_CODE[code]
    if "Policy" in code:  # CredentialTypeNotAllowedAsPerAppPolicy, CredentialInvalidLifetimeAsPerAppPolicy, …
        return POLICY
    if any(phrase in message.lower() for phrase in _POLICY_PHRASES):
        return POLICY
    return PERMISSION if status == 403 else UNKNOWN
