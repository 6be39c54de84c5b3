"""Inputs from callers and from functions: headers, bodies, paths, settings, traces."""

from __future__ import annotations

import json
import posixpath
import re
import unicodedata
import uuid
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import azure.functions as func
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.downstream.request import RESERVED, check_headers, check_method, checked_path, join
from shared.errors import ApiError, BadRequest, MissingToken, ServiceUnavailable, SettingsError
from shared.hosting.request import json_body
from shared.requires_user import bearer_token, check_form
from shared.settings.environ import Secret
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord

from .case import MARK, Case, Figures
from .values import ODD, bodies, header_values, texts, words

VALUE = "Zq7!Value"
"""In place of the mark where names may be shown and values may not."""

BASE = "https://orders.example/base"


def check_bearer(value: str, figures: Figures) -> None:
    request = func.HttpRequest("GET", "http://localhost/", headers={"Authorization": value}, body=b"")
    token = figures.outcome(lambda: bearer_token(request), MissingToken)
    refused = token if isinstance(token, MissingToken) else figures.outcome(lambda: check_form(token), MissingToken)
    if isinstance(refused, MissingToken):
        assert MARK not in f"{refused!r}"
    else:
        assert isinstance(token, str)
        assert re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token)
        assert value.lower().startswith("bearer ")
        assert value.endswith(token)


schemes = st.sampled_from(["Bearer", "bearer", "BEARER", "Bearer,", "Basic", ""])
gaps = st.sampled_from([" ", "  ", "\t", ", ", "\u00a0", ""])
credentials = st.text(alphabet='aZ09.-_~+/= ,\t"', max_size=30)
bearers = header_values | st.tuples(schemes, gaps, credentials).map("".join)


def check_body(body: bytes, figures: Figures) -> None:
    """What is taken for JSON can be sent on, and says the same."""
    value = figures.outcome(lambda: json_body(func.HttpRequest("POST", "http://localhost/", body=body)), BadRequest)
    if isinstance(value, BadRequest):
        assert MARK not in f"{value!r} {value.detail}"
        return
    again = json.dumps(value, allow_nan=False)
    assert again.isascii()
    assert json.dumps(json.loads(again)) == again


ASTRAY = (
    ".", "..", "...", "%2e%2e", "%252e%252e", "..;", "..%00", "%c0%ae%c0%ae", "%u002e%u002e", "\uff0e\uff0e", "\u2025",
    "a%2fb", "a%5cb", "a\\b", "%e0%80%ae.", ". .", "..%20", "%2e.", "a\uff0fb", "%ef%bc%8f", "%252f", "",
)  # fmt: skip
PIECES = (
    ".", "%", "2", "e", "E", "f", "5", "c", "25", "u00", ";", "/", "\\", "\uff0e", "a", " ", "?", "#", "@", ":",
)  # fmt: skip
steps = words | st.sampled_from(ASTRAY) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | texts
below = st.lists(steps, max_size=5).map(lambda several: "/" + "/".join(several))
paths: SearchStrategy[str] = below | texts | st.text(max_size=20)


def readings(path: str, rounds: int = 5) -> set[str]:
    """What servers have been seen to make of a path: decoded once or often, leniently, with other dots and slashes."""
    found = new = {path.partition("?")[0]}
    for _ in range(rounds):
        new = {reading for text in new for reading in _next(text) if len(reading) <= 2 * len(path)} - found
        found = found | new
    return found


def _next(text: str) -> list[str]:
    data = unquote_to_bytes(text) if "%" in text else b""
    return [
        *((data.decode("utf-8", "replace"), data.decode("latin-1"), _overlong(data)) if data else ()),
        re.sub(r"%u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text),
        unicodedata.normalize("NFKC", text),
        re.sub(r"[\\\u2044\u2215\uff0f\uff3c]", "/", text),
        "/".join(step.partition(";")[0] for step in text.split("/")),
        "/".join(step.strip() for step in text.split("/")),
        text.partition("\x00")[0],
    ]


def _overlong(data: bytes) -> str:
    """As decoders of old did: the shortest form is not asked for."""
    text = re.sub(rb"[\xc0\xc1]([\x80-\xbf])", lambda m: bytes([m[0][0] << 6 & 0x40 | m[0][1] & 0x3F]), data)
    return re.sub(rb"\xe0\x80([\x80-\xbf])", lambda m: bytes([m[0][2] & 0x3F]), text).decode("latin-1")


def check_path(path: str, figures: Figures) -> None:
    url = figures.outcome(lambda: join(BASE, checked_path(path)), ValueError)
    if isinstance(url, ValueError):
        assert MARK not in str(url)
        return
    assert urlsplit(url)[:2] == ("https", "orders.example")
    assert url.isprintable()
    for reading in readings(path):
        resolved = posixpath.normpath("/base" + reading)
        assert resolved == "/base" or resolved.startswith("/base/"), f"{path!r} can be read as {reading!r}"


def check_header(given: tuple[str, dict[Any, Any]], figures: Figures) -> None:
    method, headers = given

    def check() -> None:
        check_method(method)
        check_headers(headers)

    error = figures.outcome(check, ValueError)
    if isinstance(error, ValueError):
        assert MARK not in str(error)
        return
    for name, value in headers.items():
        line = f"{name}: {value}".encode("latin-1")
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*", line)
        assert name.lower() not in RESERVED
    assert re.fullmatch("[A-Z]+", method)


own_headers = st.tuples(
    st.sampled_from(["GET", "POST", "get", "TRACE", "GET ", ""]) | texts,
    st.dictionaries(
        words | texts | st.sampled_from(["Host", "hOST", "Content-Length", "Transfer-Encoding ", "X", ""]),
        texts | header_values | st.none() | st.integers(),
        max_size=3,
    ),
)

CREDENTIALS = "AzureAd__ClientCredentials"
NAMES = (
    "AzureAd__Instance", "AzureAd__TenantId", "AzureAd__ClientId", "AzureAd__Audiences", "AzureAd__Scopes",
    "AzureAd__Scopes__0", "AzureAd__AllowedClients", "AzureAd__ClientCapabilities", "AzureAd__EnablePiiLogging",
    "Requests__TimeoutSeconds", f"{CREDENTIALS}__0__SourceType", f"{CREDENTIALS}__0__ClientSecret",
    f"{CREDENTIALS}__0__KeyVaultUrl", f"{CREDENTIALS}__1__SourceType", CREDENTIALS, f"{CREDENTIALS}__0",
    "DownstreamApis__Graph__BaseUrl", "DownstreamApis__Graph__Scopes", "DownstreamApis__Graph__Scopes__0",
    "DownstreamApis__A B__BaseUrl", "DownstreamApis__", "DownstreamApis____BaseUrl", "azuread__tenantid",
    "AzureAd:TenantId", "AzureAd_ClientId", "AzureAd__", "AzureAd", "PATH",
)  # fmt: skip
GOOD = (
    "c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21", "https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com/",
    "ClientSecret", "KeyVault", "Path", "access_as_user", "a b c", "60", "0", "-1", "1e3", "true", "<your tenant>",
    "00000000-0000-0000-0000-000000000000", "https://[", "https://a:b@c/", "https://x:99999/", "http://x", "",
)  # fmt: skip
hidden = texts.map(lambda text: text.replace(MARK, VALUE))
environs = st.dictionaries(
    st.sampled_from(NAMES) | words.map(lambda w: f"AzureAd__{w}") | texts.map(lambda t: f"DownstreamApis__{t}"),
    st.sampled_from(GOOD) | hidden | hidden.map(lambda t: f"https://{t}") | hidden.map(lambda t: f"https://h/{t}"),
    max_size=14,
)
SOUND = {
    "AzureAd__TenantId": GOOD[0], "AzureAd__ClientId": GOOD[0], "AzureAd__Scopes": "s",
    "AzureAd__ClientCredentials__0__SourceType": "ClientSecret", "AzureAd__ClientCredentials__0__ClientSecret": "x",
}  # fmt: skip


def check_settings(environ: dict[str, str], figures: Figures) -> None:
    """Settings, or all that is wrong with them, by name. A name may be odd; a value is never shown."""
    settings = figures.outcome(lambda: Settings.from_environ(environ), SettingsError)
    if isinstance(settings, SettingsError):
        assert settings.problems
        assert VALUE not in f"{settings} {settings.problems}"
    else:
        assert "Secret(***)" in f"{settings!r}" or not settings.client.credentials
        assert all(isinstance(one.client_secret, Secret) for one in settings.client.credentials)


fields = st.tuples(
    st.sampled_from(["00", "01", "ff", "0"]),
    st.sampled_from(["1" * 32, "0" * 32, "F" * 32, "a" * 31]),
    st.sampled_from(["2" * 16, "0" * 16, "b" * 15]),
    st.sampled_from(["00", "01", "1", "01-x", "01\n", "01-\r\nx"]),
)
traces = texts | st.text(alphabet="0123456789abcdefABCDEF-", max_size=60) | fields.map("-".join)


def check_trace(given: tuple[str, str, str], figures: Figures) -> None:
    """One line in the log, whatever the names, and a GUID."""
    traceparent, function, reason = given
    record = figures.of(lambda: RequestRecord(function, "GET", traceparent))
    assert str(uuid.UUID(record.correlation_id)) == record.correlation_id
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", record.traceparent())
    record.close(503, ServiceUnavailable(retry_after=1, reason=reason.replace(MARK, "")))
    record.close(500, ApiError())


def cases() -> list[Case]:
    environments = environs | environs.map(lambda more: {**SOUND, **more}) | st.just(SOUND)
    odd_words = st.lists(st.sampled_from(ODD) | words, max_size=4).map("".join)
    return [
        Case("Authorization headers", bearers, check_bearer, 300),
        Case("JSON bodies", bodies, check_body),
        Case("paths", paths, check_path, 600),
        Case("an author's headers", own_headers, check_header, 300),
        Case("settings", environments, check_settings, 300),
        Case("traces", st.tuples(traces, words, odd_words), check_trace),
    ]
