"""The page that tells people what can be called: complete, and as strictly fenced as every other page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import azure.functions as func
import pytest

from shared.web import docs
from tests.unit.web.api import OPERATIONS, user_function
from tests.unit.web.requests import request
from tests.unit.web.test_pages import HOSTILE, Tags, html, policy


@pytest.fixture
def _nothing_remembered() -> Iterator[None]:
    docs.openapi_text.cache_clear()
    yield
    docs.openapi_text.cache_clear()


@pytest.fixture(scope="module")
def page() -> func.HttpResponse:
    return docs.page()


async def test_the_page_is_served_to_whoever_asks(page: func.HttpResponse) -> None:
    served = await user_function("docs")(request())
    assert (served.status_code, served.mimetype, served.charset) == (200, "text/html", "utf-8")
    assert served.get_body() == page.get_body()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_page_names_every_endpoint_with_what_it_does_and_needs(page: func.HttpResponse, name: str) -> None:
    path, method, operation = OPERATIONS[name]
    sections = html(page).split("<h2>")[1:]
    (section,) = [each for each in sections if f">{method}</b> {path}<" in each]
    assert f"<dd>{operation.permission.value}</dd>" in section
    assert "401, 403" in section
    for fact in [*re.findall(r"{(\w+)}", path), *([operation.body.__name__] if operation.body else [])]:
        assert fact in section


def test_the_page_has_one_section_for_each_endpoint(page: func.HttpResponse) -> None:
    assert html(page).count("<h2>") == len(OPERATIONS)


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(page: func.HttpResponse) -> None:
    tags = Tags(html(page)).found
    links = [str(value) for _, found in tags for name, value in found.items() if name in ("src", "href", "action")]
    assert sorted(links) == ["data:,", "openapi.json"]
    assert not {"script", "img", "iframe", "object", "form"} & {tag for tag, _ in tags}
    assert not [found for _, found in tags if any(name.startswith("on") or name == "style" for name in found)]
    assert "@import" not in html(page)
    assert "url(" not in html(page)


def test_the_page_is_fenced_as_strictly_as_every_other(page: func.HttpResponse) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html(page), flags=re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy(page) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{expected}'",
        "img-src": "data:",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert (page.headers["X-Content-Type-Options"], page.headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")


@pytest.mark.usefixtures("_nothing_remembered")
def test_nothing_in_the_document_becomes_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = {
        "summary": HOSTILE,
        "description": f"Permission: `{HOSTILE}`",
        "parameters": [{"name": HOSTILE, "in": HOSTILE}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": f"#/{HOSTILE}"}}}},
        "responses": {HOSTILE: {}},
    }
    document = {"info": {"title": HOSTILE, "description": HOSTILE}, "paths": {HOSTILE: {"get": operation}}}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(docs, "OPENAPI", file)
    assert not {"script", "img"} & {tag for tag, _ in Tags(html(docs.page())).found}
