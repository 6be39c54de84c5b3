"""The certificates of the vault: made to a policy by an operation that takes its time, shown without their keys."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .certificates import Certificate, base64url
from .requests_io import json_object, json_reply, note
from .vault_attributes import VAULT_HOST, attributes_of, page_of
from .vault_contents import SecretVersion, VaultContents, VaultError
from .vault_policy import Policy

Handler = Callable[[Request], Awaitable[Response]]
_ROOT = f"https://{VAULT_HOST}/certificates"


@dataclass
class Operation:
    """The creation of one version. `left` is how many more requests still find it in progress."""

    policy: Policy
    certificate: Certificate
    tags: dict[str, str]
    enabled: bool
    left: int
    done: bool = False
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def body(self, name: str) -> dict[str, object]:
        """What the vault says of it."""
        body: dict[str, object] = {
            "id": f"{_ROOT}/{name}/pending",
            "issuer": {"name": "Self"},
            "csr": base64.b64encode(secrets.token_bytes(600)).decode(),  # nobody is to sign it: it only has to be there
            "cancellation_requested": False,
            "status": "completed" if self.done else "inProgress",
            "request_id": self.request_id,
        }
        return {**body, "target": f"{_ROOT}/{name}"} if self.done else body


class VaultCertificates:
    """The vault's interface below /certificates. `authorize` raises VaultError, `refuse` replies with it."""

    def __init__(
        self,
        contents: VaultContents,
        authorize: Callable[[Request, str], None],
        refuse: Callable[[Request, VaultError], Response],
        now: Callable[[], float],
    ) -> None:
        self._contents = contents
        self._authorize = authorize
        self._refuse = refuse
        self._now = now
        self._operations: dict[str, Operation] = {}
        self.policies: dict[str, Policy] = {}
        """By certificate; what was imported has none."""
        self.polls_until_done = 0
        """How often a new operation is found in progress when asked for, after the reply that began it said so."""

    def routes(self) -> list[Route]:
        """The routes, the more special ones first."""
        return [
            self._route("", "GET", "read", self._list),
            self._route("/{name}/create", "POST", "create/action", self._create),
            self._route("/{name}/pending", "GET", "read", self._pending),
            self._route("/{name}/policy", "GET", "read", self._policy),
            self._route("/{name}/versions", "GET", "read", self._versions),
            self._route("/{name}/{version}", "PATCH", "update/action", self._change),
            self._route("/{name}/{version}", "GET", "read", self._show),
            self._route("/{name}/", "GET", "read", self._show),
            self._route("/{name}", "GET", "read", self._show),
        ]

    def _route(self, path: str, method: str, action: str, handler: Handler) -> Route:
        async def guarded(request: Request) -> Response:
            verb = "" if action == "read" else f" {action.partition('/')[0]}"
            note(request).action = f"certificate{verb}"
            try:
                self._authorize(request, f"certificates/{action}")
                reply = await handler(request)
            except VaultError as refusal:
                return self._refuse(request, refusal)
            note(request).verdict = f"ok: certificate{verb} {request.path_params.get('name', 'list')}"
            return reply

        return Route(f"/certificates{path}", guarded, methods=[method])

    async def _list(self, request: Request) -> Response:
        held = {name: self._contents.certificates(name) for name in self._contents.names()}
        items = [_item(f"{_ROOT}/{name}", versions[-1]) for name, versions in held.items() if versions]
        return json_reply(page_of(request, items))

    async def _versions(self, request: Request) -> Response:
        name = _name(request)
        self._find(name, None)
        held = sorted(self._contents.certificates(name), key=lambda version: version.version)  # in no useful order
        return json_reply(page_of(request, [_item(f"{_ROOT}/{name}/{known.version}", known) for known in held]))

    async def _show(self, request: Request) -> Response:
        name = _name(request)
        return json_reply(self._bundle(name, self._find(name, request.path_params.get("version"))))

    async def _policy(self, request: Request) -> Response:
        name = _name(request)
        if name not in self.policies:
            self._find(name, None)
            raise VaultError(404, "PolicyNotFound", f"The certificate {name} was imported without a policy.")
        return json_reply({"id": f"{_ROOT}/{name}/policy", **self.policies[name].body})

    async def _create(self, request: Request) -> Response:
        name, body = _name(request), await _body(request)
        running = self._operations.get(name)
        if running is not None and not running.done:
            raise VaultError(409, "Conflict", f"A certificate operation for {name} is in progress already.")
        given = body.get("policy")
        policy = Policy.read(given) if isinstance(given, dict) else self.policies.get(name)
        if policy is None:
            raise VaultError(400, "BadParameter", "Property policy is missing.")
        before = self._contents.certificates(name)
        certificate = await run_in_threadpool(policy.issue, self._now(), before[-1].certificate if before else None)
        enabled = _attributes(body).get("enabled", True) is not False
        operation = Operation(policy, certificate, _tags(body) or {}, enabled, self.polls_until_done)
        self._operations[name] = operation
        reply = json_reply(operation.body(name), 202, {"Location": f"{_ROOT}/{name}/pending"})
        if not operation.left:
            self._complete(name, operation)
        return reply

    async def _pending(self, request: Request) -> Response:
        name = _name(request)
        operation = self._operations.get(name)
        if operation is None:
            raise VaultError(404, "PendingCertificateNotFound", f"Pending certificate not found: {name}")
        body = operation.body(name)
        if not operation.done:
            operation.left -= 1
            if operation.left <= 0:
                self._complete(name, operation)
        return json_reply(body)

    async def _change(self, request: Request) -> Response:
        name, body = _name(request), await _body(request)
        found = self._find(name, request.path_params["version"])
        enabled, tags = _attributes(body).get("enabled"), _tags(body)
        changes: dict[str, object] = {"enabled": enabled} if isinstance(enabled, bool) else {}
        if tags is not None:
            changes["tags"] = tags
        return json_reply(self._bundle(name, self._contents.change(name, found.version, **changes)))

    def _complete(self, name: str, operation: Operation) -> None:
        policy = self.policies[name] = operation.policy
        self._contents.put_certificate(
            name, operation.certificate, policy.content_type, operation.tags, operation.enabled, policy.exportable
        )
        operation.done = True

    def _find(self, name: str, version: str | None) -> SecretVersion:
        held = [known for known in self._contents.certificates(name) if not version or known.version == version]
        if not held:
            message = f"A certificate with (name/id) {name} was not found in this key vault."
            raise VaultError(404, "CertificateNotFound", message)
        return held[-1]

    def _bundle(self, name: str, version: SecretVersion) -> dict[str, object]:
        assert version.certificate is not None  # noqa: S101 - `certificates` gives no other
        body: dict[str, object] = {
            **_item(f"{_ROOT}/{name}/{version.version}", version),
            "kid": f"https://{VAULT_HOST}/keys/{name}/{version.version}",
            "sid": f"https://{VAULT_HOST}/secrets/{name}/{version.version}",
            "cer": base64.b64encode(version.certificate.der).decode(),
            "contentType": version.content_type,
        }
        if name in self.policies:
            body["policy"] = {"id": f"{_ROOT}/{name}/policy", **self.policies[name].body}
        return body


def _item(address: str, version: SecretVersion) -> dict[str, object]:
    thumbprint = version.certificate.x5t if version.certificate else base64url(b"")
    body: dict[str, object] = {"id": address, "x5t": thumbprint, "attributes": attributes_of(version)}
    return {**body, "tags": dict(version.tags)} if version.tags else body


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


async def _body(request: Request) -> dict[str, Any]:
    try:
        return json_object(await request.body())
    except ValueError as problem:
        raise VaultError(400, "BadParameter", f"The request body is {problem}.") from None


def _attributes(body: dict[str, Any]) -> dict[str, Any]:
    attributes = body.get("attributes") or {}
    return attributes if isinstance(attributes, dict) else {}


def _tags(body: dict[str, Any]) -> dict[str, str] | None:
    tags = body.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise VaultError(400, "BadParameter", "Property tags must be an object of texts.")
    return dict(tags)
