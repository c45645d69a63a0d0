"""What an Entra error means for a person: one row per AADSTS number worth a text of its own.

The numbers choose words, and how long to wait for what passes; decisions branch on the OAuth `error` value, as
Microsoft asks (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.domain.connection import Health
from shared.domain.errors import Refusal

TRANSIENT_ERRORS: Final = frozenset({"temporarily_unavailable", "server_error"})
"""OAuth errors that pass by themselves (RFC 6749 section 4.1.2.1)."""

DEAD_GRANT_ERRORS: Final = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
"""OAuth errors that only a new sign-in mends."""

PASSING: Final = {90033: 60.0, 90090: 60.0, 50033: 60.0, 90055: 300.0}
"""The AADSTS numbers of faults that pass, and the seconds to wait where the answer does not say."""

RESOURCE_REFUSED: Final = (650057, 500011)
"""The AADSTS numbers of a Key Vault that the app may not ask for, or that the tenant does not know."""

REQUEST_LOOP: Final = 50196
"""The AADSTS number of an app that asks for the same again and again: a defect of this service."""

WRONG_PROOF: Final = 501481
"""The AADSTS number of an authorization code that came without the proof (PKCE) it was asked for with."""

WRONG_SECRET: Final = 7000215
"""The AADSTS number of a client secret that is not the app's, or not known to be everywhere yet."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened and what to do next."""

    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}."


def _rows() -> dict[int, Explanation]:
    def row(text: str, remedy: str, *codes: int) -> dict[int, Explanation]:
        return dict.fromkeys(codes, Explanation(text, remedy))

    sign_in = "Reconnect: open a new connect link and sign in again"
    return (
        row("The client secret is not accepted",
            "If it is under 10 minutes old, wait; else paste the secret's value, not its id", WRONG_SECRET)
        | row("The client secret has expired", "Create a new secret, or turn on rotation", 7000222)
        | row("The app registration expects a secret or a certificate",
              "Choose the connection method that matches the app registration", 7000218)
        | row("The application was not found in that tenant",
              "Check the client id and the tenant id; an administrator of the tenant must consent to the app", 700016)
        | row("The application is disabled", "Ask an administrator to enable the enterprise application",
              7000112, 70001)
        | row("The app registration is public but a secret was sent",
              'Switch "Allow public client flows" off in the app registration', 700025)
        | row("The signature of the assertion is not accepted",
              "Check that the certificate or federated credential is the one in the app registration", 700027)
        | row("No matching federated credential was found",
              "Wait a minute after creating it, then check its subject and issuer", 70021)
        | row("A managed identity cannot sign in as an app of another tenant",
              "Register the app in the service's own tenant and install it in yours", 700236)
        | row("The tenant does not exist in this cloud", "Check the tenant id and the cloud", 90002)
        | row("The app is registered for a single tenant", "Put the tenant id into the connection", 50194)
        | row("The authorization code belongs to another tenant", "Start again with the same tenant", 700005)
        | row("The redirect URI is not registered", "Add the exact callback URL to the app registration", 50011)
        | row("The proof of the sign-in's origin (PKCE) does not match", "Start the sign-in again", WRONG_PROOF)
        | row("The authorization code was used already",
              "Check whether the first try made the connection; else start again with a new code", 54005)
        | row("The sign-in has expired because it was not used", sign_in, 70008, 700082)
        | row("The sign-in reached the 24-hour limit of a single-page redirect URI",
              "Register the callback as type 'web', then reconnect", 700084)
        | row("The sign-in was revoked, for example by a password reset or an administrator", sign_in, 50173)
        | row("A sign-in frequency policy ended the session",
              "Reconnect; to avoid it, use an app credential instead of a user's sign-in", 70043)
        | row("Consent is missing", "Open the connect link and accept the permissions", 65001)
        | row("The sign-in was declined", "Open the connect link again and accept", 65004)
        | row("An administrator must approve the app", "Ask an administrator of the tenant to grant consent",
              90094, 90095)
        | row("The Azure Key Vault permission is missing",
              "Add the delegated permission Azure Key Vault 'user_impersonation' to the app and consent",
              *RESOURCE_REFUSED)
        | row("Multi-factor authentication is required now", sign_in, 50076, 50079)
        | row("A Conditional Access policy blocks this sign-in",
              "Ask an administrator to look the correlation id up in the sign-in log, then check the connection",
              53003, 53000)
        | row("The account is disabled", "Reconnect with another account", 50057)
        | row("The account is not assigned to the app",
              "Have an administrator assign the user or group to the enterprise application, then check the connection",
              50105)
        | row("Entra reported a loop of requests",
              "Tell the operators of this service; once that is over, check the connection", REQUEST_LOOP)
        | row("The directory is briefly unavailable", "Try again in a minute", 90033, 90090, 50033)
        | row("The tenant is being throttled", "Try again in a few minutes", 90055)
        | row("The authorization code or token is malformed or expired",
              "Start again with a new code, or reconnect; a code lives 10 minutes and works once", 9002313, 70000)
    )  # fmt: skip


EXPLANATIONS: Final[dict[int, Explanation]] = _rows()

BY_ERROR: Final[dict[str, Explanation]] = {
    "invalid_grant": Explanation("The sign-in is no longer valid", "Reconnect: open a new connect link and sign in"),
    "invalid_client": Explanation(
        "The application could not prove its identity", "Check the app registration's credential"
    ),
    "unauthorized_client": Explanation(
        "The application may not use this kind of sign-in", "Check the app registration"
    ),
    **dict.fromkeys(
        ("interaction_required", "login_required"),
        Explanation("A person has to sign in", "Open a new connect link and sign in"),
    ),
    "consent_required": Explanation("Consent is missing", "Open the connect link and accept the permissions"),
    "access_denied": Explanation("The sign-in was declined", "Open the connect link again and accept"),
}

SHUT_OUT: Final = Explanation(
    "Entra does not let the app sign in",
    "Look the correlation id up in the sign-in log; once it is mended there, check the connection",
)
"""A dead grant of an app: it has none, and nobody signs in for it."""

UNKNOWN: Final = Explanation(
    "Entra refused the request", "Try again; if it stays so, look the correlation id up in the sign-in log"
)


def explain(refusal: Refusal, *, by_app: bool = False) -> str:
    """One or two sentences for people: what happened, what to do, and the ids that support asks for.

    With `by_app` an app signed in as itself, so that nobody can be asked to sign in.
    """
    is_shut_out = by_app and refusal.error in DEAD_GRANT_ERRORS
    by_error = SHUT_OUT if is_shut_out else BY_ERROR.get(refusal.error, UNKNOWN)
    explanation = EXPLANATIONS.get(refusal.aadsts or 0, by_error)
    code = f" (AADSTS{refusal.aadsts})" if refusal.aadsts else ""
    support = f" Correlation id: {refusal.correlation_id}." if refusal.correlation_id else ""
    return f"{explanation.text}{code}. {explanation.remedy}.{support}"


def judge(refusal: Refusal) -> Health:
    """What a refusal for good means for the connection: a dead grant needs a person, the rest is configuration."""
    return Health.NEEDS_RECONNECT if refusal.error in DEAD_GRANT_ERRORS else Health.DEGRADED
