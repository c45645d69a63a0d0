"""The kinds of fields that callers send, each with its bounds, and the base of every body and query."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
MAX_NAME_CHARS = 64
PRINTABLE = r"^[!-~]+$"
"""ASCII that may stand in a header as it is: no space, no control character."""
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
MAX_TENANT_CHARS = 253
_TENANT_AS_SENT = (
    r"^(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    r"|(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.)+[A-Za-z]{2,63})$"
)
"""What `_tenant` takes, for the OpenAPI document."""


class Body(BaseModel):
    """Unknown keys are ignored; error messages never repeat what was sent."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_alias=True,
        defer_build=True,  # as `Record`
        hide_input_in_errors=True,
    )
    may_be_absent: ClassVar[bool] = False
    """Whether a request without a body counts as one with `{}`."""

    @classmethod
    def read(cls, document: Any, context: dict[str, Any]) -> Self:
        """The body in a JSON document. Raises pydantic's `ValidationError` with every problem."""
        return cls.model_validate(document, context=context)

    @classmethod
    def keys(cls) -> list[str]:
        """The names that callers send."""
        return [field.alias or to_camel(name) for name, field in cls.model_fields.items()]


class Strict(Body):
    """Unknown keys are refused: where a misspelled one would do something else than its sender meant."""

    model_config = ConfigDict(extra="forbid")


def is_uuid(text: str) -> bool:
    """Whether `text` is a lower-case GUID in its usual form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def is_name(text: str) -> bool:
    """Whether `text` could be a connection's name."""
    return len(text) <= MAX_NAME_CHARS and re.fullmatch(SLUG, text) is not None


def _uuid(text: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError("Invalid uuid")
    return text.lower()


def _tenant(text: str) -> str:
    """A tenant id or domain name, lower-case: it becomes part of a URL's path."""
    lowered = text.strip().lower()
    if len(lowered) <= MAX_TENANT_CHARS and (is_uuid(lowered) or _DOMAIN.fullmatch(lowered)):
        return lowered
    raise ValueError("Must be a tenant id (GUID) or a verified domain name")


def _empty_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def null_to_false(value: object) -> object:
    """A flag that is null counts as false."""
    return False if value is None else value


NOT_BLANK = Field(json_schema_extra={"pattern": r"\S"})
"""Says of a text that is stripped before its length is measured what that comes to."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARS, pattern=SLUG)]
Description = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)] | None, BeforeValidator(_empty_to_none)
]
Tenant = Annotated[
    str,
    AfterValidator(_tenant),
    WithJsonSchema({"type": "string", "maxLength": MAX_TENANT_CHARS, "pattern": _TENANT_AS_SENT}),
]
Uuid = Annotated[str, AfterValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
ProjectId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$", to_lower=True)]
