"""Settings that Microsoft.Identity.Web documents: translated, ignored with one warning, or refused with the reason."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError
from shared.settings.identity_web import HARMLESS, IGNORED, REFUSED
from shared.settings.settings import Settings

from .test_settings import CLIENT, GOOD, TENANT, problems

AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"
WITHOUT_TENANT = {name: value for name, value in GOOD.items() if name != "AzureAd__TenantId"}


@pytest.mark.parametrize("authority", [AUTHORITY, f"{AUTHORITY}/", f"{AUTHORITY}/v2.0", f"{AUTHORITY.upper()}/V2.0/"])
def test_an_authority_stands_for_instance_and_tenant(authority: str) -> None:
    authority = authority.replace("HTTPS", "https")
    settings = Settings.from_environ({**WITHOUT_TENANT, "AzureAd__Authority": authority})
    assert settings.authority.url.lower() == AUTHORITY
    both = Settings.from_environ(
        {**GOOD, "AzureAd__Instance": AUTHORITY.rpartition("/")[0], "AzureAd__Authority": authority}
    )
    assert both.authority.tenant_id == settings.authority.tenant_id == TENANT


def test_the_authority_of_another_cloud_is_taken_at_its_word() -> None:
    authority = f"https://login.microsoftonline.us/{TENANT}/v2.0"
    settings = Settings.from_environ({"AzureAd__ClientId": CLIENT, "AzureAd__Authority": authority})
    assert settings.authority.url == authority[:-5]


@pytest.mark.parametrize(
    "authority",
    [
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/contoso.onmicrosoft.com",
        "https://contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_signup",
        "https://contoso.ciamlogin.com/",
        f"https://login.microsoftonline.com/x/{TENANT}",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize",
        f"http://login.microsoftonline.com/{TENANT}",
        f"https://u:p@login.microsoftonline.com/{TENANT}",
    ],
)
def test_another_form_of_authority_is_one_problem(authority: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({**WITHOUT_TENANT, "AzureAd__Authority": authority})
    assert list(raised.value.problems) == ["AzureAd__Authority"]
    assert "https://" in raised.value.problems["AzureAd__Authority"]


@pytest.mark.parametrize(
    "changes", [{"AzureAd__TenantId": CLIENT}, {"AzureAd__Instance": "https://login.microsoftonline.us/"}]
)
def test_an_authority_that_contradicts_is_refused(changes: dict[str, str]) -> None:
    assert list(problems(AzureAd__Authority=AUTHORITY, **changes)) == ["AzureAd__Authority"]


def test_audience_and_audiences_are_accepted_together() -> None:
    one = Settings.from_environ({**GOOD, "AzureAd__Audience": "api://one"})
    assert one.tokens.audiences == ("api://one",)
    both = Settings.from_environ({**GOOD, "AzureAd__Audience": "api://one", "AzureAd__Audiences__0": "api://two"})
    assert set(both.tokens.audiences) == {"api://one", "api://two"}
    assert "empty" in problems(AzureAd__Audience="")["AzureAd__Audience"]


def test_scopes_are_words_or_numbered_for_the_api_and_for_those_it_calls() -> None:
    graph = "DownstreamApis__Graph__Scopes"
    numbered = {name: value for name, value in GOOD.items() if name not in (graph, "AzureAd__Scopes")}
    numbered |= {
        "AzureAd__Scopes__0": "a",
        "AzureAd__Scopes__1": "b",
        f"{graph}__0": "User.Read",
        f"{graph}__1": "Mail.Read",
    }
    for settings in (
        Settings.from_environ(numbered),
        Settings.from_environ({**GOOD, "AzureAd__Scopes": "a b", graph: "User.Read Mail.Read"}),
    ):
        assert settings.scopes == ("a", "b")
        assert settings.downstream_apis["graph"].scopes == ("User.Read", "Mail.Read")


def spelled(setting: str) -> str:
    return setting.replace("<name>", "Graph")


def test_what_changes_nothing_is_ignored_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    changes = {spelled(setting): "<hunter2>" for setting in IGNORED}
    assert Settings.from_environ({**GOOD, **changes}) is not None
    (warning,) = caplog.records
    assert (warning.levelname, warning.name) == ("WARNING", "shared.settings.identity_web")
    assert all(name in warning.getMessage() for name in changes)
    assert "hunter2" not in warning.getMessage()


def test_without_such_a_setting_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    Settings.from_environ({**GOOD, **{spelled(setting): value for setting, value in HARMLESS.items()}})
    assert caplog.records == []


@pytest.mark.parametrize("setting", REFUSED)
def test_what_would_weaken_or_be_missing_is_refused_with_the_reason(setting: str) -> None:
    value = {"false": "true", "true": "false", "Bearer": "Pop"}.get(HARMLESS.get(setting, ""), "hunter2")
    assert problems(**{spelled(setting): value}) == {spelled(setting): REFUSED[setting]}
    below = f"{spelled(setting)}__0__hunter2"
    assert problems(**{below.upper(): "x"}) == {below.upper(): REFUSED[setting]}


@pytest.mark.parametrize("value", ["", "FALSE ", "no", "0"])
def test_only_the_very_value_is_harmless(value: str) -> None:
    environ = {**GOOD, "AzureAd__AllowWebApiToBeAuthorizedByACL": value}
    if value.strip().lower() == "false":
        assert Settings.from_environ(environ)
    else:
        with pytest.raises(SettingsError):
            Settings.from_environ(environ)


def test_a_misspelled_one_is_not_ignored() -> None:
    assert list(problems(AzureAd__CalbackPath="/x")) == ["AzureAd__CalbackPath"]
