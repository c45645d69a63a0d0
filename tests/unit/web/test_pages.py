"""What people meet in their browser is escaped, fenced and helpful."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import azure.functions as func
import pytest

from shared.web import pages

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
AUTHORITY = "https://login.microsoftonline.com"


def connect_page(**changes: str | None) -> func.HttpResponse:
    facts: dict[str, str | None] = {
        "organisation": "an-org", "requested_by": "Ada", "name": "payments", "tenant": "contoso.example",
    }  # fmt: skip
    shown = facts | changes
    return pages.connect_page(
        organisation=str(shown["organisation"]),
        requested_by=str(shown["requested_by"]),
        name=str(shown["name"]),
        tenant=shown["tenant"],
        expires_at=datetime(2026, 3, 3, 10, 5, tzinfo=UTC),
        authority=AUTHORITY,
    )


EVERY_PAGE = [
    connect_page(organisation=HOSTILE, requested_by=HOSTILE, name=HOSTILE, tenant=HOSTILE),
    pages.done_page(HOSTILE),
    pages.failure_page(HOSTILE, status=400, again=f"/x{HOSTILE}"),
    pages.failure_page("Plain", status=404),
    pages.expired_page(),
    pages.styled_page(HOSTILE, "<h1>Plain</h1>", extra_style="h1{margin:0}"),
]


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.found.append((tag, dict(attrs)))


def html(page: func.HttpResponse) -> str:
    return page.get_body().decode()


def policy(page: func.HttpResponse) -> dict[str, str]:
    directives = page.headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_no_name_becomes_markup(page: func.HttpResponse) -> None:
    tags = Tags(html(page)).found
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [attributes for _, attributes in tags if any(name.startswith("on") for name in attributes)]
    assert not [attributes for _, attributes in tags if "style" in attributes]


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_every_page_is_fenced(page: func.HttpResponse) -> None:
    found = policy(page)
    assert (found["default-src"], found["frame-ancestors"], found["base-uri"]) == ("'none'", "'none'", "'none'")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert (page.mimetype, page.charset) == ("text/html", "utf-8")


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_the_one_style_that_is_allowed_is_the_one_on_the_page(page: func.HttpResponse) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html(page), flags=re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy(page)["style-src"] == f"'sha256-{expected}'"


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_page_loads_nothing_from_anywhere(page: func.HttpResponse) -> None:
    links = [value for _, found in Tags(html(page)).found for name, value in found.items() if name in ("src", "href")]
    assert all(value is not None and value.startswith(("data:", "/")) for value in links)


def test_the_connect_page_says_who_asks_for_what() -> None:
    text = html(connect_page())
    for fact in ("an-org", "Ada", "payments", "contoso.example", "user_impersonation", "03 March 2026, 10:05 UTC"):
        assert fact in text
    assert "the tenant of the account you choose" in html(connect_page(tenant=None))


@pytest.mark.parametrize("same_account", [True, False])
def test_the_page_of_a_link_that_reconnects_says_so_and_whose_sign_in_it_takes(same_account: bool) -> None:
    shown = pages.connect_page(
        organisation="an-org", requested_by="Ada", name="payments", tenant=None, authority=AUTHORITY,
        expires_at=datetime(2026, 3, 3, 10, 5, tzinfo=UTC), reconnect=True, same_account=same_account,
    )  # fmt: skip
    assert "<h1>Reconnect an Azure Key Vault</h1>" in html(shown)
    assert ("the one that the connection was made with" in html(shown)) == same_account
    assert "Reconnect" not in html(connect_page())


def test_the_button_may_lead_to_us_and_to_the_authority_only() -> None:
    assert policy(connect_page())["form-action"] == f"'self' {AUTHORITY}"
    assert policy(pages.done_page("x"))["form-action"] == "'none'"


def test_the_button_can_show_its_origin_and_no_page_tells_others_its_address() -> None:
    # under `no-referrer` browsers send `Origin: null` with a form (Fetch standard), and the button would be refused
    assert connect_page().headers["Referrer-Policy"] == "same-origin"
    assert {page.headers["Referrer-Policy"] for page in EVERY_PAGE[1:]} == {"no-referrer"}


def test_each_page_has_its_status() -> None:
    assert [page.status_code for page in EVERY_PAGE] == [200, 200, 400, 404, 410, 200]


def test_a_failure_offers_the_link_again_only_where_that_makes_sense() -> None:
    assert 'href="/again"' in html(pages.failure_page("x", status=400, again="/again"))
    assert "<a " not in html(pages.failure_page("x", status=400))
