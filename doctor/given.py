"""What the doctor is told: the environment, and above it files of settings.

A file is what `azd env get-values` prints, or local.settings.json. azd puts out names of its own. They become the app
settings that infra/main.bicep makes of the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from client.env_file import read_env_file
from client.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("azuread__", "downstreamapis__", "tokencache__")
_CREDENTIAL = "AzureAd__ClientCredentials__0__"
_SOURCES = {"vaultKey": "SignedAssertionFromVault"}


class Given:
    """Names and values. Names are compared without regard to case, as the API does."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value.strip() for name, value in values.items()}
        self.settings = {name: value for name, value in values.items() if name.lower().startswith(SECTIONS)}
        """The app settings of the API."""
        if not any(name.startswith("azuread__") for name in self._values):
            self.settings |= settings_of_azd(self)

    @classmethod
    def read(cls, environ: Mapping[str, str], files: Iterable[Path] = ()) -> Given:
        """The environment, and the files in their order; the last one wins. Raises SettingsError."""
        values = dict(environ)
        for file in files:
            known = {name.lower(): name for name in values}
            for name, value in _read(file).items():
                values[known.get(name.lower(), name)] = value
        return cls(values)

    def text(self, name: str) -> str:
        """The value, or ""."""
        return self._values.get(name.lower(), "")

    def list_of(self, name: str) -> list[str]:
        """A value of azd that is a list in JSON; [] for anything else."""
        try:
            found = json.loads(self.text(name) or "[]")
        except ValueError:
            return []
        return [str(one) for one in found] if isinstance(found, list) else []


def settings_of_azd(given: Given) -> dict[str, str]:
    """The app settings that infra/main.bicep makes of the same values that azd puts out; {} without a client id."""
    if not given.text("API_CLIENT_ID"):
        return {}
    clouds = ROOT / "infra" / "clouds.json"
    facts = json.loads(clouds.read_text(encoding="utf-8")) if clouds.exists() else {}
    cloud = facts.get(given.text("CLOUD_NAME") or "AzureCloud", {})
    graph = cloud.get("graphEndpoint", "https://graph.microsoft.com")
    return {
        "AzureAd__Instance": cloud.get("loginEndpoint", "https://login.microsoftonline.com/"),
        **_tenants(given),
        "AzureAd__ClientId": given.text("API_CLIENT_ID"),
        "AzureAd__Scopes": given.text("API_SCOPE").rpartition("/")[2],
        **_credential(given),
        "DownstreamApis__Graph__BaseUrl": f"{graph}/v1.0",
        "DownstreamApis__Graph__Scopes": f"{graph}/.default",
        **_apis(given),
        **_agents(given),
    }


def _tenants(given: Given) -> dict[str, str]:
    own, allowed = given.text("TENANT_ID"), given.list_of("ALLOWED_TENANTS")
    if not allowed:
        return {"AzureAd__TenantId": own}
    listed = "any" if "any" in allowed else " ".join(dict.fromkeys((own, *allowed)))
    return {"AzureAd__TenantId": "organizations", "AzureAd__AllowedTenants": listed}


def _agents(given: Given) -> dict[str, str]:
    """The addresses of the API, and the clients that are asked to show the consent page."""
    parts = urlsplit(given.text("API_BASE_URL"))
    own = f"{parts.scheme}://{parts.netloc}"
    leaves_out = given.text("API_PUBLIC_HOST_NAME").lower() == "false" or given.text("EXISTING_API_CLIENT_ID")
    hosts = [] if leaves_out or given.list_of("ALLOWED_TENANTS") or not parts.netloc else [f"{own}/api/mcp", own]
    urls = " ".join((*hosts, *given.list_of("API_PUBLIC_URLS")))
    copilot = given.text("COPILOT_CLIENT_ID")
    return {
        **({"AzureAd__PublicUrls": urls} if urls else {}),
        **({"AzureAd__ConsentPromptClients": copilot} if copilot else {}),
    }


def _credential(given: Given) -> dict[str, str]:
    if not given.text("KEY_VAULT_URL"):
        return {f"{_CREDENTIAL}SourceType": "SignedAssertionFromManagedIdentity"}
    return {
        f"{_CREDENTIAL}SourceType": _SOURCES.get(given.text("CLIENT_CREDENTIAL"), "KeyVault"),
        f"{_CREDENTIAL}KeyVaultUrl": given.text("KEY_VAULT_URL"),
        f"{_CREDENTIAL}KeyVaultCertificateName": given.text("CREDENTIAL_NAME"),
    }


def _apis(given: Given) -> dict[str, str]:
    """NAME_BASE_URL and NAME_SCOPES, which main.bicep puts out for each API that it deploys behind the API."""
    found = {}
    for name in sorted(given._values):
        api = name.removesuffix("_scopes")
        if api != name and given.text(f"{api}_BASE_URL"):
            found[f"DownstreamApis__{api.title()}__BaseUrl"] = given.text(f"{api}_BASE_URL")
            found[f"DownstreamApis__{api.title()}__Scopes"] = given.text(name)
    return found


def _read(file: Path) -> dict[str, str]:
    """local.settings.json by its form, anything else as NAME=value."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = json.loads(text) if text.lstrip().startswith("{") else None
    except (OSError, UnicodeError):
        content = None  # the other reader says why, or knows the encoding
    except ValueError:
        raise SettingsError(f"{file} begins like JSON and is none: correct it") from None
    if content is None:
        return read_env_file(file)
    values = content.get("Values")
    if not isinstance(values, dict):
        raise SettingsError(f"{file} has no object Values, as local.settings.json has")
    return {str(name): str(value) for name, value in values.items()}
