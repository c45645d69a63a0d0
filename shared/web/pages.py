"""The pages that a person meets: small, without script or foreign asset, saying what happened and what to do next."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from html import escape

import azure.functions as func

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--page:#f6f8fa;--card:#fff;--go:#0f6cbd;
--go-ink:#fff;--good:#1a7f37;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#30363d;--page:#0d1117;--card:#161b22;
--go:#479ef5;--go-ink:#06121f;--good:#3fb950;--bad:#ff7b72}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:34rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;
padding:clamp(1.25rem,5vw,2.5rem)}
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}
h1.good::before{content:"\\2713\\00a0";color:var(--good)}
h1.bad::before{content:"!\\00a0";color:var(--bad)}
p{margin:.75rem 0}
dl{margin:1.25rem 0;border-top:1px solid var(--line)}
dl div{display:grid;grid-template-columns:minmax(7rem,1fr) 2fr;gap:.25rem 1rem;padding:.6rem 0;
border-bottom:1px solid var(--line)}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.note{color:var(--soft);font-size:.9rem}
button,a.button{display:inline-block;border:0;border-radius:.5rem;padding:.7rem 1.25rem;background:var(--go);
color:var(--go-ink);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
button:focus-visible,a:focus-visible{outline:3px solid var(--go);outline-offset:3px}
@media(max-width:30rem){dl div{grid-template-columns:1fr}button,a.button{width:100%;text-align:center}}
""".strip()

NO_REFERRER = "no-referrer"


def connect_page(  # what a person needs to know before they give a right away
    *, organisation: str, requested_by: str, name: str, tenant: str | None, expires_at: datetime, authority: str
) -> func.HttpResponse:
    """Who asks for what. The button posts back to the page's own address."""
    facts = {
        "Requested by": requested_by,
        "Organisation": organisation,
        "Connection": name,
        "Tenant": tenant or "the tenant of the account you choose",
        "Right": "Access Azure Key Vault as you (user_impersonation), also while you are away",
        "Link valid until": f"{expires_at:%d %B %Y, %H:%M} UTC",
    }
    rows = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(value)}</dd></div>" for term, value in facts.items())
    body = f"""<h1>Connect an Azure Key Vault</h1>
<p>Somebody asks you to let this service use Key Vaults with your rights. Check that you expect this.</p>
<dl>{rows}</dl>
<form method="post"><button type="submit">Continue to Microsoft sign-in</button></form>
<p class="note">Nothing happens until you continue, and Microsoft will ask for your consent. You can withdraw it at any
time at <b>myaccount.microsoft.com</b>. If you did not expect this request, close the page.</p>"""
    # Under `no-referrer` a browser sends `Origin: null` with the button (Fetch standard, "append a request Origin").
    return _page("Connect an Azure Key Vault", body, 200, form_action=f"'self' {authority}", referrer="same-origin")


def done_page(connection_id: str) -> func.HttpResponse:
    """The connection exists."""
    body = f"""<h1 class="good">Connected</h1>
<p>The connection is ready. You can close this page.</p>
<dl><div><dt>Connection id</dt><dd>{escape(connection_id)}</dd></div></dl>
<p class="note">You can withdraw your consent at any time at <b>myaccount.microsoft.com</b>.</p>"""
    return _page("Connected", body, 200)


def failure_page(message: str, *, status: int, again: str | None = None) -> func.HttpResponse:
    """What went wrong and what to do; `again` is the path of the link's page where trying again makes sense."""
    retry = f'<p><a class="button" href="{escape(again)}">Open the connect link again</a></p>' if again else ""
    body = f'<h1 class="bad">Not connected</h1><p>{escape(message)}</p>{retry}'
    return _page("Not connected", body, status)


def expired_page() -> func.HttpResponse:
    """The link is too old."""
    return failure_page("This connect link has expired. Ask the person who sent it to you for a new one.", status=410)


def styled_page(title: str, body: str, *, extra_style: str = "") -> func.HttpResponse:
    """A page that asks nothing of anybody; `body` is HTML."""
    return _page(title, body, 200, style=STYLE + extra_style)


def _page(  # what differs from page to page
    title: str,
    body: str,
    status: int,
    *,
    form_action: str = "'none'",
    referrer: str = NO_REFERRER,
    style: str = STYLE,
) -> func.HttpResponse:
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body><main>{body}</main></body></html>"""
    allowed_style = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed_style}'; img-src data:; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return func.HttpResponse(
        html, status_code=status, mimetype="text/html", charset="utf-8", headers=browser_headers(policy, referrer)
    )


def browser_headers(
    policy: str = "default-src 'none'; frame-ancestors 'none'", referrer: str = NO_REFERRER
) -> dict[str, str]:
    """What every answer to a browser carries (RFC 9700 section 4.2.4, OWASP ASVS 5.0 chapter 3)."""
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
