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
