"""The environment of the processes: the settings a deployment would have, and the way to the emulators."""

from __future__ import annotations

from pathlib import Path

from .applications import API, API_ID, API_IDENTITY, CLIENT_ID
from .people import CONTOSO, FABRIKAM
from .resources.store import GROUP, SITE, SUBSCRIPTION, VAULT_NAME
from .table import DownstreamApi, Table
from .table_settings import public_urls
from .vault import VAULT_HOST

INSTANCE = "https://login.microsoftonline.com/"
CERTIFICATE_NAME = "api-client"
THREADS = "100"  # as httpConcurrency in infra/main.bicep


def transport(process: str, gateway_port: int, ca: Path) -> dict[str, str]:
    """Sends a process's HTTPS through the gateway. Both spellings, because an old one of the other case would win."""
    proxy = f"http://{process}:local@127.0.0.1:{gateway_port}"
    direct = "localhost,127.0.0.1"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "REQUESTS_CA_BUNDLE": str(ca),
        "SSL_CERT_FILE": str(ca),
    }


def api_settings(table: Table, identity_url: str, identity_header: str) -> dict[str, str]:
    """App settings of the API, and what the platform gives an app with a managed identity; the table's settings win."""
    return {"IDENTITY_ENDPOINT": identity_url, "IDENTITY_HEADER": identity_header, **site_settings(table)}


def site_settings(table: Table) -> dict[str, str]:
    """The app settings that infra/ would give the site of the API; the table's settings win."""
    credential, downstream = "AzureAd__ClientCredentials__0__", "DownstreamApis__"
    return {
        "PYTHON_THREADPOOL_THREAD_COUNT": THREADS,
        "AzureAd__Instance": INSTANCE,
        **_tenants(table),
        "AzureAd__ClientId": API_ID,
        "AzureAd__Scopes": table.scopes[0],
        "AzureAd__ClientCapabilities__0": "cp1",
        **_public_urls(table),
        f"{credential}SourceType": "KeyVault",
        f"{credential}KeyVaultUrl": f"https://{VAULT_HOST}/",
        f"{credential}KeyVaultCertificateName": CERTIFICATE_NAME,
        f"{credential}ManagedIdentityClientId": API_IDENTITY.client_id,
        f"{downstream}Graph__BaseUrl": "https://graph.microsoft.com/v1.0",
        f"{downstream}Graph__Scopes": "https://graph.microsoft.com/.default",
        **{f"{downstream}{api.name}__BaseUrl": api.base_url for api in table.apis},
        **{f"{downstream}{api.name}__Scopes": api.full_scopes for api in table.apis},
        **{f"{downstream}{api.name}__RequestAppToken": "true" for api in table.apis if api.app_roles},
        **{f"{downstream}{service.name}__BaseUrl": service.base_url for service in table.azure},
        **{f"{downstream}{service.name}__Scopes": service.full_scopes for service in table.azure},
        **table.settings,
    }


def _public_urls(table: Table) -> dict[str, str]:
    """The addresses of the API, unless the table's settings have them."""
    if public_urls(table.settings):
        return {}
    return {f"AzureAd__PublicUrls__{number}": url for number, url in enumerate(table.public_urls)}


def _tenants(table: Table) -> dict[str, str]:
    """The settings that say whose users may call."""
    if not table.for_several_tenants:
        return {"AzureAd__TenantId": CONTOSO}
    listed = {f"AzureAd__AllowedTenants__{number}": tenant for number, tenant in enumerate((CONTOSO, FABRIKAM))}
    return {"AzureAd__TenantId": "organizations", **listed}


def downstream_settings(table: Table, api: DownstreamApi) -> dict[str, str]:
    """What an API of the table needs in order to check its tokens."""
    return {
        "PYTHON_THREADPOOL_THREAD_COUNT": THREADS,
        "AzureAd__Instance": INSTANCE,
        **_tenants(table),
        "AzureAd__ClientId": api.client_id,
        **({"AzureAd__Scopes": api.scopes[0]} if api.scopes else {}),
        **({"PYTHON_SCRIPT_FILE_NAME": api.app} if api.app else {}),
    }


def script_settings(identity_url: str, identity_header: str) -> dict[str, str]:
    """The variables and the managed identity of the deployment script that makes the client certificate."""
    return {
        "IDENTITY_ENDPOINT": identity_url,
        "IDENTITY_HEADER": identity_header,
        "VAULT_NAME": VAULT_HOST.partition(".")[0],
        "CERTIFICATE_NAME": CERTIFICATE_NAME,
    }


def doctor_settings(table: Table) -> dict[str, str]:
    """What `dev.py doctor` is told: the settings of the site, and what azd puts out about a deployment."""
    return {
        **site_settings(table),
        **client_settings(table),
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION.rpartition("/")[2],
        "AZURE_RESOURCE_GROUP": GROUP.rpartition("/")[2],
        "AZURE_FUNCTION_NAME": SITE,
        "KEY_VAULT_ID": f"{GROUP}/providers/Microsoft.KeyVault/vaults/{VAULT_NAME}",
    }


def client_settings(table: Table, client_id: str = CLIENT_ID, secret: str = "") -> dict[str, str]:
    """What the sample client needs to know of the tenant. With a secret it is a daemon, which calls as itself."""
    return {
        "TENANT_ID": CONTOSO,
        "CLIENT_APP_ID": client_id,
        "API_SCOPE": f"{API.identifier_uris[0]}/{table.scopes[0]}",
        **({"CLIENT_SECRET": secret} if secret else {}),
    }
