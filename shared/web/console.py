"""The console: one static page that speaks to this API with a token which only the page's memory holds."""

from __future__ import annotations

import azure.functions as func

from shared.web.assets import asset
from shared.web.pages import styled_page

SCRIPT = "\n".join(
    asset(f"{name}.js") for name in ("console-api", "console-view", "console-link", "console-card", "console")
)


def page() -> func.HttpResponse:
    """The same for everybody: what it shows, it fetches."""
    return styled_page("Console", asset("console.html"), extra_style=asset("console.css"), script=SCRIPT)
