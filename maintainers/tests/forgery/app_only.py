"""Genuine tokens that an application got for itself. No user is signed in, and the response says so."""

from __future__ import annotations

from tests.support.genuine import GONE, Genuine, Row

ITSELF = "5e4f0000-0000-4000-8000-000000000005"


def _version_1(g: Genuine) -> str:
    issuer = f"https://sts.windows.net/{g.claims['tid']}/"
    return g.with_claims(ver="1.0", iss=issuer, azp=GONE, appid=g.claims["azp"], aud=f"api://{g.claims['aud']}")


ROWS: dict[str, Row] = {
    "says so": lambda g: g.with_claims(idtyp="app", scp=GONE, roles=["Everything.Read"], oid=ITSELF, sub=ITSELF),
    "does not say so": lambda g: g.with_claims(idtyp=GONE, scp=GONE, roles=["Everything.Read"], oid=ITSELF, sub=ITSELF),
    "dressed up with a scope": lambda g: g.with_claims(idtyp="app", oid=ITSELF, sub=ITSELF),
    "dressed up with a scope and a name": lambda g: g.with_claims(idtyp="app", name="Somebody"),
    "an empty scope": lambda g: g.with_claims(scp="", oid=ITSELF, sub=ITSELF),
    "a list of scopes": lambda g: g.with_claims(scp=["access_as_user"], oid=ITSELF, sub=ITSELF),
}

CONTROLS: dict[str, Row] = {
    "version 1": _version_1,
    "a user who says so": lambda g: g.with_claims(idtyp="user"),
    "a user who does not say so": lambda g: g.with_claims(idtyp=GONE),
    "the audience by its address": lambda g: g.with_claims(aud=f"api://{g.claims['aud']}"),
    "unknown numbers about user and client": lambda g: g.with_claims(xms_sub_fct="1 3 5 113", xms_act_fct="9 3"),
    "several scopes": lambda g: g.with_claims(scp="other access_as_user"),
}
