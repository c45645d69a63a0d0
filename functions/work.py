"""The background work: a timer finds what is due, a queue carries it, a poison queue takes what keeps failing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import azure.functions as func
from pydantic import ValidationError

from functions.api import QUEUE, STORAGE, UPKEEP_QUEUE
from shared import bootstrap
from shared.domain.measures import Metric
from shared.domain.model import Record
from shared.services.invocation import invocation
from shared.services.upkeep import Round
from shared.web.application import Application
from shared.web.request import request_id_of, trace_parent_of

blueprint = func.Blueprint()
log = logging.getLogger(__name__)


class WorkMessage(Record):
    """Which connection to look at; what to do is in its row."""

    org_id: str
    connection_id: str


@blueprint.function_name("work_tick")
@blueprint.timer_trigger(arg_name="timer", schedule="%WORK_SCHEDULE%", run_on_startup=False, use_monitor=True)
async def work_tick(timer: func.TimerRequest, context: func.Context) -> None:
    """Every 10 seconds: put the connections that are due on the queue, each for a second that has room for it."""
    if timer.past_due:
        log.warning("work.tick-late")
    with _run(context) as app:
        await app.dispatch.tick()


@blueprint.function_name("work_advance")
@blueprint.queue_trigger(arg_name="message", queue_name=QUEUE, connection=STORAGE)
async def work_advance(message: func.QueueMessage, context: func.Context) -> None:
    """Do what one connection owes."""
    work = _parse(message)
    if work is not None:
        with _run(context) as app:
            await app.advance(work.org_id, work.connection_id)


@blueprint.function_name("work_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{QUEUE}-poison", connection=STORAGE)
async def work_poison(message: func.QueueMessage, context: func.Context) -> None:
    """Say on the connection that its work keeps failing; operators are alerted by the log line."""
    work = _parse(message)
    if work is not None:
        with _run(context) as app:
            await app.advance.record_poison(work.org_id, work.connection_id)


@blueprint.function_name("work_upkeep")
@blueprint.timer_trigger(arg_name="timer", schedule="%UPKEEP_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.queue_output(arg_name="pages", queue_name=UPKEEP_QUEUE, connection=STORAGE)
async def work_upkeep(timer: func.TimerRequest, pages: func.Out[str]) -> None:  # noqa: ARG001 -- the trigger's binding
    """Each day: begin a round over every connection."""
    pages.set(Round().model_dump_json())


@blueprint.function_name("work_upkeep_page")
@blueprint.queue_trigger(arg_name="message", queue_name=UPKEEP_QUEUE, connection=STORAGE)
@blueprint.queue_output(arg_name="pages", queue_name=UPKEEP_QUEUE, connection=STORAGE)
async def work_upkeep_page(message: func.QueueMessage, pages: func.Out[str], context: func.Context) -> None:
    """One page of the round; the last one reports what was found."""
    try:
        so_far = Round.model_validate_json(message.get_body())
    except ValidationError:
        log.error("work.message-unreadable id=%s", message.id)
        return
    with _run(context) as app:
        found = await app.upkeep(so_far)
    if found.done:
        log.info("upkeep.done %s", found.model_dump_json())
    else:
        pages.set(found.model_dump_json())


@blueprint.function_name("work_upkeep_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{UPKEEP_QUEUE}-poison", connection=STORAGE)
async def work_upkeep_poison(message: func.QueueMessage) -> None:
    """The round ended early; operators are alerted by the log line. The next day's round begins anew."""
    log.error("upkeep.page-poisoned id=%s", message.id)
    bootstrap.application().telemetry.count(Metric.POISONED, queue=UPKEEP_QUEUE)


@contextmanager
def _run(context: func.Context) -> Iterator[Application]:
    """The application, for one run of a function that no caller waits for."""
    app, parent = bootstrap.application(), trace_parent_of(context)
    name = f"run {context.function_name}"
    with invocation(app.telemetry, name, request_id=request_id_of(context), parent=parent):
        yield app


def _parse(message: func.QueueMessage) -> WorkMessage | None:
    """The message, or None for one that is not ours: failing on it five times would help nobody."""
    try:
        return WorkMessage.model_validate_json(message.get_body())
    except ValidationError:
        log.error("work.message-unreadable id=%s", message.id)
        return None
