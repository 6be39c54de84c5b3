"""A browser for the sample client: opens the local sign-in page, or signs in as a person of the tenant.

    python -m emulators.browser [--as PERSON] [--sign-in-server http://localhost:PORT] URL

In the variable BROWSER a colon separates browsers (on POSIX). So the local address is in EMULATORS_SIGN_IN_URL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

REAL = "login.microsoftonline.com"
MAX_PAGES = 12
TIMEOUT = 30.0


class PlayError(Exception):
    """The sign-in did not finish. The message is the text of the last page."""


@dataclass
class Form:
    """A form of a page: where it goes, its fields, and its buttons as (name, value)."""

    step: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """Finds the form and the text of a sign-in page."""

    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self.text: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self._in_style = tag in ("style", "script")
        if tag == "form":
            self.form = Form(known.get("data-step", ""), known.get("action", ""))
        elif self.form is not None and tag == "input" and "name" in known:
            self.form.fields[known["name"]] = known.get("value", "")
        elif self.form is not None and tag == "button" and "name" in known:
            self.form.buttons.append((known["name"], known.get("value", "")))

    def handle_data(self, data: str) -> None:
        if not self._in_style and data.strip():
            self.text.append(data.strip())


class _KeepRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the caller looks at each target."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def local_address(url: str, server: str) -> str:
    """The local address of an Entra page. Raises ValueError for another address."""
    parts = urlsplit(url)
    if url.startswith(server.rstrip("/") + "/"):
        return url
    if parts.scheme != "https" or parts.hostname != REAL:
        raise ValueError(f"{parts.scheme}://{parts.netloc} is not the sign-in service")
    query = f"?{parts.query}" if parts.query else ""
    return f"{server.rstrip('/')}/{REAL}{parts.path}{query}"


def play(url: str, person: str, server: str) -> None:
    """Signs `person` in: picks the account, approves MFA, accepts consent, and delivers the response to the client.

    Raises PlayError with the page's text when a page refuses to go on.
    """
    where, data = walk(url, person, server)
    if not where.startswith(server):
        _fetch(_opener(), where, data)


def walk(url: str, person: str, server: str) -> tuple[str, dict[str, str] | None]:
    """The way through the pages as `play` goes it. Returns where the response to the client goes, and its form.

    A sign-in that ends on a page of the server returns the address of that page.
    """
    opener = _opener()
    where: str = local_address(url, server)
    data: dict[str, str] | None = None
    for _ in range(MAX_PAGES):
        if not where.startswith(server):
            return where, data
        status, headers, text = _fetch(opener, where, data)
        if status in (301, 302, 303):
            where, data = urljoin(where, headers.get("location", "")), None
            continue
        page = _Page()
        page.feed(text)
        if status >= 400:
            raise PlayError(" ".join(page.text))
        if page.form is None:
            return where, data
        where, data = urljoin(where, page.form.action), _filled(page.form, person)
    raise PlayError("The pages lead in a circle")


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _KeepRedirects)


def _filled(form: Form, person: str) -> dict[str, str]:
    if form.step == "account":
        if ("account", person) not in form.buttons:
            raise PlayError(f"There is no account {person} to pick")
        return {**form.fields, "account": person}
    if form.step in ("mfa", "consent"):
        return {**form.fields, "answer": "yes"}
    return form.fields


def _fetch(
    opener: urllib.request.OpenerDirector, url: str, data: dict[str, str] | None
) -> tuple[int, dict[str, str], str]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise PlayError("A page leads to something that is not the web")
    body = urlencode(data).encode() if data is not None else None
    try:
        with opener.open(urllib.request.Request(url, body), timeout=TIMEOUT) as reply:  # noqa: S310 - scheme checked
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, {k.lower(): v for k, v in refused.headers.items()}, refused.read().decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. With `--as` a child process signs in, because a caller does not wait for its browser."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.sign_in_server:
        parser.error("--sign-in-server is missing, and EMULATORS_SIGN_IN_URL is not set")
    if options.person is None:
        return _open_for_a_person(local_address(options.url, options.sign_in_server))
    if not options.wait:
        command = [
            sys.executable,
            "-m",
            "emulators.browser",
            "--wait",
            "--as",
            options.person,
            "--sign-in-server",
            options.sign_in_server,
        ]
        subprocess.Popen([*command, options.url])
        return 0
    try:
        play(options.url, options.person, options.sign_in_server)
    except (PlayError, OSError, ValueError) as problem:
        print(f"The sign-in of {options.person} failed: {problem}", file=sys.stderr)  # noqa: T201 - this is a program
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m emulators.browser", description="Opens a sign-in page of the local stack."
    )
    parser.add_argument("--as", dest="person", help="play this person instead of opening the system's browser")
    parser.add_argument(
        "--sign-in-server", default=os.environ.get("EMULATORS_SIGN_IN_URL"), help="http://localhost:PORT of the stack"
    )
    parser.add_argument("--wait", action="store_true", help="sign in from this process and report how it ended")
    parser.add_argument("url")
    return parser


def _open_for_a_person(url: str) -> int:
    """In the system's own browser, not the one in BROWSER, which is this program; without one, says what to open."""
    os.environ.pop("BROWSER", None)
    try:
        opened = webbrowser.get().open(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        print(f"There is no browser here. Open this in one: {url}", file=sys.stderr)  # noqa: T201 - this is a program
    return 0  # success: otherwise the caller would print the address of the real Entra


if __name__ == "__main__":
    raise SystemExit(main())
