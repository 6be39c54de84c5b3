"""The app settings of main.bicep, with values of the emulated tenant, start both apps unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from emulators.applications import API, API_ID, API_IDENTITY
from emulators.functions_host import worker_library
from emulators.local.processes import AppProcess
from emulators.people import CONTOSO
from emulators.stack import Stack
from emulators.vault import VAULT_HOST
from maintainers.tests.orders import ORDERS, ORDERS_HOST, ORDERS_ID
from tests.infra.bicep import TENANT
from tests.infra.fixtures import compiled_project
from tests.infra.open_values import app_id, client_id
from tests.infra.project import Deployment, Project
from tests.infra.rules import problems
from tests.infra.rules.settings import settings_by_service
from tests.support.leaks import LeakWatch
from tests.support.live import Live, inherited

KINDS = ["certificate", "managed-identity"]
WITH_CACHE = {kind: f"{kind}-everything-on" for kind in KINDS}
ENGINE = "worker" if worker_library.is_installed() else "sdk"
ORDERS_IDENTITY = "id of the identity of Orders"  # the emulated tenant has no such identity, and needs none
_CODE = re.compile(r"^(AzureAd|DownstreamApis)__|^PYTHON_SCRIPT_FILE_NAME$")


def emulated(deployment: Deployment) -> dict[str, str]:
    """What is made up for a deployment → what the emulated tenant has in its place."""
    (vault, *_) = [*names(deployment, "Microsoft.KeyVault/vaults", ""), "no vault"]
    (orders_site,) = names(deployment, "Microsoft.Web/sites", "func-orders-")
    (orders_app, *_) = (
        app["properties"]["uniqueName"]
        for app in deployment.of_type("Microsoft.Graph/applications")
        if app["properties"]["uniqueName"].startswith("orders-")
    )
    (api_identity,) = names(deployment, "Microsoft.ManagedIdentity/userAssignedIdentities", "id-api-")
    (orders_identity,) = names(deployment, "Microsoft.ManagedIdentity/userAssignedIdentities", "id-orders-")
    return {
        f"api://{TENANT}/{orders_app}": ORDERS.identifier_uris[0],
        f"{orders_site}.azurewebsites.net": ORDERS_HOST,
        f"{vault}.vault.azure.net": VAULT_HOST,
        app_id("orders"): ORDERS_ID,
        app_id("api"): API_ID,
        client_id(api_identity): API_IDENTITY.client_id,
        client_id(orders_identity): ORDERS_IDENTITY,
        TENANT: CONTOSO,
    }


def names(deployment: Deployment, kind: str, start: str) -> list[str]:
    return [resource["name"] for resource in deployment.of_type(kind) if resource["name"].startswith(start)]


def settings_of(project: Project, parameters: str, app: str) -> dict[str, str]:
    """All app settings of one app after a deployment with that set of parameters."""
    deployment = project.deployment(parameters)
    settings: dict[str, str] = dict(settings_by_service(deployment)[app])
    for made_up, real in emulated(deployment).items():
        settings = {name: value.replace(made_up, real) for name, value in settings.items()}
    return settings


def environ_of(stack: Stack, project: Project, parameters: str, app: str) -> dict[str, str]:
    """The app's environment: what Bicep writes, and of the emulators only the way to them."""
    transport = {name: value for name, value in stack.environ(app).items() if not _CODE.search(name)}
    return {**inherited(), **transport, **settings_of(project, parameters, app)}


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """infra/ as it is; the tests are skipped by name where there is no Bicep compiler."""
    with compiled_project() as found:
        yield found


@pytest.fixture(scope="module", params=KINDS)
def deployed(
    request: pytest.FixtureRequest, project: Project, tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch
) -> Iterator[tuple[str, Live]]:
    """Both apps with the settings of one kind of credential, in a tenant that has only that one."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(folder))
        if kind == "managed-identity":
            stack.directory.unregister_certificate(API, stack.client_certificate)
            stack.vault.readers.clear()
        urls = {}
        for name in ("orders", "api"):

            def on_line(app: str, line: str) -> None:
                leak_watch.scan(line, f"log of the {app} app with Bicep's settings")

            app = AppProcess(name, 0, environ_of(stack, project, kind, name), folder / f"{name}.log", on_line, ENGINE)
            exits.callback(app.stop)
            urls[name] = app.ready().url
        stack.route("orders", urls["orders"])
        live = Live(stack, urls["api"], urls["orders"], leak_watch)
        exits.callback(live.close)
        yield kind, live


def test_both_apps_start_and_respond(deployed: tuple[str, Live]) -> None:
    kind, live = deployed
    token = live.stack.issue_access_token("alice")
    health = live.call("/api/health")
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    mark = live.stack.audit.mark()
    assert live.call("/api/me", token).json()["displayName"] == "Alice Ahlberg"
    assert live.call("/api/orders", token).status_code == 200
    seen = [(entry.service, entry.details.get("resource")) for entry in live.stack.audit.entries(mark)]
    assert (("vault", None) in seen) is (kind == "certificate")
    assert (("identity", "api://AzureADTokenExchange") in seen) is (kind == "managed-identity")


@pytest.mark.parametrize("kind", KINDS)
def test_each_app_uses_its_own_identity_and_no_key(kind: str, project: Project) -> None:
    for app, identity in (("api", API_IDENTITY.client_id), ("orders", ORDERS_IDENTITY)):
        settings = settings_of(project, kind, app)
        assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
        assert settings["AzureWebJobsStorage__clientId"] == identity
        assert settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId={identity};Authorization=AAD"
        assert all(isinstance(value, str) and value for value in settings.values())
        assert not [name for name in settings if re.search("secret|password|accountkey", name, re.IGNORECASE)]
    credential = {name for name in settings_of(project, kind, "orders") if "ClientCredentials" in name}
    assert credential == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_shared_token_cache_is_the_apis_alone_and_off_unless_it_is_asked_for(kind: str, project: Project) -> None:
    from shared.settings.settings import Settings

    off = settings_of(project, kind, "api")
    on = settings_of(project, WITH_CACHE[kind], "api")
    of_copilot = {"AzureAd__ConsentPromptClients"}
    cache = {"TokenCache__Redis__Url", "TokenCache__Redis__ManagedIdentityClientId"}
    assert set(on) - set(off) - of_copilot == cache
    read = Settings.from_environ(on).redis
    assert read is not None
    assert re.fullmatch(r"rediss://redis-\w{13}\.westeurope\.redis\.azure\.net:10000", read.url.reveal())
    assert read.managed_identity_client_id == API_IDENTITY.client_id
    assert settings_of(project, WITH_CACHE[kind], "orders") == settings_of(project, kind, "orders")


def test_scopes_are_separated_by_single_spaces(project: Project) -> None:
    scopes = settings_of(project, "certificate", "api")["DownstreamApis__Orders__Scopes"]
    assert scopes.split(" ") == [f"{ORDERS.identifier_uris[0]}/{scope}" for scope in ORDERS.scopes]


def test_a_setting_that_only_azure_knows_is_an_error_until_it_has_a_value(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path).changed(
        "infra/main.bicep", "AzureAd__Scopes: 'access_as_user'", "AzureAd__Scopes: subscription().displayName"
    )
    (line, *_) = problems(copy, "openness")
    assert "AzureAd__Scopes is left open by the compiler: [" in line
    assert "add the whole expression to TABLE in tests/infra/open_values.py" in line


def test_a_misspelled_setting_keeps_the_api_from_starting(project: Project, tmp_path: Path) -> None:
    from shared.errors import SettingsError
    from shared.settings.settings import Settings

    copy = project.copy(tmp_path).changed("infra/main.bicep", "__0__KeyVaultUrl", "__0__KeyVaultUri")
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(settings_of(copy, "certificate", "api"))
    assert "AzureAd__ClientCredentials__0__KeyVaultUri" in raised.value.problems
    Settings.from_environ(settings_of(project, "certificate", "api"))
