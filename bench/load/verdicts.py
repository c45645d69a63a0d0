"""Was anything lost, was anything broken? Pure functions of the ledger and the evidence; each names what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from bench.load.acknowledged import check_changes, check_requests
from bench.load.evidence import Evidence, Shown
from bench.load.ledger import Ledger, Wish, leaks
from bench.load.records import check_records
from bench.load.settling import owed_soon
from bench.load.storage import poisoned
from shared.domain.connection import Lifecycle, Row
from shared.domain.passwords import PRODUCT

AT_REST = 2
"""Managed passwords that an app may have (I3)."""

PUT_RIGHT = ("hintsRestored", "advanced", "passwordsRemoved", "failed")
"""What a round counts that it had to see to."""

BEFORE_A_KILL = timedelta(minutes=1)
"""Between the writing of a due row and that of its row, all retries included."""

LEFT_BY_A_KILL = 2
"""Due rows of longer before: a process may die once its row is written and before the former due row is removed. That
takes some milliseconds, so that a kill seldom meets even one."""

GONE = Shown(404)


def judge(ledger: Ledger, found: Evidence, *, cut_short: int, kills: Sequence[datetime]) -> dict[str, list[str]]:
    """What was found against each promise; an empty list is a promise kept.

    `cut_short` is how many things were under way at the `kills` of the host: each may have died after it wrote a due
    row and before it wrote the row that names it.
    """
    return {
        "what was created is there and hands out a token": list(_created(ledger, found)),
        "what was deleted is gone": list(_deleted(ledger, found)),
        "what got no final answer is wholly there or wholly gone": list(_undecided(ledger, found)),
        "what was changed stays changed": list(check_changes(ledger, found)),
        "each accepted rotation has run": list(check_requests(ledger, found)),
        "the list shows each connection once, and nothing else": list(_listed(ledger, found)),
        "each name is free or belongs to the connection that has it": list(_names(ledger, found)),
        "at most two managed passwords an app, each known": list(_passwords(found)),
        "Key Vault holds what rows name, and nothing else can be read": list(_vault(found)),
        "each due row belongs to a row, and each row has its own": list(_due(found, cut_short, kills)),
        "nothing is owed": list(_owed(found)),
        "upkeep finds nothing to put right": list(_upkeep(found)),
        "history, audit and events are complete": list(check_records(ledger, found)),
        "no secret outside Key Vault": leaks(ledger.secrets | vault_secrets(found), found.texts),
        "no message was given up": list(_given_up(found)),
        "every answer could be expected": [f"{why} ({number} times)" for why, number in _often(ledger)],
    }


def vault_secrets(found: Evidence) -> dict[str, str]:
    """The tails of all values that Key Vault holds or held, as `Ledger.keep_secret` makes them."""
    kept = Ledger()
    for secret in found.secrets.values():
        for version in secret["versions"]:
            for name in ("refreshToken", "clientSecret"):
                _, marked, rest = version["value"].partition(f'"{name}":"')
                if marked:
                    kept.keep_secret(f"a {name} of Key Vault", rest.split('"', 1)[0])
    return kept.secrets


def _created(ledger: Ledger, found: Evidence) -> Iterator[str]:
    for wish in ledger.wishes:
        if wish.stands:
            yield from _works(wish, found.shown.get(wish.name, GONE))


def _works(wish: Wish, shown: Shown) -> Iterator[str]:
    if shown.connection is None:
        yield f"{wish.name} ({wish.id}) is lost: {shown.status}"
    elif shown.token != 200:
        yield f"{wish.name} ({wish.id}) hands out no token: {shown.token}"
    elif wish.id not in (None, shown.connection["id"]) or shown.connection["name"] != wish.name:
        yield f"{wish.name} ({wish.id}) is shown as {shown.connection['name']} ({shown.connection['id']})"


def _deleted(ledger: Ledger, found: Evidence) -> Iterator[str]:
    for wish in ledger.wishes:
        if wish.deleted and (shown := found.shown.get(wish.name, GONE)).status != 404:
            yield f"{wish.name} ({wish.id}) was deleted and is answered {shown.status}"


def _undecided(ledger: Ledger, found: Evidence) -> Iterator[str]:
    for wish in ledger.wishes:
        if wish.stands or wish.deleted:
            continue
        shown = found.shown.get(wish.name, GONE)
        if wish.refused and shown.status != 404:
            yield f"{wish.name} was refused and is answered {shown.status}"
        elif shown.status not in (200, 404):
            yield f"{wish.name} ({wish.id}) is answered {shown.status}"
        elif shown.connection is not None:
            yield from _works(wish, shown)


def _listed(ledger: Ledger, found: Evidence) -> Iterator[str]:
    there = {shown.connection["id"] for shown in found.shown.values() if shown.connection is not None}
    listed = Counter(found.listed)
    yield from (f"{each} is listed {number} times" for each, number in listed.items() if number > 1)
    yield from (f"{each} is there and not listed" for each in sorted(there - set(listed)))
    yield from (f"{each} is listed and not there" for each in sorted(set(listed) - there))
    standing = Counter(wish.id for wish in ledger.wishes if wish.stands)
    yield from (f"{each} answers for {number} creations" for each, number in standing.items() if number > 1)


def _names(ledger: Ledger, found: Evidence) -> Iterator[str]:
    for wish in ledger.wishes:
        shown = found.shown.get(wish.name, GONE)
        has_it = shown.connection["id"] if shown.connection is not None else None
        if shown.named != has_it:
            yield f"the name {wish.name} leads to {shown.named}, and {has_it} should have it"
    owners = {row.id: row for row in found.rows if row.lifecycle is not Lifecycle.DELETING}
    taken: Counter[str] = Counter()
    for name in found.names:
        row = owners.get(name.connection_id)
        if row is None or row.connection.name not in name.key.split("!"):
            yield f"the name row {name.key} belongs to nobody: {name.connection_id}"
        else:
            taken[row.id] += 1
    yield from (f"{row.connection.name} has {taken[row.id]} name rows" for row in owners.values() if taken[row.id] != 2)


def _passwords(found: Evidence) -> Iterator[str]:
    rows = {row.id: row for row in found.rows if row.lifecycle is Lifecycle.ACTIVE}
    for app in found.apps:
        managed = [each for each in app["passwords"] if (each["displayName"] or "").startswith(f"{PRODUCT} ")]
        if len(managed) > AT_REST:
            yield f"app {app['appId']} has {len(managed)} managed passwords"
        for password in managed:
            row = rows.get(password["displayName"].split(" ")[1])
            known = row.passwords.key_ids if row is not None and row.passwords is not None else frozenset()
            if password["keyId"] not in known:
                yield f"no row knows password {password['keyId']} of app {app['appId']}: {password['displayName']}"


def _vault(found: Evidence) -> Iterator[str]:
    named = {row.secret_name: row for row in found.rows if row.lifecycle is Lifecycle.ACTIVE}
    for name, secret in found.secrets.items():
        if secret["deletion"] is not None:
            continue
        row = named.pop(name, None)
        if row is None:
            yield f"secret {name} is there and no connection has it"
            continue
        readable = {each["version"] for each in secret["versions"] if each["enabled"]}
        known = {version.rsplit("/", 1)[-1] for version in _versions(row)}
        active = (row.active_version or "").rsplit("/", 1)[-1]
        yield from (f"secret {name}: version {each} can be read and no row names it" for each in readable - known)
        if active not in readable:
            yield f"secret {name}: the version in use cannot be read"
    yield from (f"connection {row.id} has no secret" for row in named.values() if row.active_version)


def _versions(row: Row) -> set[str]:
    keys = (row.passwords.active, row.passwords.inactive) if row.passwords else ()
    return {row.active_version or "", *(key.version for key in keys if key is not None)}


def _due(found: Evidence, cut_short: int, kills: Sequence[datetime]) -> Iterator[str]:
    there = {(due.connection_id, due.nonce) for due in found.due}
    needed = {(row.id, row.due.nonce) for row in found.rows if row.due is not None}
    yield from (f"the due row of {connection_id} is missing" for connection_id, _ in sorted(needed - there))
    unnamed = [due for due in found.due if (due.connection_id, due.nonce) not in needed]
    yield from (
        f"no row names the due row of {due.connection_id} at {due.at}, and the timer left it there"
        for due in unnamed
        if due.at < datetime.now(UTC)
    )
    others = [due for due in unnamed if not any(kill - BEFORE_A_KILL <= due.written_at <= kill for kill in kills)]
    if (number := len(unnamed) - len(others)) > cut_short:
        yield f"no row names {number} due rows of before the kills, which cut {cut_short} things short"
    if len(others) > LEFT_BY_A_KILL * len(kills):
        yield from (
            f"no row names the due row of {due.connection_id} written at {due.written_at}, and no kill explains it"
            for due in others
        )


def _owed(found: Evidence) -> Iterator[str]:
    yield from (f"{action}: {number} rows" for action, number in owed_soon(found.rows, datetime.now(UTC)).items())
    yield from (f"queue {name}: {number} messages" for name, number in found.queues.items() if number)


def _upkeep(found: Evidence) -> Iterator[str]:
    """No death excuses anything: due rows are written first, and whoever may leave a password announces a sweep first.

    So the timer alone finds all of it, and come to rest, nothing is left for a round.
    """
    if not found.upkeep.get("rows") and found.rows:
        yield "the round looked at no row"
    yield from (f"{what} {found.upkeep[what]}" for what in PUT_RIGHT if found.upkeep.get(what))


def _given_up(found: Evidence) -> Iterator[str]:
    if found.given_up or poisoned(found.queues):
        yield f"{found.given_up} messages went to a poison queue, {poisoned(found.queues)} are there"


def _often(ledger: Ledger) -> list[tuple[str, int]]:
    return sorted(Counter(ledger.unexpected).items())
