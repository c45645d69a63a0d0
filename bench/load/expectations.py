"""Which answers may come: everything else is counted as unexpected, and a 500 always is."""

from __future__ import annotations

from typing import Any

from bench.load.ledger import Wish

FAULTY = ("Microsoft Entra ID", "Microsoft Graph", "Key Vault", "Table Storage", "Queue Storage")
"""The services whose calls fail here, as answers name them."""

ENVELOPE = {"reqId", "statusCode", "message", "error"}
UPSTREAM = {502: "UpstreamError", 503: "ServiceUnavailable", 504: "GatewayTimeout"}

DELETE = "DELETE connection"
CHANGES = frozenset({"PATCH connection", DELETE, "POST rotate-credentials"})
"""Of two changes at the same moment one may be answered 409."""
CREATE = "POST connection"
CREATE_AGAIN = "POST connection, asked again"


def unexpected(route: str, status: int, body: Any, wish: Wish | None) -> str | None:
    """Why an answer should not have come, or None where it may. `wish` is the connection that it is about."""
    if status == 200:
        return _unhealthy(body)
    if not _enveloped(status, body):
        return f"{route}: {status} without the envelope"
    if status in UPSTREAM and body["error"] == UPSTREAM[status] and str(body["message"]).startswith(FAULTY):
        return None
    return None if _explained(route, status, wish) else f"{route}: {status} {body['error']}: {body['message']}"


def _explained(route: str, status: int, wish: Wish | None) -> bool:
    """Whether what the traffic itself did explains a refusal."""
    if status == 404 and wish is not None:
        return wish.deletions > (route == DELETE)
    if status == 400 and route == CREATE_AGAIN and wish is not None:
        return wish.method == "oauth"  # an earlier try spent the code, and its answer was lost
    return status == 409 and route in (*CHANGES, CREATE_AGAIN)


def _enveloped(status: int, body: Any) -> bool:
    return isinstance(body, dict) and set(body) - {"details"} == ENVELOPE and body["statusCode"] == status


def _unhealthy(body: Any) -> str | None:
    """No fault that passes may make a connection need a person."""
    if not isinstance(body, dict):
        return None
    shown = body.get("appConnection")
    state = shown["status"]["state"] if isinstance(shown, dict) else body.get("status")
    return f"a connection that works is said to be {state}" if state == "needs-reconnect" else None
