"""Text can be read on what it stands on, light and dark: WCAG 2.2, success criterion 1.4.3 (4.5 to 1)."""

from __future__ import annotations

import re

import pytest

from shared.web.assets import asset

LEGIBLE = 4.5
ON = {
    "ink": ("page", "card", "sunk", "line"),
    "soft": ("page", "card", "sunk"),
    "go": ("card", "sunk"),
    "go-ink": ("go", "go-strong"),
    "good": ("good-wash",),
    "warn": ("warn-wash",),
    "bad": ("bad-wash",),
}
LIGHT, DARK = (dict(re.findall(r"--([\w-]+):(#\w+)", block)) for block in asset("pages.css").split("@media", 2)[:2])


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [(text, ground) for text, grounds in ON.items() for ground in grounds])
def test_text_stands_out_from_its_ground(scheme: str, text: str, ground: str) -> None:
    colours = LIGHT if scheme == "light" else DARK
    one, other = sorted((luminance(colours[text]), luminance(colours[ground])))
    assert (other + 0.05) / (one + 0.05) >= LEGIBLE
