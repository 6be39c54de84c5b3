"""The part of Entra's token responses that MSAL sees, and how long a token lives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.exchange.msal_client import reserialized
from shared.exchange.on_behalf_of import fingerprint_of, life_seconds

WHOLE = {
    "access_token": "token",
    "expires_in": 3599,
    "scope": "User.Read",
    "error": "invalid_grant",
    "error_codes": [50013],
    "suberror": "bad_token",
    "claims": "{}",
    "trace_id": "t",
    "correlation_id": "c",
}


def seen(document: Any, *, is_token: bool = True) -> Any:
    return json.loads(reserialized(json.dumps(document).encode(), is_token=is_token))


def test_of_a_token_response_what_is_read_is_kept_and_no_more() -> None:
    more = {"id_token": "x.y.z", "refresh_token": "r", "client_info": "e30", "error_description": "alice@contoso"}
    assert seen({**more, **WHOLE}) == WHOLE
    assert seen({**more, "access_token": "token"}) == {"access_token": "token"}


def test_of_any_other_response_everything_is_kept() -> None:
    discovery = {"issuer": "https://login.example/v2.0", "more": [1.5, None]}
    assert seen(discovery, is_token=False) == discovery


@pytest.mark.parametrize("error", ["", "invalid_grant", "a1", "x_y_z"])
def test_an_error_is_one_word(error: str) -> None:
    assert seen({"error": error}) == {"error": error}


@pytest.mark.parametrize("is_token", [True, False])
@pytest.mark.parametrize(
    "document",
    [
        {"error": "two words"}, {"error": "a,b"}, {"error": "a\r\nb"}, {"error": "_"}, {"error": "\u00e9"},
        {"error": "\u0661"}, {"error": 5}, {"error": None}, {"error": ["invalid_grant"]},
        {"scope": 5}, {"scope": None}, {"scope": ["User.Read"]}, [], "text", 5, None,
    ],
)  # fmt: skip
def test_what_msal_could_not_take_is_refused(document: Any, is_token: bool) -> None:
    with pytest.raises(ValueError, match=r"."):
        seen(document, is_token=is_token)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xef\xbb\xbf{}", '{"access_token": "t"}'.encode("utf-16"), b'{"a": 1, "a": 2}', b'{"a": NaN}'],
)
def test_what_another_parser_might_read_otherwise_is_refused_and_not_repeated(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        reserialized(content, is_token=True)
    assert "access_token" not in str(raised.value)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(None, 3600), (3599, 3599), (4199.0, 4199), ("3599", 3599), ("3599.5", 3599.5), (1, 1), ("1e3", 1000),
     ("1e+3", 1000), (86_400, 86_400), (86_401, 86_400), ("9" * 300, 86_400), ("1e999", 86_400)],
)  # fmt: skip
def test_a_life_is_a_number_of_seconds_and_a_day_at_most(expires_in: object, seconds: float) -> None:
    assert life_seconds(expires_in) == seconds


@pytest.mark.parametrize(
    "expires_in",
    [0, 0.5, -5, "", "soon", " 5", "5 ", "5\n", "0x10", "\u0665", True, [], {}, "nan", "inf", "1_000", "9" * 301],
)
def test_any_other_life_is_none(expires_in: object) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        life_seconds(expires_in)


def test_a_fingerprint_says_which_scopes_were_granted_and_not_what_they_are_called() -> None:
    one = fingerprint_of("User.Read Mail.Read")
    assert one == fingerprint_of("Mail.Read  User.Read User.Read ")
    assert one is fingerprint_of("User.Read Mail.Read")
    assert len({one, fingerprint_of("User.Read"), fingerprint_of(""), fingerprint_of("UserRead MailRead")}) == 4
    assert len(one) == 16
    assert fingerprint_of("\ud800") != fingerprint_of("")
