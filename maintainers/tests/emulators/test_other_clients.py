"""Requests that the libraries of other languages send and MSAL for Python does not, written by hand, byte for byte."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from emulators.applications import API_ID
from emulators.people import CONTOSO, PEOPLE
from emulators.stack import Stack

from .support import ASSERTION_TYPE, GRAPH_DEFAULT, JWT_BEARER, TOKEN_URL, connect, decode

HOST = "login.microsoftonline.com"
PATH = f"/{CONTOSO}/oauth2/v2.0/token"
ZEROS = "00000000-0000-0000-0000-000000000000"
FORM = "application/x-www-form-urlencoded"
ALICE = f"oid:{PEOPLE['alice'].oid}@{CONTOSO}"


def encoded(part: Mapping[str, object]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def assertion(stack: Stack, algorithm: str, header: Mapping[str, object], **claims: object) -> str:
    """A client assertion signed here, so that no library changes it."""
    now = int(time.time())
    payload = {"aud": TOKEN_URL, "iss": API_ID, "sub": API_ID, "jti": secrets.token_hex(16), "exp": now + 600}
    signed = encoded({"alg": algorithm, "typ": "JWT", **header}) + b"." + encoded({**payload, "nbf": now, **claims})
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    scheme: Any = pss if algorithm == "PS256" else padding.PKCS1v15()
    signature = stack.client_certificate.key.sign(signed, scheme, hashes.SHA256())
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def sent(stack: Stack, head: list[str], form: list[tuple[str, str]], path: str = PATH) -> tuple[int, dict[str, Any]]:
    """Status and body of this request, through the gateway; Content-Length is added."""
    body = urlencode(form, quote_via=quote).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", *head, f"Content-Length: {len(body)}", "Connection: close"]
    context = ssl.create_default_context(cafile=stack.environ("api")["REQUESTS_CA_BUNDLE"])
    with socket.create_connection(("127.0.0.1", stack.ports.gateway), timeout=10) as raw:
        raw.sendall(connect(HOST))
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(raw, server_hostname=HOST) as tls:
            tls.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            response = b""
            while chunk := tls.recv(65536):
                response += chunk
    told, _, content = response.partition(b"\r\n\r\n")
    return int(told.split(b" ")[1]), json.loads(content)


def obo(stack: Stack, client_assertion: str, **more: str) -> list[tuple[str, str]]:
    form = {
        "client_id": API_ID,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client_assertion,
        "assertion": stack.issue_access_token("alice"),
        "grant_type": JWT_BEARER,
        "requested_token_use": "on_behalf_of",
        "scope": f"{GRAPH_DEFAULT} offline_access profile openid",
    }
    return list({**form, **more}.items())


def dotnet(stack: Stack) -> tuple[list[str], list[tuple[str, str]]]:
    """MSAL.NET: times as text, x5c, a hint for routing, no charset."""
    certificate, now = stack.client_certificate, int(time.time())
    header = {"x5t#S256": certificate.x5t_s256, "x5c": base64.b64encode(certificate.der).decode()}
    signed = assertion(stack, "PS256", header, exp=str(now + 600), nbf=str(now))
    head = [
        *("x-client-SKU: MSAL.CoreCLR", "x-client-Ver: 4.92.0.0", "x-client-CPU: X64", "x-client-OS: Linux"),
        *(f"client-request-id: {ZEROS}", "return-client-request-id: true", f"x-anchormailbox: {ALICE}"),
        *("x-client-current-telemetry: 5|523,0,,,|0,1,1,,", "x-client-last-telemetry: 5|0|||", "x-ms-lib-capability: "),
        *("x-ms-PKeyAuth: 1.0", "Accept: application/json", f"Content-Type: {FORM}"),
    ]
    return head, obo(stack, signed, client_info="1", claims='{"access_token":{"xms_cc":{"values":["cp1"]}}}')


def dotnet_before_sha256(stack: Stack) -> tuple[list[str], list[tuple[str, str]]]:
    """MSAL.NET for authorities without SHA-2: RS256 and x5t, x5c as a list."""
    certificate = stack.client_certificate
    header = {"kid": _hex(certificate.x5t), "x5t": certificate.x5t, "x5c": [base64.b64encode(certificate.der).decode()]}
    return [f"content-type: {FORM}"], obo(stack, assertion(stack, "RS256", header), client_info="1")


def javascript(stack: Stack) -> tuple[list[str], list[tuple[str, str]]]:
    """MSAL Node: charset in the content type, its telemetry as fields of the form, all in another order."""
    signed = assertion(stack, "PS256", {"x5t#S256": stack.client_certificate.x5t_s256}, iat=int(time.time()))
    telemetry = {"x-client-SKU": "msal.js.node", "x-client-VER": "3.8.0", "x-client-OS": "linux", "x-client-CPU": "x64"}
    more = {**telemetry, "x-ms-lib-capability": "retry-after, h429", "client-request-id": ZEROS, "client_info": "1"}
    head = [f"Content-Type: {FORM};charset=utf-8", f"X-AnchorMailbox: {ALICE}", "Accept: */*"]
    return head, obo(stack, signed, **more)[::-1]


def java(stack: Stack) -> tuple[list[str], list[tuple[str, str]]]:
    """MSAL Java: its ids in the head, RS256 with x5t and x5c, an empty field."""
    certificate = stack.client_certificate
    header = {"x5t": certificate.x5t, "x5c": [base64.b64encode(certificate.der).decode()]}
    head = [
        *("x-client-SKU: MSAL.Java", "x-client-VER: 1.20.0", "x-client-OS: Linux", "x-app-name: ", "x-app-ver: "),
        *(f"client-request-id: {secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}",),
        *("return-client-request-id: true", f"Content-Type: {FORM}; charset=UTF-8", "Accept: application/json"),
    ]
    return head, obo(stack, assertion(stack, "RS256", header), client_info="1", claims="")


def go(stack: Stack) -> tuple[list[str], list[tuple[str, str]]]:
    """MSAL Go: the thumbprint in plain base64, padded; fields in the order of the alphabet."""
    x5t = base64.b64encode(base64.urlsafe_b64decode(stack.client_certificate.x5t + "==")).decode()
    head = ["user-agent: Go-http-client/1.1", f"content-type: {FORM}; charset=utf-8", "x-client-sku: MSAL.Go"]
    return head, sorted(obo(stack, assertion(stack, "RS256", {"x5t": x5t}), client_info="1"))


def _hex(thumbprint: str) -> str:
    return base64.urlsafe_b64decode(thumbprint + "==").hex().upper()


@pytest.mark.parametrize("client", [dotnet, dotnet_before_sha256, javascript, java, go])
def test_entra_takes_what_the_library_of_another_language_sends(client: Any, shared: Stack) -> None:
    head, form = client(shared)
    status, body = sent(shared, head, form)
    assert (status, body.get("error_description")) == (200, None)
    assert decode(body["access_token"])["oid"] == PEOPLE["alice"].oid
    assert "client_info" not in body or body["client_info"]


def test_a_query_of_the_clients_own_does_no_harm(shared: Stack) -> None:
    head, form = dotnet(shared)
    status, body = sent(shared, head, form, f"{PATH}?client-request-id={ZEROS}&x-client-SKU=msal.js.node")
    assert (status, body.get("error_description")) == (200, None)


@pytest.mark.parametrize("value", ["", "soon", "1e9", "-5", "0x10", "12 ", True, None, [5], "9" * 400])
@pytest.mark.parametrize("claim", ["exp", "nbf"])
def test_other_texts_are_no_times(claim: str, value: object, shared: Stack) -> None:
    signed = assertion(shared, "PS256", {"x5t#S256": shared.client_certificate.x5t_s256}, **{claim: value})
    status, body = sent(shared, [f"Content-Type: {FORM}"], obo(shared, signed))
    assert (status, body["error_codes"]) == (401, [50027])


def test_times_as_text_are_looked_at_all_the_same(shared: Stack) -> None:
    now, header = int(time.time()), {"x5t#S256": shared.client_certificate.x5t_s256}
    for claims in ({"exp": str(now - 400)}, {"nbf": str(now + 400)}):
        status, body = sent(
            shared, [f"Content-Type: {FORM}"], obo(shared, assertion(shared, "PS256", header, **claims))
        )
        assert (status, body["error_codes"]) == (401, [700024])
