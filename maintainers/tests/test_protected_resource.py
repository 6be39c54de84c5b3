"""The API over HTTP, for a client that knows its address and a client id, and nothing else (RFC 9728)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests

from emulators.applications import MCP_CLIENT_ID
from emulators.functions_host import worker_library
from emulators.local.processes import AppProcess
from emulators.loopback import free_port
from emulators.stack import Stack
from emulators.table import Table
from maintainers.tests.emulators.support import Http, authorize_query, pkce, redeem_form, response_of, walk
from tests.support.leaks import LeakWatch
from tests.support.live import inherited

ENGINES = ("worker", "sdk")
WELL_KNOWN = "/.well-known/oauth-protected-resource"
REDIRECT = "http://localhost:33418/callback"


@pytest.fixture(scope="module")
def apis(tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch) -> Iterator[tuple[Stack, dict[str, str]]]:
    """One tenant, and the API on each engine. The setting has the addresses of all."""
    folder = tmp_path_factory.mktemp("resource")
    engines = [each for each in ENGINES if each == "sdk" or worker_library.is_installed()]
    urls = {each: f"http://127.0.0.1:{free_port()}" for each in engines}
    listed = tuple(f"{url}{path}" for url in urls.values() for path in ("/api/me", ""))
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(folder, table=Table(public_urls=listed)))
        environ = {**inherited(), **stack.environ("api")}
        apps = []
        for engine, url in urls.items():
            apps.append(
                AppProcess(
                    "api",
                    urlsplit(url).port or 0,
                    environ,
                    folder / f"{engine}.log",
                    lambda _, line: leak_watch.scan(line, "log of the api app"),
                    engine,
                )
            )
            exits.callback(apps[-1].stop)
        for app in apps:
            app.ready()
        yield stack, urls


@pytest.fixture(params=ENGINES)
def api(request: pytest.FixtureRequest, apis: tuple[Stack, dict[str, str]]) -> str:
    if request.param not in apis[1]:
        pytest.skip("azure-functions-runtime is not installed (Python 3.13 and newer)")
    return apis[1][request.param]


def test_everybody_may_read_the_documents(apis: tuple[Stack, dict[str, str]], api: str) -> None:
    for path in ("", "/api/me"):
        reply = requests.get(f"{api}{WELL_KNOWN}{path}", timeout=10)
        assert (reply.status_code, reply.json()["resource"]) == (200, f"{api}{path}")
        assert reply.json()["scopes_supported"] == [f"{api}{path}/access_as_user"]
        assert reply.headers["Content-Type"].startswith("application/json")
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.headers["Cache-Control"] == "public, max-age=3600"
        head = requests.head(f"{api}{WELL_KNOWN}{path}", timeout=10)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == reply.headers["Content-Type"]
    assert requests.post(f"{api}{WELL_KNOWN}", timeout=10).status_code == 404
    assert requests.get(f"{api}{WELL_KNOWN}/api/other", timeout=10).status_code == 404


def test_a_browser_is_let_through(api: str) -> None:
    asked = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": "GET"}
    asked["Access-Control-Request-Headers"] = "mcp-protocol-version"
    reply = requests.options(f"{api}{WELL_KNOWN}/api/me", headers=asked, timeout=10)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == reply.headers["Access-Control-Allow-Headers"] == "*"
    assert reply.headers["Access-Control-Allow-Methods"] == "GET, HEAD"


def test_from_the_address_and_a_client_id_to_a_200(apis: tuple[Stack, dict[str, str]], api: str) -> None:
    """What each MCP client does: 401, document, metadata of Entra, sign-in with `resource`, 200."""
    url = f"{api}/api/me"
    refused = requests.get(url, timeout=10)
    said = dict(re.findall(r'(\w+)="([^"]*)"', refused.headers["WWW-Authenticate"]))
    document = requests.get(said["resource_metadata"], timeout=10).json()
    assert (refused.status_code, document["resource"], document["scopes_supported"]) == (401, url, [said["scope"]])
    http = Http(apis[0], "client")
    entra = http.get(f"{document['authorization_servers'][0]}/.well-known/openid-configuration").json()
    assert [entra["issuer"]] == document["authorization_servers"]
    verifier, challenge = pkce()
    ours = {"client_id": MCP_CLIENT_ID, "redirect_uri": REDIRECT, "resource": document["resource"]}
    query = authorize_query(challenge, **ours, scope=f"{said['scope']} offline_access", prompt="consent")
    page = http.session.get(entra["authorization_endpoint"], params=query, timeout=10, allow_redirects=False)
    code = response_of(walk(http, page, "alice"))["code"]
    token = http.post(entra["token_endpoint"], redeem_form(code, verifier, **ours, scope=None)).json()["access_token"]
    reply = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert (reply.status_code, reply.json()["displayName"]) == (200, "Alice Ahlberg")


def test_a_host_that_is_not_listed_gets_the_first_address(apis: tuple[Stack, dict[str, str]], api: str) -> None:
    first = next(iter(apis[1].values()))
    reply = requests.get(f"{api}/api/me", headers={"Host": "evil.example"}, timeout=10)
    assert f'resource_metadata="{first}{WELL_KNOWN}/api/me"' in reply.headers["WWW-Authenticate"]
    assert "evil.example" not in f"{reply.headers} {reply.text}"
    document = requests.get(f"{api}{WELL_KNOWN}/api/me", headers={"Host": "evil.example"}, timeout=10)
    assert document.json()["resource"] == f"{first}/api/me"
