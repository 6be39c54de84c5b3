"""Addresses that are written differently and mean the same: https://Login.Example:443 is https://login.example."""

from __future__ import annotations

from urllib.parse import urlsplit


def normalized(address: str) -> str:
    """The address with scheme and host in lower case and without https's own port (RFC 3986 §6.2.2.1, §6.2.3).

    Raises:
        ValueError: it is not an address.
    """
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower().removesuffix(":")
    if parts.scheme == "https":
        host = host.removesuffix(":443")
    return parts._replace(netloc=f"{user}{at}{host}").geturl()


def is_on_host_of(address: str, other: str) -> bool:
    """Whether scheme, host, port and user of two addresses are the same; false for what is not an address."""
    try:
        return urlsplit(normalized(address))[:2] == urlsplit(normalized(other))[:2]
    except ValueError:
        return False


def is_https_address(text: str) -> bool:
    """Whether a text is an absolute https address, without a user, that a header can carry."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 — reading it raises ValueError for a port that is no number
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return is_plain and parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
