"""`AzureAd__PublicUrls`: metadata documents (RFC 9728), and what a challenge says of the address that was called."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.errors import InsufficientScope
from shared.hosting.protected_resource import metadata_routes
from shared.requires_user import RequiresApp, RequiresCaller, RequiresUser
from shared.services import LazyServices
from shared.settings.public_urls import PublicUrl
from shared.settings.settings import Settings
from tests.support.lab import Lab, said_by

from .guarded import body_of, reply_of
from .test_settings import CLIENT, GOOD, TENANT, problems

NAME = "AzureAd__PublicUrls"
HOST, OTHER = "https://api.contoso.example", "https://reach.contoso.example"
MCP = f"{HOST}/api/mcp"
BOTH = {f"{NAME}__0": MCP, f"{NAME}__1": HOST}
DOCUMENT, OF_MCP = "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/api/mcp"


# Settings


@pytest.mark.parametrize(
    ("url", "host", "path", "document"),
    [
        (MCP, "api.contoso.example", "/api/mcp", f"{HOST}{OF_MCP}"),
        (HOST, "api.contoso.example", "", f"{HOST}{DOCUMENT}"),
        (
            f"{HOST}:8443/v1.0/a_b~c-d",
            "api.contoso.example:8443",
            "/v1.0/a_b~c-d",
            f"{HOST}:8443{DOCUMENT}/v1.0/a_b~c-d",
        ),
        ("http://127.0.0.1:7071/api/mcp", "127.0.0.1:7071", "/api/mcp", f"http://127.0.0.1:7071{OF_MCP}"),
        ("http://localhost", "localhost", "", f"http://localhost{DOCUMENT}"),
    ],
)
def test_an_address_is_taken_as_it_is_written(url: str, host: str, path: str, document: str) -> None:
    (read,) = Settings.from_environ({**GOOD, NAME: url}).public_urls
    assert (read.url, read.host, read.path, read.metadata) == (url, host, path, document)


@pytest.mark.parametrize(
    "wrong",
    [
        *("http://api.contoso.example/api/mcp", "http://127.0.0.2", "http://localhost.contoso.example"),
        *("https://API.contoso.example", "HTTPS://api.contoso.example", "api://contoso/api", "api.contoso.example"),
        *(f"{HOST}/", f"{MCP}/", f"{MCP}?a=b", f"{MCP}#a", f"{HOST}//api", f"{HOST}/api/../mcp", f"{HOST}/./mcp"),
        *(f"{HOST}:443", f"{HOST}:443/api", "http://localhost:80", f"{HOST}:", f"{HOST}:0", f"{HOST}:123456"),
        *(
            "https://",
            "https:///api",
            "https://a:b@c.example",
            "https://*.contoso.example",
            "https://a..b",
            "https://-a",
        ),
        *(f'{HOST}/a"b', f"{HOST}/a\\b", f"{HOST}/a%2Fb", f"{HOST}/a,b", f"{HOST}/ä", f"{HOST}/{{a}}", "https://[::1]"),
    ],
)
def test_any_other_form_is_refused_by_name(wrong: str) -> None:
    found = problems(**{f"{NAME}__0": HOST, f"{NAME}__1": wrong})
    assert list(found) == [f"{NAME}__1"]
    assert found[f"{NAME}__1"].startswith(("must be an https:// address as clients write it", "must be words"))


def test_all_wrong_addresses_are_named_at_once() -> None:
    given = {f"{NAME}__0": "http://a.example", f"{NAME}__1": HOST, f"{NAME}__2": HOST, f"{NAME}__3": ""}
    found = problems(**given)
    assert sorted(found) == [f"{NAME}__0", f"{NAME}__2", f"{NAME}__3"]
    assert (found[f"{NAME}__2"], found[f"{NAME}__3"]) == ("is there twice; remove one", "is missing")
    assert list(problems(**{NAME: ""})) == [NAME]


# Challenges


@pytest.fixture
def provider(lab: Lab) -> LazyServices:
    return LazyServices(lab.environ(**BOTH), now=lab.clock, sleep=lab.clock.forward)


def called(path: str, token: str = "", host: str = HOST) -> func.HttpRequest:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return func.HttpRequest("GET", f"{host}{path}", headers=headers, body=b"")


def parameters(reply: func.HttpResponse) -> dict[str, str]:
    """Those of the one challenge, in their order."""
    scheme, _, rest = reply.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return {name: value.strip('"') for name, _, value in (each.partition("=") for each in rest.split(", "))}


def hello(provider: LazyServices, scopes: list[str] | None = None) -> Any:
    @RequiresUser(provider)(scopes=scopes)
    def hello(req: func.HttpRequest, user: User) -> str:
        return user.name

    return hello


@pytest.mark.parametrize(
    ("path", "url", "document"),
    [("/api/mcp", MCP, OF_MCP), ("/api/mcp/", MCP, OF_MCP), ("/api/mcp/more?a=b", MCP, OF_MCP)]
    + [(path, HOST, DOCUMENT) for path in ("/api/me", "/api/mcpx", "/", "", "/API/mcp", "/api//mcp")],
)
def test_the_path_decides_which_address_a_challenge_is_about(
    provider: LazyServices, path: str, url: str, document: str
) -> None:
    reply = hello(provider)(req=called(path))
    said = {"scope": f"{url}/access_as_user", "resource_metadata": f"{HOST}{document}"}
    assert (reply.status_code, parameters(reply)) == (401, {"realm": parameters(reply)["realm"], **said})


def test_every_challenge_names_the_scopes_in_full_and_the_document(lab: Lab, provider: LazyServices) -> None:
    token = lab.stack.issue_access_token("alice", scopes=["something.else"])
    expected = {"scope": f"{MCP}/orders.read {MCP}/orders.write", "resource_metadata": f"{HOST}{OF_MCP}"}
    one = hello(provider, ["orders.read", "orders.write"])
    missing, wrong, lacking = (one(req=called("/api/mcp", token)) for token in ("", "no.valid.token", token))
    assert [reply.status_code for reply in (missing, wrong, lacking)] == [401, 401, 403]
    assert list(parameters(missing)) == ["realm", "scope", "resource_metadata"]
    for reply, error in ((wrong, "invalid_token"), (lacking, "insufficient_scope")):
        assert parameters(reply) == {"realm": parameters(reply)["realm"], "error": error, **expected}
    assert body_of(lacking)["scopes"] == ["orders.read", "orders.write"]  # bare, as in the claim scp


def test_it_stands_beside_the_claims_of_entra(lab: Lab, provider: LazyServices) -> None:
    @RequiresUser(provider)(auth_context="c1")
    def first(req: func.HttpRequest, user: User) -> str:
        return user.name

    said = parameters(first(req=called("/api/mcp", lab.stack.issue_access_token("alice"))))
    assert list(said) == ["realm", "authorization_uri", "error", "claims", "scope", "resource_metadata"]
    assert [name for name in said if name.endswith("scope")] == ["scope"]  # MSAL.NET looks for the end of a name


def test_a_function_may_name_scopes_of_its_own(lab: Lab, provider: LazyServices) -> None:
    """As the tools of an MCP server do."""

    @RequiresUser(provider)()
    async def tool(req: func.HttpRequest, user: AsyncUser) -> str:
        raise InsufficientScope(["orders.write"])

    reply = asyncio.run(tool(req=called("/api/mcp", lab.stack.issue_access_token("alice"))))
    assert (reply.status_code, parameters(reply)["scope"]) == (403, f"{MCP}/orders.write")


@pytest.mark.parametrize("host", ["https://evil.example", "http://evil.example:80", "https://api.contoso.example.evil"])
def test_a_host_that_is_not_listed_gets_into_no_response(provider: LazyServices, host: str) -> None:
    reply = hello(provider)(req=called("/api/mcp", host=host))
    assert parameters(reply)["resource_metadata"] == f"{HOST}{OF_MCP}"
    assert "evil" not in f"{dict(reply.headers)} {reply.get_body()!r}"


@pytest.mark.parametrize(
    ("host", "path", "url"),
    [
        (HOST, "/api/mcp", MCP),
        (OTHER, "/api/mcp", f"{OTHER}/api/mcp"),
        (OTHER.upper().replace("HTTPS", "https"), "/api/mcp", f"{OTHER}/api/mcp"),
        (OTHER, "/api/me", HOST),  # not covered by an address of this host
        (f"{OTHER}:8443", "/api/mcp", MCP),
        ("https://evil.example", "/api/mcp", MCP),
    ],
)
def test_among_several_hosts_the_called_one_is_meant_if_it_is_listed(lab: Lab, host: str, path: str, url: str) -> None:
    several = LazyServices(lab.environ(**{**BOTH, f"{NAME}__2": f"{OTHER}/api/mcp"}), now=lab.clock)
    assert parameters(hello(several)(req=called(path, host=host)))["scope"] == f"{url}/access_as_user"


def test_a_path_below_no_address_has_the_challenge_of_old(lab: Lab) -> None:
    alone = LazyServices(lab.environ(**{NAME: MCP}), now=lab.clock)
    assert list(parameters(hello(alone)(req=called("/api/me")))) == ["realm"]
    assert list(parameters(hello(LazyServices(lab.environ()))(req=called("/api/mcp")))) == ["realm"]
    lacking = called("/api/me", lab.stack.issue_access_token("alice", scopes=["x"]))
    assert parameters(hello(alone)(req=lacking))["scope"] == "access_as_user"


def test_what_is_no_address_is_no_failure(provider: LazyServices) -> None:
    request = func.HttpRequest("GET", "http://[/api/mcp", headers={}, body=b"")
    assert hello(provider)(req=request).status_code == 401


def test_an_application_is_told_the_document_and_no_scope(provider: LazyServices) -> None:
    @RequiresApp(provider)(roles=["Jobs.Run"])
    def job(req: func.HttpRequest) -> str:
        return "done"

    @RequiresCaller(provider)(roles=["Jobs.Run"])
    def both(req: func.HttpRequest) -> str:
        return "done"

    assert list(parameters(job(req=called("/api/jobs")))) == ["realm", "resource_metadata"]
    assert parameters(both(req=called("/api/jobs")))["scope"] == f"{HOST}/access_as_user"


def test_a_refusal_that_is_no_challenge_stays_without_one(lab: Lab, provider: LazyServices) -> None:
    @RequiresUser(provider)(roles=["Admin"])
    def admin(req: func.HttpRequest, user: User) -> str:
        return user.name

    reply = admin(req=called("/api/mcp", lab.stack.issue_access_token("alice")))
    assert (reply.status_code, reply.headers.get("WWW-Authenticate")) == (403, None)


def test_a_good_token_needs_none_of_this(lab: Lab) -> None:
    now = int(time.time())  # not the clock of the tests: it is another process
    token = lab.stack.issue_access_token("alice", iat=now, nbf=now, exp=now + 3600)
    program = f"""
import sys, azure.functions as func, shared
@shared.requires_user(scopes=["access_as_user"])
def hello(req: func.HttpRequest, user: shared.User) -> str:
    return user.name
token = {token!r}
def reply(headers):
    return hello(req=func.HttpRequest("GET", "{MCP}", headers=headers, body=b"")).status_code
print(reply({{"Authorization": "Bearer " + token}}), "shared.hosting.protected_resource" in sys.modules)
print(reply({{}}), "shared.hosting.protected_resource" in sys.modules)
"""
    assert said_by(program, lab.environ(**BOTH)).split() == ["200", "False", "401", "True"]


# Documents


def document(provider: LazyServices, path: str, method: str = "GET", host: str = HOST) -> func.HttpResponse:
    """What the route responds to this path below the well-known one."""
    (builder,) = metadata_routes(provider.settings)._function_builders
    function = builder.build(func.AuthLevel.FUNCTION)
    trigger: Any = function.get_trigger()
    assert trigger.auth_level is func.AuthLevel.ANONYMOUS
    url = f"{host}{DOCUMENT}{path}"
    route = {"path": path.strip("/")} if path else {}
    request = func.HttpRequest(method, url, headers={}, route_params=route, body=b"")
    return reply_of(function.get_user_function(), req=request)


def test_the_documents_are_those_of_the_addresses(provider: LazyServices) -> None:
    settings = provider.settings()
    for path, url in (("", HOST), ("/api/mcp", MCP), ("/api/mcp/", MCP)):
        reply = document(provider, path)
        assert (reply.status_code, json.loads(reply.get_body())) == (
            200,
            {
                "resource": url,
                "authorization_servers": [f"https://login.microsoftonline.com/{settings.authority.tenant_id}/v2.0"],
                "scopes_supported": [f"{url}/access_as_user"],
                "bearer_methods_supported": ["header"],
            },
        )
        assert reply.mimetype == "application/json"
        assert dict(reply.headers) == {
            "Cache-Control": "public, max-age=3600",
            "Access-Control-Allow-Origin": "*",
        }


@pytest.mark.parametrize("path", ["/api", "/api/me", "/api/mcp/more", "/API/MCP", "/.."])
def test_another_path_has_no_document(provider: LazyServices, path: str) -> None:
    reply = document(provider, path)
    assert (reply.status_code, body_of(reply)["code"]) == (404, "not_found")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "url"), [(HOST, MCP), (OTHER, f"{OTHER}/api/mcp"), ("https://evil.example", MCP), ("https://[", MCP)]
)
def test_a_document_is_that_of_the_called_host_if_it_is_listed(lab: Lab, host: str, url: str) -> None:
    several = LazyServices(lab.environ(**{**BOTH, f"{NAME}__2": f"{OTHER}/api/mcp"}))
    assert json.loads(document(several, "/api/mcp", host=host).get_body())["resource"] == url


def test_a_browser_may_ask_before_with_any_header(provider: LazyServices) -> None:
    reply = document(provider, "/api/mcp", "OPTIONS")
    assert (reply.status_code, reply.get_body()) == (204, b"")
    assert dict(reply.headers) == {
        "Allow": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Max-Age": "3600",
        "Access-Control-Allow-Origin": "*",
    }


def test_there_is_no_document_without_an_address_and_none_while_settings_are_wrong(lab: Lab) -> None:
    assert document(LazyServices(lab.environ()), "").status_code == 404
    wrong = document(LazyServices(lab.environ(**{NAME: MCP, "AzureAd__TenantId": "x"})), "/api/mcp")
    assert (wrong.status_code, body_of(wrong)["code"]) == (500, "server_misconfigured")
    assert wrong.headers["Access-Control-Allow-Origin"] == "*"


def of(**changes: str) -> dict[str, Any]:
    """The document of an API with these settings."""
    given = {name: value for name, value in {**GOOD, NAME: MCP, **changes}.items() if value}
    found: dict[str, Any] = json.loads(document(LazyServices(given), "/api/mcp").get_body())
    return found


def test_a_list_without_entries_is_left_out() -> None:
    assert "scopes_supported" not in of(AzureAd__Scopes="")
    assert of(AzureAd__Scopes="a b")["scopes_supported"] == [f"{MCP}/a", f"{MCP}/b"]


@pytest.mark.parametrize(
    ("changes", "server"),
    [
        ({"AzureAd__Instance": "https://login.microsoftonline.us"}, f"https://login.microsoftonline.us/{TENANT}/v2.0"),
        ({"AzureAd__Instance": "https://contoso.ciamlogin.com"}, f"https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"),
        (
            {"AzureAd__TenantId": "organizations", "AzureAd__AllowedTenants": CLIENT},
            "https://login.microsoftonline.com/organizations/v2.0",
        ),
    ],
)
def test_the_authorization_server_is_the_issuer_or_the_endpoint_of_all_tenants(
    changes: dict[str, str], server: str
) -> None:
    gone = {name: "" for name in GOOD if name.startswith(("DownstreamApis", "AzureAd__ClientCredentials"))}
    assert of(**gone, **changes)["authorization_servers"] == [server]


def test_an_address_knows_its_document() -> None:
    assert PublicUrl(MCP, HOST, "api.contoso.example", "/api/mcp").metadata == f"{HOST}{OF_MCP}"
