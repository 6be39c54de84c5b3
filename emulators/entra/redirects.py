"""Redirect URIs: which ones an application may use."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..applications import Application

LOOPBACK = ("localhost", "127.0.0.1")


def is_registered(client: Application, redirect_uri: str) -> bool:
    """Whether the URI is one of the registered ones. On a loopback address the port does not count (RFC 8252, 7.3)."""
    if any(ord(character) <= 32 for character in redirect_uri):
        return False  # urlsplit would leave such characters out, the browser might not
    return any(_same_but_for_port(redirect_uri, registered) for registered in client.redirect_uris)


def same_redirect(given: str, expected: str) -> bool:
    """Whether two redirect URIs are the same but for a trailing slash."""
    return given.rstrip("/") == expected.rstrip("/")


def _same_but_for_port(given: str, registered: str) -> bool:
    try:
        left, right = urlsplit(given), urlsplit(registered)
        _ = left.port  # raises ValueError when it is not a number
    except ValueError:
        return False
    if left.scheme != "http" or left.hostname not in LOOPBACK or left.hostname != right.hostname:
        return same_redirect(given, registered)
    same_place = (left.path or "/", left.query) == (right.path or "/", right.query)
    return same_place and not left.username and not left.fragment
