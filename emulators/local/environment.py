"""The environment of the processes: the person's own, without what would lead astray, with the stack's on top."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import certifi

# Each of these would send a request past the gateway, trust another authority or use another identity. Or it would
# serve another script, or add a setting of a real app.
_DANGEROUS = {
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PYTHON_SCRIPT_FILE_NAME",
    "TENANT_ID",
    "CLIENT_APP_ID",
    "API_SCOPE",
    "API_BASE_URL",
    "AUTHORITY_HOST",
    "CLIENT_SECRET",
}
_SETTINGS = ("AZUREAD__", "DOWNSTREAMAPIS__", "TOKENCACHE__")
_DANGEROUS_PREFIXES = (
    *_SETTINGS,
    "AZURE_",
    "IDENTITY_",
    "MSI_",
    "IMDS_",
    "MSAL_",
    "WEBSITE_",
)

# Where Core Tools fetch their extension bundle: `func` itself runs in the app's environment, and the gateway is closed.
_CORE_TOOLS_HOSTS = "cdn.functions.azure.com,functionscdn.azureedge.net"


def process_environ(own: Mapping[str, str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (os.environ) without the dangerous variables, with `own`, and with this interpreter's programs first."""
    environ = {name: value for name, value in (os.environ if base is None else base).items() if not _dangerous(name)}
    programs = str(Path(sys.executable).parent)
    path = next((value for name, value in environ.items() if name.upper() == "PATH"), os.defpath)
    name_of_path = next((name for name in environ if name.upper() == "PATH"), "PATH")
    if path.split(os.pathsep)[0] != programs:
        path = os.pathsep.join((programs, path))
    return {**environ, name_of_path: path, **own}


def ignored_settings(base: Mapping[str, str] | None = None) -> list[str]:
    """The names in `base` (os.environ) by which the API would be configured, had the stack not settings of its own."""
    return sorted(name for name in (os.environ if base is None else base) if name.upper().startswith(_SETTINGS))


def api_environ(own: Mapping[str, str]) -> dict[str, str]:
    """What the stack gives the API; where Core Tools will run it, with a way to their own downloads."""
    return for_core_tools(own) if shutil.which("func") else dict(own)


def for_core_tools(own: Mapping[str, str]) -> dict[str, str]:
    """`own`, with the hosts of Core Tools' downloads outside the gateway, and the public authorities trusted for them.

    .NET reads SSL_CERT_FILE on Linux; the app's own requests read REQUESTS_CA_BUNDLE, which stays as it is.
    """
    changed = {name: f"{own[name]},{_CORE_TOOLS_HOSTS}" for name in ("NO_PROXY", "no_proxy") if name in own}
    if "SSL_CERT_FILE" in own:
        ours = Path(own["SSL_CERT_FILE"])
        both = ours.with_name("ca-and-public.pem")
        both.write_bytes(ours.read_bytes() + b"\n" + Path(certifi.where()).read_bytes())
        changed["SSL_CERT_FILE"] = str(both)
    return {**own, **changed}


def _dangerous(name: str) -> bool:
    return name.upper() in _DANGEROUS or name.upper().startswith(_DANGEROUS_PREFIXES)
