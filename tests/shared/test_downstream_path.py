"""A path given to `user.api(…)` can never send the token elsewhere."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from shared.downstream.request import MAX_PATH_CHARS, checked_path, join, path_of_link

BASE = "https://orders.example/api"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "https://evil.example/",
        "evil.example",
        "",
        "@evil.example/",
        ":443@evil.example/",
        ".evil.example/",
        "\\\\evil",
        "/\\evil",
        "/a\\..\\b",
        "/../..",
        "/orders/../../admin",
        "/orders/..",
        "/./orders",
        "/%2e%2e/admin",
        "/%2E%2E/admin",
        "/%252e%252e/admin",
        "/orders/..%2fadmin",
        "/orders%5c..%5cadmin",
        "/..;/admin",
        "/%2e%2e;a=b/x",
        "/..%20/x",
        "/..%00/x",
        "/..%3Fx",
        "/..%3fx/admin",
        "/..%2523/admin",
        "/%25252e%25252e/admin",
        "/a%0d%0ab",
        "/a\r\nHost: evil.example",
        "/a\x00b",
        "/a\tb",
        "/a\x7f",
        "/a\u2028b",
        "/a%u002Fb",
        "/a%U002fb",
        "/q?a=b\r\nHost: evil.example",
        "/q?a=\x00",
        "/q?a=\u2028",
        "/orders#fragment",
        "?x=1",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match="downstream path") as raised:
        checked_path(path)
    assert "evil" not in str(raised.value)


@pytest.mark.parametrize(
    "path",
    ["/orders", "/orders/7", "/me?$select=displayName,mail", "/a/b%20c", "/users/é", "/files/..name", "/q?to=/../x"],
)
def test_ordinary_paths_stay_below_the_base(path: str) -> None:
    assert join(BASE, checked_path(path)) == BASE + path


def test_a_path_has_8_kib_at_most_with_its_query() -> None:
    longest = "/orders?q=".ljust(8 * 1024, "a")
    assert join(BASE, checked_path(longest)) == BASE + longest
    with pytest.raises(ValueError, match="downstream path"):
        checked_path(longest + "a")


def test_a_step_may_be_encoded_seven_times() -> None:
    """Even if it hides nothing. A path that is encoded more often was made to deceive."""
    letter = "%" + "25" * 6 + "41"
    assert checked_path(f"/{letter}") == f"/{letter}"
    with pytest.raises(ValueError, match="downstream path"):
        checked_path("/" + letter.replace("%", "%25"))


@pytest.mark.parametrize(
    ("path", "values", "sent"),
    [
        ("/me/messages/{id}", {"id": "AAMk/a+b=="}, "/me/messages/AAMk%2Fa%2Bb%3D%3D"),
        ("/me/messages/{id}", {"id": "/a//b/"}, "/me/messages/%2Fa%2F%2Fb%2F"),
        ("/a/{x}/b/{y}?q={z}", {"x": "1 2", "y": 3}, "/a/1%202/b/3?q={z}"),
        ("/a/{x}", {"x": "?q=1#f&g;h"}, "/a/%3Fq%3D1%23f%26g%3Bh"),
        ("/a/{x}", {"x": "50%"}, "/a/50%25"),
        ("/a/{x}", {"x": "a%2Fb"}, "/a/a%252Fb"),
        ("/a/{x}", {"x": "Zoë@contoso.com"}, "/a/Zo%C3%AB%40contoso.com"),
        ("/a/{x}{y}", {"x": ".", "y": "a"}, "/a/.a"),
        ("/users('{x}')/f(id={y})", {"x": "o'neil", "y": "7-a"}, "/users('o%27%27neil')/f(id=7-a)"),
        ("/x('{x}')/{y}", {"x": "a", "y": "b'(c)"}, "/x('a')/b%27%28c%29"),
        ("/a", {}, "/a"),
    ],
)
def test_a_value_is_quoted_into_its_step(path: str, values: dict[str, str | int], sent: str) -> None:
    assert checked_path(path, values) == sent


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../evil",
        "evil/..",
        "evil/../../x",
        "./evil",
        "%2e%2e/evil",
        "%252e%252e%252fevil",
        "..%2fevil",
        "evil\\x",
        "evil%5cx",
        "evil\r\nX: y",
        "evil%0d%0a",
        "evil\x00",
        "\u2025/evil",
        "..;/evil",
        "..?evil",
        "..#evil",
        ".%3Fevil",
        "..\uff0fevil",
        "evil\u2215x",
        "%u002fevil",
        "%ff",
        "\ud800",
        "%" + "25" * 9 + "41",
        None,
        True,
        b"evil",
        1.5,
    ],
)
def test_a_value_that_could_lead_elsewhere_is_a_value_error_that_does_not_repeat_it(value: object) -> None:
    with pytest.raises(ValueError, match="path") as raised:
        checked_path("/a/{x}/b", {"x": value})  # type: ignore[dict-item]  # a caller's code may be untyped
    assert "evil" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/a/{x}", {}),
        ("/a/{x}", {"y": "evil"}),
        ("/a/{x}", {"x": "1", "y": "evil"}),
        ("/a", {"x": "evil"}),
        ("/a?q={x}", {"x": "evil"}),
        ("/a/{x}/{}", {"x": "evil"}),
        ("/a/{x}/{y z}", {"x": "evil"}),
        ("a/{x}", {"x": "evil"}),
        ("/../{x}", {"x": "evil"}),
        ("/%2e%2e/{x}", {"x": "evil"}),
        ("/a%2Fb/{x}", {"x": "evil"}),
        ("/{x}{x}", {"x": "."}),
        ("/{x}./b", {"x": "a/."}),
        ("/.{x}", {"x": "./evil"}),
        ("/f(id={x})", {"x": "1,evil=2"}),
        ("/f(id={x})", {"x": "1)/evil"}),
        ("/a/{x}", {"x": "evil" * 3000}),
    ],
)
def test_values_and_placeholders_must_fit(path: str, values: dict[str, str | int]) -> None:
    with pytest.raises(ValueError, match="path") as raised:
        checked_path(path, values)
    assert "evil" not in str(raised.value)


def test_a_value_or_a_link_that_is_too_long_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller, or an API, would have a megabyte decoded eight times."""
    decoded: list[int] = []

    def noting(text: str) -> str:
        decoded.append(len(text))
        return unquote(text)

    monkeypatch.setattr("shared.downstream.request.unquote", noting)
    long = "%25" * 100_000
    with pytest.raises(ValueError, match="path"):
        checked_path("/a/{x}", {"x": long})
    with pytest.raises(ValueError, match="path"):
        checked_path(f"/a/{long}")
    with pytest.raises(ValueError, match="path"):
        path_of_link(f"{BASE}/{long}", BASE, BASE)
    assert max(decoded, default=0) <= MAX_PATH_CHARS


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://orders.example/api/orders?$skiptoken=a%2Fb&x=../y", "/orders?$skiptoken=a%2Fb&x=../y"),
        ("https://ORDERS.example:443/api/orders?p=2", "/orders?p=2"),
        ("https://orders.example/api/folders/A%2FB/orders?p=2", "/folders/A%2FB/orders?p=2"),
        ("/api/orders?p=2", "/orders?p=2"),
        ("?p=2", "/orders?p=2"),
    ],
)
def test_a_link_below_the_base_is_followed(link: str, path: str) -> None:
    assert path_of_link(link, f"{BASE}/orders", BASE) == path


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/orders",
        "https://orders.example/apievil",
        "https://orderz.example/api/orders",
        "https://orders.example/abc/orders",
        "https://orders.example/api",
        "https://orders.example/",
        "https://orders.example/api/../admin",
        "https://orders.example/api/%2e%2e/admin",
        "https://orders.example/api/x%2F..%2F..%2Fadmin",
        "https://orders.example/api//evil.example",
        "https://orders.example/api/..%3Fadmin",
        "https://orders.example:8443/api/orders",
        "https://orders.example@evil.example/api/orders",
        "https://evil@orders.example/api/orders",
        "https://orders.example\\@evil.example/api/orders",
        "https://orders.example/api\\..\\admin",
        "https://orders.example.evil.example/api/orders",
        "http://orders.example/api/orders",
        "//evil.example/api/orders",
        "https:\n//evil.example/api/orders",
        "https://orders.example/api/a\r\nb",
        "https://orders.example/api/orders#x",
        "https://[::1/api",
        "javascript:evil",
        "../admin",
    ],
)
def test_a_link_that_leads_elsewhere_is_a_value_error(link: str) -> None:
    with pytest.raises(ValueError, match=r"link|path|IPv6"):
        path_of_link(link, f"{BASE}/orders", BASE)
