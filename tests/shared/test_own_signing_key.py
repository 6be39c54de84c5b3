"""A registration with a signing key of its own: Entra lists the key only when it is asked for this application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulators.applications import API_ID
from emulators.certificates import Certificate, issue_certificate
from shared.errors import InvalidToken
from tests.support.genuine import Genuine
from tests.support.lab import Lab

from .test_settings import TENANT, problems

SETTING = "AzureAd__OwnSigningKey"


@pytest.fixture
def own_key(lab: Lab) -> Iterator[Certificate]:
    """A key that Entra signs the tokens for the API with."""
    keys = lab.stack.entra.keys
    keys.of_applications[API_ID] = certificate = issue_certificate("own key", lab.clock())
    yield certificate
    keys.of_applications.clear()


def token(lab: Lab, key: Certificate) -> str:
    genuine = Genuine.taken_apart(lab.stack.issue_access_token("alice"), lab.stack.entra.keys.current)
    return genuine.token(header={**genuine.header, "kid": key.x5t}, key=key.key)


def test_a_token_that_the_key_of_the_app_signed_is_accepted_and_exchanged(lab: Lab, own_key: Certificate) -> None:
    services = lab.services(**{SETTING: "true"})
    assert lab.me(services, token(lab, own_key)) == "Alice Ahlberg"
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"


def test_without_the_setting_the_key_is_not_known(lab: Lab, own_key: Certificate) -> None:
    with pytest.raises(InvalidToken, match="unknown signing key"):
        lab.services().sessions.open(token(lab, own_key))


def test_the_key_of_another_app_vouches_for_nothing(lab: Lab) -> None:
    keys = lab.stack.entra.keys
    keys.of_applications["another"] = theirs = issue_certificate("another app", lab.clock())
    try:
        with pytest.raises(InvalidToken, match="unknown signing key"):
            lab.services(**{SETTING: "true"}).sessions.open(token(lab, theirs))
    finally:
        keys.of_applications.clear()


def test_it_is_for_one_tenant_alone() -> None:
    """Each tenant would have a key of its own for the app."""
    several = {"AzureAd__TenantId": "organizations", "AzureAd__AllowedTenants": TENANT}
    assert list(problems(**several, **{SETTING: "true"})) == [SETTING]
