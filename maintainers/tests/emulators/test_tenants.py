"""Several tenants: what Entra refuses an application that is not, or no longer, in a tenant; and External ID."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from emulators.applications import API_ID, API_IDENTITY, CLIENT_ID, TOKEN_EXCHANGE_URI
from emulators.people import CONTOSO, CUSTOMERS, FABRIKAM
from emulators.stack import Stack
from emulators.table import Table
from maintainers.tests.orders import ORDERS
from tests.support.lab import TABLE

from .support import (
    API_SCOPE,
    ASSERTION_TYPE,
    Http,
    PageForm,
    assert_refused,
    authorize_query,
    client_assertion,
    decode,
    obo_form,
    walk,
)

LOGIN = "https://login.microsoftonline.com"
ORDERS_READ = f"{ORDERS.identifier_uris[0]}/Orders.Read"


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Http]:
    """The API's session with a stack whose applications are for several tenants."""
    table = Table(apis=TABLE.apis, sign_in_audience="AzureADMultipleOrgs")
    with Stack.start(tmp_path, table=table) as stack:
        caller = Http(stack)
        with caller.session:
            yield caller


def exchange(http: Http, person: str, tenant: str, *, of: str = "", **changes: str | None) -> requests.Response:
    """Exchanges the person's token at this tenant, with an assertion for the tenant `of`."""
    url = f"{LOGIN}/{tenant}/oauth2/v2.0/token"
    proof = client_assertion(http.stack.client_certificate, audience=f"{LOGIN}/{of or tenant}/oauth2/v2.0/token")
    token = http.stack.issue_access_token(person)
    return http.post(url, obo_form(http.stack, token, client_assertion=proof, **changes))


def test_a_user_of_the_second_tenant_gets_a_token_of_that_tenant(several: Http) -> None:
    claims = decode(several.stack.issue_access_token("frida"))
    assert (claims["tid"], claims["iss"]) == (FABRIKAM, f"{LOGIN}/{FABRIKAM}/v2.0")
    exchanged = decode(exchange(several, "frida", FABRIKAM).json()["access_token"])
    assert (exchanged["tid"], exchanged["iss"]) == (FABRIKAM, f"https://sts.windows.net/{FABRIKAM}/")
    assert decode(exchange(several, "alice", CONTOSO).json()["access_token"])["tid"] == CONTOSO


@pytest.mark.parametrize(("person", "tenant"), [("frida", CONTOSO), ("alice", FABRIKAM), ("greta", FABRIKAM)])
def test_a_token_of_one_tenant_is_exchanged_at_no_other(several: Http, person: str, tenant: str) -> None:
    assert_refused(exchange(several, person, tenant), 50013, "invalid_grant")


@pytest.mark.parametrize("tenant", ["common", "organizations"])
def test_an_exchange_needs_a_tenant(several: Http, tenant: str) -> None:
    assert_refused(exchange(several, "frida", tenant), 50059, "invalid_request")


def test_an_assertion_for_one_tenant_is_refused_by_the_other(several: Http) -> None:
    assert_refused(exchange(several, "frida", FABRIKAM, of=CONTOSO), 700023, "invalid_client", status=401)


def test_the_managed_identity_of_the_home_tenant_stands_for_the_app_everywhere(several: Http) -> None:
    several.stack.directory.trust_identity(several.stack.directory.applications["api"], API_IDENTITY)
    token = several.stack.entra.identity_token(TOKEN_EXCHANGE_URI, 3600)
    form = obo_form(several.stack, several.stack.issue_access_token("frida"), client_assertion=token)
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert several.post(f"{LOGIN}/{FABRIKAM}/oauth2/v2.0/token", form).status_code == 200


def test_applications_of_one_tenant_are_in_no_other(http: Http) -> None:
    assert_refused(exchange(http, "frida", FABRIKAM), 700016, "unauthorized_client")
    assert "AADSTS700016: " in consent_page(http, API_ID).text


def test_each_tenant_may_remove_and_disable_applications(several: Http) -> None:
    directory = several.stack.directory
    directory.remove(FABRIKAM, "orders")
    assert_refused(exchange(several, "frida", FABRIKAM, scope=ORDERS_READ), 500011, "invalid_resource")
    assert exchange(several, "alice", CONTOSO, scope=ORDERS_READ).status_code == 200
    directory.disable(FABRIKAM, "api")
    assert_refused(exchange(several, "frida", FABRIKAM), 7000112, "unauthorized_client")
    directory.remove(FABRIKAM, "api")
    assert_refused(exchange(several, "frida", FABRIKAM), 700016, "unauthorized_client")
    assert exchange(several, "alice", CONTOSO).status_code == 200


def consent_page(http: Http, client_id: str) -> requests.Response:
    url = f"{LOGIN}/{FABRIKAM}/adminconsent"
    return http.session.get(url, params={"client_id": client_id}, timeout=10, allow_redirects=False)


def test_the_consent_of_an_administrator_installs_an_application_in_their_tenant_alone(several: Http) -> None:
    directory, orders_id = several.stack.directory, several.stack.table.apis[0].client_id
    directory.remove(FABRIKAM, "api")
    directory.remove(FABRIKAM, "orders")
    assert "AADSTS650052: " in consent_page(several, API_ID).text
    assert walk(several, consent_page(several, orders_id), "frida").status_code == 200
    assert walk(several, consent_page(several, API_ID), "alice").status_code == 400  # she is of Contoso
    page = walk(several, consent_page(several, API_ID), "frida")
    assert "Consent is granted" in page.text
    assert exchange(several, "fiona", FABRIKAM).status_code == 200
    assert_refused(exchange(several, "connor", CONTOSO), 65001, "invalid_grant", suberror="consent_required")


def test_the_sign_in_page_shows_the_people_of_its_tenant(several: Http) -> None:
    for tenant, people in ((CONTOSO, {"alice", "greta"}), (FABRIKAM, {"frida", "felix", "fiona"})):
        url = f"{LOGIN}/{tenant}/oauth2/v2.0/authorize"
        page = several.session.get(url, params=authorize_query(), timeout=10)
        choices = set(PageForm(page.text).choices)
        assert people <= choices
        assert ("frida" in choices) is (tenant == FABRIKAM)
    form = PageForm(page.text)
    foreign = several.post(f"{LOGIN}{form.action}", {**form.fields, "account": "alice"})
    assert "AADSTS50034" in foreign.headers.get("location", foreign.text)


def test_graph_serves_each_tenant_its_own(several: Http) -> None:
    directory = several.stack.directory
    directory.grant("frida", directory.applications["api"], directory.applications["graph"], ("User.ReadBasic.All",))
    token = exchange(several, "frida", FABRIKAM).json()["access_token"]
    assert several.get("https://graph.microsoft.com/v1.0/me", token).json()["displayName"] == "Frida Fisher"
    assert several.get("https://graph.microsoft.com/v1.0/users/felix@fabrikam.example", token).status_code == 200
    assert several.get("https://graph.microsoft.com/v1.0/users/alice@contoso.example", token).status_code == 404
    mixed = several.stack.issue_access_token(
        "alice", app="graph", tid=FABRIKAM, iss=f"https://sts.windows.net/{FABRIKAM}/"
    )
    assert several.get("https://graph.microsoft.com/v1.0/me", mixed).status_code == 400


def test_the_document_of_organizations_has_a_template_for_an_issuer(several: Http) -> None:
    document = several.get(f"{LOGIN}/organizations/v2.0/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{LOGIN}/{{tenantid}}/v2.0"
    keys = several.get(document["jwks_uri"]).json()["keys"]
    assert {key["issuer"] for key in keys} == {f"{LOGIN}/{{tenantid}}/v2.0"}


@pytest.mark.parametrize("host", [f"{CUSTOMERS}.ciamlogin.com", "customers.ciamlogin.com"])
def test_external_id_has_two_names_and_one_issuer(http: Http, host: str) -> None:
    base = f"https://{host}/{CUSTOMERS}"
    document = http.get(f"{base}/v2.0/.well-known/openid-configuration").json()
    assert document["issuer"] == f"https://{CUSTOMERS}.ciamlogin.com/{CUSTOMERS}/v2.0"
    assert document["token_endpoint"] == f"{base}/oauth2/v2.0/token"
    assert {key["issuer"] for key in http.get(document["jwks_uri"]).json()["keys"]} > {document["issuer"]}
    other = http.get(f"https://{host}/{CONTOSO}/v2.0/.well-known/openid-configuration")
    assert other.json()["error_codes"] == [90002]
    assert http.get(f"https://{host}/organizations/v2.0/.well-known/openid-configuration").status_code == 400
    elsewhere = http.get(f"{LOGIN}/{CUSTOMERS}/v2.0/.well-known/openid-configuration")
    assert elsewhere.json()["error_codes"] == [90002]


def test_the_environment_names_the_tenants(several: Http, shared: Stack) -> None:
    api, orders = several.stack.environ("api"), several.stack.environ("orders")
    for environ in (api, orders):
        assert environ["AzureAd__TenantId"] == "organizations"
        assert [environ[f"AzureAd__AllowedTenants__{number}"] for number in (0, 1)] == [CONTOSO, FABRIKAM]
    assert "AzureAd__AllowedTenants__0" not in shared.environ("api")
    assert (API_SCOPE.startswith("api://"), CLIENT_ID) == (True, several.stack.environ("client")["CLIENT_APP_ID"])
