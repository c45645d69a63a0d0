"""A connect link on its way to a connection, across a browser that nobody trusts.

A link lives a day and may be opened often; opening it changes nothing. Each press of its button is an attempt: a state
of 256 bits that works once (RFC 6749 section 10.12), bound to the browser by a cookie, sealed so that the table alone
can finish nothing.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller
from shared.domain.connection import Lifecycle, Row
from shared.domain.creation import NewConnection, Proof
from shared.domain.entra_errors import explain
from shared.domain.errors import BadRequest, NotFound, ProductError, Refusal, UpstreamError
from shared.domain.sealing import digest, seal, unseal
from shared.services.auditing import Auditing
from shared.services.connect_links import FlowState, flow_id_of
from shared.services.creating import Creating, Visit
from shared.services.ports import Attempt, Clock, Entra, FlowTable, Link, ProjectTable
from shared.services.proving import ANY_TENANT, Proving
from shared.services.reconnecting import Reconnecting
from shared.services.rows import Rows

log = logging.getLogger(__name__)

ATTEMPT_LIFETIME = timedelta(minutes=10)
SEAL_PURPOSE = "oauth-attempt"


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the button sends the browser, and the cookie that binds it to the attempt."""

    url: str
    cookie_name: str
    cookie_value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the browser's return ended. `link_secret` leads back to the link, where it is known."""

    state: FlowState
    message: str
    connection_id: str | None = None
    return_url: str | None = None
    link_secret: str | None = field(default=None, repr=False)
    error: str | None = None
    """The code of what went wrong, as in `shared.domain.errors`."""


class OAuthFlow:
    """What happens to a link: attempts and their outcome."""

    def __init__(
        self,
        *,
        flows: FlowTable,
        rows: Rows,
        creating: Creating,
        reconnecting: Reconnecting,
        proving: Proving,
        projects: ProjectTable,
        auditing: Auditing,
        entra: Entra,
        clock: Clock,
        redirect_uri: str,
        form_post: bool,
    ) -> None:
        self._flows = flows
        self._rows = rows
        self._creating = creating
        self._reconnecting = reconnecting
        self._proving = proving
        self._projects = projects
        self._auditing = auditing
        self._entra = entra
        self._clock = clock
        self._redirect_uri = redirect_uri
        self._form_post = form_post

    async def status(self, caller: Caller, flow_id: str) -> tuple[Link, FlowState]:
        """How the flow stands; the connection itself has the last word. Raises `NotFound`."""
        link = await self._flows.get_link(flow_id)
        if link is None or link.org_id != caller.org_id:
            raise NotFound(f"Could not find OAuth flow with ID {flow_id}")
        return link, await self._state_of(link)

    async def open(self, link_secret: str) -> tuple[Link, FlowState]:
        """What the link's page shows. Changes nothing, so a preview robot spoils nothing. Raises `NotFound`."""
        link = await self._flows.get_link(flow_id_of(link_secret))
        if link is None:
            raise NotFound("This connect link is not known")
        return link, await self._state_of(link)

    async def depart(self, link_secret: str) -> Departure | tuple[Link, FlowState]:
        """Begin an attempt; a link that is done or expired begins none."""
        link, state = await self.open(link_secret)
        if state in (FlowState.SUCCEEDED, FlowState.EXPIRED):
            return link, state
        raw_state, cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        begun = await self._entra.begin(
            link.tenant or ANY_TENANT, redirect_uri=self._redirect_uri, state=raw_state, form_post=self._form_post
        )
        memory = json.dumps({"flow": begun.flow, "link": link_secret})
        await self._flows.put_attempt(
            Attempt(
                state_hash=digest(raw_state),
                flow_id=link.flow_id,
                cookie_hash=digest(cookie),
                sealed=seal(memory, raw_state, SEAL_PURPOSE),
                expires_at=self._clock() + ATTEMPT_LIFETIME,
            )
        )
        return Departure(url=begun.url, cookie_name=self.cookie_name(raw_state), cookie_value=cookie)

    def cookie_name(self, raw_state: str) -> str:
        """One cookie per attempt, so that two tabs do not take each other's. `__Host-` needs https (RFC 6265bis)."""
        prefix = "__Host-" if self._form_post else ""
        return f"{prefix}connect-{digest(raw_state)[:16]}"

    async def arrive(self, answer: Mapping[str, str], cookies: Mapping[str, str], origin: Origin) -> Arrival:
        """Finish the attempt that Entra's answer belongs to. Nothing in the answer is believed before its state is."""
        raw_state = answer.get("state", "")
        attempt = await self._flows.get_attempt(digest(raw_state)) if raw_state else None
        if attempt is None:
            return _refused("This sign-in is not known or was used already. Open the connect link again.")
        if not hmac.compare_digest(digest(cookies.get(self.cookie_name(raw_state), "")), attempt.cookie_hash):
            return _refused("This sign-in was begun in another browser. Open the connect link here and start again.")
        if not await self._flows.remove_attempt(attempt):
            return _refused("This sign-in was used already. Open the connect link again.")
        opened = unseal(attempt.sealed, raw_state, SEAL_PURPOSE)
        link = await self._flows.get_link(attempt.flow_id)
        if opened is None or link is None:
            return _refused("This sign-in is not known. Open the connect link again.")
        memory: dict[str, Any] = json.loads(opened)
        try:
            await self._finish(attempt, link, memory["flow"], answer, Visit(link.connection_id, origin))
        except ProductError as fault:
            return await self._failed(link, memory["link"], fault, origin)
        await self._settle(link, FlowState.SUCCEEDED, None)
        return _succeeded(link)

    async def _finish(
        self, attempt: Attempt, link: Link, flow: dict[str, Any], answer: Mapping[str, str], visit: Visit
    ) -> None:
        """Make the connection, unless an earlier attempt did."""
        state = await self._state_of(link)
        if state is FlowState.SUCCEEDED:
            return
        if state is FlowState.EXPIRED or attempt.expires_at <= self._clock():
            raise BadRequest("The sign-in took too long. Open the connect link again.")
        if "error" in answer:
            description = answer.get("error_description", "")
            raise BadRequest(explain(Refusal(error=answer["error"], aadsts=_aadsts(description))))
        if "code" not in answer:
            raise BadRequest("The administrator's consent is recorded. Open the connect link again to connect.")
        if link.reconnect:
            await self._reconnecting.reconnect(
                link, lambda: self._entra.finish(link.tenant or ANY_TENANT, flow, answer), visit
            )
            return
        new = NewConnection.model_validate(link.body)
        project = await self._projects.get(link.org_id, new.project_id) if new.project_id else None
        if new.project_id and project is None:
            raise BadRequest(f"Could not find project with ID {new.project_id}")

        async def prove(_: Row) -> Proof:
            grant = await self._entra.finish(link.tenant or ANY_TENANT, flow, answer)
            return self._proving.of_grant(grant, link.tenant)

        await self._creating.create(
            link.org_id, new, project=project, prove=prove, requested=link.requested, visit=visit
        )

    async def _failed(self, link: Link, link_secret: str, fault: ProductError, origin: Origin) -> Arrival:
        log.warning("oauth.failed orgId=%s connectionId=%s reason=%s", link.org_id, link.connection_id, fault.message)
        await self._settle(link, FlowState.FAILED, fault.message)
        await self._auditing.note(
            link.org_id,
            Action.RECONNECT if link.reconnect else Action.CONNECT,
            origin,
            connection_id=link.connection_id,
            connection_name=link.body["name"],
            reason=fault.message,
        )
        return Arrival(
            FlowState.FAILED, fault.message, link.connection_id, link.return_url, link_secret, error=fault.code
        )

    async def _settle(self, link: Link, state: FlowState, message: str | None) -> None:
        """Note the outcome for whoever asks. The connection itself has the last word, so a fault here ends nothing."""
        try:
            await self._flows.settle_link(link.flow_id, state, message)
        except UpstreamError as fault:
            log.warning("oauth.outcome-not-noted connectionId=%s reason=%s", link.connection_id, fault.code)

    async def _state_of(self, link: Link) -> FlowState:
        if link.state == FlowState.SUCCEEDED:
            return FlowState.SUCCEEDED
        made = await self._rows.read(link.org_id, link.connection_id)
        if made is not None and _is_done(made.row, link):
            return FlowState.SUCCEEDED  # the process died between making the connection and saying so
        return FlowState.EXPIRED if link.expires_at <= self._clock() else FlowState(link.state)


def _is_done(row: Row, link: Link) -> bool:
    """Whether the row shows that the link has served."""
    served = row.reconnected_by == link.flow_id if link.reconnect else True
    return served and row.lifecycle is Lifecycle.ACTIVE


def _aadsts(description: str) -> int | None:
    head = description.partition(":")[0].removeprefix("AADSTS")
    return int(head) if head.isdecimal() and len(head) <= 9 else None


def _succeeded(link: Link) -> Arrival:
    return Arrival(FlowState.SUCCEEDED, "The connection is ready.", link.connection_id, link.return_url)


def _refused(message: str) -> Arrival:
    return Arrival(FlowState.FAILED, message, error=BadRequest.code)
