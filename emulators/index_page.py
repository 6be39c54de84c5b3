"""Two pages of the sign-in server: the list of people, and the page after a consent."""

from __future__ import annotations

from html import escape

from .applications import API_ID
from .entra.pages import page
from .people import CONTOSO, PEOPLE

ADMIN_CONSENT = f"/login.microsoftonline.com/{CONTOSO}/adminconsent?client_id={API_ID}"


def index_page() -> str:
    """The people of the tenant and what each of them shows."""
    rows = "".join(
        f"<tr><th>{escape(person.name)}</th><td>{escape(person.sign_in_name)}</td><td>{escape(person.about)}</td></tr>"
        for person in PEOPLE.values()
    )
    return page(
        "The emulated tenant",
        "<p>This is Contoso, a tenant that exists only on this machine. "
        "Sign in as any of these people; nobody has a password.</p>"
        f"<table>{rows}</table>"
        f'<p>As an administrator, consent <a href="{ADMIN_CONSENT}">to all that the API requires</a> for everybody.</p>'
        '<p>Every request so far: <a href="/_emulators/audit">the audit trail</a>, as JSON.</p>',
        wide=True,
    )


def consented_page() -> str:
    """Where the API's consent ends up in the browser."""
    return page("Done", "<p>The consent is recorded. You can close this window and try again.</p>")
