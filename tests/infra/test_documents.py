"""The documents for operators: links lead somewhere, arithmetic is right, names are those of the files."""

from __future__ import annotations

import json
import math
import re

import pytest

from shared.domain import quota
from shared.domain.keep_alive import KEEPALIVE_AFTER
from shared.services import dispatch, upkeep
from tests.infra.bicep import INFRA, ROOT

DOCS = ROOT / "docs"
WRITTEN = ("deploy.md", "runbook.md", "security.md", "scale.md", "performance.md", "events.md", "local.md")
SUM = re.compile(r"([\d.]+(?: [×÷] [\d.]+)+) = ([\d.]*\d)")


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def broken_links(name: str, text: str) -> list[str]:
    """Relative links of a document that lead nowhere."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (DOCS / path).resolve() if path else DOCS / name
        headings = (
            re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            if target.suffix == ".md" and target.is_file()
            else []
        )
        if not target.exists() or (anchor and anchor not in map(slug, headings)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", WRITTEN)
def test_every_link_leads_somewhere(name: str) -> None:
    assert broken_links(name, (DOCS / name).read_text()) == []
    assert f"(docs/{name})" in (ROOT / "README.md").read_text().partition("## Learn more")[2]


def test_a_broken_link_would_be_seen() -> None:
    assert broken_links("scale.md", "[a](none.md) [b](scale.md#none) [c](#three-sizes) [d](https://x.example)") == [
        "none.md",
        "scale.md#none",
    ]


def wrong_sums(text: str) -> list[str]:
    """Lines of arithmetic whose answer is off by more than a rounding."""
    wrong = []
    for left, right in SUM.findall(text):
        first, *rest = left.split(" ")
        found = float(first)
        for sign, number in zip(rest[::2], rest[1::2], strict=True):
            found = found * float(number) if sign == "×" else found / float(number)
        if not math.isclose(found, float(right), rel_tol=0.005):
            wrong.append(f"{left} = {right}, not {found}")
    return wrong


def test_the_arithmetic_is_right() -> None:
    text = (DOCS / "scale.md").read_text()
    assert wrong_sums(text) == []
    assert len(SUM.findall(text)) > 60
    assert text.count(" = ") == len(SUM.findall(text)), "a sum that the test does not read"


def test_wrong_arithmetic_would_be_seen() -> None:
    assert wrong_sums("1000 ÷ 30 = 34.3 and 25 × 60 = 1500 and 2 × 3 × 4 = 25") == [
        "1000 ÷ 30 = 34.3, not 33.333333333333336",
        "2 × 3 × 4 = 25, not 24.0",
    ]


def test_the_paces_are_those_of_the_code() -> None:
    text = (DOCS / "scale.md").read_text()
    pace, seconds = quota.VERSIONS_A_SECOND, dispatch.SECONDS
    assert f"{pace} a second, {pace} × 60 = {pace * 60} connections a minute" in text
    assert f"| {quota.VAULT_CALLS_A_SECOND} of 400 a second" in text
    assert f"| {quota.TENANT_WRITES_A_SECOND} of 60 a second, {quota.APP_WRITES_A_SECOND} of 20 |" in text
    assert f"5 × {pace} × {seconds} = {dispatch.READ[quota.Lane.VERSIONS][0]} rows" in text
    assert f"5 × {quota.TENANT_WRITES_A_SECOND} × {seconds} = {dispatch.READ[quota.Lane.WRITES][0]} that" in text
    assert f"{quota.VAULT_CALLS_A_SECOND} × {seconds} = {dispatch.READ[quota.Lane.REST][0]} others" in text
    assert f"| {upkeep.PAGE} rows a message" in text


def test_keep_alive_is_reckoned_with_at_its_pace() -> None:
    text = (DOCS / "scale.md").read_text()
    days = KEEPALIVE_AFTER.days
    renewals = 30 // days
    assert f"30 ÷ {days} = {30 / days:.3g}, so at most {renewals} times between two rotations" in text
    sizes = text.partition("## Three sizes")[2].partition("\n## ")[0]
    for versions in ("33.3", "33333", "3333333"):
        assert f"| {versions} × {renewals + 1} ÷ 86400 = " in sizes
    knobs = text.partition("## Which knob moves which limit")[2]
    for pace in (quota.VERSIONS_A_SECOND, 30):
        assert f"{pace} × 86400 × 30 ÷ {renewals + 1} = " in knobs
    assert f"500 ÷ {renewals + 1} × 30 = " in knobs


def test_every_parameter_of_a_deployment_is_explained() -> None:
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    variables = {re.findall(r"[A-Z_]+", str(entry["value"]))[0] for entry in parameters.values()}
    deploy = (DOCS / "deploy.md").read_text()
    unexplained = {name for name in variables if f"`{name}`" not in deploy}
    assert unexplained == {"AZURE_ENV_NAME"}
