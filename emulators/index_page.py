"""Two pages of the sign-in server: the start page with the flow of each request, and the page after a consent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from .applications import API_ID
from .entra.pages import page
from .people import CONTOSO, PEOPLE, Person

ADMIN_CONSENT = f"/login.microsoftonline.com/{CONTOSO}/adminconsent?client_id={API_ID}"
_TEMPLATE = (Path(__file__).with_name("flow") / "page.html").read_text(encoding="utf-8")


def _hash_of(element: str) -> str:
    """The hash by which the policy allows the one element of this kind (CSP Level 3, section 6.7.2)."""
    found = re.search(rf"<{element}>(.*?)</{element}>", _TEMPLATE, re.DOTALL)
    content = found[1] if found else ""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


INDEX_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash_of('script')}; style-src {_hash_of('style')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def index_page(shown: Iterable[Person] = tuple(PEOPLE.values())) -> str:
    """The people of the tenant and what each of them shows, and the place where the requests appear."""
    people = "".join(
        f'<li><button type="button" class="person" data-person="{escape(person.name)}">'
        f"<b>{escape(person.name)}</b> <span>{escape(person.sign_in_name)}</span>"
        f"<small>{escape(person.about)}</small></button></li>"
        for person in shown
    )
    return _TEMPLATE.replace("<!-- people -->", people).replace("ADMIN_CONSENT", escape(ADMIN_CONSENT))


def consented_page() -> str:
    """Where the API's consent ends up in the browser."""
    return page("Done", "<p>The consent is recorded. You can close this window and try again.</p>")
