"""What secrets and certificates have in common in the vault's replies: attributes, and lists in pages."""

from __future__ import annotations

from starlette.requests import Request

from .vault_contents import SecretVersion, VaultError

VAULT_HOST = "obo-local.vault.azure.net"
PAGE_SIZE = 25
"""Key Vault gives at most this many at a time."""


def attributes_of(version: SecretVersion) -> dict[str, object]:
    """The attributes of one version; moments are whole seconds."""
    attributes: dict[str, object] = {
        "enabled": version.enabled,
        "created": int(version.created),
        "updated": int(version.created if version.changed is None else version.changed),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
    if version.certificate is not None:
        attributes.update(nbf=version.certificate.not_before, exp=version.certificate.not_after)
    return attributes


def page_of(request: Request, items: list[dict[str, object]], host: str = VAULT_HOST) -> dict[str, object]:
    """One page of a list, with the address of the next one at `host`. Raises VaultError for a bad `maxresults`."""
    query = request.query_params
    size, start = query.get("maxresults", str(PAGE_SIZE)), query.get("$skiptoken", "0")
    if not (size.isdecimal() and 1 <= int(size) <= PAGE_SIZE and start.isdecimal()):
        raise VaultError(400, "BadParameter", f"The maxresults parameter must be from 1 to {PAGE_SIZE}.")
    end = int(start) + int(size)
    following = f"api-version={query.get('api-version', '')}&$skiptoken={end}&maxresults={size}"
    link = f"https://{host}{request.url.path}?{following}" if end < len(items) else None
    return {"value": items[int(start) : end], "nextLink": link}
