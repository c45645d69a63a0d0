"""Which resource a `scope` asks for (https://learn.microsoft.com/entra/identity-platform/scopes-oidc)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local.entra.directory import TOKEN_EXCHANGE, Directory
from local.entra.errors import AadstsError

VAULT: Final = "https://vault.azure.net"
GRAPH: Final = "https://graph.microsoft.com"
EVENT_GRID: Final = "https://eventgrid.azure.net"

_RESOURCES: Final = frozenset({VAULT, GRAPH, EVENT_GRID, TOKEN_EXCHANGE})
_OPENID: Final = frozenset({"openid", "profile", "email", "offline_access"})
_DEFAULT: Final = ".default"
_DELEGATED_DEFAULT: Final = {GRAPH: "User.Read"}


@dataclass(frozen=True, slots=True)
class Requested:
    """One resource and the rights on it, and what was asked of OpenID Connect."""

    resource: str
    """As the client wrote it."""
    audience: str
    """The `aud` of its tokens."""
    names: tuple[str, ...]
    openid: frozenset[str]

    @property
    def is_default(self) -> bool:
        """All that the app registration lists: the only form a client may use for itself."""
        return self.names == (_DEFAULT,)

    @property
    def delegated(self) -> tuple[str, ...]:
        """The delegated permissions (`scp`) that a user's token carries."""
        named = tuple(name for name in self.names if name != _DEFAULT)
        return named or (_DELEGATED_DEFAULT.get(self.audience, "user_impersonation"),)

    @property
    def answered(self) -> str:
        """The `scope` of a token answer for a user."""
        return " ".join(f"{self.resource}/{name}" for name in dict.fromkeys((*self.delegated, *self.names)))


def parse(scope: str, directory: Directory) -> Requested:
    """What `scope` asks for. Raises AADSTS70011 for none or several resources, 500011 for an unknown one."""
    words = scope.split()
    openid = frozenset(words) & _OPENID
    split = [_split(word) for word in words if word not in _OPENID] or [(GRAPH, _DEFAULT)]
    resources = {resource for resource, _ in split}
    if not words or len(resources) > 1:
        raise AadstsError(70011, scope)
    resource = resources.pop()
    return Requested(resource, audience(resource, directory), tuple(name for _, name in split), openid)


def audience(resource: str, directory: Directory) -> str:
    """The `aud` of tokens for a resource: its URI, or the client id of an API. Raises AADSTS500011."""
    if resource in _RESOURCES:
        return resource
    api = directory.application(resource.removeprefix("api://"))
    if api is None:
        raise AadstsError(500011, resource)
    return api.app_id


def _split(word: str) -> tuple[str, str]:
    resource, _, name = word.rpartition("/")
    return resource.rstrip("/") or GRAPH, name
