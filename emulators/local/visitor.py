"""Signs people in and calls the API as they, for the start page: what the client application does, step by step."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from client.api import Api, Reply, checked_path, claims_of, lacks_consent
from client.challenge import parse_challenges
from client.errors import ClientError
from emulators.browser import PlayError, walk
from emulators.flow.decoded import without_tokens
from emulators.flow.routes import BusyError
from emulators.flow.story import Request, Story
from emulators.people import EVERYONE
from emulators.requests_io import fingerprint

MAX_AT_ONCE = 4
MAX_BODY = 2_000
"""Characters of a response's body that the page shows."""
_REDIRECT = "http://localhost"
_CAPABLE = {"xms_cc": {"values": ["CP1"]}}  # this client can handle claims challenges
_SPARE = 60.0  # seconds that a token must still be good for


class ClickVisitor:
    """One token for each person, in memory. A call runs in a thread of its own, so that nobody waits for it."""

    def __init__(
        self, story: Story, client: Mapping[str, str], sign_in_url: str, api_url: str, changed: Callable[[], None]
    ) -> None:
        """`client`: the environment of the client application; `changed` is called after each call."""
        self.api_url = api_url
        self._story = story
        self._client = client
        self._sign_in_url = sign_in_url
        self._changed = changed
        self._tokens: dict[str, tuple[str, float]] = {}
        self._claims: dict[str, str] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def signed_in(self) -> list[str]:
        """The people whose token is still good."""
        with self._lock:
            return [person for person, (_, until) in self._tokens.items() if until > time.time() + _SPARE]

    def visit(self, person: str, path: str, *, how: str) -> int:
        """Starts a call and returns the number of its request. Raises BusyError, and ValueError for a wrong path."""
        try:
            path = checked_path(path)
        except ClientError as problem:
            raise ValueError(str(problem)) from None
        with self._lock:
            if how == "step-up" and person not in self._claims:
                raise BusyError("The API has not asked this person for claims")
            if person in self._busy:
                raise BusyError("The last call of this person is still running")
            if len(self._busy) >= MAX_AT_ONCE:
                raise BusyError("Too many calls are running")
            self._busy.add(person)
        request = self._story.begin(person, path, how)
        threading.Thread(target=self._run, args=(request, person, path, how), name="visitor", daemon=True).start()
        return request.number

    def _run(self, request: Request, person: str, path: str, how: str) -> None:
        try:
            token = self._token(person, how)
            self._story.calls(request, fingerprint(token), urlsplit(self.api_url).path.rstrip("/") + path)
            reply = Api(self.api_url).call("GET", path, token)
            self._remember(person, reply)
            self._story.ends(request, reply.status, reply.ms, _shown(reply, self._sign_in_url))
        except (ClientError, PlayError, OSError, ValueError) as problem:
            self._story.fails(request, str(problem) or type(problem).__name__)
        finally:
            with self._lock:
                self._busy.discard(person)
            self._changed()

    def _token(self, person: str, how: str) -> str:
        kept, until = self._tokens.get(person, ("", 0.0))
        if how == "call" and until > time.time() + _SPARE:
            return kept
        claims = self._claims.get(person) if how == "step-up" else None
        token, lifetime = self._sign_in(person, claims, consent=how == "consent")
        with self._lock:
            self._tokens[person] = token, time.time() + lifetime
        return token

    def _remember(self, person: str, reply: Reply) -> None:
        claims = claims_of(reply)
        with self._lock:
            if claims is None:
                self._claims.pop(person, None)
            else:
                self._claims[person] = claims

    def _sign_in(self, person: str, claims: str | None, *, consent: bool) -> tuple[str, float]:
        """Authorization code with PKCE. The pages are clicked through as `person`. Raises PlayError."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        scope = self._client["API_SCOPE"]
        if consent:  # `.default` of the API includes all that the API itself asks for
            scope = f"{scope.rpartition('/')[0]}/.default"
        asked: dict[str, Any] = json.loads(claims) if claims else {}
        asked["access_token"] = {**asked.get("access_token", {}), **_CAPABLE}
        common = {
            "client_id": self._client["CLIENT_APP_ID"],
            "redirect_uri": _REDIRECT,
            "scope": f"openid profile {scope}",
            "claims": json.dumps(asked, separators=(",", ":")),
        }
        query = {
            **common,
            "response_type": "code",
            "response_mode": "query",
            "state": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **({"prompt": "consent"} if consent else {}),
        }
        authority = f"https://login.microsoftonline.com/{EVERYONE[person].tenant}/oauth2/v2.0"
        arrived, _ = walk(f"{authority}/authorize?{urlencode(query)}", person, self._sign_in_url)
        sent = {name: values[0] for name, values in parse_qs(urlsplit(arrived).query).items()}
        if sent.get("state") != query["state"] or "code" not in sent:
            raise PlayError(sent.get("error_description", "the sign-in did not end with a code"))
        form = {**common, "grant_type": "authorization_code", "code": sent["code"], "code_verifier": verifier}
        return self._redeem(f"{authority}/token", form)

    def _redeem(self, url: str, form: Mapping[str, str]) -> tuple[str, float]:
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = {"https": self._client["HTTPS_PROXY"]}
            session.verify = self._client["REQUESTS_CA_BUNDLE"]
            response = session.post(url, data=form, timeout=30, allow_redirects=False)
        try:
            body = response.json()
        except ValueError:
            raise PlayError(f"Entra's token endpoint responded with {response.status_code}") from None
        if not isinstance(body, dict) or "access_token" not in body:
            told = body.get("error_description") if isinstance(body, dict) else None
            raise PlayError(str(told or f"Entra's token endpoint responded with {response.status_code}"))
        return str(body["access_token"]), float(body["expires_in"])


def _shown(reply: Reply, sign_in_url: str) -> dict[str, Any]:
    """What the page shows of a response: decoded challenges, the problem document, the start of the body."""
    problem = lacks_consent(reply)
    pages = {name: problem.get(name) for name in ("consent_url", "admin_consent_url")} if problem else {}
    host = "https://login.microsoftonline.com/"
    local = {
        name: f"{sign_in_url}/login.microsoftonline.com/{url.removeprefix(host)}"
        for name, url in pages.items()
        if isinstance(url, str) and url.startswith(host)
    }
    return {
        "reason": reply.reason,
        "challenges": _challenges(reply.headers.get("WWW-Authenticate")),
        "retry_after": reply.headers.get("Retry-After"),
        "step_up": claims_of(reply) is not None,
        "consent": problem is not None,
        "pages": local,
        "body": without_tokens(reply.text, MAX_BODY),
    }


def _challenges(header: str | None) -> list[dict[str, Any]]:
    try:
        return [
            {"scheme": one.scheme, "parameters": {name: _decoded(name, text) for name, text in one.parameters.items()}}
            for one in parse_challenges(header or "")
        ]
    except ValueError:
        return [{"scheme": "?", "parameters": {"unreadable": without_tokens(header or "", MAX_BODY)}}]


def _decoded(name: str, text: str) -> Any:
    """The parameter as a person reads it: `claims` as the JSON that its base64 stands for."""
    if name == "claims":
        try:
            return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
        except ValueError:
            pass  # shown as it is
    return without_tokens(text, MAX_BODY)
