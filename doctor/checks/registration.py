"""The API's registration and its client's, compared with the settings.

https://learn.microsoft.com/graph/api/resources/application
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ..case import Case
from ..reading import Json
from ..verdicts import CannotTellError, Findings, Wrong, command, correct, nearest
from .surroundings import set_command

SINGLE, SEVERAL = "AzureADMyOrg", "AzureADMultipleOrgs"
ALWAYS_CLAIMS = ("idtyp", "acrs")
AGENT_CLAIMS = ("xms_act_fct", "xms_sub_fct", "xms_par_app_azp")
PUBLIC_REDIRECT = "http://localhost"


def exists(case: Case) -> Findings:
    """The tenant has a registration with the client id."""
    found = case.registration_of(case.settings.client_id)
    if found is None:
        of_tenant = f"tenant {case.tenant}" if case.tenant else "tenant"
        listed = command("az", "ad", "app", "list", "--show-mine", "--query", "[].{name:displayName,clientId:appId}")
        yield Wrong(f"the {of_tenant} has no registration with the client id of AzureAd__ClientId", listed)


def token_version(case: Case) -> Findings:
    """requestedAccessTokenVersion is 2."""
    version = _api(case).get("requestedAccessTokenVersion")
    if version != 2:
        change = _patch_api(case, requestedAccessTokenVersion=2)
        yield Wrong(f"requestedAccessTokenVersion is {version or 'not set, which means 1'}", change)


def audiences(case: Case) -> Findings:
    """The audiences that the code accepts are those of Entra's tokens."""
    own, accepted = case.settings.client_id, case.settings.audiences
    uris = [str(one) for one in case.registration.get("identifierUris") or ()]
    if _api(case).get("requestedAccessTokenVersion") != 2:
        raise CannotTellError("the tokens are of version 1, whose audience is what the client asks for", "version 2")
    if own not in accepted:
        yield Wrong(
            "tokens of version 2 have the client id as their audience, and AzureAd__Audiences does not list it",
            set_command(case, "AzureAd__Audiences"),
        )
    known = {own, f"api://{own}", *uris}
    foreign = [one for one in accepted if one not in known]
    if foreign:
        add = command("az", "ad", "app", "update", "--id", own, "--identifier-uris", *uris, *foreign)
        right = [own, *(one if one in known else nearest(one, known) for one in accepted)]
        first = correct("AzureAd__Audiences", " ".join(dict.fromkeys(filter(None, right))))
        yield Wrong(f"AzureAd__Audiences lists {foreign[0]}, which the registration does not have", add, first)
    wanted, _, scope = next(iter(case.given.text("API_SCOPE").split()), "").rpartition("/")
    if wanted and wanted not in known:
        add = command("az", "ad", "app", "update", "--id", own, "--identifier-uris", *uris, wanted)
        first = correct("API_SCOPE", f"{nearest(wanted, uris) or next(iter(uris), own)}/{scope}")
        what = f"the client asks for {wanted} (API_SCOPE), which is no identifier URI of the registration"
        yield Wrong(what, add, first)


def public_urls(case: Case) -> Findings:
    """Each address of the API is an identifier URI, character by character.

    Clients send the address as the parameter `resource`, and take the scopes from the metadata document. Entra compares
    both with the identifier URIs (AADSTS9010010).
    """
    uris = [str(one) for one in case.registration.get("identifierUris") or ()]
    urls = [one.url for one in case.settings.public_urls]
    missing = [url for url in urls if url not in uris]
    if missing:
        near = next((uri for uri in uris if uri.rstrip("/").lower() == missing[0].lower()), "")
        what = f"the registration has {near}, and each character counts" if near else "it is no identifier URI"
        base = ("az", "ad", "app", "update", "--id", case.settings.client_id, "--identifier-uris")
        typo = "" if near else nearest(missing[0], (uri for uri in uris if uri.startswith("http") and uri not in urls))
        meant = " ".join(typo if url == missing[0] else url for url in urls)
        first = correct("AzureAd__PublicUrls", meant) if typo else ""
        yield Wrong(f"AzureAd__PublicUrls lists {missing[0]}: {what}", command(*base, *uris, *missing), first)
    yield f"{len(urls)} addresses" if urls else "not used: AzureAd__PublicUrls names no address"


def scopes(case: Case) -> Findings:
    """Each scope of the settings is one that the registration offers."""
    offered = _api(case).get("oauth2PermissionScopes") or []
    enabled = {str(one.get("value")) for one in offered if one.get("isEnabled")}
    missing = [name for name in case.settings.scopes if name not in enabled]
    if not missing:
        yield f"{' '.join(case.settings.scopes) or 'none'}: offered"
        return
    changed = [{**one, "isEnabled": True} if one.get("value") in missing else one for one in offered]
    there = {one.get("value") for one in offered}
    changed += [_new_scope(case.settings.client_id, name) for name in missing if name not in there]
    change = _patch_api(case, oauth2PermissionScopes=changed)
    near = {name: nearest(name, enabled - set(case.settings.scopes)) for name in missing}
    meant = " ".join(dict.fromkeys(near.get(name) or name for name in case.settings.scopes))
    first = correct("AzureAd__Scopes", meant) if any(near.values()) else ""
    yield Wrong(f"the registration does not offer {' '.join(missing)}, which AzureAd__Scopes names", change, first)


def pre_authorized(case: Case) -> Findings:
    """The client may ask for the scopes of the API without anybody's consent."""
    client, api = _client_id(case), _api(case)
    ids = {one.get("value"): one.get("id") for one in api.get("oauth2PermissionScopes") or ()}
    wanted = [ids[name] for name in case.settings.scopes if name in ids]
    listed = api.get("preAuthorizedApplications") or []
    own: set[str] = {
        scope for one in listed if _same(one.get("appId"), client) for scope in one.get("delegatedPermissionIds") or ()
    }
    missing = [one for one in wanted if one not in own]
    if missing and not _consented(case, client):
        others = [one for one in listed if not _same(one.get("appId"), client)]
        entry = {"appId": client, "delegatedPermissionIds": sorted(own | set(wanted))}
        change = _patch_api(case, preAuthorizedApplications=[*others, entry])
        what = "the client (CLIENT_APP_ID) is not pre-authorized, and nobody has consented for everybody"
        yield Wrong(what, change, _unknown_client(case, client))


def known_clients(case: Case) -> Findings:
    """One prompt of the client asks for what the API needs as well."""
    client, known = _client_id(case), _api(case).get("knownClientApplications") or []
    if not any(_same(one, client) for one in known):
        change = _patch_api(case, knownClientApplications=[*known, client])
        yield Wrong("knownClientApplications lacks the client (CLIENT_APP_ID)", change, _unknown_client(case, client))


def optional_claims(case: Case) -> Findings:
    """Access tokens carry the claims that the code decides by."""
    claims: Json = case.registration.get("optionalClaims") or {}
    listed = claims.get("accessToken") or []
    names = {one.get("name") for one in listed}
    wanted = [
        *ALWAYS_CLAIMS,
        *(() if case.settings.allow_guests else ("acct",)),
        *(() if case.settings.allow_agent_users else AGENT_CLAIMS),
    ]
    missing = [name for name in wanted if name not in names]
    if missing:
        added = [*listed, *(_claim(name) for name in missing)]
        change = patch(case, case.registration, {"optionalClaims": {**claims, "accessToken": added}})
        yield Wrong(f"the registration does not ask for the claims {', '.join(missing)} in access tokens", change)
    yield f"{', '.join(wanted)}: asked for"


def sign_in_audience(case: Case) -> Findings:
    """Users of the tenants that may call can sign in."""
    found, several = case.registration.get("signInAudience"), case.settings.for_several_tenants
    if several and found == SINGLE:
        change = command("az", "ad", "app", "update", "--id", case.settings.client_id, "--sign-in-audience", SEVERAL)
        yield Wrong("AzureAd__TenantId is organizations, and the registration is for one tenant", change)
    yield f"{found}"


def redirect_uris(case: Case) -> Findings:
    """The client signs people in at addresses that its registration has."""
    client = _client_id(case)
    found = case.registration_of(client)
    if found is None:
        raise CannotTellError("the registration of the client (CLIENT_APP_ID) is not in this tenant", "its client id")
    redirects = (found.get("publicClient") or {}).get("redirectUris") or []
    update = ("az", "ad", "app", "update", "--id", client)
    if PUBLIC_REDIRECT not in redirects:
        change = command(*update, "--public-client-redirect-uris", *redirects, PUBLIC_REDIRECT)
        yield Wrong(f"the client lacks the redirect URI {PUBLIC_REDIRECT}, so `dev.py client` cannot sign in", change)
    if not found.get("isFallbackPublicClient"):
        change = command(*update, "--is-fallback-public-client", "true")
        yield Wrong("the client is no public client, so it cannot sign in with a device code", change)
    pages = (found.get("spa") or {}).get("redirectUris") or []
    missing = [one for one in case.given.list_of("BROWSER_ORIGINS") if one not in pages]
    if missing:
        change = patch(case, found, {"spa": {"redirectUris": [*pages, *missing]}})
        yield Wrong(f"the client lacks the redirect URI {missing[0]} of a single-page app (BROWSER_ORIGINS)", change)


def patch(case: Case, registration: Json, body: Any) -> str:
    """What changes a registration. The properties that `body` does not name stay as they are."""
    url = f"{case.cloud.graph.url}/v1.0/applications/{registration['id']}"
    return command("az", "rest", "--method", "PATCH", "--url", url, "--body", json.dumps(body, separators=(",", ":")))


def _patch_api(case: Case, **changes: object) -> str:
    """`api` is repeated whole: that its other parts would stay is not documented."""
    return patch(case, case.registration, {"api": {**_api(case), **changes}})


def _api(case: Case) -> Json:
    found: Json = case.registration.get("api") or {}
    return found


def _client_id(case: Case) -> str:
    client = case.given.text("CLIENT_APP_ID")
    if not client:
        raise CannotTellError("CLIENT_APP_ID is not given", "the client id of the client, in --env-file")
    return client.lower()


def _unknown_client(case: Case, client: str) -> str:
    """What to do first about a client whose registration is not in this tenant: its id may be misspelled."""
    return correct("CLIENT_APP_ID") if case.registration_of(client) is None else ""


def _same(one: object, other: str) -> bool:
    return str(one).lower() == other


def _consented(case: Case, client: str) -> bool:
    """Whether an administrator has let the client use the API for everybody."""
    principal = case.principal_of(client)
    granted = {
        scope
        for one in (case.grants_for_everybody(principal) if principal else ())
        if one.get("resourceId") == case.principal.get("id")
        for scope in str(one.get("scope", "")).split()
    }
    return set(case.settings.scopes) <= granted


def _new_scope(client_id: str, name: str) -> Json:
    text = f"Call the API as the signed-in user ({name})"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{client_id} {name}")),
        "value": name,
        "type": "User",
        "isEnabled": True,
        "adminConsentDisplayName": text,
        "adminConsentDescription": text,
        "userConsentDisplayName": text,
        "userConsentDescription": text,
    }


def _claim(name: str) -> Json:
    return {"name": name, **({"additionalProperties": ["include_user_token"]} if name == "idtyp" else {})}
