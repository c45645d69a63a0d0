"""Each documented Entra error: what it makes of the connection, what it is called, and what to do about it."""

from __future__ import annotations

import re

import pytest

from shared.adapters.entra_answers import refused
from shared.domain.connection import Health
from shared.domain.entra_errors import DEAD_GRANT_ERRORS, EXPLANATIONS, PASSING, judge
from shared.domain.errors import GrantRefused, UpstreamUnavailable

DEAD, WORSE, PASSES = Health.NEEDS_RECONNECT, Health.DEGRADED, None
ROWS = [
    (7000215, "invalid_client", WORSE, "client secret is not accepted", "under 10 minutes old, wait"),
    (7000222, "invalid_client", WORSE, "client secret has expired", "turn on rotation"),
    (7000218, "invalid_request", WORSE, "expects a secret or a certificate", "matches the app registration"),
    (700016, "unauthorized_client", WORSE, "not found in that tenant", "must consent"),
    (7000112, "unauthorized_client", WORSE, "application is disabled", "enable the enterprise application"),
    (70001, "unauthorized_client", WORSE, "application is disabled", "enable the enterprise application"),
    (700025, "invalid_client", WORSE, "public but a secret was sent", "Allow public client flows"),
    (700027, "invalid_client", WORSE, "signature of the assertion", "certificate or federated credential"),
    (70021, "invalid_request", WORSE, "No matching federated credential", "subject and issuer"),
    (700236, "invalid_request", WORSE, "managed identity cannot sign in", "install it in yours"),
    (90002, "invalid_tenant", WORSE, "tenant does not exist", "tenant id and the cloud"),
    (50194, "invalid_request", WORSE, "single tenant", "Put the tenant id into the connection"),
    (700005, "invalid_grant", DEAD, "belongs to another tenant", "same tenant"),
    (50011, "invalid_request", WORSE, "redirect URI is not registered", "exact callback URL"),
    (501481, "invalid_grant", DEAD, "PKCE", "Start the sign-in again"),
    (54005, "invalid_grant", DEAD, "used already", "whether the first try made the connection"),
    (70008, "invalid_grant", DEAD, "not used", "sign in again"),
    (700082, "invalid_grant", DEAD, "not used", "sign in again"),
    (700084, "invalid_grant", DEAD, "24-hour limit", "type 'web'"),
    (50173, "invalid_grant", DEAD, "revoked", "sign in again"),
    (70043, "invalid_grant", DEAD, "sign-in frequency", "app credential"),
    (65001, "invalid_grant", DEAD, "Consent is missing", "accept the permissions"),
    (65001, "consent_required", DEAD, "Consent is missing", "accept the permissions"),
    (65004, "access_denied", WORSE, "declined", "accept"),
    (90094, "access_denied", WORSE, "administrator must approve", "grant consent"),
    (90095, "access_denied", WORSE, "administrator must approve", "grant consent"),
    (650057, "invalid_client", WORSE, "Key Vault permission is missing", "user_impersonation"),
    (650057, "invalid_resource", WORSE, "Key Vault permission is missing", "user_impersonation"),
    (500011, "invalid_resource", WORSE, "Key Vault permission is missing", "user_impersonation"),
    (50076, "interaction_required", DEAD, "Multi-factor", "sign in again"),
    (50079, "interaction_required", DEAD, "Multi-factor", "sign in again"),
    (53003, "invalid_grant", DEAD, "Conditional Access", "correlation id"),
    (53000, "invalid_grant", DEAD, "Conditional Access", "correlation id"),
    (50057, "invalid_grant", DEAD, "account is disabled", "another account"),
    (50105, "invalid_grant", DEAD, "not assigned", "assign the user or group"),
    (50196, "invalid_grant", DEAD, "loop of requests", "Tell the operators"),
    (90033, "temporarily_unavailable", PASSES, "briefly unavailable", "Try again"),
    (90090, "temporarily_unavailable", PASSES, "briefly unavailable", "Try again"),
    (50033, "temporarily_unavailable", PASSES, "briefly unavailable", "Try again"),
    (90055, "temporarily_unavailable", PASSES, "throttled", "Try again in a few minutes"),
]


@pytest.mark.parametrize(("number", "error", "state", "text", "remedy"), ROWS)
def test_an_entra_error_has_its_state_text_and_remedy(
    number: int, error: str, state: Health | None, text: str, remedy: str
) -> None:
    fault = refused({"error": error, "error_codes": [number], "correlation_id": "c-1"})
    explanation = EXPLANATIONS[number]
    assert text in explanation.text
    assert remedy in explanation.remedy
    if state is None:
        assert isinstance(fault, UpstreamUnavailable), "it says nothing of the connection"
        assert text in fault.message
        assert remedy in fault.message
        assert f"AADSTS{number}" in fault.message
        return
    assert isinstance(fault, GrantRefused)
    assert judge(fault.refusal) is state
    assert text in fault.friendly
    assert remedy in fault.friendly
    assert f"AADSTS{number}" in fault.friendly


@pytest.mark.parametrize(("number", "error"), [(number, error) for number, error, state, _, _ in ROWS if state is DEAD])
def test_what_is_not_tried_again_by_itself_says_how_it_is_mended(number: int, error: str) -> None:
    fault = refused({"error": error, "error_codes": [number]})
    assert isinstance(fault, GrantRefused)
    mended_by = r"[Rr]econnect|connect link|check the connection|[Ss]tart (again|the sign-in again)"
    assert re.search(mended_by, fault.friendly), fault.friendly


@pytest.mark.parametrize("error", sorted(DEAD_GRANT_ERRORS))
def test_nobody_is_asked_to_sign_in_for_an_app(error: str) -> None:
    fault = refused({"error": error}, by_app=True)
    assert isinstance(fault, GrantRefused)
    assert "check the connection" in fault.friendly
    assert "connect link" not in fault.friendly


def test_what_passes_says_when_and_a_throttled_tenant_is_given_longer() -> None:
    waits = {}
    for number in PASSING:
        faults = [refused({"error": "temporarily_unavailable", "error_codes": [number]}) for _ in range(50)]
        found = {fault.retry_after for fault in faults if isinstance(fault, UpstreamUnavailable)}
        assert len(found) > 1, "those who wait do not come back all at once"
        waits[number] = min(wait for wait in found if wait is not None)
    assert waits[90055] >= 300
    assert all(60 <= wait < 300 for number, wait in waits.items() if number != 90055)


@pytest.mark.parametrize(
    ("number", "line", "level"), [(50196, "entra.request-loop", "ERROR"), (501481, "entra.wrong-proof", "WARNING")]
)
def test_what_operators_must_know_of_is_logged(
    number: int, line: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused({"error": "invalid_grant", "error_codes": [number], "correlation_id": "c-1"})
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [(level, f"{line} correlationId=c-1")]
