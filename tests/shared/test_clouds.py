"""Clouds: their names come from one map, mixtures are refused, and External ID is known by its host name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.settings import clouds
from shared.settings.authority import Authority
from shared.settings.clouds import CHINA, CLOUDS, PUBLIC, US_GOVERNMENT, Cloud
from shared.settings.settings import Settings

from .test_settings import CLIENT, GOOD, TENANT, problems

INSTANCE = "AzureAd__Instance"
IDS = {"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT}
FEDERATED = {
    "AzureAd__ClientCredentials__0__SourceType": "SignedAssertionFromManagedIdentity",
    "AzureAd__ClientCredentials__0__ManagedIdentityClientId": CLIENT,
}


def names(cloud: Cloud) -> dict[str, str]:
    """The settings of a deployment in this cloud."""
    return {
        INSTANCE: f"https://{cloud.login}/",
        "AzureAd__ClientCredentials__0__KeyVaultUrl": f"https://contoso.{cloud.vault_suffix}/",
        "DownstreamApis__Graph__BaseUrl": f"https://{cloud.graph[-1]}/v1.0",
        "DownstreamApis__Graph__Scopes": f"https://{cloud.graph[-1]}/.default",
    }


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.login))
def test_the_names_of_one_cloud_go_together(cloud: Cloud) -> None:
    settings = Settings.from_environ({**GOOD, **names(cloud)})
    assert settings.authority.issuer == f"https://{cloud.login}/{TENANT}/v2.0"
    assert settings.authority.v1_issuer == f"https://{cloud.v1_issuer}/{TENANT}/"


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.login))
@pytest.mark.parametrize("other", CLOUDS, ids=lambda cloud: str(cloud.login))
@pytest.mark.parametrize("name", [name for name in names(PUBLIC) if name != INSTANCE])
def test_a_name_of_another_cloud_is_refused_and_the_message_names_both_settings(
    cloud: Cloud, other: Cloud, name: str
) -> None:
    if cloud is other:
        return
    found = problems(**{**names(cloud), name: names(other)[name]})
    assert list(found) == [name]
    assert INSTANCE in found[name]
    assert cloud.login in found[name]
    assert other.login in found[name]


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.login))
def test_the_audience_of_a_federated_credential_is_that_of_the_cloud(cloud: Cloud) -> None:
    given = {**IDS, **FEDERATED, INSTANCE: f"https://{cloud.login}"}
    assert Settings.from_environ(given).client.credentials[0].token_exchange_url == cloud.token_exchange_url
    name = "AzureAd__ClientCredentials__0__TokenExchangeUrl"
    own = Settings.from_environ({**given, name: "api://one-of-our-own"})
    assert own.client.credentials[0].token_exchange_url == "api://one-of-our-own"
    gone: Mapping[str, str] = {n: "" for n in GOOD if "KeyVault" in n}
    for other in CLOUDS:
        if other is not cloud:
            found = problems(**{**gone, **names(cloud), **FEDERATED, name: other.token_exchange_url})
            assert INSTANCE in found[name]


@pytest.mark.parametrize("setting", [INSTANCE, "AzureAd__Authority"])
@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.login))
def test_an_older_name_of_entra_is_refused_with_the_name_of_today(cloud: Cloud, setting: str) -> None:
    """Its tokens name the usual host as their issuer. So each of them would be refused, one by one."""
    for alias in cloud.other_logins:
        path = f"/{TENANT}/v2.0" if setting != INSTANCE else "/"
        found = problems(**{setting: f"https://{alias.upper()}{path}"})
        assert list(found) == [setting]
        assert f"https://{cloud.login}/" in found[setting]


@pytest.mark.parametrize("host", ["contoso.b2clogin.com", "CONTOSO.B2CLOGIN.COM", "contoso.b2clogin.us", "b2clogin.cn"])
def test_b2c_is_refused_with_words(host: str) -> None:
    assert "B2C" in problems(**{INSTANCE: f"https://{host}/"})[INSTANCE]
    name = "AzureAd__Authority"
    found = problems(**{name: f"https://{host}/tfp/contoso.onmicrosoft.com/B2C_1_signup"})
    assert "B2C" in found[name]


@pytest.mark.parametrize("host", ["notb2clogin.com", "b2clogin.com.example", "login.example"])
def test_any_other_host_is_one_of_your_own(host: str) -> None:
    settings = Settings.from_environ({**GOOD, INSTANCE: f"https://{host}"})
    assert settings.authority.issuer == f"https://{host}/{TENANT}/v2.0"


@pytest.mark.parametrize("host", [f"{TENANT}.ciamlogin.com", "contoso.ciamlogin.com", "Contoso.CIAMlogin.com"])
def test_the_issuer_of_external_id_has_the_tenant_id_as_its_host(host: str) -> None:
    authority = Settings.from_environ({**GOOD, INSTANCE: f"https://{host}/"}).authority
    own = f"https://{TENANT}.ciamlogin.com/{TENANT}"
    assert authority.issuer == f"{own}/v2.0"
    assert authority.url == f"https://{host.lower()}/{TENANT}"
    assert authority.own_address(f"{own}/discovery/v2.0/keys")
    assert authority.own_address(f"{authority.url}/discovery/v2.0/keys")
    assert not authority.own_address(f"https://fabrikam.ciamlogin.com/{TENANT}/discovery/v2.0/keys")
    assert not authority.own_address(f"https://ciamlogin.com/{TENANT}/discovery/v2.0/keys")
    assert settings_of_us(host) == ["DownstreamApis__Graph__BaseUrl"]


def settings_of_us(host: str) -> list[str]:
    """External ID is in the public cloud."""
    return list(
        problems(**{INSTANCE: f"https://{host}/", "DownstreamApis__Graph__BaseUrl": "https://graph.microsoft.us/v1.0"})
    )


DISCOVERED: dict[str, bool] = {
    f"https://{TENANT}.ciamlogin.com/{TENANT}/v2.0": True,
    f"https://login.microsoftonline.com/{TENANT}/v2.0": True,
    f"https://login.microsoftonline.com/{CLIENT}/v2.0": False,
    f"https://login.microsoftonline.com/x/{TENANT}/v2.0": False,
    f"https://login.microsoftonline.com/{TENANT}/v2.0/": False,
    f"https://login.microsoftonline.com/{TENANT}/v2.0?x={TENANT}": False,
    f"https://login.microsoftonline.com/{TENANT}": False,
    f"https://login.microsoftonline.com:444/{TENANT}/v2.0": False,
    f"https://user@login.microsoftonline.com/{TENANT}/v2.0": False,
    f"http://login.microsoftonline.com/{TENANT}/v2.0": False,
    f"https:///{TENANT}/v2.0": False,
    "https://login.microsoftonline.com/{tenantid}/v2.0": False,
    "": False,
}


@pytest.mark.parametrize("issuer", DISCOVERED)
def test_a_domain_of_ones_own_may_name_another_host_as_issuer_and_no_other_tenant(issuer: str) -> None:
    authority = Authority("https://login.contoso.example", TENANT, CLIENT)
    assert authority.discovered_issuer(issuer) == (issuer if DISCOVERED[issuer] else "")


@pytest.mark.parametrize("issuer", [None, 7, ["x"], {}])
def test_what_is_no_text_is_no_issuer(issuer: object) -> None:
    assert Authority("https://login.contoso.example", TENANT, CLIENT).discovered_issuer(issuer) == ""


@pytest.mark.parametrize("host", [*(cloud.login for cloud in CLOUDS), "contoso.ciamlogin.com"])
def test_where_the_issuer_is_known_no_document_names_another(host: str) -> None:
    authority = Authority(f"https://{host}", TENANT, CLIENT)
    assert not any(authority.discovered_issuer(issuer) for issuer in DISCOVERED)


def test_no_name_is_in_two_clouds() -> None:
    every = [name for cloud in CLOUDS for name in (cloud.login, *cloud.other_logins, *cloud.graph, cloud.vault_suffix)]
    assert len(every) == len(set(every))
    assert {PUBLIC, US_GOVERNMENT, CHINA} == set(CLOUDS)
    assert clouds.known_cloud("https://login.example") is None
    assert clouds.known_cloud("https://[::1") is None
    assert clouds.known_cloud("https://ciamlogin.com") is None
