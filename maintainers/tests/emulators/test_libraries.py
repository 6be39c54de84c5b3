"""The real libraries, unpatched, against the emulators: MSAL, azure-identity, azure-keyvault-secrets."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import CertificateCredential, ManagedIdentityCredential, OnBehalfOfCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache
from cryptography.hazmat.primitives.serialization import pkcs12

from emulators.applications import API_ID, API_IDENTITY, CLIENT_ID
from emulators.browser import play
from emulators.certificates import Certificate
from emulators.people import CONTOSO, PEOPLE
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS

from .support import API_SCOPE, AUTHORITY, GRAPH_DEFAULT, Http, client_assertion, decode

ROOT = Path(__file__).parents[3]
ORDERS_SCOPE = f"{ORDERS.identifier_uris[0]}/Orders.Read"


@pytest.fixture
def _api_process(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the API's environment."""
    for name, value in stack.environ("api").items():
        monkeypatch.setenv(name, value)


def confidential(stack: Stack, http: Http, credential: object) -> Any:
    """MSAL's confidential client of the API."""
    return msal.ConfidentialClientApplication(
        API_ID, credential, AUTHORITY, client_capabilities=["cp1"], http_client=http.session
    )


def as_msal_wants_it(certificate: Certificate) -> dict[str, str]:
    """A certificate as MSAL's own certificate credential."""
    key, _, rest = certificate.pem().decode().partition("-----BEGIN CERTIFICATE-----")
    return {"private_key": key, "public_certificate": f"-----BEGIN CERTIFICATE-----{rest}"}


def test_msal_exchanges_with_its_own_certificate_credential(stack: Stack, own: Http) -> None:
    app = confidential(stack, own, as_msal_wants_it(stack.client_certificate))
    # Graph wants to be told what a client can do, the Orders API does not.
    for scope, capabilities in ((GRAPH_DEFAULT, ["cp1"]), (ORDERS_SCOPE, None), (GRAPH_DEFAULT, ["cp1"])):
        # MSAL presents one assertion again and again while it is valid, and Entra takes it
        answer = app.acquire_token_on_behalf_of(stack.issue_access_token("alice"), [scope])
        assert decode(answer["access_token"]).get("xms_cc") == capabilities, answer
    assert [entry.action for entry in stack.audit.entries()].count("obo") == 3


def test_msal_exchanges_with_an_assertion_of_ones_own(stack: Stack, own: Http) -> None:
    app = confidential(stack, own, {"client_assertion": lambda: client_assertion(stack.client_certificate)})
    answer = app.acquire_token_on_behalf_of(stack.issue_access_token("greta"), [GRAPH_DEFAULT])
    assert decode(answer["access_token"])["oid"] == PEOPLE["greta"].oid


def test_msal_sees_the_challenge_and_passes_it_on(stack: Stack, own: Http) -> None:
    app = confidential(stack, own, as_msal_wants_it(stack.client_certificate))
    refused = app.acquire_token_on_behalf_of(stack.issue_access_token("maya"), [GRAPH_DEFAULT])
    assert (refused["error"], refused["error_codes"], refused["suberror"]) == ("invalid_grant", [50076], "basic_action")
    assert json.loads(refused["claims"])["access_token"]["capolids"]

    stepped_up = stack.issue_access_token("maya", mfa=True)
    answer = app.acquire_token_on_behalf_of(stepped_up, [GRAPH_DEFAULT], claims_challenge=refused["claims"])
    claims = decode(answer["access_token"])
    assert (claims["amr"], claims["xms_cc"]) == (["pwd", "mfa"], ["cp1"])


@pytest.mark.usefixtures("_api_process")
def test_managed_identity_and_key_vault(stack: Stack) -> None:
    http_challenge_cache.clear()  # the library remembers for the whole process what a vault has demanded once
    with (
        ManagedIdentityCredential(client_id=API_IDENTITY.client_id) as credential,
        SecretClient("https://obo-local.vault.azure.net/", credential) as client,
    ):
        secret = client.get_secret("api-client")
        versions = [properties.version for properties in client.list_properties_of_secret_versions("api-client")]
        with pytest.raises(ResourceNotFoundError):
            client.get_secret("nothing")
        stack.vault.set_enabled("api-client", False)
        with pytest.raises(HttpResponseError, match="disabled"):
            client.get_secret("api-client")

    assert secret.properties.content_type == "application/x-pkcs12"
    assert versions == [secret.properties.version]
    _, certificate, _ = pkcs12.load_key_and_certificates(base64.b64decode(secret.value or ""), None)
    assert certificate == stack.client_certificate.certificate
    seen = [(entry.service, entry.status) for entry in stack.audit.entries() if entry.service != "gateway"]
    assert seen[:3] == [("vault", 401), ("identity", 200), ("vault", 200)]


@pytest.mark.usefixtures("_api_process")
def test_azure_identity_exchanges_too(stack: Stack) -> None:
    with OnBehalfOfCredential(
        CONTOSO,
        API_ID,
        client_certificate=stack.client_certificate.pem(),
        user_assertion=stack.issue_access_token("alice"),
    ) as credential:
        assert decode(credential.get_token(GRAPH_DEFAULT).token)["upn"] == "alice@contoso.example"


@pytest.mark.usefixtures("_api_process")
def test_azure_identity_gets_a_token_for_the_application_itself(stack: Stack) -> None:
    with CertificateCredential(CONTOSO, API_ID, certificate_data=stack.client_certificate.pem()) as credential:
        claims = decode(credential.get_token(GRAPH_DEFAULT).token)
        assert (claims["idtyp"], "roles" in claims, "scp" in claims) == ("app", False, False)
        stack.directory.require_assignment(stack.directory.applications["graph"])
    with (
        CertificateCredential(CONTOSO, API_ID, certificate_data=stack.client_certificate.pem()) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS501051"),
    ):
        credential.get_token(GRAPH_DEFAULT)


SIGN_IN = f"""
import json, sys, msal
app = msal.PublicClientApplication({CLIENT_ID!r}, authority={AUTHORITY!r})
claims = sys.argv[1] or None
answer = app.acquire_token_interactive([{API_SCOPE!r}], claims_challenge=claims, timeout=20)
account = app.get_accounts()[0]
silent = app.acquire_token_silent([{API_SCOPE!r}], account, force_refresh=True)
refreshed = "access_token" in (silent or {{}})
print(json.dumps({{"answer": answer, "home": account["home_account_id"], "silent": refreshed}}))
"""


@contextlib.contextmanager
def signed_in(stack: Stack, person: str, claims: str = "") -> Iterator[dict[str, Any]]:
    """MSAL's interactive sign-in in a process of its own, with the browser played by the emulators' one."""
    browser = f"{sys.executable} -m emulators.browser --as {person} %s"
    environ = {**os.environ, **stack.environ("client"), "BROWSER": browser, "EMULATORS_SIGN_IN_URL": stack.sign_in_url}
    environ["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", SIGN_IN, claims], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=40
    )
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout.splitlines()[-1])


def test_msal_signs_in_interactively(stack: Stack) -> None:
    with signed_in(stack, "greta") as result:
        greta = PEOPLE["greta"]
        assert decode(result["answer"]["access_token"])["oid"] == greta.oid
        assert result["answer"]["id_token_claims"]["preferred_username"] == greta.mail
        assert result["home"] == f"{greta.home_oid}.{greta.home_tenant}"
        assert result["silent"]


def test_msal_steps_up(stack: Stack) -> None:
    claims = '{"access_token":{"capolids":{"essential":true,"values":["any"]}}}'
    with signed_in(stack, "maya", claims) as result:
        assert decode(result["answer"]["access_token"])["amr"] == ["pwd", "mfa"]


def test_msal_signs_in_with_a_device_code(stack: Stack) -> None:
    stack.entra.device_code_interval = 1
    http = Http(stack, "client")
    with http.session:
        app = msal.PublicClientApplication(CLIENT_ID, authority=AUTHORITY, http_client=http.session)
        flow = app.initiate_device_flow([API_SCOPE])
        play(f"{flow['verification_uri']}?otc={flow['user_code']}", "olga", stack.sign_in_url)
        answer = app.acquire_token_by_device_flow(flow)
    assert answer["id_token_claims"]["preferred_username"] == "olga@contoso.example"
    assert {entry.caller for entry in stack.audit.entries() if entry.action == "device_code"} == {"client"}
