"""One call of the token endpoint, and the response of every successful grant."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ...applications import OIDC_SCOPES, Application
from ...certificates import base64url
from ...people import Person
from ...requests_io import Note, fingerprint
from ..claims import Grant
from ..claims_request import ClaimsRequest
from ..decision import issued_contexts, permitted_scopes
from ..form import Form
from ..records import RefreshGrant
from ..scopes import RequestedScopes, ResourceScopes, check_indicator
from ..service import Entra

REFRESH_LIFETIME = 90 * 24 * 3600.0


@dataclass(frozen=True)
class Call:
    """Who calls, with which parameters; the client has been authenticated."""

    entra: Entra
    tenant: str
    client: Application
    form: Form
    client_proof: str
    note: Note

    @property
    def claims(self) -> ClaimsRequest:
        """The call's `claims` parameter."""
        return self.entra.claims_request(self.form.get("claims"))

    @property
    def indicator(self) -> str | None:
        """The call's `resource` parameter (RFC 8707)."""
        return self.form.get("resource")

    def concerns(self, person: Person) -> None:
        """Tells the audit trail whom the call is about, also when it is refused later."""
        self.note.person = person.name


def token_response(
    call: Call,
    person: Person,
    requested: RequestedScopes,
    *,
    methods: tuple[str, ...],
    claims: ClaimsRequest,
    nonce: str | None = None,
) -> dict[str, object]:
    """Issues the tokens and describes them as Entra's reply does."""
    wanted = requested.one_resource()
    check_indicator(wanted.resource, call.indicator)
    permitted = _permitted(call, person, requested, wanted)
    grant = Grant(
        call.tenant,
        person,
        call.client,
        wanted.resource,
        permitted,
        roles=call.entra.directory.roles(person, wanted.resource),
        methods=methods,
        auth_contexts=issued_contexts(call.entra.directory, wanted.resource, claims, methods),
        optional_claims=call.entra.directory.optional_claims(wanted.resource),
        capabilities=claims.capabilities if call.entra.directory.asks_for_claim(wanted.resource, "xms_cc") else (),
        groups=call.entra.directory.groups_in_token(person, wanted.resource),
        client_proof=call.client_proof,
    )
    token = call.entra.access_token(grant)
    reply: dict[str, object] = {
        "token_type": "Bearer",
        "scope": " ".join(_written(wanted, permitted)),
        "expires_in": int(call.entra.lifetime),
        "ext_expires_in": int(call.entra.lifetime),
        "access_token": token,
    }
    if "offline_access" in requested.oidc:
        reply["refresh_token"] = _refresh_token(call, grant)
    if "openid" in requested.oidc:
        reply["id_token"] = call.entra.id_token(grant, nonce)
    if call.form.get("client_info") == "1":
        reply["client_info"] = base64url(f'{{"uid":"{person.home_oid}","utid":"{person.home_tenant}"}}'.encode())
    call.note.verdict = f"ok: {wanted.resource.name} token for {person.name}"
    call.note.details.update(scopes=" ".join(permitted), resource=wanted.resource.name, issued=fingerprint(token))
    return reply


def _permitted(call: Call, person: Person, requested: RequestedScopes, wanted: ResourceScopes) -> tuple[str, ...]:
    if not requested.resources:
        permitted: tuple[str, ...] = ()  # nothing but OpenID scopes, which need no resource's permission
    else:
        permitted = permitted_scopes(call.entra, person, call.client, wanted)
    if wanted.resource.key != "graph":
        return permitted
    return tuple(sorted({*permitted, "openid", "profile", "email"}))


def _written(wanted: ResourceScopes, permitted: tuple[str, ...]) -> list[str]:
    own = wanted.written(tuple(name for name in permitted if name not in OIDC_SCOPES))
    oidc = [name for name in permitted if name in OIDC_SCOPES]
    default = wanted.written((".default",)) if wanted.default else []
    return [*oidc, *own, *default] if wanted.resource.key == "graph" else [*own, *default]


def _refresh_token(call: Call, grant: Grant) -> str:
    token = "1.A" + secrets.token_urlsafe(600)
    kept = RefreshGrant(call.client, call.tenant, grant.person, call.entra.now(), grant.methods)
    call.entra.refresh_tokens.put(token, kept, REFRESH_LIFETIME)
    return token
