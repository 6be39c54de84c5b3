"""The keys of the vault's certificates: shown without their private part. They sign digests.

https://learn.microsoft.com/rest/api/keyvault/keys/sign/sign
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .certificates import base64url
from .requests_io import json_object, json_reply, note
from .vault_attributes import VAULT_HOST, attributes_of, page_of
from .vault_contents import SecretVersion, VaultContents, VaultError

SIGNATURES_PER_WINDOW, WINDOW_SECONDS = 4_000, 10.0
"""Of RSA keys of 2,048 bits in software: https://learn.microsoft.com/azure/key-vault/general/service-limits"""
HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_OTHER_KEYS = ("ES256", "ES256K", "ES384", "ES512", "HS256", "HS384", "HS512")
_ROOT = f"https://{VAULT_HOST}/keys"


class VaultKeys:
    """The vault's interface below /keys. `authorize` raises VaultError, `refuse` replies with it."""

    def __init__(
        self,
        contents: VaultContents,
        authorize: Callable[[Request, str], None],
        refuse: Callable[[Request, VaultError], Response],
        now: Callable[[], float],
    ) -> None:
        self._contents, self._authorize, self._refuse, self._now = contents, authorize, refuse, now
        self._window_ends = 0.0
        self._left = 0
        self.signatures_per_window = SIGNATURES_PER_WINDOW
        """How many signatures the vault makes in ten seconds; more get 429."""

    def routes(self) -> list[Route]:
        """The routes, the more special ones first. Microsoft's client leaves an empty place where no version is."""
        return [
            self._route("/{name}/{version}/sign", "POST", "sign/action", self._sign),
            self._route("/{name}//sign", "POST", "sign/action", self._sign),
            self._route("/{name}/sign", "POST", "sign/action", self._sign),
            self._route("/{name}/versions", "GET", "read", self._versions),
            self._route("/{name}/{version}", "GET", "read", self._show),
            self._route("/{name}/", "GET", "read", self._show),
            self._route("/{name}", "GET", "read", self._show),
        ]

    def _route(
        self, path: str, method: str, action: str, handler: Callable[[Request], Awaitable[dict[str, object]]]
    ) -> Route:
        async def guarded(request: Request) -> Response:
            verb = note(request).action = "key" if action == "read" else "sign"
            try:
                self._authorize(request, f"keys/{action}")
                body = await handler(request)
            except VaultError as refusal:
                return self._refuse(request, refusal)
            note(request).verdict = f"ok: {verb} {request.path_params['name']}"
            return json_reply(body)

        return Route(f"/keys{path}", guarded, methods=[method])

    async def _show(self, request: Request) -> dict[str, object]:
        name, found = self._find(request)
        assert found.certificate is not None  # noqa: S101 - `certificates` gives no other
        numbers = found.certificate.key.public_key().public_numbers()
        key = {
            "kid": f"{_ROOT}/{name}/{found.version}",
            "kty": "RSA",
            "key_ops": ["sign", "verify", "wrapKey", "unwrapKey", "encrypt", "decrypt"],
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        return {"key": key, "attributes": attributes_of(found), "managed": True}

    async def _versions(self, request: Request) -> dict[str, object]:
        name, _ = self._find(request)
        held = sorted(self._contents.certificates(name), key=lambda version: version.version)  # in no useful order
        return page_of(
            request,
            [{"kid": f"{_ROOT}/{name}/{v.version}", "attributes": attributes_of(v), "managed": True} for v in held],
        )

    async def _sign(self, request: Request) -> dict[str, object]:
        name, found = self._find(request)
        assert found.certificate is not None  # noqa: S101 - `certificates` gives no other
        try:
            body = json_object(await request.body())
        except ValueError as problem:
            raise VaultError(400, "BadParameter", f"The request body is {problem}.") from None
        scheme, digest_of, digest = _what_to_sign(body)
        if not found.enabled:
            raise VaultError(403, "Forbidden", "Operation sign is not allowed on a disabled key.", "KeyDisabled")
        if not found.certificate.not_before <= self._now() < found.certificate.not_after:
            message = "Operation sign is not allowed on a key that is expired or not valid yet."
            raise VaultError(403, "Forbidden", message)
        self._count()
        signature = found.certificate.key.sign(digest, scheme, Prehashed(digest_of))
        note(request).details.update(key=name, version=found.version)
        return {"kid": f"{_ROOT}/{name}/{found.version}", "value": base64url(signature)}

    def _find(self, request: Request) -> tuple[str, SecretVersion]:
        name, version = request.path_params["name"], request.path_params.get("version")
        held = [known for known in self._contents.certificates(name) if not version or known.version == version]
        if not held:
            raise VaultError(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault.")
        return name, held[-1]

    def _count(self) -> None:
        """Counts one signature. Raises VaultError when there were too many."""
        now = self._now()
        if not self._window_ends - WINDOW_SECONDS <= now < self._window_ends:
            self._window_ends, self._left = now + WINDOW_SECONDS, self.signatures_per_window
        if self._left <= 0:
            reason = "too many requests were received. Reason: VaultRequestTypeLimitReached"
            raise VaultError(429, "Throttled", f"Request was not processed because {reason}")
        self._left -= 1


def _what_to_sign(body: dict[str, Any]) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm, bytes]:
    """Padding, hash and digest of a request. Raises VaultError."""
    algorithm, value = body.get("alg"), body.get("value")
    if algorithm in _OTHER_KEYS:
        raise VaultError(400, "BadParameter", f"Key and signature algorithm {algorithm} do not match.")
    family, size = (algorithm[:2], algorithm[2:]) if isinstance(algorithm, str) else ("", "")
    if family not in ("PS", "RS") or size not in HASHES:
        raise VaultError(400, "BadParameter", "Property alg has an invalid value.")
    digest_of = HASHES[size]
    text = value.rstrip("=") if isinstance(value, str) else ""
    try:
        digest = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != digest_of.digest_size:
        needed = f"{digest_of.digest_size} bytes"
        raise VaultError(400, "BadParameter", f"Property value is invalid: {algorithm} takes a digest of {needed}.")
    salt = padding.PSS(padding.MGF1(digest_of), digest_of.digest_size)
    return (salt if family == "PS" else padding.PKCS1v15()), digest_of, digest


def _number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
