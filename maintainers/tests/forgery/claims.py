"""Claims that are nearly right: of another tenant, version or audience, or with a similar spelling."""

from __future__ import annotations

from collections.abc import Callable

from emulators.people import FABRIKAM
from tests.support.genuine import GONE, Genuine, Row

CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the tenant of personal Microsoft accounts

Change = Callable[[str], object]

NEARLY: dict[str, Change] = {
    "in upper case": lambda v: v.upper() if v != v.upper() else "\u00df",
    "with a space before": lambda v: " " + v,
    "with a space after": lambda v: v + " ",
    "with a tab after": lambda v: v + "\t",
    "with a line break after": lambda v: v + "\n",
    "with a no-break space after": lambda v: v + "\u00a0",
    "with NUL after": lambda v: v + "\x00",
    "with NUL and more after": lambda v: v + "\x00.evil.example",
    "with a zero-width space": lambda v: v[:2] + "\u200b" + v[2:],
    "with a soft hyphen": lambda v: v[:2] + "\u00ad" + v[2:],
    "with a mark from right to left": lambda v: "\u202e" + v,
    "with a lone surrogate": lambda v: v + "\ud800",
    "with a combining mark": lambda v: v + "\u0301",
    "in full-width characters": lambda v: "".join(chr(ord(c) + 0xFEE0) for c in v),
    "with a look-alike": lambda v: v.translate(
        {ord("a"): "\u0430", ord("0"): "\u041e", ord("c"): "\u0441", ord("."): "\u2024"}
    ),
    "percent-encoded": lambda v: "".join(f"%{ord(c):02x}" for c in v),
    "cut": lambda v: v[:-1],
    "with more": lambda v: v + "0",
    "empty": lambda v: "",
    "gone": lambda v: GONE,
    "null": lambda v: None,
    "true": lambda v: True,
    "zero": lambda v: 0,
    "in a list": lambda v: [v],
    "in a list, with another": lambda v: [v, "evil"],
    "in a list in a list": lambda v: [[v]],
    "in an object": lambda v: {"value": v},
    "as the name in an object": lambda v: {v: v},
    "twice in one text": lambda v: f"{v} {v}",
    "with a star": lambda v: "*",
}


def _issuer(make: Callable[[str], str]) -> Row:
    return lambda g: g.with_claims(iss=make(g.claims["tid"]))


ISSUERS: dict[str, Callable[[str], str]] = {
    "of version 1": lambda tid: f"https://sts.windows.net/{tid}/",
    "with a slash more": lambda tid: f"https://login.microsoftonline.com/{tid}/v2.0/",
    "without the version": lambda tid: f"https://login.microsoftonline.com/{tid}",
    "without https": lambda tid: f"http://login.microsoftonline.com/{tid}/v2.0",
    "with a port": lambda tid: f"https://login.microsoftonline.com:443/{tid}/v2.0",
    "with a user": lambda tid: f"https://login.microsoftonline.com@evil.example/{tid}/v2.0",
    "below another host": lambda tid: f"https://login.microsoftonline.com.evil.example/{tid}/v2.0",
    "of another cloud": lambda tid: f"https://login.microsoftonline.us/{tid}/v2.0",
    "of another name of Entra": lambda tid: f"https://login.windows.net/{tid}/v2.0",
    "of common": lambda tid: "https://login.microsoftonline.com/common/v2.0",
    "of organizations": lambda tid: "https://login.microsoftonline.com/organizations/v2.0",
    "the template": lambda tid: "https://login.microsoftonline.com/{tenantid}/v2.0",
    "of another tenant": lambda tid: f"https://login.microsoftonline.com/{FABRIKAM}/v2.0",
    "by a detour": lambda tid: f"https://login.microsoftonline.com/{FABRIKAM}/../{tid}/v2.0",
    "with a query": lambda tid: f"https://login.microsoftonline.com/{tid}/v2.0?",
    "with a fragment": lambda tid: f"https://login.microsoftonline.com/{tid}/v2.0#",
    "of B2C": lambda tid: f"https://contoso.b2clogin.com/{tid}/v2.0/",
}


def _nearly(name: str, change: Change) -> Row:
    return lambda g: g.with_claims(**{name: change(g.claims[name])})


def _of_tenant(tenant: str) -> Row:
    """All of another tenant's, signed with the key that all tenants share."""
    return lambda g: g.with_claims(tid=tenant, iss=f"https://login.microsoftonline.com/{tenant}/v2.0")


def _version_1_claims(g: Genuine) -> dict[str, object]:
    return {"ver": "1.0", "iss": f"https://sts.windows.net/{g.claims['tid']}/", "appid": g.claims["azp"], "azp": GONE}


ROWS: dict[str, Row] = {
    **{
        f"{name} {how}": _nearly(name, change)
        for name in ("iss", "aud", "tid", "ver")
        for how, change in NEARLY.items()
    },
    **{f"issuer {name}": _issuer(make) for name, make in ISSUERS.items()},
    "another tenant": _of_tenant(FABRIKAM),
    "personal accounts": _of_tenant(CONSUMERS),
    "numbers about the user that are no text": lambda g: g.with_claims(xms_sub_fct=13),
    "numbers about the user in a list": lambda g: g.with_claims(xms_sub_fct=["13"]),
    "numbers about the client with commas": lambda g: g.with_claims(xms_act_fct="3,11"),
    "another tenant, our issuer": lambda g: g.with_claims(tid=FABRIKAM),
    "version 1, issuer of version 2": lambda g: g.with_claims(ver="1.0"),
    "version 3": lambda g: g.with_claims(ver="3.0"),
    "version as a number": lambda g: g.with_claims(ver=2.0),
    "version 1 of another tenant": lambda g: g.with_claims(
        **{**_version_1_claims(g), "tid": FABRIKAM, "iss": f"https://sts.windows.net/{FABRIKAM}/"}
    ),
    "audience Graph": lambda g: g.with_claims(aud="00000003-0000-0000-c000-000000000000"),
    "audience Graph by its address": lambda g: g.with_claims(aud="https://graph.microsoft.com"),
    "audience the client": lambda g: g.with_claims(aud=g.claims["azp"]),
    "audience with a slash": lambda g: g.with_claims(aud=f"api://{g.claims['aud']}/"),
    "audience with a scope": lambda g: g.with_claims(aud=f"api://{g.claims['aud']}/access_as_user"),
    **{
        f"{name} {what}": _nearly(name, NEARLY[what])
        for name in ("scp", "oid", "sub")
        for what in ("gone", "null", "empty", "true", "zero", "in a list", "in an object", "as the name in an object")
    },
    "scp of spaces": lambda g: g.with_claims(scp="   "),
    "scope in place of scp": lambda g: g.with_claims(scp=GONE, scope="access_as_user"),
    "roles in place of scp": lambda g: g.with_claims(scp=GONE, roles=["access_as_user"], sub="other"),
    "bound to a key": lambda g: g.with_claims(cnf={"jwk": {}}),
    "bound to nothing": lambda g: g.with_claims(cnf=None),
    "an ID token": lambda g: g.with_claims(scp=GONE, azp=GONE, nonce="x"),
}
