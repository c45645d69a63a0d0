"""A run that no caller waits for has an id as well: what it logs, does and measures can be found together."""

from __future__ import annotations

import logging

import azure.functions as func
import pytest

from shared import bootstrap
from shared.web.endpoint import work_message
from tests.fakes.application import FakeApplication, fake_application
from tests.fakes.telemetry import FakeTelemetry
from tests.unit.services.world import MONTHLY, ORG, created, rotate, wish
from tests.unit.web.api import Api, user_function
from tests.unit.web.requests import TRACE, TRACE_PARENT, context


@pytest.fixture
def telemetry() -> FakeTelemetry:
    return FakeTelemetry()


@pytest.fixture
def world(telemetry: FakeTelemetry, monkeypatch: pytest.MonkeyPatch) -> FakeApplication:
    made = fake_application(telemetry=telemetry)
    monkeypatch.setattr(bootstrap, "application", lambda: made.app)
    return made


def outcomes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("outcome ")]


async def test_the_outcome_of_a_message_s_run_bears_the_id_of_the_run(
    world: FakeApplication, telemetry: FakeTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    row = await rotate(world, connection.id)
    await world.app.background.idle()
    caplog.set_level(logging.INFO, "shared.services.outcomes")
    message = func.QueueMessage(body=work_message(ORG, row.id).encode())
    await user_function("work_advance")(message, context(function_name="work_advance"))
    (line,) = outcomes(caplog)
    assert line.startswith(f"outcome action=rotation.run outcome=success requestId={TRACE} orgId={ORG} ")
    assert telemetry.roots == [("run work_advance", TRACE_PARENT, {"requestId": TRACE})]


async def test_the_next_run_has_an_id_of_its_own(world: FakeApplication, caplog: pytest.LogCaptureFixture) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    caplog.set_level(logging.INFO, "shared.services.outcomes")
    message = func.QueueMessage(body=work_message(ORG, connection.id).encode())
    other = "4bf92f3577b34da6a3ce929d0e0e4736"
    for trace in (TRACE, other):
        await rotate(world, connection.id)
        await user_function("work_advance")(message, context(f"00-{trace}-{'2' * 16}-00"))
    runs = [line for line in outcomes(caplog) if "action=rotation.run" in line]
    assert [line.split("requestId=")[1].split(" ")[0] for line in runs] == [TRACE, other]


async def test_the_outcome_of_a_request_bears_the_id_that_its_answer_shows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shared.services.outcomes")
    reply = await Api().created()
    (line,) = outcomes(caplog)
    assert f"action=connection.create outcome=success requestId={reply.headers['x-request-id']} " in line
