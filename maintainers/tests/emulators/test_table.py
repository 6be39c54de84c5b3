"""local-stack.toml: its effect on the tenant, and a message for every wrong entry that says what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulators.applications import API
from emulators.azure.declared import KINDS
from emulators.environment import api_settings
from emulators.people import CONTOSO, PEOPLE
from emulators.registrations import registrations
from emulators.stack import Stack
from emulators.table import ROOT, DownstreamApi, Table, TableError, addressed, read_table

from .support import GRAPH_DEFAULT, TOKEN_URL, Http, decode, obo_form

FULL = """
scopes = ["access_as_user", "notes.write"]

[roles]
"Notes.Editor" = ["olga", "alice"]

[settings]
Notes__MaxLength = "500"

[graph]
permissions = ["User.Read", "Files.Read"]
run_once = "/api/me"

[apis.Stock]
url = "http://127.0.0.1:9000/v1"
scopes = ["Stock.Read", "Stock.Write"]
roles = { "Stock.Keeper" = ["olga"] }
consent = "asked"
client_id = "5701cc00-2d6e-4f3a-8b4c-72d3e4f5a6b7"

[apis.Bank]
app = "bank_app.py"
scopes = ["Bank.Pay"]
path = "/v2"
run_once = "/api/payments"
"""


def table(folder: Path, text: str) -> Table:
    (folder / "bank_app.py").touch()
    (folder / "local-stack.toml").write_text(text, encoding="utf-8")
    return read_table(folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(TableError) as raised:
        table(folder, text)
    assert str(raised.value).startswith("the local stack cannot start with these entries:\n  ")
    assert str(raised.value).endswith("docs/local-stack.md explains them.")
    return raised.value.problems


def test_every_entry_is_read(tmp_path: Path) -> None:
    read = table(tmp_path, FULL)

    assert (read.scopes, read.graph) == (("access_as_user", "notes.write"), ("User.Read", "Files.Read"))
    assert read.roles == {"Notes.Editor": ("olga", "alice")}
    assert (read.settings, read.graph_run_once) == ({"Notes__MaxLength": "500"}, "/api/me")
    stock, bank = read.apis
    assert (stock.key, stock.base_url) == ("stock", "https://stock-local.azurewebsites.net/v1")
    assert (stock.client_id, stock.pre_authorized) == ("5701cc00-2d6e-4f3a-8b4c-72d3e4f5a6b7", False)
    assert stock.full_scopes == f"api://{CONTOSO}/obo-stock/Stock.Read api://{CONTOSO}/obo-stock/Stock.Write"
    assert (bank.app, bank.base_url) == ("bank_app.py", "https://bank-local.azurewebsites.net/v2")
    assert (bank.run_once, bank.pre_authorized) == ("/api/payments", True)


def test_without_a_file_there_is_the_api_alone(tmp_path: Path) -> None:
    read = read_table(tmp_path)

    assert read == Table()
    assert list(registrations(read)) == ["client", "mcp", "api", "daemon daemon", "graph"]
    with Stack.start(tmp_path, table=read) as stack, Http(stack).session:
        assert not [name for name in stack.environ("api") if "Orders" in name]
        assert "orders" not in stack.faults.targets


def test_the_tenant_is_what_the_table_says(tmp_path: Path) -> None:
    """Scopes, roles, permissions and consents, in tokens that Entra issues."""
    with Stack.start(tmp_path, table=table(tmp_path, FULL)) as stack:
        http = Http(stack)
        with http.session:
            bearer = stack.issue_access_token("olga")
            assert decode(bearer)["scp"] == "access_as_user notes.write"
            assert decode(bearer)["roles"] == ["Notes.Editor"]
            stock = stack.environ("api")["DownstreamApis__Stock__Scopes"]
            issued = http.post(TOKEN_URL, obo_form(stack, bearer, scope=stock)).json()["access_token"]
            assert decode(issued)["aud"] == stack.environ("stock")["AzureAd__ClientId"]
            assert (decode(issued)["scp"], decode(issued)["roles"]) == ("Stock.Read Stock.Write", ["Stock.Keeper"])
            graph = http.post(TOKEN_URL, obo_form(stack, bearer, scope=GRAPH_DEFAULT)).json()["access_token"]
            assert set(decode(graph)["scp"].split()) >= {"User.Read", "Files.Read"}

            connor = stack.issue_access_token("connor")  # he has consented to nothing: Stock asks, Bank does not
            assert http.post(TOKEN_URL, obo_form(stack, connor, scope=stock)).json()["error_codes"] == [65001]
            bank = stack.environ("api")["DownstreamApis__Bank__Scopes"]
            assert http.post(TOKEN_URL, obo_form(stack, connor, scope=bank)).status_code == 200


def test_the_tables_in_the_docs_are_good(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "local-stack.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert examples
    tables = [table(tmp_path, example) for example in examples]
    assert {service.service for each in tables for service in each.azure} == set(KINDS)


def test_the_docs_name_every_role_and_resource() -> None:
    page = (ROOT / "docs" / "local-stack.md").read_text(encoding="utf-8")
    section = page.partition("\n## Azure services\n")[2].partition("\n## ")[0]
    for kind in KINDS.values():
        assert f"{kind.resource}/.default" in section
        assert kind.host.format(key="NAME") in section
        assert all(role in section for role in kind.roles)


def test_an_azure_service_of_the_table(tmp_path: Path) -> None:
    text = f"""group_membership_claims = "SecurityGroup"
    {AZURE}
    [azure.More]
    service = "storage"
    roles = {{}}
    """
    with Stack.start(tmp_path, table=table(tmp_path, text)) as stack:
        environ = stack.environ("api")
        assert environ["DownstreamApis__Files__BaseUrl"] == "https://fileslocal.blob.core.windows.net"
        assert environ["DownstreamApis__Files__Scopes"] == "https://storage.azure.com/.default"
        assert {"files", "more"} <= stack.faults.targets
        assert len(decode(stack.issue_access_token("alice"))["groups"]) == 3
        token, version = stack.issue_access_token("alice", app="azure-storage"), {"x-ms-version": "2026-10-06"}
        http = Http(stack)
        with http.session:
            path = "blob.core.windows.net/notes/hello.txt"
            assert http.get(f"https://fileslocal.{path}", token, **version).status_code == 200
            assert http.get(f"https://morelocal.{path}", token, **version).status_code == 403


def test_settings_of_the_table_reach_the_api_and_win(tmp_path: Path) -> None:
    text = '[settings]\nAzureAd__ClientCapabilities__0 = "cp2"\nMine = "1"'
    with Stack.start(tmp_path, table=table(tmp_path, text)) as stack:
        environ = stack.environ("api")
    assert (environ["AzureAd__ClientCapabilities__0"], environ["Mine"]) == ("cp2", "1")


def test_an_api_for_the_application_and_roles_of_daemons(tmp_path: Path) -> None:
    read = table(
        tmp_path,
        '[app_roles]\n"Jobs.Run" = ["nightly", "Weekly"]\n[graph]\napp_roles = ["User.Read.All"]\n'
        '[apis.Stock]\nurl = "http://127.0.0.1:9000"\napp_roles = ["Stock.Read.All"]',
    )
    assert read.daemons == ("daemon", "nightly", "weekly")
    with Stack.start(tmp_path, table=read) as stack:
        environ, known = stack.environ("api"), stack.directory.applications
        assert environ["DownstreamApis__Stock__RequestAppToken"] == "true"
        assert environ["DownstreamApis__Stock__Scopes"] == f"{known['stock'].identifier_uris[0]}/.default"
        assert stack.directory.app_roles(known["api"], known["stock"]) == ("Stock.Read.All",)
        assert stack.directory.app_roles(known["api"], known["graph"]) == ("User.Read.All",)
        assert stack.directory.app_roles(known["daemon nightly"], known["api"]) == ("Jobs.Run",)
        assert stack.directory.app_roles(known["daemon daemon"], known["api"]) == ()
        assert "DownstreamApis__Graph__RequestAppToken" not in environ


def test_graph_may_be_called_as_the_application_under_another_name(tmp_path: Path) -> None:
    at = "DownstreamApis__Directory__"
    text = f'{at}BaseUrl = "https://graph.microsoft.com/v1.0"\n{at}RequestAppToken = "true"\n'
    read = table(tmp_path, f'[settings]\n{text}{at}Scopes = "https://graph.microsoft.com/.default"')
    assert read.apis == ()


def test_an_api_of_the_settings_is_known_at_its_own_address(tmp_path: Path) -> None:
    """As it is deployed: the settings name it, and no table does."""
    text = """
    [settings]
    DownstreamApis__Stock__BaseUrl = "https://stock.example.com/v1"
    DownstreamApis__Stock__Scopes = "api://5701cc00-2d6e-4f3a-8b4c-72d3e4f5a6b7/Stock.Read"
    DownstreamApis__Graph__TimeoutSeconds = "5"
    """
    with Stack.start(tmp_path, table=table(tmp_path, text)) as stack:
        (stock,) = stack.table.apis
        assert (stock.key, stock.host, stock.base_path) == ("stock", "stock.example.com", "/v1")
        http = Http(stack)
        with http.session:
            form = obo_form(stack, stack.issue_access_token("alice"), scope=stock.full_scopes)
            issued = http.post(TOKEN_URL, form).json()["access_token"]
            assert (decode(issued)["aud"], decode(issued)["scp"]) == (stock.client_id, "Stock.Read")
            assert http.get("https://stock.example.com/v1/items", issued).status_code == 503


ONE = '[apis.Stock]\nurl = "http://127.0.0.1:9000"\nscopes = ["Stock.Read"]\n'
AZURE = '[azure.Files]\nservice = "storage"\nroles = { "Storage Blob Data Reader" = ["alice"] }'
WRONG = {
    "not TOML": ("scopes = [", "local-stack.toml cannot be read: "),
    "unknown entry": ('scope = ["a"]', "scope is not known: did you mean scopes?"),
    "unknown entry of an API": (ONE + 'consents = "asked"', "apis.Stock.consents is not known: did you mean consent?"),
    "scopes as a text": ('scopes = "a"', "scopes must be a list of one or more different scope names"),
    "no scope": ("scopes = []", "scopes must be a list"),
    "scope with a blank": ('scopes = ["a b"]', "scopes must be a list"),
    "scope twice": ('scopes = ["a", "a"]', "scopes must be a list"),
    "a scope of OpenID": ('scopes = ["openid"]', "scopes must be a list"),
    "a section as a text": ('graph = "User.Read"', "graph must be a table: [graph]"),
    "permission as a number": ("[graph]\npermissions = [1]", "graph.permissions must be a list such as"),
    "path without a slash": ('[graph]\nrun_once = "api/me"', "graph.run_once must be a path"),
    "role without a list": ('roles = { "A" = "olga" }', 'roles."A" must be a list of people'),
    "role of a stranger": ('roles = { "A" = ["eve"] }', "must be a list of people, of alice, maya,"),
    "an Azure service that is not emulated": (
        '[azure.Db]\nservice = "sql"\nroles = {}',
        "azure.Db.service must be one of storage, search, vault, not 'sql'",
    ),
    "no Azure service": ("[azure.Db]\nroles = {}", "azure.Db.service must be one of storage, search, vault"),
    "no role": ('[azure.Db]\nservice = "storage"', "azure.Db.roles must say which user holds which role"),
    "a role of another service": (
        AZURE.replace("Storage Blob Data Reader", "Key Vault Reader"),
        'azure.Files.roles."Key Vault Reader" is not known: there are Storage Blob Data Reader,',
    ),
    "a role on Azure of a stranger": (AZURE.replace("alice", "eve"), "must be a list of people, of alice, maya,"),
    "an unknown entry of Azure": (AZURE + "\nrole = 1", "azure.Files.role is not known: did you mean roles?"),
    "a name of the stack": (AZURE.replace("Files", "Vault"), "azure.Vault must have another name"),
    "a name that is too long": (AZURE.replace("Files", "F" * 19), "must have a name of letters and digits"),
    "an API with the same name": (
        AZURE + '\n[apis.files]\nurl = "http://127.0.0.1:9000"\nscopes = ["Stock.Read"]',
        "the API files is there 2 times",
    ),
    "an API with the client id of Azure": (
        AZURE + "\n" + ONE + 'client_id = "e406a681-f3d4-42a8-90b6-c2b029497af1"',
        "apis.Stock.client_id must be another",
    ),
    "a setting that names the resource of an entry": (
        AZURE + '\n[settings]\nDownstreamApis__Store__BaseUrl = "https://mine.blob.core.windows.net"\n'
        'DownstreamApis__Store__Scopes = "https://storage.azure.com/.default"',
        "settings.DownstreamApis__Store__Scopes must not name https://storage.azure.com next to an entry of it",
    ),
    "a role of nobody's": ('[app_roles]\n"Jobs.Run" = "nightly"', 'app_roles."Jobs.Run" must be a list of names'),
    "a role for a daemon without a name": ('[app_roles]\n"Jobs.Run" = [""]', "must be a list of names for daemons"),
    "an application role with a space": ('[app_roles]\n"Jobs Run" = ["nightly"]', "must be the value of an app role"),
    "roles at Graph": (
        '[graph]\napp_roles = "User.Read.All"',
        'graph.app_roles must be a list such as ["User.Read.All"]',
    ),
    "an API for users and for the application": (
        ONE + 'app_roles = ["Stock.Read.All"]',
        "apis.Stock is called as the user, with scopes, or as the application, with app_roles: write one of them",
    ),
    "an API without a role": (ONE.replace('scopes = ["Stock.Read"]', "app_roles = []"), "apis.Stock.app_roles must be"),
    "tenants": (
        'sign_in_audience = "AzureADandPersonalMicrosoftAccount"',
        "sign_in_audience must be one of AzureADMyOrg, AzureADMultipleOrgs",
    ),
    "groups": ('group_membership_claims = "All"', "group_membership_claims must be one of None, SecurityGroup"),
    "setting as a number": ("[settings]\nMax = 5", 'settings.Max must be a text: "5"'),
    "setting as a truth": ("[settings]\nOn = true", 'settings.On must be a text: "true"'),
    "setting with a bad name": ('[settings]\n"a b" = "1"', "must be the name of a setting"),
    "a setting of the stack": (
        '[settings]\nHTTPS_PROXY = "x"',
        "settings.HTTPS_PROXY is set by the local stack itself",
    ),
    "an identity of its own": ('[settings]\nidentity_endpoint = "x"', "is set by the local stack itself"),
    "a Redis elsewhere": ('[settings]\nTokenCache__Redis__Url = "rediss://x"', "python3 dev.py run --redis"),
    "settings of an API on this machine": (
        '[settings]\nDownstreamApis__A__BaseUrl = "http://127.0.0.1:9"\nDownstreamApis__A__Scopes = "api://a/b"',
        "settings.DownstreamApis__A__BaseUrl must be the https address",
    ),
    "settings with a bare scope": (
        '[settings]\nDownstreamApis__A__BaseUrl = "https://a.example"\nDownstreamApis__A__Scopes = "b"',
        "settings.DownstreamApis__A__Scopes must be scopes of one API",
    ),
    "API without scopes": ('[apis.Stock]\nurl = "http://127.0.0.1:9000"', "apis.Stock.scopes must be a list"),
    "API that is nowhere": ('[apis.Stock]\nscopes = ["a"]', "apis.Stock needs either app ="),
    "API in two places": (ONE + 'app = "bank_app.py"', "apis.Stock needs either app ="),
    "API elsewhere": (
        ONE.replace("127.0.0.1", "example.com"),
        "apis.Stock.url must be the address of your API on this",
    ),
    "API over TLS": (ONE.replace("http:", "https:"), "apis.Stock.url must be the address"),
    "no port": (ONE.replace(":9000", ""), "apis.Stock.url must be the address"),
    "port too high": (ONE.replace(":9000", ":90000"), "apis.Stock.url must be the address"),
    "password in the address": (ONE.replace("127", "u:p@127"), "apis.Stock.url must be the address"),
    "path beside a URL": (ONE + 'path = "/v1"', "apis.Stock.path goes with app"),
    "app that is not there": (
        '[apis.Stock]\napp = "no.py"\nscopes = ["a"]',
        "apis.Stock.app must be a file in the top",
    ),
    "app outside": ('[apis.Stock]\napp = "../bank_app.py"\nscopes = ["a"]', "apis.Stock.app must be a file"),
    "the API itself": ('[apis.Stock]\napp = "function_app.py"\nscopes = ["a"]', "apis.Stock.app must be a file"),
    "unknown consent": (ONE + 'consent = "no"', 'apis.Stock.consent must be "pre-authorized" or "asked", not \'no\''),
    "client id": (ONE + 'client_id = "7"', "apis.Stock.client_id must be a client id (a GUID)"),
    "client id of Graph": (
        ONE + 'client_id = "00000003-0000-0000-c000-000000000000"',
        "belongs to another application",
    ),
    "name of a service": (ONE.replace("Stock]", "Graph]"), "apis.Graph must have another name"),
    "name with a dash": (ONE.replace("apis.Stock", 'apis."my-stock"'), "must have a name of letters and digits"),
    "one name twice": (ONE + ONE.replace("Stock]", "STOCK]"), "the API stock is there 2 times"),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_named_with_what_to_do(tmp_path: Path, text: str, problem: str) -> None:
    (told,) = problems(tmp_path, text)
    assert problem in told
    assert told.startswith("local-stack.toml")


def test_all_wrong_entries_are_named_at_once(tmp_path: Path) -> None:
    told = problems(tmp_path, "scopes = 1\n[graph]\nnothing = 1\n[settings]\nA = 1\n[apis.Stock]\n[apis.Bank]\napp = 1")
    assert [line.split()[1] for line in told] == [
        "scopes",
        "graph.nothing",
        "settings.A",
        "apis.Stock.scopes",
        "apis.Stock",
        "apis.Bank.scopes",
        "apis.Bank.app",
    ]


def test_an_api_of_the_command_line_is_named_by_its_option(tmp_path: Path) -> None:
    read = read_table(tmp_path, {"Stock": {"url": "http://127.0.0.1:9000", "scopes": ["Stock.Read"]}})
    assert read.apis == (DownstreamApi("Stock", ("Stock.Read",), url="http://127.0.0.1:9000"),)
    with pytest.raises(TableError, match=r"--api Stock: scopes must be a list"):
        read_table(tmp_path, {"Stock": {"url": "http://127.0.0.1:9000"}})


def test_this_repositorys_table_names_people_of_the_tenant() -> None:
    assert {name for api in read_table().apis for people in api.roles.values() for name in people} <= PEOPLE.keys()


def test_the_addresses_of_the_api_are_those_of_this_machine_or_of_the_settings(tmp_path: Path) -> None:
    """The setting and the registration have the same ones."""
    here = addressed(read_table(tmp_path), "http://127.0.0.1:7071")
    own = table(tmp_path, '[settings]\nAzureAd__PublicUrls = "https://a.example/api/mcp https://a.example"')
    own = addressed(own, "http://127.0.0.1:7071")
    for read, base in ((here, "http://127.0.0.1:7071"), (own, "https://a.example")):
        uris = registrations(read)["api"].identifier_uris
        assert uris[2:] == (f"{base}/api/mcp", base)
        settings = api_settings(read, "http://127.0.0.1/msi/token", "header")
        found = {name: value for name, value in settings.items() if "PublicUrls" in name}
        assert tuple(" ".join(found.values()).split()) == uris[2:]
    assert registrations(Table())["api"].identifier_uris == API.identifier_uris
