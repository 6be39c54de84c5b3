"""The browser player and program."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from emulators import browser
from emulators.browser import PlayError, local_address, play
from emulators.stack import Stack

from .support import API_SCOPE, AUTHORITY, AUTHORIZE_URL, authorize_query

SERVER = "http://localhost:7073"


class Receiver(BaseHTTPRequestHandler):
    """A client that waits for its response, as a redirect or as a form."""

    received: list[dict[str, str]]

    def do_GET(self) -> None:
        """A response in the query."""
        self._take(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """A response in a form."""
        self._take(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _take(self, text: str) -> None:
        self.received.append({name: values[0] for name, values in parse_qs(text).items()})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You may close this window.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Silent."""


class Client:
    """A client's redirect URI, and what has arrived there."""

    def __init__(self, port: int, received: list[dict[str, str]]) -> None:
        self.redirect_uri = f"http://localhost:{port}"
        self.received = received

    def url(self, **changes: str) -> str:
        """The address to sign in at."""
        return f"{AUTHORIZE_URL}?{urlencode(authorize_query(redirect_uri=self.redirect_uri, **changes))}"


@pytest.fixture
def client() -> Iterator[Client]:
    """A client that waits."""
    received: list[dict[str, str]] = []
    handler = type("Handler", (Receiver,), {"received": received})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Client(server.server_address[1], received)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_delivers_the_response(mode: str, shared: Stack, client: Client) -> None:
    play(client.url(response_mode=mode), "alice", shared.sign_in_url)
    [response] = client.received
    assert response["state"] == "a state/with=odd&characters"
    assert len(response["code"]) > 500


def test_approves_mfa_and_consents(stack: Stack, client: Client) -> None:
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    scope = API_SCOPE.replace("access_as_user", ".default")
    play(client.url(claims=claims, scope=scope), "connor", stack.sign_in_url)
    assert [entry.action for entry in stack.audit.entries()] == ["authorize", "sign-in", "mfa", "consent"]
    assert "code" in client.received[0]


def test_a_refusal_is_delivered_too(shared: Stack, client: Client) -> None:
    play(client.url(prompt="none"), "alice", shared.sign_in_url)
    assert client.received[0]["error"] == "login_required"


def test_ends_on_a_page_that_leads_no_further(stack: Stack) -> None:
    play(f"{AUTHORITY}/adminconsent?client_id=a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13", "alice", stack.sign_in_url)
    assert stack.audit.entries()[-1].action == "consent"


def test_says_what_the_page_said(shared: Stack, client: Client) -> None:
    with pytest.raises(PlayError, match="AADSTS700016"):
        play(client.url(client_id="nobody"), "alice", shared.sign_in_url)
    with pytest.raises(PlayError, match="no account mallory"):
        play(client.url(), "mallory", shared.sign_in_url)


def test_finds_the_local_address() -> None:
    assert local_address(f"{AUTHORITY}/x?a=1", SERVER) == f"{SERVER}/login.microsoftonline.com/{AUTHORITY[34:]}/x?a=1"
    assert (
        local_address(f"{SERVER}/login.microsoftonline.com/x", f"{SERVER}/") == f"{SERVER}/login.microsoftonline.com/x"
    )
    for url in ("https://example.com/", "http://login.microsoftonline.com/", "file:///etc/passwd", f"{SERVER}1/x"):
        with pytest.raises(ValueError, match="is not the sign-in service"):
            local_address(url, SERVER)


def test_the_program_opens_the_systems_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class System:
        def open(self, url: str) -> bool:
            opened.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", lambda _using=None: System())
    monkeypatch.setenv("BROWSER", "python -m emulators.browser %s")
    assert browser.main(["--sign-in-server", SERVER, f"{AUTHORITY}/x"]) == 0
    assert opened == [f"{SERVER}/login.microsoftonline.com/{AUTHORITY[34:]}/x"]


def test_the_program_plays_a_person(
    shared: Stack, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMULATORS_SIGN_IN_URL", shared.sign_in_url)
    assert browser.main(["--wait", "--as", "alice", client.url()]) == 0
    assert "code" in client.received[0]
    assert browser.main(["--wait", "--as", "mallory", client.url()]) == 1
    assert "The sign-in of mallory failed" in capsys.readouterr().err


def test_the_program_needs_an_address(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("EMULATORS_SIGN_IN_URL", raising=False)
    with pytest.raises(SystemExit):
        browser.main(["https://login.microsoftonline.com/x"])
    assert "EMULATORS_SIGN_IN_URL" in capsys.readouterr().err
