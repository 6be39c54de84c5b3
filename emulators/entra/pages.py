"""The sign-in pages as HTML: small, without any script but the one that posts a response on, and no outside asset."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse, Response

from ..people import NAMES, Person
from .records import Permission

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1a19; background: #f3f2f1; margin: 0;
       display: grid; min-height: 100vh; place-items: center }
main { background: #fff; padding: 2rem 2.25rem; width: 24rem; max-width: calc(100vw - 6rem);
       box-shadow: 0 2px 8px #0003 }
main.wide { width: 52rem }
h1 { font-size: 1.4rem; font-weight: 600; margin: 0 0 .75rem }
button { font: inherit; cursor: pointer; border: 1px solid #8a8886; background: #fff;
         padding: .4rem 1.25rem; margin: .5rem .5rem 0 0 }
button.main { background: #0067b8; border-color: #0067b8; color: #fff }
button.person { display: block; width: 100%; text-align: left; border: 0; border-top: 1px solid #edebe9;
                margin: 0; padding: .6rem .25rem }
button.person:hover, button.person:focus { background: #f3f2f1 }
button.person b { display: block; font-weight: 600 }
small, p.note { color: #605e5c; font-size: .85rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .35rem .75rem .35rem 0; border-top: 1px solid #edebe9; text-align: left; vertical-align: top }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem }
"""


def page(title: str, body: str, *, wide: bool = False) -> str:
    """A whole page around `body`, which is HTML already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        f"<body><main{' class=wide' if wide else ''}><h1>{title}</h1>{body}</main></body></html>"
    )


def _html(title: str, body: str, status: int = 200, script_nonce: str | None = None) -> Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
    if script_nonce is not None:
        policy += f"; script-src 'nonce-{script_nonce}'"
    headers = {
        "Cache-Control": "no-store, no-cache",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(page(title, body), status, headers)


def _form(step: str, action: str, fields: Mapping[str, str], body: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    return f'<form method="post" action="{escape(action)}" data-step="{step}">{hidden}{body}</form>'


def _yes_or_no(yes: str, no: str) -> str:
    return (
        f'<button class="main" name="answer" value="yes">{yes}</button><button name="answer" value="no">{no}</button>'
    )


def account_page(action: str, flow: str, client: str, people: Sequence[Person]) -> Response:
    """Pick an account."""
    choices = "".join(
        f'<button class="person" name="account" value="{escape(person.name)}"><b>{escape(person.display_name)}</b>'
        f"{escape(person.sign_in_name)}<br><small>{escape(person.about)}</small></button>"
        for person in people
    )
    intro = f'<p class="note">to continue to {escape(client)}</p>'
    return _html("Pick an account", intro + _form("account", action, {"flow": flow}, choices))


def second_factor_page(action: str, flow: str, person: Person, what: str) -> Response:
    """Approve the sign-in on the (imaginary) phone, or with the (imaginary) passkey."""
    intro = f"<p>{escape(person.sign_in_name)}</p><p>Your organization needs a {what}. Approve the request?</p>"
    return _html("Approve sign-in request", intro + _form("mfa", action, {"flow": flow}, _yes_or_no("Approve", "Deny")))


def consent_page(
    action: str, flow: str, person: Person, permissions: Sequence[Permission], *, everybody: bool
) -> Response:
    """Let an application use permissions."""
    rows = "".join(
        f"<tr><th>{escape(p.client.name)}</th><td>{escape(p.resource.name)}: {escape(', '.join(p.scopes))}</td></tr>"
        for p in permissions
    )
    whom = f"everybody in {NAMES[person.tenant]}" if everybody else person.sign_in_name
    intro = f"<p>{escape(person.sign_in_name)}</p><p>On behalf of {escape(whom)}:</p><table>{rows}</table>"
    buttons = _yes_or_no("Accept", "Cancel")
    return _html("Permissions requested", intro + _form("consent", action, {"flow": flow}, buttons))


def user_code_page(action: str, code: str) -> Response:
    """Type the code another device shows."""
    body = (
        f'<p><label>Code shown on your app or device<input name="otc" value="{escape(code)}" autofocus '
        'autocomplete="off"></label></p><button class="main">Next</button>'
    )
    return _html("Enter code", _form("device-code", action, {}, body))


def form_post_page(action: str, parameters: Mapping[str, str]) -> Response:
    """Hands the response on to the client (OAuth 2.0 Form Post Response Mode)."""
    nonce = secrets.token_urlsafe(16)
    body = _form("deliver", action, parameters, '<button class="main">Continue</button>')
    script = f'<script nonce="{nonce}">document.forms[0].submit()</script>'
    return _html("Signing in", body + script, script_nonce=nonce)


def done_page(message: str) -> Response:
    """The last page of a sign-in that does not return to a client."""
    return _html("Done", f"<p>{escape(message)}</p>")


def error_page(message: str, facts: Mapping[str, str]) -> Response:
    """What went wrong, with the ids of the request."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return _html("This sign-in cannot go on", f"<p>{escape(message)}</p><table>{rows}</table>", 400)
