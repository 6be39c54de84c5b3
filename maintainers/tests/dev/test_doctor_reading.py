"""How the doctor reads: its files, the Azure CLI, and requests that are bounded and stay at their host."""

from __future__ import annotations

import json
import os
import shlex
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from client.errors import SettingsError
from client.http import BoundedSession
from doctor import reading
from doctor.__main__ import main
from doctor.az import TokenRefusedError, az_token
from doctor.case import Case
from doctor.checks import deployed
from doctor.checks.surroundings import set_command
from doctor.given import Given
from doctor.reading import Reader, Service
from doctor.settings import Settings, ask_the_code
from doctor.verdicts import CannotTellError
from emulators.environment import site_settings
from emulators.table import read_table

Seen = list[tuple[str, str, str | None]]
POSIX = pytest.mark.skipif(os.name == "nt", reason="the stand-in for az is a script of a POSIX shell")
SECRET = "s3cret-m4rk"


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any], Seen]]:
    """An address, the replies by path (status, headers, body), and the requests that came."""
    replies: dict[str, Any] = {}
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.command, self.path, self.headers.get("Authorization")))
            status, headers, body = replies.get(self.path, (404, {}, b"{}"))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_address[1]}", replies, seen
    listening.shutdown()
    listening.server_close()


def reader_at(address: str) -> tuple[Reader, Service]:
    session = BoundedSession(connect=2, read=2)
    session.proxies = {"no_proxy": "127.0.0.1"}
    return Reader(lambda scope: f"token-of-{scope}", session), Service("Graph", address, "scope")


def test_a_redirect_is_not_followed(server: tuple[str, dict[str, Any], Seen]) -> None:
    address, replies, seen = server
    replies["/a"] = (302, {"Location": f"{address}/b"}, {})
    reader, service = reader_at(address)
    with pytest.raises(CannotTellError, match="responds 302"):
        reader.get(service, "/a", "a role")
    assert [path for _, path, _ in seen] == ["/a"]


def test_a_response_that_says_when_to_try_again_is_a_response(
    server: tuple[str, dict[str, Any], Seen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no az
    address, replies, seen = server
    replies["/api/me"] = (503, {"Retry-After": "10"}, {"code": "temporarily_unavailable"})
    reader, _ = reader_at(address)
    reply = reader.send("GET", f"{address}/api/me", "token")
    assert (reply.status, reply.body, reply.retry_after) == (503, {"code": "temporarily_unavailable"}, "10")
    assert len(seen) == 1

    case = Case(Given(site_settings(read_table())))
    with pytest.raises(CannotTellError, match="503 temporarily_unavailable: Entra, Key Vault or the API") as told:
        deployed._explained(case, reply)
    assert told.value.right == "another try, in 10 s"


def test_all_pages_are_read_at_their_own_host_alone(server: tuple[str, dict[str, Any], Seen]) -> None:
    address, replies, seen = server
    replies["/list"] = (200, {}, {"value": [{"id": 1}], "@odata.nextLink": f"{address}/more"})
    replies["/more"] = (200, {}, {"value": [{"id": 2}], "nextLink": f"{address}/last"})
    replies["/last"] = (200, {}, {"value": [{"id": 3}]})
    reader, service = reader_at(address)
    assert reader.listed(service, "/list", "") == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert {authorization for _, _, authorization in seen} == {"Bearer token-of-scope"}

    replies["/more"] = (200, {}, {"value": [], "nextLink": address.replace("127.0.0.1", "localhost")})
    with pytest.raises(CannotTellError, match="another host"):
        reader.listed(service, "/list", "")


def test_a_list_without_an_end_is_given_up(server: tuple[str, dict[str, Any], Seen]) -> None:
    address, replies, seen = server
    replies["/list"] = (200, {}, {"value": [], "nextLink": f"{address}/list"})
    reader, service = reader_at(address)
    with pytest.raises(CannotTellError, match=f"more than {reading.MAX_PAGES} pages"):
        reader.listed(service, "/list", "")
    assert len(seen) == reading.MAX_PAGES


def test_a_response_that_is_too_long_is_given_up(
    server: tuple[str, dict[str, Any], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, replies, _ = server
    replies["/a"] = (200, {}, {"value": "x" * 200_000})
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    reader, service = reader_at(address)
    with pytest.raises(CannotTellError, match="does not respond"):
        reader.get(service, "/a", "")


def test_a_netrc_file_does_not_take_the_place_of_the_token(
    server: tuple[str, dict[str, Any], Seen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, replies, seen = server
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    replies["/a"] = (200, {}, {})
    reader, service = reader_at(address)
    reader.get(service, "/a", "")
    reader.send("GET", f"{address}/a")
    assert [authorization for _, _, authorization in seen] == ["Bearer token-of-scope", None]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_proxy_gets_no_token_for_this_machine(
    server: tuple[str, dict[str, Any], Seen], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    address, replies, seen = server
    replies["/api/me"] = (200, {}, {"through": "nothing"})
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        session = BoundedSession(connect=2, read=2)
        url = f"http://{host}:{address.rpartition(':')[2]}/api/me"
        assert Reader(lambda _: "", session).send("GET", url, "token").body == {"through": "nothing"}
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert seen == [("GET", "/api/me", "Bearer token")]


def test_a_refusal_names_the_right_and_no_text_of_the_service(server: tuple[str, dict[str, Any], Seen]) -> None:
    address, replies, _ = server
    replies["/a"] = (
        403,
        {},
        {"error": {"code": "Forbidden", "message": SECRET, "innererror": {"code": "ForbiddenByRbac"}}},
    )
    replies["/b"] = (403, {}, {"error": {"code": "Forbidden", "innererror": {"code": "ForbiddenByConnection"}}})
    replies["/c"] = (403, {}, {"error": {"code": f"{SECRET} {{}}"}})
    reader, service = reader_at(address)
    with pytest.raises(CannotTellError, match=r"^Graph responds 403 ForbiddenByRbac$") as refused:
        reader.get(service, "/a", "a role")
    assert refused.value.right == "a role"
    with pytest.raises(CannotTellError, match="ForbiddenByConnection") as closed:
        reader.get(service, "/b", "a role")
    assert "network" in closed.value.right
    with pytest.raises(CannotTellError, match=r"^Graph responds 403$"):
        reader.get(service, "/c", "a role")


def test_the_values_of_app_settings_are_dropped(server: tuple[str, dict[str, Any], Seen]) -> None:
    address, replies, seen = server
    replies["/list"] = (200, {}, {"properties": {"B": SECRET, "A": SECRET}})
    reader, service = reader_at(address)
    assert reader.names_of_settings(service, "/list", "") == ["A", "B"]
    assert seen[0][0] == "POST"


# The Azure CLI


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program of this name and this text on the PATH; returns where it may write."""

    def put(script: str) -> Path:
        program = tmp_path / "az"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
        return tmp_path / "asked"

    return put


@POSIX
def test_az_is_asked_for_a_token_and_nothing_else(az: Callable[[str], Path], tmp_path: Path) -> None:
    asked = az(f"""echo "$@" > '{tmp_path}/asked'; echo '{{"accessToken": "t0ken"}}'""")
    assert az_token("https://graph.microsoft.com/.default", "a-tenant") == "t0ken"
    words = "account get-access-token --scope https://graph.microsoft.com/.default --tenant a-tenant --output json"
    assert asked.read_text(encoding="utf-8").strip() == words


@POSIX
def test_what_az_says_is_not_repeated_but_for_the_number(az: Callable[[str], Path]) -> None:
    az(f"echo 'ERROR: AADSTS700082: {SECRET}' >&2; exit 1")
    with pytest.raises(TokenRefusedError, match="AADSTS700082") as refused:
        az_token("api://x/.default", "t")
    assert SECRET not in f"{refused.value} {refused.value.right}"
    assert refused.value.right == "az login --tenant t --scope api://x/.default"


@POSIX
@pytest.mark.parametrize(
    ("number", "says", "right"),
    [
        ("AADSTS50076", "second factor", "az login --tenant t"),
        ("AADSTS53003", "Conditional Access blocks you", "another account, or an administrator"),
        ("AADSTS50173", "was revoked", "az login --tenant t"),
        ("AADSTS99999", "AADSTS99999", "az login --tenant t"),
    ],
)
def test_a_number_of_entra_is_explained(az: Callable[[str], Path], number: str, says: str, right: str) -> None:
    az(f"echo 'ERROR: {number}: no' >&2; exit 1")
    with pytest.raises(TokenRefusedError) as refused:
        az_token("api://x/.default", "t")
    assert f": {number}" in str(refused.value)
    assert says in str(refused.value)
    assert refused.value.right.startswith(right)


@POSIX
def test_az_that_prints_something_else(az: Callable[[str], Path]) -> None:
    az("echo hello")
    with pytest.raises(CannotTellError, match="printed no token"):
        az_token("api://x/.default", "")


def test_without_az_it_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotTellError, match="not installed") as missing:
        az_token("api://x/.default", "")
    assert "aka.ms/azure-cli" in missing.value.right


@pytest.mark.parametrize("scope", ["api://x/.default&calc", 'a" b', "", "%PATH%"])
def test_what_a_shell_would_act_upon_never_reaches_az(scope: str) -> None:
    with pytest.raises(CannotTellError, match="characters"):
        az_token(scope, "")


# What it is told


def test_a_name_is_no_command() -> None:
    """Anybody who may write settings names them, and a person copies what is printed into a shell."""
    printed = set_command(Case(Given({})), "AzureAd__$(touch x)")
    assert shlex.split(printed)[-1] == "AzureAd__$(touch x)=..."
    assert "'AzureAd__$(touch x)'=..." in printed


def test_local_settings_and_what_azd_prints(tmp_path: Path) -> None:
    azd, local = tmp_path / ".env", tmp_path / "local.settings.json"
    azd.write_text('AZURE_RESOURCE_GROUP="rg-dev"\nTENANT_ID="t"\n', encoding="utf-8")
    local.write_text(json.dumps({"IsEncrypted": False, "Values": {"AzureAd__ClientId": "c"}}), encoding="utf-8")
    given = Given.read({"azuread__clientid": "old"}, [azd, local])
    assert (given.text("AZURE_RESOURCE_GROUP"), given.settings) == ("rg-dev", {"azuread__clientid": "c"})


def test_the_settings_of_an_azd_environment_are_made_of_its_outputs() -> None:
    outputs = {
        "TENANT_ID": "c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21",
        "API_CLIENT_ID": "a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13",
        "API_SCOPE": "api://t/api-x/access_as_user",
        "CLOUD_NAME": "AzureUSGovernment",
        "CLIENT_CREDENTIAL": "vaultKey",
        "KEY_VAULT_URL": "https://kv-x.vault.usgovcloudapi.net/",
        "CREDENTIAL_NAME": "api-client",
        "ORDERS_BASE_URL": "https://orders.example/api",
        "ORDERS_SCOPES": "api://t/orders-x/Orders.Read",
        "ALLOWED_TENANTS": '["fab41ca0-52d4-4b6e-8a19-6c3e5d4f7b82"]',
    }
    answer = ask_the_code(Given(outputs).settings)
    assert answer["problems"] == {}
    settings = Settings.of(answer["facts"])
    assert (settings.login, settings.for_several_tenants) == ("login.microsoftonline.us", True)
    assert settings.credentials[0].source_type == "SignedAssertionFromVault"
    assert [api.name for api in settings.apis] == ["Graph", "Orders"]


def test_the_code_is_asked_in_a_process_of_its_own_and_tells_no_secret() -> None:
    secret = {
        "AzureAd__ClientCredentials__1__SourceType": "ClientSecret",
        "AzureAd__ClientCredentials__1__ClientSecret": SECRET,
        "TokenCache__Redis__Url": f"rediss://:{SECRET}@redis.example:10000",
    }
    answer = ask_the_code({**site_settings(read_table()), **secret})
    assert (answer["problems"], SECRET in json.dumps(answer)) == ({}, False)
    wrong = ask_the_code({"AzureAd__ClientId": SECRET})
    assert {"AzureAd__ClientId", "AzureAd__TenantId"} <= wrong["problems"].keys()
    assert SECRET not in json.dumps(wrong)
    named = ask_the_code(site_settings(read_table()), ["AzureAd__ClientId", "AzureAd__Scopez"])["problems"]
    assert named["AzureAd__Scopez"].startswith("is not a setting of this API")
    assert named["AzureAd__TenantId"] == "is missing"
    assert "AzureAd__ClientId" not in named


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "begins like JSON"), ('{"Values": 1}', "no object Values"), ("nonsense", "expected NAME=value")],
)
def test_a_file_that_is_neither(content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        Given.read({}, [file])
    assert main(["--env-file", str(file)]) == 2
    assert says in capsys.readouterr().err


def test_nothing_given_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in os.environ if name.upper().startswith(("AZUREAD__", "API_", "AZURE_"))]:
        monkeypatch.delenv(name)
    assert main(["--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    wrong = [one for one in found["checks"] if one["status"] == "wrong"]
    assert [one["check"] for one in wrong] == ["settings"]
    assert "AzureAd__ClientId is missing" in wrong[0]["found"]
