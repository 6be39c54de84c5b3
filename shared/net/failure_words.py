"""Why no connection came about, in words. The words name the kind, and never an address or what a library says.

Imported only after a failure.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

UNKNOWN_NAME = "the name of the host is not known to DNS"
_UNKNOWN_AUTHORITY = (
    "TLS: the certificate is of an unknown authority, perhaps of a proxy that inspects TLS: add the authority of that "
    "proxy to the file that REQUESTS_CA_BUNDLE names"
)
_TOO_STRICT = (
    "TLS: an extension in the certificate or its authority's is missing or wrong. Python 3.13 and newer check that: "
    "have the proxy that inspects TLS renew its authority"
)
_BY_VERIFY_CODE = {
    9: "TLS: the certificate is not valid yet, or the clock of this computer is slow",
    10: "TLS: the certificate has ended, or the clock of this computer is fast",
    **dict.fromkeys((18, 19, 20, 21), _UNKNOWN_AUTHORITY),
    **dict.fromkeys((62, 64), "TLS: the certificate is for another host"),
    **dict.fromkeys(range(80, 94), _TOO_STRICT),  # the codes of X509_V_FLAG_X509_STRICT, RFC 5280
}  # https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_MAX_DEPTH = 12


def words_for(error: BaseException) -> str:
    """The kind of failure behind an error of a library. "" if the kind is not known here."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _BY_VERIFY_CODE.get(cause.verify_code, "TLS: the certificate is not accepted")
    for cause in causes:
        if type(cause).__name__ == "ProxyError":
            return "the proxy that HTTPS_PROXY names refused, or does not respond"
        if isinstance(cause, ssl.SSLError):
            return "TLS: no handshake; something else than a TLS server responded"
        if isinstance(cause, socket.gaierror) or type(cause).__name__ == "NameResolutionError":
            return UNKNOWN_NAME
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
    if any(isinstance(each, FileNotFoundError) or "TLS CA certificate bundle" in str(each) for each in causes):
        return "TLS: there is no file at the path in REQUESTS_CA_BUNDLE"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and the errors that it wraps: each library keeps them in another place."""
    waiting, seen = [error], 0
    while waiting and seen < _MAX_DEPTH:
        current = waiting.pop(0)
        seen += 1
        yield current
        named = (getattr(current, name, None) for name in ("reason", "inner_exception", "__cause__", "__context__"))
        waiting += [each for each in (*current.args[:2], *named) if isinstance(each, BaseException)]
