"""The `claims` parameter: what a client declares it can do, and the step-up it asks for on a resource's behalf."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..requests_io import json_object
from .refusals import EntraError

MFA_POLICY = "3f0c8a6e-5b2d-4e71-9a0c-6d1e2f3a4b5c"
"""Id of the Conditional Access policy that wants a second factor."""

MFA_CLAIMS: dict[str, object] = {"access_token": {"capolids": {"essential": True, "values": [MFA_POLICY]}}}
"""The challenge a client must present at sign-in to satisfy that policy."""

KNOWN_CAPABILITIES = ("cp1",)
"""https://learn.microsoft.com/entra/identity-platform/claims-challenge#client-capabilities; case does not count."""


@dataclass(frozen=True)
class ClaimsRequest:
    """The parts of the parameter that matter here. Declaring a capability (xms_cc) is not asking for a step-up."""

    capabilities: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    auth_contexts: tuple[str, ...] = ()
    not_before: int | None = None
    """The sign-in must not be older: what continuous access evaluation asks for after a revocation."""

    @property
    def is_step_up(self) -> bool:
        """Whether anything is asked of the sign-in."""
        return bool(self.policies or self.auth_contexts) or self.not_before is not None

    def challenge(self) -> dict[str, object]:
        """The claims a client must sign in with to satisfy the same request."""
        wanted: dict[str, object] = {}
        if self.policies:
            wanted["capolids"] = {"essential": True, "values": list(self.policies)}
        if self.auth_contexts:
            several = {"values": list(self.auth_contexts)}
            value = {"value": self.auth_contexts[0]} if len(self.auth_contexts) == 1 else several
            wanted["acrs"] = {"essential": True, **value}
        if self.not_before is not None:
            wanted["nbf"] = {"essential": True, "value": str(self.not_before)}
        return {"access_token": wanted}


def parse_claims_request(text: str | None, auth_contexts: Collection[str]) -> ClaimsRequest:
    """Reads the parameter (OpenID Connect Core, 5.5). Refuses anything but a claims request, such as undecoded base64.

    An authentication context that the tenant has not published is refused as well. Entra's documentation does not say
    what it does then; a name that is wrong in a setting had better not pass here.
    """
    if not text:
        return ClaimsRequest()
    try:
        wanted = _members(json_object(text))
        request = ClaimsRequest(
            capabilities=tuple(name for name in _texts(wanted, "xms_cc") if name.lower() in KNOWN_CAPABILITIES),
            policies=_texts(wanted, "capolids") + _texts(wanted, "polids"),
            auth_contexts=_texts(wanted, "acrs"),
            not_before=max((int(value) for value in _values(wanted, "nbf")), default=None),
        )
        if unknown := set(request.auth_contexts) - set(auth_contexts):
            raise ValueError(f"the tenant has no authentication context {min(unknown)}")
    except (ValueError, TypeError) as problem:
        raise EntraError(9002313, reason=f"the claims parameter is no claims request: {problem}") from None
    return request


def _members(document: dict[str, Any]) -> dict[str, Any]:
    """What is asked of the access token: an object, and each of its members null or an object."""
    wanted = document.get("access_token", {})
    if not isinstance(wanted, dict) or any(not isinstance(member, (dict, type(None))) for member in wanted.values()):
        raise ValueError("a member is not an object")
    return wanted


def _values(wanted: dict[str, Any], name: str) -> list[Any]:
    member = wanted.get(name) or {}
    values = member.get("values", [member["value"]] if "value" in member else [])
    if not isinstance(values, list):
        raise ValueError(f"the values of {name} are no list")
    return values


def _texts(wanted: dict[str, Any], name: str) -> tuple[str, ...]:
    values = _values(wanted, name)
    if not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"a value of {name} is not text")
    return tuple(values)
