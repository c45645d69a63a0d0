"""What an endpoint takes and gives, read off its own signature.

    async def connections_create(call: Call, body: CreateBody) -> ConnectionAnswer: ...

Requests are parsed by it, answers are rendered by it, and the OpenAPI document is generated from it: one truth.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import azure.functions as func

from shared.domain.caller import Caller, Permission
from shared.domain.errors import ProductError
from shared.domain.model import Record
from shared.web.fields import Body

Use = Callable[..., Awaitable[Record]]
"""An endpoint's own function: a `Call`, perhaps `body`, `query` and headers, to an answer."""


@dataclass(frozen=True, slots=True)
class FromHeader:
    """Marks, in `Annotated`, an argument that `read` makes of the request's headers. It raises `ValidationFailed`."""

    read: Callable[[func.HttpRequest, Caller], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint, as its code declares it."""

    name: str
    summary: str
    permission: Permission
    body: type[Body] | None
    query: type[Body] | None
    answer: type[Record]
    fails: tuple[type[ProductError], ...]
    """What it can raise besides what every endpoint of its shape can."""
    use: Use
    headers: tuple[tuple[str, FromHeader], ...] = ()
    """What it takes from headers, by the name of its argument."""
    alternative: Permission | None = None
    """Whoever holds this one instead gets in too; the endpoint then asks for the one that applies."""

    @classmethod
    def of(
        cls,
        use: Use,
        permission: Permission,
        fails: tuple[type[ProductError], ...],
        alternative: Permission | None = None,
    ) -> Self:
        """The operation that `use` declares."""
        hints: dict[str, Any] = typing.get_type_hints(use, include_extras=True)
        return cls(
            name=str(getattr(use, "__name__", "")),
            summary=(use.__doc__ or "").strip(),
            permission=permission,
            body=hints.get("body"),
            query=hints.get("query"),
            answer=hints["return"],
            fails=fails,
            use=use,
            headers=tuple(
                (name, mark)
                for name, hint in hints.items()
                for mark in getattr(hint, "__metadata__", ())
                if isinstance(mark, FromHeader)
            ),
            alternative=alternative,
        )
