"""The base of every record: frozen, camelCase outside, UTC milliseconds for time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def to_utc_millis(moment: datetime) -> datetime:
    """`moment` in UTC, cut to milliseconds: the precision that callers see, so that nothing drifts on a round trip."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment  # seldom: lists have hundreds


def format_instant(moment: datetime) -> str:
    """ISO 8601, UTC, milliseconds and `Z`: the wire's one format."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


Instant = Annotated[
    datetime,
    AfterValidator(to_utc_millis),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC with millisecond precision."""


class Record(BaseModel):
    """A frozen value with snake_case names inside and camelCase names in JSON. Unknown keys are ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,  # every key is always present in an answer
        defer_build=True,  # a cold start builds no validator that nobody has asked for yet
        hide_input_in_errors=True,  # some records hold secrets, and errors end in logs
    )
