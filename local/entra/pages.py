"""The pages a person sees while signing in: plain HTML that works without scripts and by keyboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from secrets import token_urlsafe

from aiohttp import web

from local.entra.directory import Tenant, User
from local.entra.errors import no_store

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1a19; --soft: #55585c; --line: #c3c9d3; --page: #f3f5f8; --card: #fff;
  --go: #0b5cad; --go-ink: #fff; --chosen: #eff6fd; --told: #5a3e00; --told-wash: #fff4ce;
  font: 16px/1.5 system-ui, "Segoe UI", sans-serif; color: var(--ink); background: var(--page); }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f0f0; --soft: #b5b9c0; --line: #4a505a; --page: #16181c;
  --card: #212429; --go: #7ab8f5; --go-ink: #0a1c30; --chosen: #1c2f43; --told: #f5d98f; --told-wash: #3a2f12; } }
body { margin: 0; display: grid; min-height: 100vh; place-items: center; }
main { box-sizing: border-box; width: min(28rem, 100%); padding: 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
.stand-in { margin: 0 0 1.5rem; font-size: .875rem; color: var(--told); background: var(--told-wash);
  padding: .5rem .75rem; border-radius: .25rem; }
h1 { margin: 0 0 1rem; font-size: 1.375rem; line-height: 1.3; }
ul { padding-left: 1.25rem; }
li, small, code { overflow-wrap: anywhere; }
fieldset { margin: 1rem 0; padding: 0; border: 0; min-width: 0; }
legend { padding: 0; font-weight: 600; }
label { display: flex; gap: .75rem; align-items: center; padding: .625rem .75rem; margin-top: .5rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: .25rem; }
label:has(:checked) { border-color: var(--go); background: var(--chosen); }
small { display: block; color: var(--soft); }
.buttons { display: flex; gap: .75rem; justify-content: flex-end; margin-top: 1.5rem; }
button { font: inherit; padding: .5rem 1.25rem; border-radius: .25rem; border: 1px solid var(--soft);
  background: var(--card); color: inherit; cursor: pointer; }
button.primary { background: var(--go); border-color: var(--go); color: var(--go-ink); }
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px; }
"""


def consent(
    *, application: str, rights: Iterable[str], accounts: Iterable[tuple[Tenant, User]], selected: str | None
) -> web.Response:
    """Choose an account and accept or cancel; the form posts to its own address."""
    choices = "".join(_choice(tenant, user, selected) for tenant, user in accounts)
    items = "".join(f"<li>{escape(right)}</li>" for right in rights)
    return _page(
        "Sign in",
        f"""<h1>{escape(application)} asks for permission to</h1>
<ul>{items}</ul>
<form method="post">
<fieldset><legend>Sign in as</legend>{choices}</fieldset>
<div class="buttons"><button name="decision" value="cancel" formnovalidate>Cancel</button>
<button class="primary" name="decision" value="accept">Accept</button></div>
</form>""",
    )


def error(description: str) -> web.Response:
    """What is wrong with the request, where the browser must not be sent anywhere (RFC 6749 section 4.1.2.1)."""
    return _page("Sign-in failed", f"<h1>Sorry, but we cannot sign you in.</h1><p>{escape(description)}</p>", 400)


def form_post(redirect_uri: str, fields: Mapping[str, str]) -> web.Response:
    """Carries the answer to the client in a form that sends itself (OAuth 2.0 Form Post Response Mode)."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    nonce = token_urlsafe(16)
    return _page(
        "Working…",
        f"""<h1>Working…</h1><p>If nothing happens, continue by hand.</p>
<form method="post" action="{escape(redirect_uri)}">{inputs}
<div class="buttons"><button class="primary">Continue</button></div></form>
<script nonce="{nonce}">document.forms[0].submit()</script>""",
        script=nonce,
    )


def _choice(tenant: Tenant, user: User, selected: str | None) -> str:
    checked = " checked" if selected in (user.id, user.user_principal_name) else ""
    return (
        f'<label><input type="radio" name="account" value="{escape(user.id)}" required{checked}>'
        f"<span>{escape(user.display_name)}<small>{escape(user.user_principal_name)} · {escape(tenant.display_name)}"
        "</small></span></label>"
    )


def _page(title: str, body: str, status: int = 200, *, script: str | None = None) -> web.Response:
    style = token_urlsafe(16)
    # No form-action: browsers apply it to every redirect after the form, and the client may redirect anywhere.
    policy = [
        "default-src 'none'",
        f"style-src 'nonce-{style}'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        *([f"script-src 'nonce-{script}'"] if script else []),
    ]
    return web.Response(
        status=status,
        text=f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style nonce="{style}">{_STYLE}</style></head>
<body><main><p class="stand-in">Local stand-in for Microsoft Entra ID</p>
{body}
</main></body></html>
""",
        content_type="text/html",
        headers=no_store()
        | {
            "Content-Security-Policy": "; ".join(policy),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )
