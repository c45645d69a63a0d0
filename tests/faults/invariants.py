"""What must hold, whatever dies whenever (I1 to I7 of docs/architecture.md)."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator

from shared.domain.connection import Health, Lifecycle, RotationStatus, Row
from shared.domain.credential import AppCredential, ClientSecret, OAuthGrant, parse_credential
from shared.domain.events import EventType
from shared.domain.keep_alive import waits_for_a_person
from shared.domain.passwords import Passwords, attempt_of
from shared.services.ports import Audience
from tests.fakes.application import FakeApplication
from tests.unit.services.world import ORG

TOLD = {
    ("connection.create", "success"): EventType.CREATED,
    ("connection.reconnect", "success"): EventType.RECONNECTED,
    ("connection.delete", "success"): EventType.DELETED,
    ("rotation.run", "success"): EventType.ROTATION_SUCCEEDED,
    ("rotation.run", "failure"): EventType.ROTATION_FAILED,
}
"""By action and outcome of an audit line: the event that tells of the same."""
JUDGEMENTS = dict.fromkeys((EventType.DEGRADED, EventType.NEEDS_RECONNECT, EventType.RECOVERED), 10_000)

THEIRS = {"first", "second", "third", "of the other"}
"""Secrets of the user's whose names are words of the tests."""


def rows(world: FakeApplication) -> list[Row]:
    """Every row there is."""
    return world.connections.rows(ORG)


def credential_of(world: FakeApplication, row: Row) -> OAuthGrant | AppCredential:
    """What Key Vault gives out for the version that the row names."""
    (found,) = [each for each in world.vault.readable().get(row.secret_name, []) if each.id == row.active_version]
    return parse_credential(found.value)


def check_active_credentials(world: FakeApplication) -> None:
    """I1, at this very moment: the active credential of each connection authenticates."""
    for row in rows(world):
        if row.lifecycle is Lifecycle.ACTIVE:
            credential = credential_of(world, row)
            if isinstance(credential, OAuthGrant):
                assert world.entra.knows(credential.refresh_token), row.id
            else:
                world.apps.token_for(credential, Audience.VAULT)


def ours(world: FakeApplication) -> Iterator[tuple[str, str]]:
    """Connection id and key id of each password in the directory that bears one of our names."""
    for app in world.apps.apps.values():
        for password in app.passwords:
            if password.display_name is not None:
                connection_id = password.display_name.split(" ")[1]
                assert attempt_of(password.display_name, connection_id) is not None
                yield connection_id, password.key_id


def unknown_passwords(world: FakeApplication) -> set[str]:
    """I2: passwords of ours that no row knows."""
    known = {
        row.id: (row.passwords or Passwords(object_id="")).key_ids | {debt.key_id for debt in row.debts}
        for row in rows(world)
    }
    return {key_id for connection_id, key_id in ours(world) if key_id not in known.get(connection_id, ())}


def check_counts(world: FakeApplication, *, at_most: int) -> None:
    """I3: so many managed passwords an app at most."""
    for row in rows(world):
        managed = [key_id for connection_id, key_id in ours(world) if connection_id == row.id]
        assert len(managed) <= at_most, managed


def check_nothing_is_owed(world: FakeApplication) -> None:
    """I7: whatever was due has been done, or has its date."""
    for row in rows(world):
        assert row.lifecycle is Lifecycle.ACTIVE, row.lifecycle
        assert (row.run, row.exchange) == (None, None)
        assert (row.outbox, row.debts, row.superseded, row.leftovers) == ((), (), (), ())
        rotation = row.connection.rotation
        assert rotation is None or rotation.rotation_status is RotationStatus.SUCCESS
        if rotation is not None and row.connection.is_auto_rotation_enabled and not waits_for_a_person(row):
            assert rotation.next_rotation_at is not None
            assert row.due is not None
            assert rotation.next_rotation_at >= world.clock()
            assert any(hint.hint == row.due for hint in world.due.hints(row.id)), "the timer would not find it"
    assert all(hint.hint.at > world.clock() for hint in world.due.all())


def check_vault(world: FakeApplication) -> None:
    """No secret can be read but the active version of each connection."""
    kept = {name: [version.id for version in versions] for name, versions in world.vault.readable().items()}
    assert kept == {row.secret_name: [row.active_version] for row in rows(world)}


def check_events(world: FakeApplication) -> None:
    """Where a topic is configured, it was told the story of the audit log: in order, and once each by id."""
    told = world.topic.once()
    types = [event.type for event in told]
    done = [TOLD.get((str(line["action"]), str(line["outcome"]))) for line in world.audit.lines(ORG)]
    assert Counter(types) - Counter(JUDGEMENTS) == Counter(filter(None, done) if world.settings.event_topic else ())
    assert [event.time for event in told] == sorted(event.time for event in told)
    for subject in {event.subject for event in told}:
        numbers = [int(event.sequence or "") for event in told if event.subject == subject]
        assert numbers == list(range(1, len(numbers) + 1)), "without a gap, in the order in which they were told"
    for first, rest in ((EventType.CREATED, types[1:]), (EventType.DELETED, types[:-1])):
        assert first not in rest, types
    judged = [event.data["state"] for event in told if event.type in JUDGEMENTS]
    assert all(one != other for one, other in itertools.pairwise(["active", *judged])), "each one is a change"
    for row in rows(world):
        assert not told or row.connection.status.state == [Health.ACTIVE, *judged][-1]


def check_no_secret_leaks(world: FakeApplication, log: str) -> None:
    """I6: nothing secret in rows, records, claims or logs."""
    secrets = {password.value for app in world.apps.apps.values() for password in app.passwords} - THEIRS
    for versions in world.vault.secrets.values():
        for version in versions:
            credential = parse_credential(version.value)
            if isinstance(credential, OAuthGrant):
                secrets.add(credential.refresh_token)
            elif isinstance(credential, ClientSecret) and credential.client_secret not in THEIRS:
                secrets.add(credential.client_secret)
    everything = "\n".join(
        [
            *world.connections.documents(),
            json.dumps(world.audit.lines(ORG)),
            *(json.dumps(world.history.history(ORG, row.id)) for row in rows(world)),
            repr(world.claims.claims),
            repr(world.due.all()),
            log,
        ]
    )
    assert [secret for secret in secrets if secret in everything] == []
