"""The `claims` parameter: what a client declares it can do, and the step-up it asks for on a resource's behalf."""

from __future__ import annotations

from dataclasses import dataclass

from ..requests_io import json_object
from .refusals import EntraError

MFA_POLICY = "3f0c8a6e-5b2d-4e71-9a0c-6d1e2f3a4b5c"
"""Id of the Conditional Access policy that wants a second factor."""

MFA_CLAIMS: dict[str, object] = {"access_token": {"capolids": {"essential": True, "values": [MFA_POLICY]}}}
"""The challenge a client must present at sign-in to satisfy that policy."""


@dataclass(frozen=True)
class ClaimsRequest:
    """The parts of the parameter that matter here. Declaring a capability (xms_cc) is not asking for a step-up."""

    capabilities: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    auth_context: str | None = None

    @property
    def wants_mfa(self) -> bool:
        """Whether a policy or an authentication context has to be satisfied."""
        return bool(self.policies) or self.auth_context is not None

    def challenge(self) -> dict[str, object]:
        """The claims a client must sign in with to satisfy the same request."""
        if self.auth_context is not None:
            return {"access_token": {"acrs": {"essential": True, "value": self.auth_context}}}
        return {"access_token": {"capolids": {"essential": True, "values": list(self.policies or (MFA_POLICY,))}}}


def parse_claims_request(text: str | None) -> ClaimsRequest:
    """Reads the parameter (OpenID Connect Core, 5.5); refuses what is not JSON, for instance undecoded base64."""
    if not text:
        return ClaimsRequest()
    try:
        wanted = json_object(text).get("access_token") or {}
        if not isinstance(wanted, dict):
            raise ValueError("access_token is not an object")
    except ValueError:
        raise EntraError(9002313, reason="the claims parameter is not the JSON of a claims request") from None
    contexts = _values(wanted.get("acrs"))
    return ClaimsRequest(
        capabilities=_values(wanted.get("xms_cc")),
        policies=_values(wanted.get("capolids")) + _values(wanted.get("polids")),
        auth_context=contexts[0] if contexts else None,
    )


def _values(member: object) -> tuple[str, ...]:
    if not isinstance(member, dict):
        return ()
    values = member.get("values", [member["value"]] if "value" in member else [])
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
