"""The app settings main.bicep writes, with the emulated tenant's answers in them, start both apps as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from emulators.applications import API, API_ID, API_IDENTITY, ORDERS, ORDERS_ID
from emulators.functions_host import worker_library
from emulators.local.processes import AppProcess
from emulators.orders_proxy import ORDERS_HOST
from emulators.people import CONTOSO
from emulators.stack import Stack
from emulators.vault import VAULT_HOST
from tests.infra.checks.settings import app_settings
from tests.infra.evaluator import TENANT, Deployment, EvaluationError, deploy, made_up_id
from tests.infra.project import Project
from tests.leaks import LeakWatch
from tests.live import Live, inherited

KINDS = ["certificate", "managedIdentity"]
ENGINE = "worker" if worker_library.is_installed() else "sdk"
ORDERS_IDENTITY = "id of the identity of Orders"  # the emulated tenant has no such identity, and needs none
_CODE = re.compile(r"^(AzureAd|DownstreamApis)__|^PYTHON_SCRIPT_FILE_NAME$")


def emulated(deployment: Deployment) -> dict[str, str]:
    """What the evaluator makes up for a deployment → what the emulated tenant has in its place."""
    (vault, *_) = [*names(deployment, "Microsoft.KeyVault/vaults", ""), "no vault"]
    (orders_site,) = names(deployment, "Microsoft.Web/sites", "func-orders-")
    (orders_app, *_) = names(deployment, "Microsoft.Graph/applications", "orders-")
    (api_app, *_) = names(deployment, "Microsoft.Graph/applications", "api-")
    (api_identity,) = names(deployment, "Microsoft.ManagedIdentity/userAssignedIdentities", "id-api-")
    (orders_identity,) = names(deployment, "Microsoft.ManagedIdentity/userAssignedIdentities", "id-orders-")
    return {
        f"api://{TENANT}/{orders_app}": ORDERS.identifier_uris[0],
        f"{orders_site}.azurewebsites.net": ORDERS_HOST,
        f"{vault}.vault.azure.net": VAULT_HOST,
        made_up_id("app", orders_app): ORDERS_ID,
        made_up_id("app", api_app): API_ID,
        made_up_id("client", api_identity): API_IDENTITY.client_id,
        made_up_id("client", orders_identity): ORDERS_IDENTITY,
        TENANT: CONTOSO,
    }


def names(deployment: Deployment, kind: str, start: str) -> list[str]:
    return [resource.name for resource in deployment.of_type(kind) if resource.name.startswith(start)]


def settings_of(project: Project, kind: str, app: str, **parameters: bool) -> dict[str, str]:
    """All app settings of one app after a deployment with that kind of client credential."""
    deployment = deploy(project, clientCredential=kind, **parameters)
    settings = dict(app_settings(deployment)[app])
    for made_up, real in emulated(deployment).items():
        settings = {name: value.replace(made_up, real) for name, value in settings.items()}
    return settings


def environ_of(stack: Stack, kind: str, app: str, **parameters: bool) -> dict[str, str]:
    """The app's environment: what Bicep writes, and of the emulators only the way to them."""
    transport = {name: value for name, value in stack.environ(app).items() if not _CODE.search(name)}
    return {**inherited(), **transport, **settings_of(Project.read(), kind, app, **parameters)}


@pytest.fixture(scope="module", autouse=True)
def reader() -> None:
    """What reads the Bicep."""
    pytest.importorskip("tree_sitter_bicep", reason="tree-sitter-bicep has no wheel for this machine")


@pytest.fixture(scope="module", params=KINDS)
def deployed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch
) -> Iterator[tuple[str, Live]]:
    """Both apps with the settings of one kind of credential, in a tenant that has only that one."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(folder))
        if kind == "managedIdentity":
            stack.directory.unregister_certificate(API, stack.client_certificate)
            stack.vault.readers.clear()
        urls = {}
        for name in ("orders", "api"):

            def on_line(app: str, line: str) -> None:
                leak_watch.scan(line, f"log of the {app} app with Bicep's settings")

            app = AppProcess(name, 0, environ_of(stack, kind, name), folder / f"{name}.log", on_line, ENGINE)
            exits.callback(app.stop)
            urls[name] = app.ready().url
        stack.route_orders_to(urls["orders"])
        live = Live(stack, urls["api"], urls["orders"], leak_watch)
        exits.callback(live.close)
        yield kind, live


def test_both_apps_start_and_answer(deployed: tuple[str, Live]) -> None:
    kind, live = deployed
    token = live.stack.issue_access_token("alice")
    health = live.call("/api/health")
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    mark = live.stack.audit.mark()
    assert live.call("/api/me", token).json()["displayName"] == "Alice Ahlberg"
    assert live.call("/api/orders", token).status_code == 200
    seen = [(entry.service, entry.details.get("resource")) for entry in live.stack.audit.entries(mark)]
    assert (("vault", None) in seen) is (kind == "certificate")
    assert (("identity", "api://AzureADTokenExchange") in seen) is (kind == "managedIdentity")


@pytest.mark.parametrize("kind", KINDS)
def test_each_app_uses_its_own_identity_and_no_key(kind: str) -> None:
    for app, client_id in (("api", API_IDENTITY.client_id), ("orders", ORDERS_IDENTITY)):
        settings = settings_of(Project.read(), kind, app)
        assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
        assert settings["AzureWebJobsStorage__clientId"] == client_id
        assert settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId={client_id};Authorization=AAD"
        assert all(isinstance(value, str) and value for value in settings.values())
        assert not [name for name in settings if re.search("secret|password|accountkey", name, re.IGNORECASE)]
    credential = {name for name in settings_of(Project.read(), kind, "orders") if "ClientCredentials" in name}
    assert credential == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_shared_token_cache_is_the_apis_alone_and_off_unless_it_is_asked_for(kind: str) -> None:
    from shared.settings import Settings

    off = settings_of(Project.read(), kind, "api")
    on = settings_of(Project.read(), kind, "api", sharedTokenCache=True)
    assert set(on) - set(off) == {"TokenCache__Redis__Url", "TokenCache__Redis__ManagedIdentityClientId"}
    read = Settings.from_environ(on).redis
    assert re.fullmatch(r"rediss://redis-\w{13}\.westeurope\.redis\.azure\.net:10000", read.url.reveal())
    assert read.managed_identity_client_id == API_IDENTITY.client_id
    assert settings_of(Project.read(), kind, "orders", sharedTokenCache=True) == settings_of(
        Project.read(), kind, "orders"
    )


def test_scopes_are_separated_by_single_spaces() -> None:
    scopes = settings_of(Project.read(), "certificate", "api")["DownstreamApis__Orders__Scopes"]
    assert scopes.split(" ") == [f"{ORDERS.identifier_uris[0]}/{scope}" for scope in ORDERS.scopes]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("appRegistrations.outputs.apiClientId\n", "deployment().name\n"),
        ("AzureAd__Scopes: 'access_as_user'", "AzureAd__Scopes: dataUri('access_as_user')"),
    ],
)
def test_what_the_reader_does_not_know_is_an_error(old: str, new: str) -> None:
    project = Project.read().changed("infra/main.bicep", old, new)
    with pytest.raises(EvaluationError):
        settings_of(project, "certificate", "api")


def test_a_misspelt_setting_keeps_the_api_from_starting() -> None:
    from shared.errors import SettingsError
    from shared.settings import Settings

    project = Project.read().changed("infra/main.bicep", "__0__KeyVaultUrl", "__0__KeyVaultUri")
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(settings_of(project, "certificate", "api"))
    assert "AzureAd__ClientCredentials__0__KeyVaultUri" in raised.value.problems
    Settings.from_environ(settings_of(Project.read(), "certificate", "api"))
