"""Every setting, typed and checked at start. The one list that docs, Bicep and the sample file follow."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from shared.clouds import (
    AUTHORITY_HOSTS,
    GRAPH_RESOURCES,
    STORAGE_SUFFIXES,
    TOKEN_EXCHANGE_RESOURCES,
    VAULT_RESOURCES,
    Cloud,
)
from shared.domain.schedule import IntervalUnit

CALLBACK_PATH = "/api/v1/app-connections/azure/oauth/callback"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


class Environment(StrEnum):
    """Where the product runs. Development allows loopback addresses and short intervals; nothing else does."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class OAuthCredential(StrEnum):
    """How the service's own OAuth app proves itself to Entra."""

    FEDERATED = "federated"
    CERTIFICATE = "certificate"
    SECRET = "secret"


class SettingsError(Exception):
    """The settings are not usable. Names every setting that is wrong, and never a value."""


_HTTP_URL = TypeAdapter(AnyHttpUrl, config=ConfigDict(defer_build=True))
_IN_AUDIENCE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # its text may repeat the value
        raise ValueError("must be an http(s) URL") from None


def _url(url: str) -> str:
    """`url` as it is: redirect URIs are compared character by character (RFC 9700 section 2.1)."""
    parts = _parts(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an http(s) URL without user or fragment")
    return url


def _base_url(url: str) -> str:
    """As browsers write it in `Origin` and vaults in ids: host in lower case, no default port, no slash at the end."""
    if _parts(_url(url)).query:
        raise ValueError("must be a URL without query")
    try:
        return str(_HTTP_URL.validate_python(url)).rstrip("/")
    except ValidationError:  # its text repeats the value
        raise ValueError("must be an http(s) URL") from None


def _origin(url: str) -> str:
    if _parts(url).path not in ("", "/"):
        raise ValueError("must be an origin: scheme, host and port only")
    return _base_url(url)


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:  # its text may repeat the value
        raise ValueError("must be a GUID") from None


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Guid = Annotated[str, AfterValidator(_guid)]
Guids = Annotated[tuple[Guid, ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)]
Urls = Annotated[tuple[Annotated[str, AfterValidator(_url)], ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """Read from the process's environment, where Functions puts app settings."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, str_strip_whitespace=True, defer_build=True
    )

    environment: Environment = Field(
        default=Environment.PRODUCTION, alias="ENVIRONMENT", description="`production` or `development`"
    )
    cloud: Cloud = Field(default=Cloud.PUBLIC, alias="AZURE_CLOUD", description="`public`, `usgovernment` or `china`")
    public_url: BaseUrl = Field(
        alias="PUBLIC_URL", description="the address that browsers and callers use; decides the OAuth redirect URI"
    )
    allowed_tenants: Guids = Field(
        default=(), alias="ALLOWED_TENANTS", description="tenant ids whose tokens are accepted; none means nobody"
    )
    api_audience: str = Field(
        min_length=1, alias="API_AUDIENCE", description="`aud` of the API's bearer tokens: its app registration's id"
    )
    vault_url: BaseUrl = Field(alias="VAULT_URL", description="the Key Vault that holds the credentials")
    storage_connection_string: str | None = Field(
        default=None, alias="AzureWebJobsStorage", repr=False, description="storage emulator; development only"
    )
    storage_account: str | None = Field(
        default=None,
        validate_default=True,
        pattern=r"^[a-z0-9]{3,24}$",
        alias="AzureWebJobsStorage__accountName",
        description="storage account, by managed identity",
    )
    identity_client_id: Guid | None = Field(
        default=None, alias="AZURE_CLIENT_ID", description="client id of the user-assigned managed identity"
    )
    oauth_client_id: Guid = Field(alias="OAUTH_CLIENT_ID", description="the service's own OAuth app registration")
    oauth_credential: OAuthCredential = Field(
        default=OAuthCredential.FEDERATED,
        alias="OAUTH_CREDENTIAL",
        description="how that app proves itself: `federated` (managed identity), `certificate` or `secret`",
    )
    oauth_credential_secret: str | None = Field(
        default=None,
        validate_default=True,
        pattern=r"^[0-9A-Za-z-]{1,127}$",
        alias="OAUTH_CREDENTIAL_SECRET",
        description="name of the Key Vault secret with the certificate (PEM with key) or secret; not for `federated`",
    )
    redirect_uris: Urls = Field(
        default=(), alias="OAUTH_REDIRECT_URIS", description="more redirect URIs that callers' codes may come from"
    )
    return_origins: Origins = Field(
        default=(), alias="RETURN_ORIGINS", description="origins that `returnUrl` may point to"
    )
    event_topic: BaseUrl | None = Field(
        default=None,
        alias="EVENT_TOPIC_ENDPOINT",
        description="the Event Grid topic that is told what happened; none means that nobody is",
    )
    insights: str | None = Field(
        default=None,
        alias="APPLICATIONINSIGHTS_CONNECTION_STRING",
        repr=False,
        description="Application Insights, where spans and metrics go; none means that nothing is measured",
    )
    work_schedule: str = Field(
        default="*/10 * * * * *",
        pattern=r"^\S+( \S+){5}$",
        alias="WORK_SCHEDULE",
        description="NCRONTAB schedule of the timer, six fields; every 10 seconds, which is how far ahead a tick plans",
    )
    upkeep_schedule: str = Field(
        default="0 17 4 * * *",
        pattern=r"^\S+( \S+){5}$",
        alias="UPKEEP_SCHEDULE",
        description="NCRONTAB schedule of the round over all connections; once a day",
    )
    authority_host: BaseUrl | None = Field(
        default=None, alias="AUTHORITY_HOST", description="Entra's address; development only"
    )
    ca_file: str | None = Field(
        default=None, alias="LOOPBACK_CA_FILE", description="certificate of the local stand-ins; development only"
    )
    interval_unit: IntervalUnit = Field(
        default=IntervalUnit.DAYS,
        alias="ROTATION_INTERVAL_UNIT",
        description="what a rotation interval counts: `days`; `minutes` or `seconds` in development only",
    )

    lease_seconds: int = Field(
        default=120,
        ge=1,
        le=120,
        alias="LEASE_SECONDS",
        description="how long a try of a rotation keeps other workers off; less than 120 in development only",
    )
    clock_ahead_seconds: int = Field(
        default=0,
        ge=-31_536_000,
        le=31_536_000,
        alias="CLOCK_AHEAD_SECONDS",
        description="how far the process's clock is ahead of the machine's, to see what comes later; development only",
    )

    # Rules over two settings are validators of the later one: pydantic then reports all that is wrong at once.

    @field_validator(
        "storage_connection_string",
        "authority_host",
        "ca_file",
        "interval_unit",
        "lease_seconds",
        "clock_ahead_seconds",
    )
    @classmethod
    def _development_only(cls, value: Any, info: ValidationInfo) -> Any:
        """What would weaken a deployment is refused there."""
        default = cls.model_fields[str(info.field_name)].default
        if info.data.get("environment") is Environment.PRODUCTION and value != default:
            raise ValueError("for development only")
        return value

    @field_validator("public_url", "vault_url", "event_topic")
    @classmethod
    def _encrypted(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        loopback = info.data.get("environment") is Environment.DEVELOPMENT and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not loopback:
            raise ValueError("must be https (http only on loopback, in development)")
        return url

    @field_validator("storage_account")
    @classmethod
    def _some_storage(cls, account: str | None, info: ValidationInfo) -> str | None:
        if account is None and info.data.get("storage_connection_string") is None:
            raise ValueError("required")
        return account

    @field_validator("oauth_credential_secret")
    @classmethod
    def _some_credential(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None and info.data.get("oauth_credential", OAuthCredential.FEDERATED) != OAuthCredential.FEDERATED:
            raise ValueError("required unless OAUTH_CREDENTIAL is federated")
        return name

    @property
    def redirect_uri(self) -> str:
        """Where Entra sends the browser back to; never taken from a request's `Host`."""
        return f"{self.public_url}{CALLBACK_PATH}"

    @property
    def all_redirect_uris(self) -> frozenset[str]:
        """Every redirect URI that a caller's code may belong to."""
        return frozenset((self.redirect_uri, *self.redirect_uris))

    @property
    def own_apps(self) -> frozenset[str]:
        """Client ids of the service's own app registrations, in lower case. The audience may be an id in a URI."""
        audience = _IN_AUDIENCE.search(self.api_audience)
        return frozenset((self.oauth_client_id, *([audience[0].lower()] if audience else [])))

    @property
    def secure_browser(self) -> bool:
        """Whether browsers reach us over https: `form_post` and `__Host-` cookies work only there."""
        return self.public_url.startswith("https://")

    @property
    def authority(self) -> str:
        """Entra's address without a path."""
        return self.authority_host or AUTHORITY_HOSTS[self.cloud]

    @property
    def vault_resource(self) -> str:
        """The audience of Key Vault tokens."""
        return VAULT_RESOURCES[self.cloud]

    @property
    def vault_suffix(self) -> str:
        """What every vault's host ends in."""
        return self.vault_resource.removeprefix("https://")

    @property
    def loopback_vault(self) -> str | None:
        """The stand-in's address, which a check may ask in development besides real vaults."""
        development = self.environment is Environment.DEVELOPMENT
        return self.vault_url if development and urlsplit(self.vault_url).hostname in LOOPBACK else None

    @property
    def lease(self) -> timedelta:
        """How long a try of a rotation keeps other workers off."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def clock_ahead(self) -> timedelta:
        """How far the process's clock is ahead of the machine's."""
        return timedelta(seconds=self.clock_ahead_seconds)

    @property
    def graph_resource(self) -> str:
        """The audience of Microsoft Graph's tokens."""
        return GRAPH_RESOURCES[self.cloud]

    @property
    def graph_url(self) -> str:
        """Where Microsoft Graph answers; the local stand-in for Entra has it under the same address."""
        return f"{self.authority_host}/graph/v1.0" if self.authority_host else f"{self.graph_resource}/v1.0"

    @property
    def token_exchange_scope(self) -> str:
        """The scope of a managed identity's token that serves as a federated credential."""
        return f"{TOKEN_EXCHANGE_RESOURCES[self.cloud]}/.default"

    @property
    def table_endpoint(self) -> str:
        """The storage account's table service."""
        return f"https://{self.storage_account}.table.{STORAGE_SUFFIXES[self.cloud]}"

    @property
    def queue_endpoint(self) -> str:
        """The storage account's queue service."""
        return f"https://{self.storage_account}.queue.{STORAGE_SUFFIXES[self.cloud]}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process. Raises `SettingsError` that names all that is wrong."""
        source = os.environ if environment is None else environment
        try:
            return cls.model_validate({name: value for name, value in source.items() if value != ""})
        except ValidationError as error:
            problems = [
                f"{cls._setting(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
                for problem in error.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("These settings need attention: " + "; ".join(problems)) from None

    @classmethod
    def _setting(cls, location: tuple[str | int, ...]) -> str:
        """The setting's own name; pydantic calls one that is not set by its field's."""
        field = cls.model_fields.get(str(location[0]))
        return str(field.alias if field else location[0])
