"""What configures a function app from outside its code: host.json, local.settings.json and app settings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_EXPRESSION = re.compile(r"%([^%]+)%")

Seconds = Annotated[timedelta, Field(ge=timedelta(0))]


class QueueSettings(BaseModel):
    """`extensions.queues` of host.json; the defaults are the platform's."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    batch_size: int = Field(default=16, ge=1, le=32)
    new_batch_threshold: int | None = Field(default=None, ge=0)
    max_dequeue_count: int = Field(default=5, ge=1)
    max_polling_interval: Seconds = timedelta(minutes=1)
    visibility_timeout: Seconds = timedelta(0)
    message_encoding: Literal["base64", "none"] = "base64"

    @property
    def fetch_below(self) -> int:
        """A batch is fetched while at most this many messages are in work; half a batch unless host.json says."""
        return self.batch_size // 2 if self.new_batch_threshold is None else self.new_batch_threshold


class HostSettings(BaseModel):
    """The parts of host.json that this host obeys; the rest is the platform's business and is ignored."""

    model_config = ConfigDict(frozen=True)

    route_prefix: str = Field(default="api", validation_alias=AliasPath("extensions", "http", "routePrefix"))
    queues: QueueSettings = Field(
        default_factory=QueueSettings, validation_alias=AliasPath("extensions", "queues"), validate_default=True
    )
    function_timeout: timedelta = Field(default=timedelta(minutes=30), validation_alias="functionTimeout")

    @property
    def timeout_seconds(self) -> float | None:
        """How long one invocation may take; None for host.json's "-1", no limit."""
        return None if self.function_timeout < timedelta(0) else self.function_timeout.total_seconds()


def read_host_json(root: Path) -> dict[str, Any]:
    """The content of `root`/host.json; empty when there is none. Raises ValueError when it is no JSON object."""
    return _read_object(root / "host.json")


def load_local_settings(root: Path, environ: MutableMapping[str, str] = os.environ) -> None:
    """Put the `Values` of `root`/local.settings.json into `environ`, where a variable that is already set wins."""
    for name, value in _read_object(root / "local.settings.json").get("Values", {}).items():
        environ.setdefault(name, str(value))


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """`text` with each binding expression `%NAME%` replaced by that app setting; ValueError for one that is not set."""

    def value(match: re.Match[str]) -> str:
        if (found := environ.get(match[1])) is None:
            raise ValueError(f"'%{match[1]}%' does not resolve to a value: no app setting {match[1]!r}")
        return found

    return _EXPRESSION.sub(value, text)


def connection_string(name: str, environ: Mapping[str, str]) -> str:
    """The storage connection string that a binding's `connection` names, found as the platform finds it.

    The setting may carry the prefix `AzureWebJobs`; no name means `AzureWebJobsStorage`.
    """
    wanted = name or "Storage"
    for candidate in (f"AzureWebJobs{wanted}", wanted):
        if found := environ.get(candidate):
            return found
    raise ValueError(f"no app setting {wanted!r} holds a storage connection string")


def _read_object(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must hold a JSON object")
    return content
