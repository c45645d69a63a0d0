"""The background work: a timer finds what is due, a queue carries it, a poison queue takes what keeps failing."""

import logging

import azure.functions as func
from pydantic import ValidationError

from functions.api import QUEUE, STORAGE, UPKEEP_QUEUE
from shared import bootstrap
from shared.domain.measures import Metric
from shared.domain.model import Record
from shared.services.upkeep import Round
from shared.web.endpoint import work_message

blueprint = func.Blueprint()
log = logging.getLogger(__name__)


class WorkMessage(Record):
    """Which connection to look at; what to do is in its row."""

    org_id: str
    connection_id: str


@blueprint.function_name("work_tick")
@blueprint.timer_trigger(arg_name="timer", schedule="%WORK_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.queue_output(arg_name="work", queue_name=QUEUE, connection=STORAGE)
async def work_tick(timer: func.TimerRequest, work: func.Out[list[str]]) -> None:
    """Each minute: put the connections that are due on the queue."""
    if timer.past_due:
        log.warning("work.tick-late")
    due = await bootstrap.application().dispatch.tick()
    work.set([work_message(item.org_id, item.connection_id) for item in due])


@blueprint.function_name("work_advance")
@blueprint.queue_trigger(arg_name="message", queue_name=QUEUE, connection=STORAGE)
async def work_advance(message: func.QueueMessage) -> None:
    """Do what one connection owes."""
    work = _parse(message)
    if work is not None:
        await bootstrap.application().advance(work.org_id, work.connection_id)


@blueprint.function_name("work_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{QUEUE}-poison", connection=STORAGE)
async def work_poison(message: func.QueueMessage) -> None:
    """Say on the connection that its work keeps failing; operators are alerted by the log line."""
    work = _parse(message)
    if work is not None:
        await bootstrap.application().advance.record_poison(work.org_id, work.connection_id)


@blueprint.function_name("work_upkeep")
@blueprint.timer_trigger(arg_name="timer", schedule="%UPKEEP_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.queue_output(arg_name="pages", queue_name=UPKEEP_QUEUE, connection=STORAGE)
async def work_upkeep(timer: func.TimerRequest, pages: func.Out[str]) -> None:  # noqa: ARG001 -- the trigger's binding
    """Each day: begin a round over every connection."""
    pages.set(Round().model_dump_json())


@blueprint.function_name("work_upkeep_page")
@blueprint.queue_trigger(arg_name="message", queue_name=UPKEEP_QUEUE, connection=STORAGE)
@blueprint.queue_output(arg_name="pages", queue_name=UPKEEP_QUEUE, connection=STORAGE)
async def work_upkeep_page(message: func.QueueMessage, pages: func.Out[str]) -> None:
    """One page of the round; the last one reports what was found."""
    try:
        so_far = Round.model_validate_json(message.get_body())
    except ValidationError:
        log.error("work.message-unreadable id=%s", message.id)
        return
    found = await bootstrap.application().upkeep(so_far)
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


def _parse(message: func.QueueMessage) -> WorkMessage | None:
    """The message, or None for one that is not ours: failing on it five times would help nobody."""
    try:
        return WorkMessage.model_validate_json(message.get_body())
    except ValidationError:
        log.error("work.message-unreadable id=%s", message.id)
        return None
