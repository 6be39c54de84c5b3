"""A function returns an API's redirect: its address goes on to the caller, if it is one that a browser may open."""

from __future__ import annotations

import pytest

from shared.downstream.api import ApiResponse
from shared.errors import BadGateway
from shared.hosting.response import reply_to


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "address", ["https://files.example/a?sig=1&e=%2F", "HTTPS://files.example:8443/", "https://[::1]/a"]
)
def test_an_https_address_goes_on_and_nothing_else(status: int, address: str) -> None:
    headers = {"Location": address, "Set-Cookie": "a=b", "Content-Type": "text/html"}
    reply = reply_to(ApiResponse(status, headers, b"<a href=x>here</a>"))
    assert (reply.status_code, reply.get_body()) == (status, b"")
    assert dict(reply.headers) == {"Location": address, "Cache-Control": "no-store"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/relative",
        "//evil.example",
        "http://files.example/a",
        "javascript:alert(1)",
        "data:text/html,evil",
        "https:files.example",
        "https:///files.example",
        "https://user@files.example/",
        "https://files.example\\@evil.example/",
        "https://files.example/\r\nX-Evil: 1",
        "https://files.example/a b",
        "https://files.example/é",
        "https://files.example:evil/",
        "https://[::1",
    ],
)
def test_any_other_address_is_a_bad_gateway_that_does_not_repeat_it(address: str) -> None:
    with pytest.raises(BadGateway) as raised:
        reply_to(ApiResponse(302, {"Location": address}, b""))
    assert "evil" not in str(raised.value)


def test_a_304_has_no_address() -> None:
    reply = reply_to(ApiResponse(304, {"Location": "https://files.example/"}, b""))
    assert (reply.status_code, reply.headers.get("Location")) == (304, None)
