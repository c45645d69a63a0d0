"""The browser's side of the OAuth flow: the link's page, its button, and the callback."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import azure.functions as func

from shared.domain.audit import Actor, ActorType, Origin
from shared.domain.creation import NewConnection
from shared.domain.errors import NotFound, ProductError
from shared.services.connect_links import FlowState, connect_path
from shared.services.invocation import invocation
from shared.services.oauth_flow import ATTEMPT_LIFETIME, Arrival, Departure, OAuthFlow
from shared.services.ports import Link
from shared.settings import Settings
from shared.web import pages
from shared.web.application import Application
from shared.web.problems import STATUS
from shared.web.request import address_of, request_id_of, trace_parent_of

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 32 * 1024
MAX_ANSWER_FIELDS = 50
MAX_SECRET_CHARS = 128


class Browser:
    """Renders what `OAuthFlow` decides."""

    def __init__(self, *, flow: OAuthFlow, settings: Settings, visitor: Origin) -> None:
        self._flow = flow
        self._settings = settings
        self._visitor = visitor

    async def show(self, link_secret: str) -> func.HttpResponse:
        """The link's page; reading it changes nothing."""
        try:
            link, state = await self._flow.open(link_secret[:MAX_SECRET_CHARS])
        except ProductError as error:
            return _failure(error)
        if state in (FlowState.SUCCEEDED, FlowState.EXPIRED):
            return self._closed(link, state)
        return pages.connect_page(
            organisation=link.org_id,
            requested_by=link.requested.actor.title,
            name=NewConnection.model_validate(link.body).name,
            tenant=link.tenant,
            expires_at=link.expires_at,
            authority=self._settings.authority,
            reconnect=link.reconnect,
            same_account=link.reconnect and not link.allow_different_account,
        )

    async def press(self, link_secret: str, origin: str | None) -> func.HttpResponse:
        """The button: only our own page may press it (a foreign form shows its own `Origin`)."""
        if origin != _origin(self._settings.public_url):
            return pages.failure_page("This request did not come from the connect page.", status=403)
        try:
            begun = await self._flow.depart(link_secret[:MAX_SECRET_CHARS])
        except ProductError as error:
            return _failure(error)
        if not isinstance(begun, Departure):
            return self._closed(*begun)
        return _redirect(begun.url, cookie=self._cookie(begun.cookie_name, begun.cookie_value))

    async def answer(self, request: func.HttpRequest) -> func.HttpResponse:
        """Entra's answer: a POST on https, a GET on http loopback, and nothing else.

        But for an administrator who comes back from Entra's consent page, which no link of ours led to: whatever the
        address says, it changes nothing here.
        https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
        """
        expected = "POST" if self._settings.secure_browser else "GET"
        if request.method == "GET" and "admin_consent" in request.params and "state" not in request.params:
            return pages.consent_page(given="error" not in request.params)
        if request.method != expected:
            return pages.failure_page("This address answers to Microsoft's sign-in only.", status=405)
        fields = _form(request) if expected == "POST" else dict(request.params)
        try:
            arrival = await self._flow.arrive(fields, _cookies(request.headers.get("Cookie", "")), self._visitor)
        except ProductError as error:
            return _failure(error)
        return self._arrived(arrival, self._spent_cookie(fields.get("state", "")))

    def _arrived(self, arrival: Arrival, cookie: str | None) -> func.HttpResponse:
        if arrival.return_url is not None and arrival.connection_id is not None:
            url = _with_query(arrival.return_url, connectionId=arrival.connection_id, outcome=arrival.state.value)
            return _redirect(url, cookie=cookie)
        if arrival.state is FlowState.SUCCEEDED and arrival.connection_id is not None:
            page = pages.done_page(arrival.connection_id)
        else:
            useless = arrival.link_secret is None or arrival.error == NotFound.code  # its connection is gone
            again = None if useless else f"{self._settings.public_url}{connect_path(str(arrival.link_secret))}"
            status = STATUS[arrival.error or "BadRequest"]
            page = pages.failure_page(arrival.message, status=status, again=again)
        if cookie is not None:
            page.headers["Set-Cookie"] = cookie
        return page

    def _closed(self, link: Link, state: FlowState) -> func.HttpResponse:
        return pages.done_page(link.connection_id) if state is FlowState.SUCCEEDED else pages.expired_page()

    def _cookie(self, name: str, value: str, max_age: int = int(ATTEMPT_LIFETIME.total_seconds())) -> str:
        """`SameSite=None` lets Entra's cross-site form post bring it back; plain http cannot carry `Secure`."""
        site = "Secure; SameSite=None" if self._settings.secure_browser else "SameSite=Lax"
        return f"{name}={value}; Max-Age={max_age}; Path=/; HttpOnly; {site}"

    def _spent_cookie(self, raw_state: str) -> str | None:
        return self._cookie(self._flow.cookie_name(raw_state), "", max_age=0) if raw_state else None


Page = Callable[[Browser, func.HttpRequest], Awaitable[func.HttpResponse]]
"""A page's own function."""

PageFunction = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]


def page(application: Callable[[], Application]) -> Callable[[Page], PageFunction]:
    """Makes an Azure Function of a page: whatever happens, a person meets a page and the log has the cause."""

    def decorate(show: Page) -> PageFunction:
        name = str(getattr(show, "__name__", "page"))

        async def function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
            request_id = request_id_of(context)
            visitor = Origin(actor=Actor(type=ActorType.VISITOR, address=address_of(req)), request_id=request_id)
            try:
                app = application()
                span, parent = f"request {name}", trace_parent_of(context)
                with invocation(app.telemetry, span, request_id=request_id, parent=parent):
                    response = await show(Browser(flow=app.oauth, settings=app.settings, visitor=visitor), req)
            except Exception:  # the last line of defence
                log.exception("request.defect function=%s requestId=%s", name, request_id)
                text = f"Something went wrong on our side. Try again; if it stays so, tell the operators: {request_id}"
                response = pages.failure_page(text, status=500)
            response.headers["x-request-id"] = request_id
            log.info("request.done function=%s status=%d requestId=%s", name, response.status_code, request_id)
            return response

        function.__name__ = function.__qualname__ = name
        function.__doc__ = show.__doc__
        return function

    return decorate


def _failure(error: ProductError) -> func.HttpResponse:
    if not isinstance(error, NotFound):
        log.warning("oauth.page-failed reason=%s", error.code)
    return pages.failure_page(error.message, status=STATUS[error.code])


def _redirect(url: str, *, cookie: str | None = None) -> func.HttpResponse:
    """303: the browser goes on with GET, whatever it came with (RFC 9110 section 15.4.4)."""
    headers = {**pages.browser_headers(), "Location": url}
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return func.HttpResponse(b"", status_code=303, headers=headers)


def _form(request: func.HttpRequest) -> dict[str, str]:
    """The form's fields; none at all when it is larger than any answer of Entra's."""
    raw = request.get_body()
    if len(raw) > MAX_ANSWER_BYTES:
        return {}
    try:
        return dict(parse_qsl(raw.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=MAX_ANSWER_FIELDS))
    except ValueError:  # too many fields
        return {}


def _cookies(header: str) -> dict[str, str]:
    """The pairs of RFC 6265 section 4.2.1. `SimpleCookie` drops them all for one foreign cookie that it dislikes."""
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return {name: value for name, _, value in pairs}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *fields.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))
