"""What a refusal of Microsoft Graph means for a person."""

from __future__ import annotations

import pytest

from shared.domain.graph_errors import PERMISSION, POLICY, UNKNOWN, explain_graph


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "Request_BadRequest", "Credential type not allowed as per assigned policy 'x'.", POLICY),
        (403, "accessDenied", "Blocked by the Credential Policy of the tenant", POLICY),
        (400, "CredentialTypeNotAllowedAsPerAppPolicy", "", POLICY),
        (403, "Authorization_RequestDenied", "Insufficient privileges", PERMISSION),
        (400, "Request_BadRequest", "Something else", UNKNOWN),
    ],
)
def test_a_policy_is_known_by_its_code_or_by_the_words_of_the_message(
    status: int, code: str, message: str, expected: str
) -> None:
    assert explain_graph(status, code, message) == expected
