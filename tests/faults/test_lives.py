"""Lives of connections at random: created, rotated, changed, failed, deleted, while time passes. Nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import ProductError, UpstreamTimeout, UpstreamUnavailable
from tests.fakes.application import FakeApplication, fake_application
from tests.fakes.faults import Crash
from tests.faults import invariants
from tests.faults.scenarios import upkeep
from tests.unit.services.apps import register, rotating, secret, update
from tests.unit.services.world import ORG, delete, rotate

STEPS = 50
LIVES = 200
LEAST_STEPS = 2000

FAULTS: dict[str, Callable[[], BaseException]] = {
    "crash": Crash,
    "down": lambda: UpstreamUnavailable("Azure"),
    "time-out": lambda: UpstreamTimeout("Azure"),
}


class Lives(RuleBasedStateMachine):
    """One app with three passwords of the user's; a connection that comes and goes."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self.world: FakeApplication = fake_application()
        self.connection_id: str | None = None

    @initialize()
    def begin(self) -> None:
        """An app of the customer's."""
        register(self.world, "first", "second", "third")
        self.world.faults.watch = lambda: invariants.check_active_credentials(self.world)

    def do(self, act: Awaitable[Any]) -> Any:
        """Do it; what the caller is told of a fault is not the point, and a crash is followed by a new process."""
        with contextlib.suppress(ProductError):
            try:
                return self._loop.run_until_complete(act)
            except Crash:
                self.world.restart()
        return None

    @rule(value=st.sampled_from(["first", "second", "third"]))
    def create(self, value: str) -> None:
        """A connection for one of the user's passwords, if there is none."""
        if self.connection_id is None and value in self._user_values():
            made = self.do(rotating(self.world, value=value))
            self.connection_id = made.id if made else None
            self._find()

    @rule()
    def rotate(self) -> None:
        """A rotation by hand."""
        if self.connection_id:
            self.do(rotate(self.world, self.connection_id))

    @rule()
    def work(self) -> None:
        """A message arrives, however late or often."""
        if self.connection_id:
            self.do(self.world.app.advance(ORG, self.connection_id))

    @rule(minutes=st.sampled_from([1, 3, 10, 60, 60 * 24, 60 * 24 * 31]))
    def time_passes(self, minutes: int) -> None:
        """The timer ticks meanwhile."""
        self.do(self.world.run(timedelta(minutes=minutes)))

    @rule(value=st.sampled_from(["first", "second", "third"]))
    def replace(self, value: str) -> None:
        """The user submits another of their passwords."""
        key_id = self._user_values().get(value)
        if self.connection_id and key_id:
            self.do(update(self.world, self.connection_id, secret(value), key_id=key_id))

    @rule(enabled=st.booleans())
    def switch(self, enabled: bool) -> None:
        """Rotation off or on."""
        if self.connection_id:
            self.do(update(self.world, self.connection_id, is_auto_rotation_enabled=enabled))

    @rule()
    def delete(self) -> None:
        """Gone for callers; its clean-up goes on."""
        if self.connection_id:
            self.do(delete(self.world, self.connection_id))
            self._find()

    @rule(fault=st.sampled_from(sorted(FAULTS)), nth=st.integers(1, 12), after=st.booleans())
    def something_will_fail(self, fault: str, nth: int, after: bool) -> None:
        """One of the next calls."""
        (self.world.faults.after if after else self.world.faults.before)("*", FAULTS[fault](), nth=nth)

    @invariant()
    def the_active_credential_works(self) -> None:
        """Whatever has happened."""
        Lives.steps += 1
        invariants.check_active_credentials(self.world)

    def teardown(self) -> None:
        """Time heals everything."""
        try:
            self.world.restart()
            for _ in range(3):
                self.do(self.world.run(timedelta(minutes=90) + LONGEST_RUN))
                self.do(upkeep(self.world))
            invariants.check_active_credentials(self.world)
            invariants.check_counts(self.world, at_most=2)
            assert invariants.unknown_passwords(self.world) == set()
            assert all(not row.debts and not row.outbox and row.run is None for row in invariants.rows(self.world))
        finally:
            self._loop.close()

    def _user_values(self) -> dict[str, str]:
        app = self.world.apps.apps[secret().tenant_id, secret().client_id]
        return {each.value: each.key_id for each in app.passwords if each.display_name is None}

    def _find(self) -> None:
        """A creation or deletion whose answer was lost may have happened all the same."""
        visible = [row.id for row in invariants.rows(self.world) if row.lifecycle == "active"]
        self.connection_id = visible[0] if visible else None


def test_lives_at_random_lose_nothing() -> None:
    Lives.steps = 0
    few = settings(max_examples=LIVES, stateful_step_count=STEPS, deadline=None, derandomize=True)
    run_state_machine_as_test(Lives, settings=few)
    assert Lives.steps >= LEAST_STEPS, Lives.steps
