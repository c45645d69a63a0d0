"""Print the spans of one create and one rotation as trees: `python -m tests.support.spans`.

The use cases are the product's, and so is the adapter; only what is outside of them is in memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.adapters.telemetry import NAME, OpenTelemetry
from shared.services.invocation import invocation
from tests.fakes.application import fake_application
from tests.fakes.entra import ADA
from tests.unit.services.world import MONTHLY, ORG, create, rotate, wish


def tree(spans: Sequence[ReadableSpan]) -> str:
    """The spans, each under the one that it is part of, in the order in which they began."""
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        children.setdefault(span.parent.span_id if span.parent else None, []).append(span)

    def lines(parent: int | None, indent: str) -> list[str]:
        found: list[str] = []
        for span in children.get(parent, []):
            found += [f"{indent}{span.name}", *lines(span.context.span_id, indent + "  ")]
        return found

    return "\n".join(lines(None, ""))


async def trees() -> str:
    """Both trees, as docs/operations.md shows them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = OpenTelemetry(tracer=provider.get_tracer(NAME))
    world = fake_application(telemetry=telemetry)
    code = world.entra.code_for(ADA, world.settings.redirect_uri)
    with invocation(telemetry, "request connections_create", request_id="a-request", parent=None):
        made = await create(world, wish(rotation=MONTHLY), code)
    await world.app.background.idle()
    creation = tree(exporter.get_finished_spans())
    await rotate(world, made.id)
    exporter.clear()
    with invocation(telemetry, "run work_advance", request_id="a-run", parent=None):
        await world.app.advance(ORG, made.id)
    return f"{creation}\n\n{tree(exporter.get_finished_spans())}\n"


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(trees()))
