"""The browser's way through the connect link, on https and on http loopback."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import azure.functions as func
import pytest

from shared.domain.connection import Method
from shared.domain.creation import NewConnection
from shared.services.oauth_flow import NewLink
from shared.web.browser import Browser
from tests.fakes.application import FakeApplication, fake_application, settings_for_tests
from tests.fakes.entra import ADA
from tests.unit.web.requests import TrustingAuth, request

HTTPS, LOOPBACK = "https://connections.example", "http://127.0.0.1:7071"
FORM = "application/x-www-form-urlencoded"


class Visit:
    """A person with a browser, and the link that was sent to them."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url
        self.world: FakeApplication = fake_application(settings_for_tests(PUBLIC_URL=public_url), auth=TrustingAuth())
        self.browser = Browser(flow=self.world.app.oauth, settings=self.world.settings)
        self.cookies: dict[str, str] = {}

    async def invited(self, *, return_url: str | None = None) -> NewLink:
        """A link for a connection."""
        caller = await TrustingAuth().authenticate("Bearer AppConnections.Create")
        new = NewConnection(name="payments", method=Method.OAUTH)
        return await self.world.app.oauth.authorize(caller, new, return_url=return_url)

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
    page = await secure.browser.show(link.secret)
    assert "Set-Cookie" not in page.headers
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
    page = response.get_body().decode()
    assert response.status_code == 400
    assert "The sign-in was declined" in page
    assert f'href="/api/v1/app-connections/azure-key-vault/oauth/connect/{link.secret}"' in page


async def test_what_entra_says_is_never_shown_as_it_came(secure: Visit) -> None:
    state = secure.world.entra.decline(await secure.pressed(await secure.invited()))["state"]
    text = "<b>AADSTS99999999999</b>"
    response = await secure.returned({"state": state, "error": text, "error_description": text})
    assert b"<b>AADSTS" not in response.get_body()
    assert response.status_code == 400
