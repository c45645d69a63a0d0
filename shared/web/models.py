"""What callers send. Validation reports every problem at once; what passes is bounded and safe to store."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from shared.domain.connection import Method
from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.schedule import RotateAt

NOT_SUPPORTED = "Not supported for Azure Key Vault Connections"
SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
PRINTABLE = r"^[!-~]+$"
"""ASCII that may stand in a header as it is: no space, no control character."""
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def _tenant(text: str) -> str:
    """A tenant id or domain name, lower-case: it becomes part of a URL's path."""
    lowered = text.strip().lower()
    if len(lowered) <= 253 and (is_uuid(lowered) or _DOMAIN.fullmatch(lowered)):
        return lowered
    raise ValueError("Must be a tenant id (GUID) or a verified domain name")


def is_uuid(text: str) -> bool:
    """Whether `text` is a lower-case GUID in its usual form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _uuid(text: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError("Invalid uuid")
    return text.lower()


def _origin_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # its text repeats what was sent
        return None
    return f"{parts.scheme}://{parts.netloc}"


def _empty_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _null_to_false(value: object) -> object:
    return False if value is None else value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=SLUG)]
Description = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)] | None, BeforeValidator(_empty_to_none)
]
Tenant = Annotated[str, AfterValidator(_tenant)]
Uuid = Annotated[str, AfterValidator(_uuid)]
ProjectId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class Body(BaseModel):
    """Unknown keys are ignored; error messages never repeat what was sent."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_alias=True, hide_input_in_errors=True
    )


class RotateAtBody(Body):
    """Time of day, UTC."""

    hours: Annotated[StrictInt, Field(ge=0, le=23)]
    minutes: Annotated[StrictInt, Field(ge=0, le=59)]


class RotationBody(Body):
    """Every how many days, and when in the day."""

    rotation_interval: Annotated[StrictInt, Field(ge=1, le=365)]
    rotate_at_utc: RotateAtBody

    def plan(self) -> RotationPlan:
        """The same in the domain's terms."""
        at = RotateAt(hours=self.rotate_at_utc.hours, minutes=self.rotate_at_utc.minutes)
        return RotationPlan(rotation_interval=self.rotation_interval, rotate_at_utc=at)


class OAuthCredentials(Body):
    """An authorization code that the caller obtained, and what is needed to redeem it."""

    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8192)] = Field(repr=False)
    tenant_id: Tenant | None = None
    code_verifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = Field(
        default=None, repr=False
    )
    redirect_uri: str | None = None

    @field_validator("code", mode="wrap")
    @classmethod
    def _required(cls, value: Any, handler: Any) -> str:
        if isinstance(value, str) and not value.strip():
            raise ValueError("OAuth code required")
        return str(handler(value))

    @field_validator("redirect_uri")
    @classmethod
    def _configured(cls, uri: str | None, info: ValidationInfo) -> str | None:
        if uri is not None and uri not in (info.context or {}).get("redirect_uris", ()):
            raise ValueError("Must be one of the redirect URIs that this service is configured with")
        return uri


class LinkCredentials(Body):
    """What is known of a credential before anybody signed in."""

    tenant_id: Tenant | None = None


class NewConnectionBody(Body):
    """What every create body holds, whatever the method."""

    name: Name
    method: Method
    description: Description = None
    project_id: ProjectId | None = None
    is_platform_managed_credentials: StrictBool | None = None
    gateway_id: Any = None
    is_auto_rotation_enabled: Annotated[StrictBool, BeforeValidator(_null_to_false)] = False
    rotation: Annotated[RotationBody | None, Field(validate_default=True)] = None

    @field_validator("is_platform_managed_credentials", "gateway_id")
    @classmethod
    def _unsupported(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and (value is not False or info.field_name == "gateway_id"):
            raise ValueError(NOT_SUPPORTED)
        return value

    @field_validator("rotation")
    @classmethod
    def _required_when_enabled(cls, rotation: RotationBody | None, info: ValidationInfo) -> RotationBody | None:
        if rotation is None and info.data.get("is_auto_rotation_enabled"):
            raise ValueError("Rotation details is required when auto rotation is enabled")
        return rotation

    def new_connection(self, tenant: str | None) -> NewConnection:
        """The wish in the domain's terms."""
        return NewConnection(
            name=self.name,
            method=self.method,
            description=self.description,
            project_id=self.project_id,
            tenant=tenant,
            is_auto_rotation_enabled=self.is_auto_rotation_enabled,
            rotation=self.rotation.plan() if self.rotation else None,
        )


class CreateOAuthBody(NewConnectionBody):
    """Create with a code."""

    method: Literal[Method.OAUTH]
    credentials: OAuthCredentials


class AuthorizeBody(NewConnectionBody):
    """Create a connect link."""

    method: Literal[Method.OAUTH]
    credentials: LinkCredentials = LinkCredentials()
    return_url: Annotated[str, StringConstraints(max_length=2048, pattern=PRINTABLE)] | None = None

    @field_validator("return_url")
    @classmethod
    def _allowed(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        if _origin_of(url) not in (info.context or {}).get("return_origins", ()) or "#" in url:
            raise ValueError("Must begin with one of the return origins that this service is configured with")
        return url


class ProjectBody(Body):
    """Create a project."""

    project_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    slug: Annotated[str, StringConstraints(min_length=5, max_length=64, pattern=SLUG)] | None = None
    type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "secret-manager"
    description: Description = None
    callers: Annotated[list[Uuid], Field(max_length=100)] = []


class ListQuery(Body):
    """The query of a list. Query values are text, so the number is parsed."""

    project_id: ProjectId | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    cursor: Annotated[str, StringConstraints(max_length=512)] | None = None
