"""Helpers for the tests of the emulators: a clock, sessions through the gateway, and one argument per defect."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import jwt
import requests

from emulators.applications import API, API_ID, CLIENT_ID
from emulators.certificates import Certificate
from emulators.people import CONTOSO
from emulators.stack import Stack

AUTHORITY = f"https://login.microsoftonline.com/{CONTOSO}"
TOKEN_URL = f"{AUTHORITY}/oauth2/v2.0/token"
AUTHORIZE_URL = f"{AUTHORITY}/oauth2/v2.0/authorize"
DEVICE_URL = f"{AUTHORITY}/oauth2/v2.0/devicecode"
API_SCOPE = f"{API.identifier_uris[0]}/access_as_user"
GRAPH_DEFAULT = "https://graph.microsoft.com/.default"
REDIRECT = "http://localhost:4711"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Json = dict[str, Any]


@dataclass
class Clock:
    """Real time plus the time that a test has let pass."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Http:
    """A session of one caller through the gateway."""

    stack: Stack
    caller: str = "api"
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        environ = self.stack.environ("api" if self.caller == "browser" else self.caller)
        self.session.trust_env = False
        self.session.proxies = {"https": environ["HTTPS_PROXY"]}
        self.session.verify = environ["REQUESTS_CA_BUNDLE"]

    def get(self, url: str, token: str | None = None, **headers: str) -> requests.Response:
        """GET, with a bearer token or without."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.session.get(url, headers=headers, timeout=10, allow_redirects=False)

    def post(self, url: str, form: Mapping[str, str], **headers: str) -> requests.Response:
        """POST of a form."""
        return self.session.post(url, data=dict(form), headers=headers, timeout=10, allow_redirects=False)


def connect(host: str, caller: str = "api") -> bytes:
    """A CONNECT request for the gateway."""
    name = base64.b64encode(f"{caller}:".encode()).decode()
    return f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Authorization: Basic {name}\r\n\r\n".encode()


def decode(token: object) -> Json:
    """The claims of a token, unchecked."""
    return jwt.decode(str(token), options={"verify_signature": False})


def client_assertion(
    certificate: Certificate,
    *,
    client_id: str = API_ID,
    audience: str = TOKEN_URL,
    algorithm: str = "PS256",
    issued: float | None = None,
    lifetime: float = 600,
    header: Mapping[str, str | None] | None = None,
    signer: Certificate | None = None,
    **claims: object,
) -> str:
    """A client assertion with one argument per defect. None removes a claim or a header field."""
    now = time.time() if issued is None else issued
    payload: Json = {
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + lifetime),
        "jti": secrets.token_hex(16),
        **claims,
    }
    fields = {"x5t#S256": certificate.x5t_s256, **(header or {})}
    return jwt.encode(
        {name: value for name, value in payload.items() if value is not None},
        (signer or certificate).key,
        algorithm,
        headers={name: value for name, value in fields.items() if value is not None},
    )


def obo_form(stack: Stack, user_token: str, **changes: str | None) -> dict[str, str]:
    """A good On-Behalf-Of request for Graph; `changes` alter it, None removes a parameter."""
    form: dict[str, str | None] = {
        "grant_type": JWT_BEARER,
        "client_id": API_ID,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client_assertion(stack.client_certificate),
        "assertion": user_token,
        "requested_token_use": "on_behalf_of",
        "scope": GRAPH_DEFAULT,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def assert_refused(
    reply: requests.Response, code: int, error: str, status: int = 400, suberror: str | None = None
) -> Json:
    """Asserts everything an Entra error carries, and returns its body."""
    body: Json = reply.json()
    assert (body["error_codes"], body["error"], reply.status_code) == ([code], error, status)
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    for label, value in (("Trace ID", "trace_id"), ("Correlation ID", "correlation_id"), ("Timestamp", "timestamp")):
        assert f"{label}: {body[value]}" in body["error_description"]
    assert body["error_uri"] == f"https://login.microsoftonline.com/error?code={code}"
    assert body.get("suberror") == suberror
    assert reply.headers["x-ms-request-id"] == body["trace_id"]
    assert reply.headers["cache-control"].startswith("no-store")
    return body


def pkce() -> tuple[str, str]:
    """A code verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class PageForm(HTMLParser):
    """The form of a sign-in page, and the text around it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.step = self.action = ""
        self.fields: dict[str, str] = {}
        self.choices: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.step, self.action = known["data-step"], known["action"]
        elif tag == "input":
            self.fields[known["name"]] = known.get("value", "")
        elif tag == "button" and "value" in known:
            self.choices.append(known["value"])


def authorize_query(challenge: str | None = None, **changes: str | None) -> dict[str, str]:
    """The parameters of a good sign-in by the client; `changes` alter them, None removes one."""
    query: dict[str, str | None] = {
        "client_id": CLIENT_ID,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": f"{API_SCOPE} openid profile offline_access",
        "state": "a state/with=odd&characters",
        "code_challenge": challenge or pkce()[1],
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in query.items() if value is not None}


def walk(
    http: Http, reply: requests.Response, person: str, answers: Mapping[str, str] | None = None
) -> requests.Response:
    """Submits page after page, with "yes" by default, until one leads back to a client or is the last."""
    for _ in range(6):
        page = PageForm(reply.text) if reply.status_code == 200 else None
        if page is None or page.step not in ("account", "mfa", "consent", "device-code"):
            return reply
        chosen = {"account": {"account": person}, "device-code": {}}.get(page.step)
        if chosen is None:
            chosen = {"answer": (answers or {}).get(page.step, "yes")}
        reply = http.post(urljoin(reply.url, page.action), {**page.fields, **chosen})
    raise AssertionError("The pages lead in a circle")


def response_of(reply: requests.Response) -> dict[str, str]:
    """The authorization response a redirect carries."""
    assert reply.status_code == 302, reply.text
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["location"]).query).items()}


def sign_in_for_code(http: Http, person: str, **changes: str | None) -> tuple[str, str]:
    """Signs a person in at the client: the authorization code and the PKCE verifier that goes with it."""
    verifier, challenge = pkce()
    query = authorize_query(challenge, **changes)
    first = http.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)
    return response_of(walk(http, first, person))["code"], verifier


def redeem_form(given: str, verifier: str, **changes: str | None) -> dict[str, str]:
    """A good redemption of a code by the client."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": given,
        "redirect_uri": REDIRECT,
        "code_verifier": verifier,
        "scope": f"{API_SCOPE} openid profile offline_access",
        "client_info": "1",
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def sign_in(http: Http, person: str, **changes: str | None) -> Json:
    """Signs a person in and redeems the code: the token endpoint's response."""
    code, verifier = sign_in_for_code(http, person, **changes)
    reply = http.post(TOKEN_URL, redeem_form(code, verifier))
    assert reply.status_code == 200, reply.text
    answer: Json = reply.json()
    return answer
