"""What a new certificate of the vault shall be like: the policy of a request, checked and carried out."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from .certificates import Certificate, self_signed
from .vault_contents import PEM, PFX, VaultError

_BACKDATED = datetime.timedelta(minutes=10)  # against clocks that are slow
_KEY_SIZES = (2048, 3072, 4096)
_USUAL_ACTIONS = [{"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "AutoRenew"}}]
_SERVER_AND_CLIENT = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]


@dataclass(frozen=True)
class Policy:
    """A certificate policy, in the words of the REST API. Only self-signed RSA certificates can be made."""

    subject: x509.Name
    months: int
    key_size: int
    reuse_key: bool
    exportable: bool
    content_type: str
    body: Mapping[str, object]
    """The policy as the vault shows it, defaults filled in."""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Policy:
        """The policy of a request's body. Raises VaultError naming the field that is wrong."""
        key, secret, x509_part = (_part(given, name) for name in ("key_props", "secret_props", "x509_props"))
        if _part(given, "issuer").get("name") != "Self":
            raise _bad("issuer", "only Self is emulated")
        if key.get("kty", "RSA") != "RSA" or key.get("key_size", 2048) not in _KEY_SIZES:
            raise _bad("key_props", f"only RSA with {_KEY_SIZES} bits is emulated")
        content_type = secret.get("contentType", PFX)
        if content_type not in (PFX, PEM):
            raise _bad("secret_props", f"contentType is {PFX} or {PEM}")
        months = x509_part.get("validity_months", 12)
        if not isinstance(months, int) or not 1 <= months <= 1200:
            raise _bad("x509_props", "validity_months must be a number of months")
        size, reuse = int(key.get("key_size", 2048)), key.get("reuse_key") is True
        exportable = key.get("exportable", True) is not False
        return cls(_name(x509_part.get("subject")), months, size, reuse, exportable, content_type, _shown(given))

    def issue(self, now: float, previous: Certificate | None) -> Certificate:
        """A certificate as the policy wants it, with the previous key if it says so."""
        start = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
        key = previous.key if previous and self.reuse_key else None
        key = key or rsa.generate_private_key(public_exponent=65537, key_size=self.key_size)
        return self_signed(self.subject, start - _BACKDATED, _months_later(start, self.months), key)


def usual_policy(name: str) -> Policy:
    """That of a self-signed certificate whose key may leave the vault."""
    return Policy.read({"issuer": {"name": "Self"}, "x509_props": {"subject": f"CN={name}"}})


def _part(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = given.get(name, {})
    if not isinstance(part, dict):
        raise _bad(name, "not an object")
    return part


def _bad(name: str, why: str) -> VaultError:
    return VaultError(400, "BadParameter", f"Property policy.{name} is invalid: {why}.")


def _name(subject: object) -> x509.Name:
    try:
        name = x509.Name.from_rfc4514_string(str(subject or ""))
    except ValueError:
        name = x509.Name([])
    if not list(name):
        raise _bad("x509_props", "a subject is required")
    return name


def _months_later(moment: datetime.datetime, months: int) -> datetime.datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    following = datetime.datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=moment.tzinfo)
    last = (following - datetime.timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _shown(given: Mapping[str, Any]) -> dict[str, object]:
    key = {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False, **_part(given, "key_props")}
    x509_part = {"ekus": _SERVER_AND_CLIENT, "validity_months": 12, **_part(given, "x509_props")}
    return {
        "key_props": key,
        "secret_props": {"contentType": PFX, **_part(given, "secret_props")},
        "x509_props": x509_part,
        "lifetime_actions": given.get("lifetime_actions") or _USUAL_ACTIONS,
        "issuer": dict(_part(given, "issuer")),
    }
