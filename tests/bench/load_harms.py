"""What a load run could leave that was broken: each changes the world of a run without harm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from bench.load.evidence import Evidence, Shown
from bench.load.ledger import Change, Ledger
from bench.load.storage import DueRow, NameRow
from shared.domain.passwords import display_name
from tests.bench.load_world import CODE, DELETED, NOW, ROTATED, RUN, SECRET, event, line

Harm = Callable[[Ledger, Evidence], object]

KILLED = NOW - timedelta(minutes=10)
"""When the host was killed, once."""
JUST_BEFORE = KILLED - timedelta(seconds=30)


def shows(name: str, **changes: Any) -> Harm:
    def harm(_: Ledger, found: Evidence) -> None:
        for field, value in changes.items():
            setattr(found.shown[name], field, value)

    return harm


def lose(_: Ledger, found: Evidence) -> None:
    found.shown["by-code"] = Shown(404)


def bring_back(_: Ledger, found: Evidence) -> None:
    found.shown["deleted"] = found.shown["by-code"]


def half_made(ledger: Ledger, found: Evidence) -> None:
    ledger.wishes[0].made = False
    found.shown["by-code"].token = 424


def make_the_refused(_: Ledger, found: Evidence) -> None:
    found.shown["refused"] = found.shown["by-code"]


def overwrite_a_change(ledger: Ledger, _: Evidence) -> None:
    ledger.wishes[0].changes.append(Change({"description": "new"}, 1, 2, acknowledged=True))


def lose_a_request(ledger: Ledger, _: Evidence) -> None:
    ledger.wishes[1].rotations.append(NOW)


def list_twice(_: Ledger, found: Evidence) -> None:
    found.listed.append(CODE)


def leave_out_of_the_list(_: Ledger, found: Evidence) -> None:
    found.listed.remove(CODE)


def make_twice(ledger: Ledger, _: Evidence) -> None:
    ledger.wishes[1].id = CODE


def keep_a_name(_: Ledger, found: Evidence) -> None:
    found.names.append(NameRow("n!deleted!", DELETED))


def free_a_name(_: Ledger, found: Evidence) -> None:
    del found.names[0]


def change_row(index: int, **changes: Any) -> Harm:
    def harm(_: Ledger, found: Evidence) -> None:
        found.rows[index] = found.rows[index].having(**changes)

    return harm


def third_password(_: Ledger, found: Evidence) -> None:
    found.apps[0]["passwords"].append({"keyId": "key-2", "displayName": display_name(SECRET, 3, RUN)})


def password_of_the_deleted(_: Ledger, found: Evidence) -> None:
    found.apps.append({"appId": "b", "passwords": [{"keyId": "key-9", "displayName": display_name(DELETED, 1, RUN)}]})


def undelete_secret(_: Ledger, found: Evidence) -> None:
    found.secrets["conn-deleted"]["deletion"] = None


def disable_the_version_in_use(_: Ledger, found: Evidence) -> None:
    found.secrets["conn-by-code"]["versions"][1]["enabled"] = False


def leave_an_old_version_readable(_: Ledger, found: Evidence) -> None:
    found.secrets["conn-by-code"]["versions"][0]["enabled"] = True


def lose_a_secret(_: Ledger, found: Evidence) -> None:
    del found.secrets["conn-by-code"]


def lose_a_due_row(_: Ledger, found: Evidence) -> None:
    del found.due[0]


def due_rows(number: int, *, hours: int, written: datetime = JUST_BEFORE) -> Harm:
    """Due rows that no row names."""

    def harm(_: Ledger, found: Evidence) -> None:
        at = NOW + timedelta(hours=hours)
        found.due += [DueRow(DELETED, f"ffff{each}", at, written) for each in range(number)]

    return harm


def put_right(**counts: int) -> Harm:
    def harm(_: Ledger, found: Evidence) -> None:
        found.upkeep |= counts

    return harm


def leave_a_message(_: Ledger, found: Evidence) -> None:
    found.queues["work"] = 1


def poison(_: Ledger, found: Evidence) -> None:
    found.given_up = 1


def forget_line(_: Ledger, found: Evidence) -> None:
    found.audit.remove(line("connection.create", CODE))


def write_line_twice(_: Ledger, found: Evidence) -> None:
    found.audit.append(line("connection.delete", DELETED))


def tell_twice(_: Ledger, found: Evidence) -> None:
    found.events.append(event("connection.created", CODE, "another id"))


def rotate_without_a_line(_: Ledger, found: Evidence) -> None:
    found.audit.remove(line("rotation.run", SECRET))


def record_twice(_: Ledger, found: Evidence) -> None:
    found.shown["by-secret"].runs *= 2


def forget_record(_: Ledger, found: Evidence) -> None:
    found.shown["by-secret"].runs = [{"rotationId": RUN, "outcome": "failed", "finishedAt": ROTATED}]


def write_down(text: str, place: str) -> Harm:
    def harm(_: Ledger, found: Evidence) -> None:
        found.texts[place] = [f"before {text} after"]

    return harm


def surprise(ledger: Ledger, _: Evidence) -> None:
    ledger.unexpected += ["GET connection: 500 InternalServerError"] * 2
