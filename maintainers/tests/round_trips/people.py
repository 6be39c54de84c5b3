"""A person at the client application in this process, and an automatic browser."""

from __future__ import annotations

import json
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

from client.settings import Settings
from client.sign_in import EntraSignIn
from emulators.browser import play
from emulators.stack import Stack
from maintainers.tests.emulators.support import API_SCOPE, Http, sign_in


class PlayedBrowser(webbrowser.BaseBrowser):
    """The browser of this process while somebody sits at it; MSAL finds it as it finds any other."""

    def __init__(self) -> None:
        super().__init__("played")
        self._seat = threading.Lock()
        self._who = ("", "")
        self.failures: list[str] = []

    @contextmanager
    def used_by(self, person: str, server: str) -> Iterator[None]:
        """This person submits the pages that are opened meanwhile. The next person waits."""
        with self._seat:
            self._who = (person, server)
            try:
                yield
            finally:
                self._who = ("", "")

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        person, server = self._who
        if person:  # a program that opens a browser does not wait for it to end
            threading.Thread(target=self._play, args=(url, person, server), name="browser", daemon=True).start()
        return bool(person)

    def _play(self, url: str, person: str, server: str) -> None:
        try:
            play(url, person, server)
        except Exception as problem:  # noqa: BLE001 - told to the client, which would wait for minutes otherwise
            self.failures.append(str(problem))
            asked = parse_qs(urlsplit(url).query)
            response = urlencode({"error": "no_way_on", "error_description": str(problem), "state": asked["state"][0]})
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            direct.open(f"{asked['redirect_uri'][0]}?{response}", timeout=10).close()


BROWSER = PlayedBrowser()
webbrowser.register("played", None, BROWSER, preferred=True)


class Someone:
    """One person at the client, which keeps nothing; this keeps the tokens it got, in order, and what they were for."""

    def __init__(self, stack: Stack, person: str) -> None:
        environ = {**stack.environ("client"), "API_BASE_URL": "http://127.0.0.1"}
        self._stack, self._person, self._sign_in_url = stack, person, stack.sign_in_url
        self._sign_in = EntraSignIn(Settings.from_environ(environ))
        self.tokens: list[str] = []
        self.asked: list[str | None] = []

    def access_token(self, claims: str | None = None, *, consent: bool = False) -> str:
        """See client.sign_in.SignIn."""
        with BROWSER.used_by(self._person, self._sign_in_url):
            token = self._sign_in.access_token(claims, consent=consent)
        self.tokens.append(token)
        self.asked.append(claims)
        return token

    def token(self, claims: str | None = None) -> str:
        """The same sign-in on the same pages, but without MSAL, which takes a second to notice that it is done."""
        wanted = json.loads(claims or "{}").get("access_token", {})
        declared = json.dumps({"access_token": {**wanted, "xms_cc": {"values": ["CP1"]}}})
        http = Http(self._stack, "client")
        with http.session:
            response = sign_in(http, self._person, claims=declared, scope=f"{API_SCOPE} openid profile")
        self.tokens.append(response["access_token"])
        self.asked.append(claims)
        return self.tokens[-1]

    def opens(self, address: str) -> None:
        """The person opens an address of Entra's in a browser and agrees to all it asks. Raises PlayError."""
        play(address, self._person, self._sign_in_url)
