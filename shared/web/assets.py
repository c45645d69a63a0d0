"""The text files beside the code that pages are made of, and what a Content-Security-Policy says of them."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "assets"


@cache
def asset(name: str) -> str:
    """The file's text without the space around it."""
    return (FOLDER / name).read_text(encoding="utf-8").strip()


def allowance(text: str) -> str:
    """The source expression that allows exactly this inline style or script (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
