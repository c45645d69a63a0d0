"""The pages that a person meets: small, without script or foreign asset, saying what happened and what to do next."""

from __future__ import annotations

from datetime import datetime
from html import escape

import azure.functions as func

from shared.web.assets import allowance, asset

STYLE = asset("pages.css")
BRAND = asset("brand.html")
NO_REFERRER = "no-referrer"


def connect_page(  # what a person needs to know before they give a right away
    *,
    organisation: str,
    requested_by: str,
    name: str,
    tenant: str | None,
    expires_at: datetime,
    authority: str,
    reconnect: bool = False,
    same_account: bool = False,
) -> func.HttpResponse:
    """Who asks for what. The button posts back to the page's own address."""
    title = "Reconnect an Azure Key Vault" if reconnect else "Connect an Azure Key Vault"
    use = "go on using Key Vaults" if reconnect else "use Key Vaults"
    facts = {
        "Requested by": requested_by,
        "Organisation": organisation,
        "Connection": name,
        "Tenant": tenant or "the tenant of the account you choose",
        **({"Account": "the one that the connection was made with"} if same_account else {}),
        "Right": "Access Azure Key Vault as you (user_impersonation), also while you are away",
        "Link valid until": f"{expires_at:%d %B %Y, %H:%M} UTC",
    }
    rows = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(value)}</dd></div>" for term, value in facts.items())
    body = f"""<h1>{title}</h1>
<p>You are asked to let this service {use} with your rights. Check that you expect this.</p>
<dl>{rows}</dl>
<form method="post"><button type="submit">Continue to Microsoft sign-in</button></form>
<p class="note">Nothing happens until you continue, and Microsoft will ask for your consent. You can withdraw it at any
time at <b>myaccount.microsoft.com</b>. If you did not expect this request, close the page.</p>"""
    # Under `no-referrer` a browser sends `Origin: null` with the button (Fetch standard, "append a request Origin").
    return _page(title, body, 200, form_action=f"'self' {authority}", referrer="same-origin")


def done_page(connection_id: str) -> func.HttpResponse:
    """The connection exists."""
    body = f"""<h1 class="good">Connected</h1>
<p>The connection is ready. You can close this page.</p>
<dl><div><dt>Connection id</dt><dd>{escape(connection_id)}</dd></div></dl>
<p class="note">You can withdraw your consent at any time at <b>myaccount.microsoft.com</b>.</p>"""
    return _page("Connected", body, 200)


def consent_page(*, given: bool) -> func.HttpResponse:
    """An administrator has decided about the app as a whole, on a page of Microsoft's."""
    if not given:
        return failure_page("Microsoft reports that the administrator's consent was not given.", status=400)
    body = """<h1 class="good">Back from Microsoft</h1>
<p>Microsoft reports that this service's app was approved for your tenant. No connection was made by that.</p>
<p class="note">If somebody sent you a connect link, open it now. Else you can close this page.</p>"""
    return _page("Back from Microsoft", body, 200)


def failure_page(message: str, *, status: int, again: str | None = None) -> func.HttpResponse:
    """What went wrong and what to do; `again` is the path of the link's page where trying again makes sense."""
    title = "Not connected yet" if again else "Not connected"
    retry = f'<p><a class="button wide" href="{escape(again)}">Open the connect link again</a></p>' if again else ""
    next_step = "If it happens again, tell the person who sent you the link." if again else "You can close this page."
    sentence = message if message.endswith((".", "!", "?")) else f"{message}."
    note = f'<p class="note">{next_step}</p>'
    return _page(title, f'<h1 class="bad">{title}</h1><p>{escape(sentence)}</p>{retry}{note}', status)


def expired_page() -> func.HttpResponse:
    """The link is too old."""
    return failure_page("This connect link has expired. Ask the person who sent it to you for a new one.", status=410)


def styled_page(title: str, body: str, *, extra_style: str = "", script: str = "") -> func.HttpResponse:
    """A page whose `body` is HTML; its script, where it has one, may speak to this service only."""
    return _page(title, body, 200, style=STYLE + extra_style, script=script)


def _page(  # what differs from page to page
    title: str,
    body: str,
    status: int,
    *,
    form_action: str = "'none'",
    referrer: str = NO_REFERRER,
    style: str = STYLE,
    script: str = "",
) -> func.HttpResponse:
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body>{BRAND}<main>{body}</main>{f"<script>{script}</script>" if script else ""}</body></html>"""
    trusted = "require-trusted-types-for 'script'; trusted-types 'none'; "
    scripts = f"script-src {allowance(script)}; connect-src 'self'; {trusted}" if script else ""
    policy = (
        f"default-src 'none'; {scripts}style-src {allowance(style)}; img-src data:; form-action {form_action}; "
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
