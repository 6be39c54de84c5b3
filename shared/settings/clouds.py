"""The clouds of Microsoft: what Entra, Microsoft Graph and Key Vault are called in each. Nothing else here names one.

https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
https://learn.microsoft.com/graph/deployments#microsoft-graph-and-graph-explorer-service-root-endpoints
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .environ import EnvironReader

EXTERNAL_ID = ".ciamlogin.com"
"""The end of the host names of Entra External ID, which is in the public cloud."""
_B2C = re.compile(r"(.+\.)?b2clogin\.(com|cn|us|de)")
_INSTANCE = "AzureAd__Instance"
_NEARLY = 0.85  # how alike two names must be; login.contoso.com and login.microsoftonline.com are 0.67 alike


class Cloud(NamedTuple):
    """One cloud, by host names in lower case. Of several names the first is the usual one."""

    login: str
    other_logins: tuple[str, ...]
    """Older names of the same service. Its tokens name `login` as their issuer."""
    v1_issuer: str
    graph: tuple[str, ...]
    token_exchange_url: str
    """The audience of a managed identity's token that stands for the app (workload identity federation)."""
    vault_suffix: str


PUBLIC = Cloud(
    "login.microsoftonline.com",
    ("login.windows.net", "login.microsoft.com", "sts.windows.net", "login-us.microsoftonline.com"),
    "sts.windows.net",
    ("graph.microsoft.com",),
    "api://AzureADTokenExchange",
    "vault.azure.net",
)
US_GOVERNMENT = Cloud(
    "login.microsoftonline.us",
    ("login.usgovcloudapi.net",),
    "sts.windows.net",
    ("graph.microsoft.us", "dod-graph.microsoft.us"),
    "api://AzureADTokenExchangeUSGov",
    "vault.usgovcloudapi.net",
)
CHINA = Cloud(
    "login.partner.microsoftonline.cn",
    ("login.chinacloudapi.cn",),
    "sts.chinacloudapi.cn",
    ("microsoftgraph.chinacloudapi.cn",),
    "api://AzureADTokenExchangeChina",
    "vault.azure.cn",
)
CLOUDS = (PUBLIC, US_GOVERNMENT, CHINA)
GRAPH_HOSTS = frozenset(host for cloud in CLOUDS for host in cloud.graph)


def host_of(address: str) -> str:
    """The host name of an address in lower case; "" for a text that is no address."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def known_cloud(instance: str) -> Cloud | None:
    """The cloud of Entra's address. None if it is not known, such as that of a domain of one's own."""
    host = host_of(instance)
    if host.endswith(EXTERNAL_ID):
        return PUBLIC
    return next((cloud for cloud in CLOUDS if host == cloud.login), None)


def cloud_of(instance: str) -> Cloud:
    """The cloud of Entra's address. The public cloud if the address is not known."""
    return known_cloud(instance) or PUBLIC


def judge_instance(env: EnvironReader, name: str, instance: str) -> None:
    """Notes a problem for Azure AD B2C and for an older name of Entra. `name`: the setting that has the address."""
    host = host_of(instance)
    if _B2C.fullmatch(host):
        env.problems.setdefault(
            name, "is Azure AD B2C, whose tokens are not accepted; External ID is https://NAME.ciamlogin.com/"
        )
    usual = next((cloud.login for cloud in CLOUDS if host in cloud.other_logins), "")
    if usual:
        env.problems.setdefault(name, f"is an older name; its tokens name another issuer. Write https://{usual}/")
    meant = _nearly(host) if not usual and known_cloud(instance) is None else ""
    if meant:
        env.problems.setdefault(name, f"is misspelled: no cloud of Microsoft has this address. Did you mean {meant}?")


def _nearly(host: str) -> str:
    """The address of Entra whose name is spelled nearly like this one; "" if there is none.

    A domain of one's own is spelled quite differently. A name that is only nearly Entra's may belong to a stranger.
    """
    import difflib  # only for an address that is not known

    if difflib.get_close_matches(host[-len(EXTERNAL_ID) :], [EXTERNAL_ID], cutoff=_NEARLY):
        return f"https://NAME{EXTERNAL_ID}/"
    near = difflib.get_close_matches(host, [cloud.login for cloud in CLOUDS], n=1, cutoff=_NEARLY)
    return f"https://{near[0]}/" if near else ""


def refuse_mixtures(env: EnvironReader, instance: str, addresses: Iterable[tuple[str, str]]) -> None:
    """Notes a problem for each address of another cloud than Entra's.

    Args:
        instance: Entra's address.
        addresses: setting and value: a base URL, a scope, a vault or the audience of a token exchange.
    """
    own = known_cloud(instance)
    for name, address in addresses:
        its = _cloud_that_has(address)
        if own is not None and its is not None and its is not own:
            env.problems.setdefault(
                name, f"belongs to the cloud of {its.login}, and {_INSTANCE} is in that of {own.login}"
            )


def _cloud_that_has(address: str) -> Cloud | None:
    host = host_of(address)
    for cloud in CLOUDS:
        is_its = host in cloud.graph or host.endswith(f".{cloud.vault_suffix}")
        if is_its or address == cloud.token_exchange_url:
            return cloud
    return None
