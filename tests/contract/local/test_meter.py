"""The meter of storage requests, on real queries."""

from __future__ import annotations

from uuid import uuid4

from azure.data.tables.aio import TableServiceClient

from local.meter import Meter


async def test_rows_that_are_gone_through_are_told_from_those_that_are_read(azurite: str) -> None:
    meter, name = Meter(), f"t{uuid4().hex[:12]}"
    async with TableServiceClient.from_connection_string(azurite, raw_response_hook=meter) as service:
        table = await service.create_table(name)
        for key, colour in (("1", "red"), ("2", "blue"), ("3", "blue"), ("4", "red")):
            await table.create_entity({"PartitionKey": "p", "RowKey": key, "colour": colour})
        meter.reset()
        question = "PartitionKey eq @p and RowKey lt @end and colour eq @colour"
        asked = table.query_entities(question, parameters={"p": "p", "end": "4", "colour": "red"})
        assert [entity["RowKey"] async for entity in asked] == ["1"]
        assert (meter.requests, meter.rows) == (1, 1)
        assert await meter.rows_in_range(service) == 3
