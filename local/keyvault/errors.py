"""The refusals of Key Vault, in the words and codes of the service.

Source: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes and recorded answers of the service.
"""

from __future__ import annotations

from aiohttp import web


class VaultError(Exception):
    """A refusal: HTTP status, `code`, `message` and, where the service sends one, the code of its `innererror`."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    def response(self) -> web.Response:
        """The answer as the service shapes it."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.inner is not None:
            error["innererror"] = {"code": self.inner}
        return web.json_response({"error": error}, status=self.status)


def bad_parameter(message: str) -> VaultError:
    """400: a name, body or query outside the limits."""
    return VaultError(400, "BadParameter", message)


def unauthorized(message: str) -> VaultError:
    """401: no bearer token, or one that does not hold."""
    return VaultError(401, "Unauthorized", message)


def forbidden(object_id: str, app_id: str) -> VaultError:
    """403: a good token of a principal without a role on this vault."""
    message = (
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, "
        "please observe propagation time.\r\n"
        f"Caller: appid={app_id};oid={object_id}\r\nAssignment: (not found)\r\n"
    )
    return VaultError(403, "Forbidden", message, "ForbiddenByRbac")


def disabled() -> VaultError:
    """403: the value of a disabled version was asked for."""
    return VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")


def not_found(name: str) -> VaultError:
    """404: no such secret or version, or it is deleted."""
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. "
        "If you recently deleted this secret you may be able to recover it using the correct recovery command."
    )
    return VaultError(404, "SecretNotFound", message)


def deleted_not_found(name: str) -> VaultError:
    """404: nothing of that name is deleted, or its deletion is still going on."""
    return VaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def being_deleted(name: str) -> VaultError:
    """409: the deletion is still going on."""
    message = f"Secret {name} is currently being deleted and cannot be used until that has finished."
    return VaultError(409, "Conflict", message, "ObjectIsBeingDeleted")


def deleted_but_recoverable(name: str) -> VaultError:
    """409: a soft-deleted secret keeps its name."""
    message = (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
        "in this state, the secret can only be recovered or purged."
    )
    return VaultError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
