"""What a load run leaves when nothing was broken: one connection by code, one by secret, one deleted, one refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.load.evidence import Evidence, Shown
from bench.load.ledger import Ledger, Wish
from bench.load.storage import DueRow, NameRow
from shared.domain.connection import Connection, DueHint, Health, Lifecycle, Rotation, Row, Status
from shared.domain.credential import Method
from shared.domain.passwords import AppKey, Passwords, display_name
from shared.domain.schedule import RotateAt

NOW = datetime.now(UTC)
NEXT_WEEK = DueHint(at=NOW + timedelta(days=7), nonce="0123456789ab")
ROTATED = "2026-01-10T10:00:00.000Z"
TOKEN, SUBMITTED = "a-token-that-was-handed-out", "a-secret-that-was-submitted"
ROTATES = {"rotation": {"rotationInterval": 60}}
RUN = "10000000-0000-4000-8000-000000000000"
CODE, SECRET, DELETED = (f"{digit}0000000-0000-4000-8000-00000000000{digit}" for digit in "123")


def untouched() -> tuple[Ledger, Evidence]:
    """Every promise is kept."""
    ledger = Ledger(
        wishes=[
            Wish("by-code", "oauth", key="k1", body=ROTATES, id=CODE, made=True, rotates=True, tries=1),
            Wish("by-secret", "client-secret", key="k2", body=ROTATES, id=SECRET, made=True, rotates=True, tries=1),
            Wish("deleted", "oauth", key="k3", id=DELETED, made=True, deletions=1, deleted=True, tries=1),
            Wish("refused", "oauth", key="k4", refused=True, tries=2),
        ]
    )
    ledger.keep_secret("an access token", TOKEN)
    ledger.keep_secret("a client secret", SUBMITTED)
    rows = [row(CODE, "by-code", Method.OAUTH), row(SECRET, "by-secret", Method.CLIENT_SECRET)]
    found = Evidence(
        shown={
            "by-code": shown(rows[0], []),
            "by-secret": shown(rows[1], [{"rotationId": RUN, "outcome": "success", "finishedAt": ROTATED}]),
            "deleted": Shown(404),
            "refused": Shown(404),
        },
        listed=[CODE, SECRET],
        audit=[line("connection.create", each) for each in (CODE, SECRET, DELETED)]
        + [line("connection.delete", DELETED), line("rotation.run", SECRET)],
        events=[event("connection.created", each) for each in (CODE, SECRET, DELETED)]
        + [event("connection.deleted", DELETED), event("rotation.succeeded", SECRET)],
        rows=rows,
        names=[
            NameRow(key, each.id)
            for each in rows
            for key in (f"n!{each.connection.name}!", f"p!!{each.connection.name}")
        ],
        due=[DueRow(each.id, NEXT_WEEK.nonce, NEXT_WEEK.at, NOW) for each in rows],
        queues={"work": 0, "work-poison": 0},
        secrets={
            "conn-by-code": secret(
                version("v1", enabled=False, refreshToken="t" * 30), version("v2", refreshToken="u" * 30)
            ),
            "conn-by-secret": secret(version("v1", clientSecret="s" * 30), version("v2", clientSecret="r" * 30)),
            "conn-deleted": secret(version("v1", refreshToken="w" * 30)) | {"deletion": {"date": 1}},
        },
        apps=[
            {
                "appId": "an-app",
                "passwords": [
                    {"keyId": "theirs", "displayName": "by hand"},
                    {"keyId": "key-1", "displayName": display_name(SECRET, 1, RUN)},
                    {"keyId": "key-2", "displayName": display_name(SECRET, 2, RUN)},
                ],
            }
        ],
        texts={"log host.log": ["connection.created id=1"], "table connections": ["by-code"], "queue work": []},
        upkeep={"rows": 2, "hintsRestored": 0, "advanced": 0, "passwordsRemoved": 0, "failed": 0},
    )
    return ledger, found


def row(connection_id: str, name: str, method: Method) -> Row:
    """A connection at rest."""
    rotated = datetime.fromisoformat(ROTATED) if method is Method.CLIENT_SECRET else None
    rotation = Rotation(rotation_interval=60, rotate_at_utc=RotateAt(hours=3, minutes=0), last_rotated_at=rotated)
    vault = f"https://vault/secrets/conn-{name}"
    keys = [AppKey(key_id=f"key-{number}", version=f"{vault}/v{number}") for number in (1, 2)]
    return Row(
        connection=Connection(
            id=connection_id,
            name=name,
            org_id="an-organisation",
            created_at=NOW,
            updated_at=NOW,
            method=method,
            credentials={},
            rotation=rotation,
            credentials_hash="x",
            status=Status(state=Health.ACTIVE, since=NOW),
        ),
        lifecycle=Lifecycle.ACTIVE,
        hash_salt="salt",
        secret_name=f"conn-{name}",
        active_version=f"{vault}/v2",
        passwords=Passwords(object_id="o", active=keys[1], inactive=keys[0]) if rotated else None,
        due=NEXT_WEEK,
    )


def shown(row: Row, runs: list[dict[str, Any]]) -> Shown:
    """What the API shows of it."""
    return Shown(200, row.connection.model_dump(mode="json"), 200, row.id, runs)


def line(action: str, connection_id: str) -> dict[str, Any]:
    """A line of the audit log."""
    return {"action": action, "connectionId": connection_id, "outcome": "success"}


def event(kind: str, connection_id: str, event_id: str = "") -> dict[str, Any]:
    """What the topic was told."""
    return {"type": kind, "id": event_id or f"{kind} {connection_id}", "data": {"connectionId": connection_id}}


def version(name: str, *, enabled: bool = True, **value: str) -> dict[str, Any]:
    """A secret version."""
    ((what, text),) = value.items()
    return {"version": name, "enabled": enabled, "value": f'{{"method":"x","{what}":"{text}"}}'}


def secret(*versions: dict[str, Any]) -> dict[str, Any]:
    """A secret that is not deleted."""
    return {"versions": list(versions), "deletion": None}
