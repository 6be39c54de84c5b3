"""The addresses of an authority; addresses that mean the same are the same, and no others are."""

from __future__ import annotations

import pytest

from shared.settings.authority import Authority, normalized

PLAIN = "https://login.example/Tenant/v2.0?P=x#F"
AUTHORITY = Authority("https://login.example", "tenant", "client")


@pytest.mark.parametrize(
    "address",
    [
        "https://login.example/Tenant/v2.0?P=x#F",
        "HTTPS://Login.EXAMPLE/Tenant/v2.0?P=x#F",
        "https://login.example:443/Tenant/v2.0?P=x#F",
        "https://login.example:/Tenant/v2.0?P=x#F",
    ],
)
def test_host_and_scheme_have_no_case_and_https_has_its_port(address: str) -> None:
    assert normalized(address) == PLAIN
    assert AUTHORITY.own_address(address) == PLAIN


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("http://login.example:443/", "http://login.example:443/"),
        ("https://login.example:444/", "https://login.example:444/"),
        ("https://login.example:1443", "https://login.example:1443"),
        ("https://User@Login.example/", "https://User@login.example/"),
        ("https://User:Pass@Word@Login.example:443/", "https://User:Pass@Word@login.example/"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
    ],
)
def test_nothing_else_is_changed(address: str, same: str) -> None:
    assert normalized(address) == same


@pytest.mark.parametrize(
    "other",
    [
        "http://login.example/",
        "https://login.example:444/",
        "https://login.example.evil.example/",
        "https://evil.example/login.example",
        "https://login.example@evil.example/",
        "https://user@login.example/",
        "//login.example/",
        "login.example",
        "https://[::1",
        "",
        None,
        7,
    ],
)
def test_another_host_port_scheme_or_user_is_elsewhere(other: object) -> None:
    assert AUTHORITY.own_address(other) == ""


@pytest.mark.parametrize("address", ["https://[::1", "https://[x]/"])
def test_what_is_not_an_address_is_a_value_error(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normalized(address)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "https://login.example/tenant"),
        ("issuer", "https://login.example/tenant/v2.0"),
        ("v1_issuer", "https://sts.windows.net/tenant/"),
        ("discovery_url", "https://login.example/tenant/v2.0/.well-known/openid-configuration"),
        ("realm", "tenant"),
        ("authorization_uri", "https://login.example/tenant/oauth2/v2.0/authorize"),
        ("admin_consent_url", "https://login.example/tenant/adminconsent?client_id=client"),
    ],
)
def test_an_authority_has_its_issuers_and_endpoints(name: str, value: object) -> None:
    assert getattr(AUTHORITY, name) == value
