"""Microsoft Graph in memory, over the same apps as the authority."""

from __future__ import annotations

import secrets
from datetime import datetime

from shared.domain.credential import ClientSecret
from shared.domain.errors import DirectoryRefused
from shared.domain.graph_errors import HOME_TENANT, PERMISSION, POLICY, TWO_PASSWORDS
from shared.services.ports import Audience, Clock, ListedPassword, NewPassword, Registration
from tests.fakes.app_authority import App, FakeAppAuthority, Password
from tests.fakes.faults import Faults

HINT_CHARS = 3


class FakeGraph:
    """`Graph` in memory. Signing in is one call here: the authority's own does not count beside it."""

    def __init__(self, clock: Clock, faults: Faults, apps: FakeAppAuthority) -> None:
        self._clock = clock
        self._faults = faults
        self._apps = apps

    async def sign_in(self, credential: ClientSecret) -> FakeSession:
        """See `Graph`."""
        async with self._faults.call("graph.sign_in"):
            self._apps.token_for(credential, Audience.GRAPH)
            return FakeSession(self._clock, self._faults, self._apps, credential)


class FakeSession:
    """`GraphSession` in memory. As at Graph, its token outlives the password and the app that it was got with."""

    def __init__(self, clock: Clock, faults: Faults, apps: FakeAppAuthority, credential: ClientSecret) -> None:
        self._clock = clock
        self._faults = faults
        self._apps = apps
        self._named = credential.tenant_id, credential.client_id

    async def registration(self) -> Registration | None:
        """See `GraphSession`."""
        async with self._faults.call("graph.registration"):
            app = self._app()
            if app is None:
                return None
            listed = [ListedPassword(each.key_id, each.display_name, _hint(each), each.ends) for each in app.passwords]
            return Registration(app.object_id, listed, app.holds_two)

    async def add_password(self, object_id: str, *, display_name: str, ends_at: datetime) -> NewPassword:
        """See `GraphSession`."""
        async with self._faults.call("graph.add_password"):
            app = self._app()
            if app is None or object_id != app.object_id:
                raise DirectoryRefused(HOME_TENANT)
            if app.forbids_secrets:
                raise DirectoryRefused(POLICY)
            if app.holds_two and len(app.passwords) >= 2:
                raise DirectoryRefused(TWO_PASSWORDS)
            ends = ends_at.replace(microsecond=0)
            known_from = self._clock() + app.propagation
            password = Password(secrets.token_urlsafe(30), ends, display_name=display_name, known_from=known_from)
            app.passwords.append(password)
            return NewPassword(password.key_id, password.value, ends)

    async def remove_password(self, object_id: str, key_id: str) -> None:
        """See `GraphSession`."""
        async with self._faults.call("graph.remove_password"):
            app = self._app()
            if app is not None and not app.may_remove:
                raise DirectoryRefused(PERMISSION)
            if app is not None and object_id == app.object_id:
                app.passwords = [each for each in app.passwords if each.key_id != key_id]

    def _app(self) -> App | None:
        """The registration, if it is in this tenant."""
        app = self._apps.apps.get(self._named)
        if app is not None and not app.may_manage:
            raise DirectoryRefused(PERMISSION)
        return app if app is not None and app.home else None


def _hint(password: Password) -> str | None:
    return password.value[:HINT_CHARS] if password.tells_hint else None
