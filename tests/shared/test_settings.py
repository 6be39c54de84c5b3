"""Settings: read in the schema of Microsoft.Identity.Web, refused all at once and by name."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError
from shared.settings.settings import Settings

TENANT, CLIENT = "4b1c8a52-7f3e-4a0f-9d5e-0c8f6f0b1a2d", "9e2d7c41-5b6a-4c3d-8e1f-2a3b4c5d6e7f"
GOOD = {
    "AzureAd__TenantId": TENANT,
    "AzureAd__ClientId": CLIENT,
    "AzureAd__Scopes": "access_as_user",
    "AzureAd__ClientCredentials__0__SourceType": "KeyVault",
    "AzureAd__ClientCredentials__0__KeyVaultUrl": "https://contoso.vault.azure.net/",
    "AzureAd__ClientCredentials__0__KeyVaultCertificateName": "api-client",
    "DownstreamApis__Graph__BaseUrl": "https://graph.microsoft.com/v1.0",
    "DownstreamApis__Graph__Scopes": "https://graph.microsoft.com/.default",
}


def problems(**changes: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({**GOOD, **changes})
    assert all(isinstance(problem, str) and problem for problem in raised.value.problems.values())
    return raised.value.problems


def test_defaults_are_those_of_the_public_cloud_and_of_microsoft_identity_web() -> None:
    settings = Settings.from_environ(GOOD)
    assert settings.authority.url == f"https://login.microsoftonline.com/{TENANT}"
    assert settings.tokens.audiences == (CLIENT, f"api://{CLIENT}")
    assert settings.client.capabilities == settings.tokens.allowed_clients == ()
    assert settings.downstream_apis["graph"].scopes == ("https://graph.microsoft.com/.default",)


def test_the_pages_of_entra_are_those_of_the_tenant() -> None:
    ids = {"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT}
    settings = Settings.from_environ({**ids, "AzureAd__Instance": "https://login.microsoftonline.us/"})
    authority = f"https://login.microsoftonline.us/{TENANT}"
    assert settings.authority.authorization_uri == f"{authority}/oauth2/v2.0/authorize"
    assert settings.authority.admin_consent_url == f"{authority}/adminconsent?client_id={CLIENT}"


def test_a_request_may_take_a_minute_or_as_long_as_is_set() -> None:
    name = "AzureAd__RequestTimeoutSeconds"
    assert Settings.from_environ(GOOD).request_timeout == 60
    for seconds in (1, 200):  # the platform gives up after 230
        assert Settings.from_environ({**GOOD, name: str(seconds)}).request_timeout == seconds
    for wrong in ("0", "201", "1.5", "-1", "soon"):
        assert problems(**{name: wrong}) == {name: "must be a whole number from 1 to 200"}


@pytest.mark.parametrize(
    ("asked", "threads"),
    [("", 100), ("1", 100), ("100", 100), ("101", 101), ("1000", 1000), ("1001", 1000), ("-5", 100), ("many", 100)],
)
def test_as_many_async_calls_may_wait_as_def_functions_from_100_to_1000(asked: str, threads: int) -> None:
    assert Settings.from_environ({**GOOD, "PYTHON_THREADPOOL_THREAD_COUNT": asked}).waiting_threads == threads


def test_a_guid_may_be_written_in_capitals() -> None:
    settings = Settings.from_environ({**GOOD, "AzureAd__TenantId": TENANT.upper(), "AzureAd__ClientId": CLIENT.upper()})
    assert (settings.authority.tenant_id, settings.authority.client_id) == (TENANT, CLIENT)


@pytest.mark.parametrize(("value", "is_on"), [("true", True), ("TRUE", True), ("false", False), ("False", False)])
def test_a_switch_is_true_or_false(value: str, is_on: bool) -> None:
    name = "AzureAd__EnablePiiLogging"
    assert Settings.from_environ(GOOD).tokens.enable_pii_logging is False
    assert Settings.from_environ({**GOOD, name: value}).tokens.enable_pii_logging is is_on
    for wrong in ("yes", "1", "truee"):
        assert problems(**{name: wrong}) == {name: "must be true or false"}


def test_a_number_has_nine_digits_at_most() -> None:
    """Python itself raises an error for a number of some thousand digits."""
    name = "TokenCache__MaxSessions"
    assert Settings.from_environ({**GOOD, name: "000000005"}).max_sessions == 5
    for wrong in ("0000000005", "9" * 5000):
        assert list(problems(**{name: wrong})) == [name]


def test_an_api_that_calls_no_other_needs_no_credential() -> None:
    settings = Settings.from_environ({"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT})
    assert (settings.client.credentials, settings.downstream_apis) == ((), {})


def test_lists_are_words_or_numbered() -> None:
    words = Settings.from_environ({**GOOD, "AzureAd__Audiences": "api://one api://two"})
    numbered = Settings.from_environ(
        {**GOOD, "AzureAd__Audiences__0": "api://one", "AzureAd__Audiences__1": "api://two"}
    )
    assert words.tokens.audiences == numbered.tokens.audiences == ("api://one", "api://two")


def test_names_are_read_without_regard_to_case() -> None:
    """Windows gives every variable's name in capitals."""
    assert Settings.from_environ({name.upper(): value for name, value in GOOD.items()}).authority.tenant_id == TENANT


def test_credentials_keep_their_order() -> None:
    settings = Settings.from_environ(
        {
            **GOOD,
            "AzureAd__ClientCredentials__1__SourceType": "ClientSecret",
            "AzureAd__ClientCredentials__1__ClientSecret": "s",
        }
    )
    assert [source.source_type for source in settings.client.credentials] == ["KeyVault", "ClientSecret"]


@pytest.mark.parametrize("missing", ["KeyVaultUrl", "KeyVaultCertificateName"])
def test_a_key_in_the_vault_is_named_like_a_certificate_in_the_vault(missing: str) -> None:
    at = "AzureAd__ClientCredentials__0__"
    changed = {at + "SourceType": "signedassertionfromvault"}
    (source,) = Settings.from_environ({**GOOD, **changed}).client.credentials
    known = source.source_type, source.key_vault_url, source.key_vault_certificate_name
    assert known == (
        "SignedAssertionFromVault",
        GOOD[at + "KeyVaultUrl"].rstrip("/"),
        GOOD[at + "KeyVaultCertificateName"],
    )
    assert problems(**changed, **{at + missing: ""}) == {at + missing: "is missing"}


def test_without_a_client_id_the_managed_identity_is_the_apps_own() -> None:
    kept = {name: value for name, value in GOOD.items() if "ClientCredentials" not in name}
    kept["AzureAd__ClientCredentials__0__SourceType"] = "SignedAssertionFromManagedIdentity"
    (source,) = Settings.from_environ(kept).client.credentials
    assert source.managed_identity_client_id == ""


def test_every_wrong_setting_is_named_at_once_and_no_value_is_shown() -> None:
    found = problems(
        AzureAd__TenantId="common",
        AzureAd__ClientId="<client id of the API>",
        AzureAd__Instance="http://login.example",
        AzureAd__ClientCredentials__0__KeyVaultUrl="",
        DownstreamApis__Graph__Scopes="",
        DownstreamApis__Orders__BaseUrl="https://user:pw@orders.example",
        AzureAd__AllowedClient__0="s3cret-looking",
    )
    assert set(found) == {
        "AzureAd__TenantId",
        "AzureAd__ClientId",
        "AzureAd__Instance",
        "AzureAd__ClientCredentials__0__KeyVaultUrl",
        "DownstreamApis__Graph__Scopes",
        "DownstreamApis__Orders__BaseUrl",
        "DownstreamApis__Orders__Scopes",
        "AzureAd__AllowedClient__0",
    }
    assert not any(word in str(found) for word in ("common", "<client", "login.example", "pw@", "s3cret"))


@pytest.mark.parametrize("value", ["<your tenant id>", "00000000-0000-0000-0000-000000000000"])
def test_a_placeholder_left_in_is_called_that(value: str) -> None:
    assert "placeholder" in problems(AzureAd__TenantId=value)["AzureAd__TenantId"]


def test_a_misspelled_setting_is_refused_with_the_right_spelling() -> None:
    """It might be a restriction, which would then be missing."""
    assert "AzureAd__AllowedClients" in problems(AzureAd__AlowedClients="x")["AzureAd__AlowedClients"]


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("AzurAd__AllowedClients", "AzureAd"),
        ("AzurAd__", "AzureAd"),
        ("TokenCach__MaxSessions", "TokenCache"),
        ("downstreamapi__Graph__Scopes", "DownstreamApis"),
    ],
)
def test_a_misspelled_section_is_refused_with_the_right_spelling(name: str, section: str) -> None:
    assert f"did you mean {section}__" in problems(**{name: "x"})[name]


@pytest.mark.parametrize("name", ["AzureWebJobsStorage__accountName", "AzureAdB2C__TenantId", "AZUREAD", "Tokens__Max"])
def test_settings_of_others_are_left_alone(name: str) -> None:
    assert Settings.from_environ({**GOOD, name: "x"})


@pytest.mark.parametrize("name", ["AzureAd:AllowedClients", "AzureAd_AllowedClients", "AZUREAD.AllowedClients"])
def test_a_setting_written_as_elsewhere_is_not_overlooked(name: str) -> None:
    assert list(problems(**{name: "x"})) == [name]


def test_a_setting_given_twice_in_different_case_is_refused() -> None:
    assert "twice" in str(problems(AzureAd__allowedclients="", AzureAd__AllowedClients="x"))


@pytest.mark.parametrize("name", ["AzureAd__AllowedClients", "AzureAd__Audiences", "AzureAd__Scopes"])
def test_an_empty_list_is_not_taken_for_no_restriction(name: str) -> None:
    assert "empty" in problems(**{name: " "})[name]


@pytest.mark.parametrize("scope", ["openid", "profile", "offline_access"])
def test_scopes_that_msal_reserves_are_refused_at_start(scope: str) -> None:
    assert list(problems(DownstreamApis__Graph__Scopes=f"User.Read {scope}")) == ["DownstreamApis__Graph__Scopes"]


def test_a_wrong_source_type_is_one_problem_not_five() -> None:
    assert list(problems(AzureAd__ClientCredentials__0__SourceType="Vault")) == [
        "AzureAd__ClientCredentials__0__SourceType"
    ]


def test_a_gap_in_numbered_credentials_is_seen() -> None:
    found = problems(AzureAd__ClientCredentials__2__SourceType="ClientSecret")
    assert list(found) == ["AzureAd__ClientCredentials__2__SourceType"]


def test_downstream_apis_need_a_credential() -> None:
    without = {name: value for name, value in GOOD.items() if "Credentials" not in name}
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(without)
    assert list(raised.value.problems) == ["AzureAd__ClientCredentials__0__SourceType"]


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.example",
        "graph.example",
        "https://",
        "https://u@graph.example",
        "https://@graph.example",
        "https://:p@graph.example",
        "https://[::1",
        "https://graph.example?x=1",
        "https://gr\u00e4ph.example",
        "https://h/#x",
        "https://h:x/",
        "https://h /",
    ],
)
def test_a_base_url_is_https_and_nothing_but_an_address(url: str) -> None:
    assert "https" in problems(DownstreamApis__Graph__BaseUrl=url)["DownstreamApis__Graph__BaseUrl"]


REDIS_URL, REDIS_IDENTITY = "TokenCache__Redis__Url", "TokenCache__Redis__ManagedIdentityClientId"


def test_the_token_cache_is_bounded_and_shared_with_nobody_unless_it_is_said() -> None:
    settings = Settings.from_environ(GOOD)
    assert (settings.max_sessions, settings.max_session_bytes) == (10_000, 64_000_000)
    assert settings.redis is None
    settings = Settings.from_environ({**GOOD, "TokenCache__MaxSessions": "1", "TokenCache__MaxMegabytes": "1000000"})
    assert (settings.max_sessions, settings.max_session_bytes) == (1, 1_000_000_000_000)


@pytest.mark.parametrize("name", ["TokenCache__MaxSessions", "TokenCache__MaxMegabytes"])
@pytest.mark.parametrize("value", ["0", "-1", "1000001", "1e6", "10.5", "many", "0x10", "٣", "9" * 30])
def test_a_bound_of_the_cache_is_a_whole_number_within_bounds(name: str, value: str) -> None:
    assert problems(**{name: value}) == {name: "must be a whole number from 1 to 1000000"}


@pytest.mark.parametrize(
    "url",
    [
        "rediss://redis.example:10000",
        "rediss://:pass%2Fword@redis.example:6380",
        "rediss://user:password@redis.example",
        "rediss://localhost:10000",
        "rediss://redis.example/3",
        "redis://localhost:6379",
        "redis://127.0.0.1:6379",
        "redis://[::1]:6379",
    ],
)
def test_redis_is_reached_by_tls_or_on_this_machine(url: str) -> None:
    redis = Settings.from_environ({**GOOD, REDIS_URL: url}).redis
    assert redis is not None
    assert redis.url.reveal() == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis.example:6379",
        "redis://127.0.0.1.example:6379",
        "redis://localhost.example",
        "redis://localhost@redis.example",
        "redis://10.0.0.1:6379",
        "redis://0.0.0.0:6379",
        "http://localhost",
        "unix:///tmp/redis.sock",
        "redis.example:6379",
        "rediss://",
        "rediss://:10000",
        "rediss://redis.example:port",
        "rediss://redis.example:99999",
        "rediss://redis.example?ssl_cert_reqs=none",
        "rediss://redis.example#x",
        "rediss://redis example",
        "rediss://rédis.example",
    ],
)
def test_any_other_address_of_redis_is_refused_by_name(url: str) -> None:
    """Above all those that would send the password in the clear, or switch off the check of the certificate."""
    found = problems(**{REDIS_URL: url})
    assert list(found) == [REDIS_URL]
    assert "rediss://host:port" in found[REDIS_URL]
    assert "example" not in found[REDIS_URL]


@pytest.mark.parametrize("url", ["rediss://redis.example:0", "rediss://redis.example/x", "rediss://redis.example/3/4"])
def test_an_address_that_redis_would_not_be_found_under_is_refused(url: str) -> None:
    assert list(problems(**{REDIS_URL: url})) == [REDIS_URL]


def test_an_identity_without_an_address_is_refused() -> None:
    assert list(problems(**{REDIS_IDENTITY: CLIENT})) == [REDIS_URL]
    assert list(problems(**{REDIS_IDENTITY: "id-api", REDIS_URL: "rediss://redis.example"})) == [REDIS_IDENTITY]


@pytest.mark.parametrize("user", ["user:password@", ":password@", "user@"])
def test_an_identity_and_a_password_exclude_each_other(user: str) -> None:
    """The library would refuse every connection, and nothing would report it."""
    found = problems(**{REDIS_IDENTITY: CLIENT, REDIS_URL: f"rediss://{user}redis.example:10000"})
    assert list(found) == [REDIS_URL]
    assert "password@" not in str(found)


@pytest.mark.parametrize(
    "name", ["TokenCache__MaxSession", "TokenCache__Redis__URI", "TokenCache__Redis", "TokenCache:Redis:Url"]
)
def test_a_misspelled_setting_of_the_cache_is_refused(name: str) -> None:
    assert list(problems(**{name: "x"})) == [name]


def test_secrets_do_not_show() -> None:
    settings = Settings.from_environ(
        {
            "AzureAd__TenantId": TENANT,
            "AzureAd__ClientId": CLIENT,
            "AzureAd__ClientCredentials__0__SourceType": "Base64Encoded",
            "AzureAd__ClientCredentials__0__Base64EncodedValue": "TUlJ-secret",
            "AzureAd__ClientCredentials__0__CertificatePassword": "hunter2",
            REDIS_URL: "rediss://:hunter2@redis.example:10000",
        }
    )
    assert "TUlJ" not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert settings.client.credentials[0].base64_encoded_value.reveal() == "TUlJ-secret"


def test_other_peoples_variables_are_left_alone() -> None:
    assert Settings.from_environ({**GOOD, "AZURE_CLIENT_ID": "x", "PATH": "<odd>", "TokenCaching__Size": "1"})
