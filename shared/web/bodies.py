"""What callers send. Validation reports every problem at once; what passes is bounded and safe to store."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import Method
from shared.domain.editing import Edit, RotationEdit
from shared.domain.errors import BadRequest
from shared.domain.schedule import RotateAt
from shared.domain.vault_address import vault_origin
from shared.web.credentials import (
    CREDENTIALS,
    CertificateCredentials,
    ClientSecretCredentials,
    Credentials,
    FederatedCredentials,
    OAuthCredentials,
    RotatingClientSecretCredentials,
)
from shared.web.fields import (
    NOT_BLANK,
    PRINTABLE,
    SLUG,
    Body,
    Description,
    Name,
    ProjectId,
    Strict,
    Tenant,
    Uuid,
    null_to_false,
)
from shared.web.problems import from_validation

NOT_SUPPORTED = "Not supported for Azure Key Vault Connections"
Interval = Annotated[StrictInt, Field(ge=1, le=365)]


class RotateAtBody(Body):
    """Time of day, UTC."""

    hours: Annotated[StrictInt, Field(ge=0, le=23)]
    minutes: Annotated[StrictInt, Field(ge=0, le=59)]

    def at(self) -> RotateAt:
        """The same in the domain's terms."""
        return RotateAt(hours=self.hours, minutes=self.minutes)


class RotationBody(Body):
    """Every how many days, and when in the day."""

    rotation_interval: Interval
    rotate_at_utc: RotateAtBody

    def plan(self) -> RotationPlan:
        """The same in the domain's terms."""
        return RotationPlan(rotation_interval=self.rotation_interval, rotate_at_utc=self.rotate_at_utc.at())


class RotationChangeBody(Body):
    """The parts of the schedule that change."""

    rotation_interval: Interval | None = None
    rotate_at_utc: RotateAtBody | None = None

    def edit(self) -> RotationEdit:
        """The same in the domain's terms."""
        at = self.rotate_at_utc.at() if self.rotate_at_utc else None
        return RotationEdit(rotation_interval=self.rotation_interval, rotate_at_utc=at)


class Unsupported(Body):
    """Two fields of the published API that this product has nothing behind."""

    is_platform_managed_credentials: Annotated[StrictBool | None, WithJsonSchema({"enum": [False, None]})] = None
    gateway_id: Annotated[Any, WithJsonSchema({"type": "null"})] = None

    @field_validator("is_platform_managed_credentials", "gateway_id")
    @classmethod
    def _unsupported(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and (value is not False or info.field_name == "gateway_id"):
            raise ValueError(NOT_SUPPORTED)
        return value


def _when_enabled(**needed: dict[str, Any]) -> ConfigDict:
    """For the OpenAPI document: what a body needs once rotation is enabled, as the validators below demand."""
    enabled = {"properties": {"isAutoRotationEnabled": {"const": True}}, "required": ["isAutoRotationEnabled"]}
    rule: dict[str, Any] = {"if": enabled, "then": {"required": ["rotation"], "properties": needed}}
    return ConfigDict(json_schema_extra=rule)


class NewConnectionBody(Unsupported):
    """What every create body holds, whatever the method."""

    model_config = _when_enabled(rotation={"type": "object"})

    name: Name
    method: Method
    description: Description = None
    project_id: ProjectId | None = None
    is_auto_rotation_enabled: Annotated[
        StrictBool, BeforeValidator(null_to_false), WithJsonSchema({"type": ["boolean", "null"]})
    ] = False
    rotation: Annotated[RotationBody | None, Field(validate_default=True)] = None

    @field_validator("rotation")
    @classmethod
    def _required_when_enabled(cls, rotation: RotationBody | None, info: ValidationInfo) -> RotationBody | None:
        if rotation is None and info.data.get("is_auto_rotation_enabled"):
            raise ValueError("Rotation details is required when auto rotation is enabled")
        return rotation

    def new_connection(self, tenant: str | None = None) -> NewConnection:
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


class CreateBody(NewConnectionBody):
    """Create a connection. The method decides what `credentials` must be."""

    credentials: Credentials

    @classmethod
    def read(cls, document: Any, context: dict[str, Any]) -> Self:
        """The body of the method that it names; one that names none is told so, and all else that is wrong with it."""
        sent = document if isinstance(document, dict) else {}
        method = sent.get("method")
        model = CREATE_BODIES.get(method, cls) if isinstance(method, str) else cls
        if model is CreateClientSecretBody and sent.get("isAutoRotationEnabled") is True:
            model = CreateRotatingClientSecretBody
        return model.model_validate(document, context=context)  # type: ignore[return-value]  # of CreateBody's kind


class CreateOAuthBody(CreateBody):
    """Create with an authorization code."""

    method: Literal[Method.OAUTH]
    credentials: OAuthCredentials


class CreateClientSecretBody(CreateBody):
    """Create with an app's password."""

    model_config = _when_enabled(
        rotation={"type": "object"},
        credentials={"required": ["clientSecretKeyId"], "properties": {"clientSecretKeyId": {"type": "string"}}},
    )

    method: Literal[Method.CLIENT_SECRET]
    credentials: ClientSecretCredentials


class CreateRotatingClientSecretBody(CreateClientSecretBody):
    """The same with rotation switched on."""

    credentials: RotatingClientSecretCredentials


class CreateCertificateBody(CreateBody):
    """Create with an app's certificate."""

    method: Literal[Method.CERTIFICATE]
    credentials: CertificateCredentials


class CreateFederatedBody(CreateBody):
    """Create for an app that trusts the service's managed identity."""

    method: Literal[Method.FEDERATED]
    credentials: FederatedCredentials


CREATE_BODIES: dict[str, type[CreateBody]] = {
    Method.OAUTH: CreateOAuthBody,
    Method.CLIENT_SECRET: CreateClientSecretBody,
    Method.CERTIFICATE: CreateCertificateBody,
    Method.FEDERATED: CreateFederatedBody,
}


class UpdateBody(Unsupported):
    """Change a connection: what is sent changes, what is not stays."""

    name: Name | None = None
    description: Description = None
    credentials: dict[str, Any] | None = Field(default=None, repr=False)
    is_auto_rotation_enabled: StrictBool | None = None
    rotation: RotationChangeBody | None = None

    def edit(self) -> Edit:
        """The same in the domain's terms, without credentials."""
        sent: dict[str, Any] = {
            "name": self.name,
            "is_auto_rotation_enabled": self.is_auto_rotation_enabled,
            "rotation": self.rotation.edit() if self.rotation else None,
        }
        if "description" in self.model_fields_set:
            sent["description"] = self.description
        return Edit(**sent)

    def credentials_for(self, method: Method, context: dict[str, Any]) -> Credentials | None:
        """The credentials in the shape of the stored method. Raises `BadRequest` when they have another."""
        if self.credentials is None:
            return None
        try:
            return CREDENTIALS[method].read(self.credentials, context)
        except ValidationError as error:
            problems = from_validation(error, under="credentials").problems
            raise BadRequest(
                f"Invalid credential format for Azure Key Vault Connection with method {method.words}", problems
            ) from None


class RotateBody(Body):
    """Nothing: a wish that is sent here would be lost, and the credential rotated all the same."""

    model_config = ConfigDict(json_schema_extra={"maxProperties": 0})
    may_be_absent: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, sent: object) -> object:
        if sent != {}:
            raise ValueError("Takes no body; a dry run is ?dryRun=true")
        return sent


class CheckBody(Strict):
    """Which vault to try, if any."""

    may_be_absent: ClassVar[bool] = True

    vault_url: Annotated[str, StringConstraints(max_length=256, pattern=PRINTABLE)] | None = None

    @field_validator("vault_url")
    @classmethod
    def _a_vault(cls, url: str | None, info: ValidationInfo) -> str | None:
        context = info.context or {}
        if url is None or url.rstrip("/") == context.get("loopback_vault"):
            return url and url.rstrip("/")
        suffix = context.get("vault_suffix", "")
        origin = vault_origin(url, suffix)
        if origin is None:
            raise ValueError(f"Must be the address of a Key Vault, for example https://my-vault.{suffix}")
        return origin


class LinkCredentials(Body):
    """What is known of a credential before anybody signed in."""

    tenant_id: Tenant | None = None


class AuthorizeBody(NewConnectionBody):
    """Create a connect link."""

    method: Literal[Method.OAUTH]
    credentials: LinkCredentials = LinkCredentials()
    return_url: Annotated[str, StringConstraints(max_length=2048, pattern=PRINTABLE)] | None = None
    connection_id: Uuid | None = Field(
        default=None, description="reconnect this connection instead of making one; what describes a new one is ignored"
    )
    allow_different_account: StrictBool = False

    @classmethod
    def read(cls, document: Any, context: dict[str, Any]) -> Self:
        """The body; one that names a connection need not describe a new one."""
        names_one = isinstance(document, dict) and document.get("connectionId") is not None
        model = ReconnectBody if names_one else cls
        return model.model_validate(document, context=context)  # type: ignore[return-value]  # of this body's kind

    @field_validator("return_url")
    @classmethod
    def _allowed(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        if _origin_of(url) not in (info.context or {}).get("return_origins", ()) or "#" in url:
            raise ValueError("Must begin with one of the return origins that this service is configured with")
        return url


class ReconnectBody(AuthorizeBody):
    """Create a connect link for a connection that exists."""

    name: Name | None = None  # type: ignore[assignment]  # it has one
    method: Literal[Method.OAUTH] = Method.OAUTH
    connection_id: Uuid


class ProjectBody(Body):
    """Create a project."""

    project_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), NOT_BLANK]
    slug: Annotated[str, StringConstraints(min_length=5, max_length=64, pattern=SLUG)] | None = None
    type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "secret-manager"
    description: Description = None
    callers: Annotated[tuple[Uuid, ...], Field(max_length=100)] = ()


def _origin_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # its text repeats what was sent
        return None
    return f"{parts.scheme}://{parts.netloc}"
