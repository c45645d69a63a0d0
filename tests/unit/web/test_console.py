"""The console is one page whose script may speak to this service only, and cannot make markup of anything."""

from __future__ import annotations

import re

import azure.functions as func
import pytest

from shared.web import console
from shared.web.assets import FOLDER, allowance
from tests.unit.web.api import user_function
from tests.unit.web.requests import request
from tests.unit.web.test_pages import Tags, html, policy


@pytest.fixture(scope="module")
def page() -> func.HttpResponse:
    return console.page()


async def test_the_page_is_served_to_whoever_asks(page: func.HttpResponse) -> None:
    served = await user_function("console")(request())
    assert (served.status_code, served.mimetype, served.charset) == (200, "text/html", "utf-8")
    assert served.get_body() == page.get_body()


def test_only_the_page_s_own_script_and_style_run_and_they_speak_to_this_service_only(page: func.HttpResponse) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html(page), flags=re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", html(page), flags=re.DOTALL)
    assert policy(page) == {
        "default-src": "'none'",
        "script-src": allowance(script),
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
        "style-src": allowance(style),
        "img-src": "data:",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert page.headers["Cache-Control"] == "no-store"


def test_the_page_loads_nothing_and_has_no_handler_in_its_markup(page: func.HttpResponse) -> None:
    tags = Tags(html(page)).found
    links = [value for _, found in tags for name, value in found.items() if name in ("src", "href", "action")]
    assert links == ["data:,"]
    assert not [found for _, found in tags if any(name.startswith("on") or name == "style" for name in found)]


def test_every_field_has_its_label(page: func.HttpResponse) -> None:
    tags = Tags(html(page)).found
    labelled = {found["for"] for tag, found in tags if tag == "label"}
    assert {found["id"] for tag, found in tags if tag == "input"} == labelled


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
)
def test_the_script_makes_text_of_text(word: str) -> None:
    assert word not in console.SCRIPT


@pytest.mark.parametrize("word", ["localStorage", "sessionStorage", "indexedDB", "cookie =", "postMessage", "http://"])
def test_the_script_keeps_and_tells_nothing(word: str) -> None:
    assert word not in console.SCRIPT


def test_every_script_file_is_part_of_the_page() -> None:
    assert all(file.read_text(encoding="utf-8").strip() in console.SCRIPT for file in FOLDER.glob("*.js"))
