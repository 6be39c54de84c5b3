"""Keys that Entra publishes but that must not sign access tokens. A good key next to each continues to work.

The document comes from the emulated Entra; the token is right in all but the key that signed it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.people import CONTOSO, FABRIKAM
from shared.errors import InvalidToken, ServiceUnavailable
from shared.net.transport import Transport
from shared.validation.signing_keys import MAX_AGE_SECONDS
from tests.support.genuine import GONE, Genuine, changed, number, public_jwk
from tests.support.lab import Lab, finish_background_work
from tests.support.tokens import STRANGER

WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 — that is the point
NEARLY = rsa.generate_private_key(public_exponent=65537, key_size=2047)  # noqa: S505 — as above
SMALL_EXPONENT = rsa.generate_private_key(public_exponent=3, key_size=2048)
LARGE = rsa.generate_private_key(public_exponent=65537, key_size=3072)
NUMBERS = STRANGER.public_key().public_numbers()


def entry(lab: Lab, key: rsa.RSAPrivateKey = STRANGER, /, **changes: object) -> dict[str, Any]:
    """A key as Entra publishes it, but for the changes."""
    issuer = f"https://login.microsoftonline.com/{lab.environ()['AzureAd__TenantId']}/v2.0"
    return changed(public_jwk(key.public_key(), kid="theirs", use="sig", issuer=issuer), changes)


def served(lab: Lab, *entries: object) -> Genuine:
    """Entra publishes its own key and these; what is returned is signed by its own."""
    token = lab.stack.issue_access_token("alice")
    current = lab.stack.entra.keys.current
    document = {"keys": [*entries, entry(lab, current.key, kid=current.x5t)]}
    lab.stack.faults.add("entra.keys", status=200, body=document)
    return Genuine.taken_apart(token, current)


def opened(lab: Lab, genuine: Genuine, key: rsa.RSAPrivateKey) -> bool:
    """Whether services that meet this key for the first time take a token signed with it; the good key's they do."""
    services = lab.services()
    assert services.sessions.open(genuine.token())
    try:
        return bool(services.sessions.open(genuine.token(header={**genuine.header, "kid": "theirs"}, key=key)))
    except InvalidToken:
        return False


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use": GONE},
        {"alg": "RS256"},
        {"key_ops": ["verify"]},
        {"issuer": GONE},
        {"issuer": None},
        {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
        {"cloud_instance_name": "microsoftonline.com"},
        {"cloud_instance_name": None},
        {"x5c": ["nonsense"]},
    ],
    ids=str,
)
def test_a_second_good_key_is_good(lab: Lab, changes: dict[str, object]) -> None:
    assert opened(lab, served(lab, entry(lab, **changes)), STRANGER)


def test_the_key_of_another_cloud_that_entra_lists_vouches_for_nothing(lab: Lab) -> None:
    token, current = lab.stack.issue_access_token("alice"), lab.stack.entra.keys.current
    theirs = lab.stack.entra.keys.of_another_cloud
    genuine = Genuine.taken_apart(token, current)
    with pytest.raises(InvalidToken, match="unknown signing key"):
        lab.services().sessions.open(genuine.token(header={**genuine.header, "kid": theirs.x5t}, key=theirs.key))


def test_a_larger_key_is_good(lab: Lab) -> None:
    assert opened(lab, served(lab, entry(lab, LARGE)), LARGE)


UNFIT: dict[str, dict[str, object]] = {
    "for encryption": {"use": "enc"},
    "for something else": {"use": "tls"},
    "for something unnamed": {"use": None},
    "with operations of encryption": {"use": GONE, "key_ops": ["encrypt", "wrapKey"]},
    "with the operation of a signer": {"use": GONE, "key_ops": ["sign"]},
    "with no operation": {"key_ops": []},
    "with an operation in a text": {"key_ops": "verify"},
    "for RSA-OAEP": {"use": GONE, "alg": "RSA-OAEP"},
    "for RS512": {"alg": "RS512"},
    "for PS256": {"alg": "PS256"},
    "for none": {"alg": "none"},
    "of elliptic curves": {"kty": "EC"},
    "of secrets": {"kty": "oct", "k": "AAAA"},
    "of an unknown kind": {"kty": "rsa"},
    "of no kind": {"kty": GONE},
    "without a modulus": {"n": GONE},
    "without an exponent": {"e": GONE},
    "with a modulus of zero": {"n": "AA"},
    "with a number for a modulus": {"n": 5},
    "with an exponent of one": {"e": "AQ"},
    "with an even exponent": {"e": number(65538)},
    "with its private half": {"d": number(STRANGER.private_numbers().d)},
    "of another tenant": {"issuer": f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"},
    "of personal accounts": {"issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"},
    "with a number for an issuer": {"issuer": 7},
    "with a list for an issuer": {"issuer": ["https://login.microsoftonline.com/{tenantid}/v2.0"]},
    "with the tenant somewhere in the issuer": {"issuer": f"https://x.example/a/{CONTOSO}/b"},
    "with an issuer of another cloud": {"issuer": "https://login.microsoftonline.us/{tenantid}/v2.0"},
    "of another cloud": {"cloud_instance_name": "microsoftonline.us"},
    "of another cloud, with the template for an issuer": {
        "cloud_instance_name": "microsoftonline.us",
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
    },
    "of another cloud, without an issuer": {"cloud_instance_name": "microsoftonline.us", "issuer": GONE},
    "of a cloud spelled otherwise": {"cloud_instance_name": "MicrosoftOnline.com"},
    "of a cloud without a name": {"cloud_instance_name": ""},
    "with a number for a cloud": {"cloud_instance_name": 7},
    "with a number for an id": {"kid": 7},
    "with a list for an id": {"kid": ["theirs"]},
    "without an id": {"kid": GONE},
    "with another id": {"kid": "Theirs"},
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_key_that_is_not_for_this_is_passed_over(lab: Lab, name: str) -> None:
    assert not opened(lab, served(lab, entry(lab, **UNFIT[name])), STRANGER)


@pytest.mark.parametrize(
    ("name", "key"), [("1024 bits", WEAK), ("2047 bits", NEARLY), ("an exponent of three", SMALL_EXPONENT)]
)
def test_a_weak_key_is_passed_over(lab: Lab, name: str, key: rsa.RSAPrivateKey) -> None:
    assert not opened(lab, served(lab, entry(lab, key)), key)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_keys_with_one_id_neither_is_taken(lab: Lab, first: bool) -> None:
    """The sender of a token must not be the one who chooses between them."""
    twins = [entry(lab), entry(lab, LARGE)]
    genuine = served(lab, *(twins if first else reversed(twins)))
    assert not opened(lab, genuine, STRANGER)
    assert not opened(lab, genuine, LARGE)


def test_one_key_listed_twice_is_one_key(lab: Lab) -> None:
    assert opened(lab, served(lab, entry(lab), entry(lab)), STRANGER)


FABRIKAMS: dict[str, object] = {"issuer": f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"}
OF_THE_US: dict[str, object] = {"cloud_instance_name": "microsoftonline.us"}


@pytest.mark.parametrize("other", [FABRIKAMS, OF_THE_US, {"use": "enc"}], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_one_key_listed_for_us_and_for_others_is_ours(lab: Lab, other: dict[str, object], first: bool) -> None:
    twins = [entry(lab), entry(lab, **other)]
    assert opened(lab, served(lab, *(twins if first else reversed(twins))), STRANGER)


def test_one_key_listed_for_two_others_is_not_ours(lab: Lab) -> None:
    assert not opened(lab, served(lab, entry(lab, **FABRIKAMS), entry(lab, **OF_THE_US)), STRANGER)


def test_where_the_metadata_names_no_cloud_a_key_may_name_one(lab: Lab) -> None:
    """As in Microsoft.IdentityModel: the two names are compared where both are given."""
    address = f"https://login.microsoftonline.com/{CONTOSO}/v2.0/.well-known/openid-configuration"
    document = changed(Transport().send("GET", address).json(), {"cloud_instance_name": GONE})
    lab.stack.faults.add("entra.discovery", status=200, body=document)
    assert opened(lab, served(lab, entry(lab, cloud_instance_name="microsoftonline.com")), STRANGER)


@pytest.mark.parametrize("odd", [None, 7, "x", [], ["x"], {}, True, [[{}]]], ids=repr)
def test_what_is_no_key_is_passed_over(lab: Lab, odd: object) -> None:
    assert lab.services().sessions.open(served(lab, odd).token())


@pytest.mark.parametrize(("chars", "passes"), [(256, True), (257, False)])
def test_a_key_id_has_256_characters_at_the_most(lab: Lab, chars: int, passes: bool) -> None:
    """Also where Entra lists such a key."""
    genuine = served(lab, entry(lab, kid="k" * chars))
    services, token = lab.services(), genuine.token(header={**genuine.header, "kid": "k" * chars}, key=STRANGER)
    assert services.sessions.open(genuine.token())
    if passes:
        assert services.sessions.open(token)
    else:
        with pytest.raises(InvalidToken, match="key id"):
            services.sessions.open(token)


def test_a_session_ends_when_its_key_is_listed_for_another_issuer(lab: Lab) -> None:
    genuine, current = served(lab, entry(lab)), lab.stack.entra.keys.current
    services = lab.services()
    for _ in range(2):
        assert services.sessions.open(genuine.token())
    lab.stack.faults.clear()
    theirs = entry(lab, current.key, kid=current.x5t, **FABRIKAMS)
    lab.stack.faults.add("entra.keys", status=200, body={"keys": [theirs]})
    lab.clock.forward(MAX_AGE_SECONDS - 300)
    genuine = Genuine.taken_apart(lab.stack.issue_access_token("alice"), current)
    assert services.sessions.open(genuine.token())
    lab.clock.forward(300)
    with suppress(InvalidToken):  # starts the refresh; it may be there already
        services.sessions.open(genuine.token())
    finish_background_work()
    with pytest.raises(InvalidToken, match="issuer of the signing key"):
        services.sessions.open(genuine.token())
    assert services.sessions.find(genuine.token()) is None


DOCUMENTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "an empty list": lambda good: {"keys": []},
    "no list": lambda good: {},
    "an object in place of the list": lambda good: {"keys": {good["kid"]: good}},
    "the list alone": lambda good: [good],
    "the key alone": lambda good: good,
    "null": lambda good: {"keys": None},
    "a text": lambda good: "keys",
    "a key for encryption alone": lambda good: {"keys": [{**good, "use": "enc"}]},
    "twins with one id": lambda good: {"keys": [good, {**good, "n": number(NUMBERS.n)}]},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_without_a_usable_key_is_no_response(lab: Lab, name: str) -> None:
    """Then there is no key yet: 503, and not a word that the token was bad."""
    current = lab.stack.entra.keys.current
    document = DOCUMENTS[name](entry(lab, current.key, kid=current.x5t))
    lab.stack.faults.add("entra.keys", status=200, body=document)
    with pytest.raises(ServiceUnavailable):
        lab.services().sessions.open(lab.stack.issue_access_token("alice"))
