"""The browser's way through the connect link, on https and on http loopback."""

from __future__ import annotations

import inspect
import logging
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import azure.functions as func
import pytest

from shared.domain.audit import Actor, ActorType, Origin
from shared.domain.creation import NewConnection
from shared.domain.credential import Method
from shared.domain.errors import UpstreamTimeout
from shared.services.connect_links import NewLink
from shared.settings import SettingsError
from shared.web.application import Application
from shared.web.browser import Browser, PageFunction, page
from tests.fakes.application import FakeApplication, fake_application, settings_for_tests
from tests.fakes.entra import ADA
from tests.unit.web.requests import ORG, TRACE, TrustingAuth, context, request

HTTPS, LOOPBACK = "https://connections.example", "http://127.0.0.1:7071"
FORM = "application/x-www-form-urlencoded"
VISITOR = Origin(actor=Actor(type=ActorType.VISITOR, address="192.0.2.1"), request_id=TRACE)


class Visit:
    """A person with a browser, and the link that was sent to them."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url
        self.world: FakeApplication = fake_application(settings_for_tests(PUBLIC_URL=public_url), auth=TrustingAuth())
        self.browser = Browser(flow=self.world.app.oauth, settings=self.world.settings, visitor=VISITOR)
        self.cookies: dict[str, str] = {}

    async def invited(self, *, return_url: str | None = None) -> NewLink:
        """A link for a connection."""
        caller = await TrustingAuth().authenticate("Bearer AppConnections.Create")
        new = NewConnection(name="payments", method=Method.OAUTH)
        return await self.world.app.links.authorize(caller, new, return_url=return_url)

    async def pressed(self, link: NewLink) -> str:
        """Press the button; where it leads. Keeps the cookie."""
        response = await self.browser.press(link.secret, self.public_url)
        assert response.status_code == 303
        self.keep(response)
        return str(response.headers["Location"])

    def keep(self, response: func.HttpResponse) -> None:
        """Do as a browser does with `Set-Cookie`."""
        for name, morsel in SimpleCookie(response.headers["Set-Cookie"]).items():
            self.cookies[name] = morsel.value

    async def returned(self, fields: dict[str, str], *, cookies: str | None = None) -> func.HttpResponse:
        """Come back from Microsoft's sign-in."""
        carried = "; ".join(f"{name}={value}" for name, value in self.cookies.items()) if cookies is None else cookies
        headers = {"Cookie": carried, "Content-Type": FORM}
        if self.public_url == HTTPS:
            return await self.browser.answer(request("POST", headers=headers, body=urlencode(fields).encode()))
        return await self.browser.answer(request("GET", headers=headers, params=fields))


@pytest.fixture(params=[HTTPS, LOOPBACK], ids=["https", "loopback"])
def visit(request: pytest.FixtureRequest) -> Visit:
    return Visit(request.param)


@pytest.fixture
def secure() -> Visit:
    return Visit(HTTPS)


async def test_the_whole_way_ends_with_a_connection(visit: Visit) -> None:
    link = await visit.invited()
    assert (await visit.browser.show(link.secret)).status_code == 200
    url = await visit.pressed(link)
    done = await visit.returned(visit.world.entra.sign_in(url, ADA))
    assert done.status_code == 200
    assert link.link.connection_id in done.get_body().decode()
    assert link.link.connection_id in (await visit.browser.show(link.secret)).get_body().decode()


async def test_opening_a_link_changes_nothing_and_sets_no_cookie(secure: Visit) -> None:
    link = await secure.invited()
    before = len(secure.world.faults.calls)
    shown = await secure.browser.show(link.secret)
    assert "Set-Cookie" not in shown.headers
    assert all(".get" in call for call in secure.world.faults.calls[before:])


@pytest.mark.parametrize(
    ("public_url", "prefix", "rest"),
    [
        (HTTPS, "__Host-connect-", "; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=None"),
        (LOOPBACK, "connect-", "; Max-Age=600; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
async def test_the_cookie_survives_the_way_back_and_nothing_else(public_url: str, prefix: str, rest: str) -> None:
    visit = Visit(public_url)
    response = await visit.browser.press((await visit.invited()).secret, public_url)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(prefix)
    assert cookie.endswith(rest)
    assert "Domain" not in cookie
    (mode,) = parse_qs(urlsplit(response.headers["Location"]).query)["response_mode"]
    assert mode == ("form_post" if public_url == HTTPS else "query")


async def test_the_cookie_is_taken_back_once_it_was_used(visit: Visit) -> None:
    url = await visit.pressed(await visit.invited())
    (name,) = visit.cookies
    done = await visit.returned(visit.world.entra.sign_in(url, ADA))
    assert done.headers["Set-Cookie"].startswith(f"{name}=; Max-Age=0; Path=/; HttpOnly")


async def test_two_tabs_do_not_take_each_others_cookie(secure: Visit) -> None:
    link = await secure.invited()
    first, second = await secure.pressed(link), await secure.pressed(link)
    assert len(secure.cookies) == 2
    assert (await secure.returned(secure.world.entra.sign_in(first, ADA))).status_code == 200
    assert (await secure.returned(secure.world.entra.sign_in(second, ADA))).status_code == 200


@pytest.mark.parametrize(
    "foreign", ['prefs={"theme": "dark"}', "a[b]=1", "x", "y=a b", "ünï=ü", "=", ";;", "$Version=1", 'q="a b"']
)
@pytest.mark.parametrize("first", [True, False])
async def test_other_peoples_odd_cookies_do_not_hide_ours(secure: Visit, foreign: str, first: bool) -> None:
    url = await secure.pressed(await secure.invited())
    ((name, value),) = secure.cookies.items()
    ours = f"{name}={value}"
    cookies = f"{foreign}; {ours}" if first else f"{ours}; {foreign}"
    assert (await secure.returned(secure.world.entra.sign_in(url, ADA), cookies=cookies)).status_code == 200


@pytest.mark.parametrize("cookies", ["", "connect-x=y", "__Host-connect-0123456789abcdef=x"])
async def test_another_browser_cannot_finish_the_sign_in(secure: Visit, cookies: str) -> None:
    link = await secure.invited()
    answered = secure.world.entra.sign_in(await secure.pressed(link), ADA)
    stolen = await secure.returned(answered, cookies=cookies)
    assert stolen.status_code == 400
    assert "another browser" in stolen.get_body().decode()
    assert (await secure.returned(answered)).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [None, "null", "", "https://evil.example", "http://connections.example", "https://connections.example:444",
     "https://connections.example.evil.example", "https://connections.example/"],
)  # fmt: skip
async def test_only_our_own_page_can_press_the_button(secure: Visit, origin: str | None) -> None:
    link = await secure.invited()
    response = await secure.browser.press(link.secret, origin)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("written", ["https://Connections.EXAMPLE", "https://connections.example:443/"])
async def test_the_origin_is_compared_as_browsers_write_it(written: str) -> None:
    visit = Visit(written)
    assert (await visit.browser.press((await visit.invited()).secret, HTTPS)).status_code == 303


async def test_a_link_that_is_a_day_old_is_gone_on_both_sides_of_its_page(secure: Visit) -> None:
    link = await secure.invited()
    secure.world.clock.advance(timedelta(hours=24))
    for response in (await secure.browser.show(link.secret), await secure.browser.press(link.secret, HTTPS)):
        assert response.status_code == 410
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("secret", ["", "unknown", "x" * 5000, "../..", "<script>"])
async def test_an_unknown_link_is_404_on_both_sides_of_its_page(secure: Visit, secret: str) -> None:
    for response in (await secure.browser.show(secret), await secure.browser.press(secret, HTTPS)):
        assert response.status_code == 404
        assert b"<script>" not in response.get_body()


@pytest.mark.parametrize(("public_url", "method"), [(HTTPS, "GET"), (LOOPBACK, "POST")])
async def test_the_callback_answers_to_its_one_method(public_url: str, method: str) -> None:
    visit = Visit(public_url)
    fields = visit.world.entra.sign_in(await visit.pressed(await visit.invited()), ADA)
    wrong = await visit.browser.answer(request(method, params=fields, body=urlencode(fields).encode()))
    assert wrong.status_code == 405


@pytest.mark.parametrize(
    ("params", "status", "text"),
    [
        ({"admin_consent": "True", "tenant": ADA.tenant_id}, 200, b"was approved for your tenant"),
        ({"admin_consent": "True", "error": "access_denied", "error_description": "<b>no</b>"}, 400, b"was not given"),
    ],
)
async def test_an_administrator_back_from_entras_consent_page_is_told_so_and_nothing_changes(
    visit: Visit, params: dict[str, str], status: int, text: bytes
) -> None:
    await visit.invited()
    before = list(visit.world.faults.calls)
    response = await visit.browser.answer(request("GET", params=params))
    assert response.status_code == status
    assert text in response.get_body()
    assert b"<b>no" not in response.get_body()
    assert visit.world.faults.calls == before


@pytest.mark.parametrize(
    "body", [b"", b"state=" + b"x" * 40_000, b"a=b&" * 60, b"\xff\xfe", b"state=%ff&code=%00", b"=&=&="]
)
async def test_a_form_that_is_none_of_entras_is_a_page_and_never_a_defect(secure: Visit, body: bytes) -> None:
    response = await secure.browser.answer(request("POST", headers={"Content-Type": FORM}, body=body))
    assert response.status_code == 400
    assert response.mimetype == "text/html"


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_a_return_url_is_told_the_outcome_with_a_303(visit: Visit, outcome: str) -> None:
    link = await visit.invited(return_url="https://portal.example/done?keep=1&empty=")
    url = await visit.pressed(link)
    entra = visit.world.entra
    response = await visit.returned(entra.sign_in(url, ADA) if outcome == "succeeded" else entra.decline(url))
    assert response.status_code == 303
    to = urlsplit(response.headers["Location"])
    assert (to.scheme, to.netloc, to.path) == ("https", "portal.example", "/done")
    assert parse_qs(to.query, keep_blank_values=True) == {
        "keep": ["1"], "empty": [""], "connectionId": [link.link.connection_id], "outcome": [outcome],
    }  # fmt: skip
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"


async def test_who_declines_is_told_so_and_led_back_to_the_link(visit: Visit) -> None:
    link = await visit.invited()
    response = await visit.returned(visit.world.entra.decline(await visit.pressed(link)))
    text = response.get_body().decode()
    assert response.status_code == 400
    assert "The sign-in was declined" in text
    path = f"/api/v1/app-connections/azure-key-vault/oauth/connect/{link.secret}"
    assert f'href="{visit.public_url}{path}"' in text


async def test_what_entra_says_is_never_shown_as_it_came(secure: Visit) -> None:
    state = secure.world.entra.decline(await secure.pressed(await secure.invited()))["state"]
    text = "<b>AADSTS99999999999</b>"
    response = await secure.returned({"state": state, "error": text, "error_description": text})
    assert b"<b>AADSTS" not in response.get_body()
    assert response.status_code == 400


async def test_who_signed_in_and_from_where_is_audited_next_to_who_asked(secure: Visit) -> None:
    link = await secure.invited()
    await secure.returned(secure.world.entra.sign_in(await secure.pressed(link), ADA))
    await secure.world.app.background.idle()
    lines = {line["action"]: line for line in secure.world.audit.lines(ORG)}
    assert set(lines) == {"connection.create", "connection.connect"}
    assert lines["connection.connect"]["actor"] == {
        "type": "visitor", "objectId": ADA.object_id, "appId": None, "name": ADA.name, "address": "192.0.2.1",
    }  # fmt: skip
    assert lines["connection.connect"]["requestId"] == TRACE
    assert {line["connectionId"] for line in lines.values()} == {link.link.connection_id}


async def test_a_sign_in_that_failed_is_audited_with_its_address(secure: Visit) -> None:
    await secure.returned(secure.world.entra.decline(await secure.pressed(await secure.invited())))
    (line,) = secure.world.audit.lines(ORG)
    assert (line["action"], line["outcome"], line["requestId"]) == ("connection.connect", "failure", TRACE)
    assert isinstance(line["actor"], dict)
    assert line["actor"]["address"] == "192.0.2.1"


def opened(application: Application) -> PageFunction:
    """The link's page as the host calls it."""

    @page(lambda: application)
    async def connect_page(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
        """Shows the link."""
        return await browser.show(req.route_params["linkSecret"])

    return connect_page


async def test_the_host_is_handed_a_page_with_the_id_of_its_request(secure: Visit) -> None:
    link = await secure.invited()
    shown = await opened(secure.world.app)(request(path={"linkSecret": link.secret}), context())
    assert (shown.status_code, shown.headers["x-request-id"]) == (200, TRACE)


def test_the_worker_sees_a_pages_name_docstring_and_exactly_its_bindings(secure: Visit) -> None:
    function = opened(secure.world.app)
    assert (getattr(function, "__name__", ""), function.__doc__) == ("connect_page", "Shows the link.")
    assert list(inspect.signature(function).parameters) == ["req", "context"]


async def test_a_page_knows_the_address_that_its_visitor_comes_from(secure: Visit) -> None:
    fields = secure.world.entra.decline(await secure.pressed(await secure.invited()))

    @page(lambda: secure.world.app)
    async def callback(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
        return await browser.answer(req)

    ((name, value),) = secure.cookies.items()
    headers = {"Cookie": f"{name}={value}", "X-Forwarded-For": "203.0.113.9, 198.51.100.7:55123"}
    await callback(request("POST", headers=headers, body=urlencode(fields).encode()), context())
    (line,) = secure.world.audit.lines(ORG)
    assert line["requestId"] == TRACE
    assert isinstance(line["actor"], dict)
    assert (line["actor"]["type"], line["actor"]["address"]) == ("visitor", "198.51.100.7")


async def test_an_outage_is_a_page_of_its_own_status_and_no_defect(secure: Visit) -> None:
    link = await secure.invited()
    secure.world.faults.before("flows.*", UpstreamTimeout("Table Storage"))
    shown = await opened(secure.world.app)(request(path={"linkSecret": link.secret}), context())
    assert (shown.status_code, shown.mimetype) == (504, "text/html")
    assert b"Table Storage did not answer in time" in shown.get_body()


async def test_whatever_happens_a_person_meets_a_page_and_the_log_has_the_cause(
    secure: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    secure.world.faults.before("flows.*", RuntimeError("the password is hunter2"))
    with caplog.at_level(logging.ERROR):
        shown = await opened(secure.world.app)(request(path={"linkSecret": "x"}), context())
    assert (shown.status_code, shown.mimetype, shown.headers["x-request-id"]) == (500, "text/html", TRACE)
    assert TRACE.encode() in shown.get_body()
    assert b"hunter2" not in shown.get_body()
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert f"request.defect function=connect_page requestId={TRACE}" in caplog.text
    assert "hunter2" in caplog.text


async def test_unusable_settings_are_a_page_too_and_named_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    def application() -> Application:
        raise SettingsError("These settings need attention: VAULT_URL: Field required")

    @page(application)
    async def connect_page(browser: Browser, req: func.HttpRequest) -> func.HttpResponse:
        raise AssertionError("unreachable")

    shown = await connect_page(request(), context(None))
    assert shown.status_code == 500
    assert b"VAULT_URL" not in shown.get_body()
    assert "VAULT_URL" in caplog.text
