"""A person makes the template theirs, as README.md and docs/extend.md say. Every command that they keep stays green."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from maintainers.tests.dev.project import Project
from maintainers.tests.package.project import ROOT, copy, extend, write
from tests.infra import bicep

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXTEND = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
STOCK = '''"""What is in stock, from an API of our own."""

import azure.functions as func
import jmespath

from shared import User, requires_user

stock = func.Blueprint()


@stock.route("api/stock", methods=["GET"])
@requires_user(scopes=["orders.write"])
def in_stock(req: func.HttpRequest, user: User) -> object:
    """The names of the items that the Stock API shows this user."""
    return jmespath.search("[].name", user.api("Stock").get("/items").json())
'''
STOCK_TEST = '''"""The functions that this project adds."""

from __future__ import annotations

import function_app
import stock_blueprint
from tests.support.tenant import Tenant


def test_in_stock(tenant: Tenant) -> None:
    tenant.responds("Stock", "GET /items", [{"name": "chair"}])
    response = tenant.call(stock_blueprint.in_stock, as_="alice")
    assert (response.status, response.json()) == (200, ["chair"])
    assert tenant.requests("Stock")[0].scopes == ("Stock.Read",)


def test_reading_is_not_enough(tenant: Tenant) -> None:
    assert tenant.call(stock_blueprint.in_stock, as_="alice", scopes=["access_as_user"]).status == 403


def test_inbox(tenant: Tenant) -> None:
    tenant.responds("Graph", "GET /me/messages", {"value": []})
    assert tenant.call(function_app.inbox, as_="alice").json() == {"value": []}
    assert {"Mail.Read", "User.Read"} <= set(tenant.requests("Graph")[0].scopes)


def test_hello(tenant: Tenant) -> None:
    assert tenant.call(function_app.hello, as_="alice").json()["hello"] == "Alice"
'''
STOCK_ID, SCOPE_ID = "3c1f0e2d-3b4a-4958-8677-a695b4c3d2e1", "4c1f0e2d-3b4a-4958-8677-a695b4c3d2e1"
STOCK_TABLE = """
[apis.Stock]
url = "http://127.0.0.1:9000"
scopes = ["Stock.Read"]
"""


def block(page: str, section: str, kind: str, number: int = 0) -> str:
    """A code block of one section of a page; without a section, of what comes before the first."""
    text = (page.partition(f"\n## {section}\n")[2] if section else page).partition("\n## ")[0]
    text = text.replace("ID-OF-STOCK.READ", SCOPE_ID).replace("STOCK-ID", STOCK_ID)
    found: list[str] = re.findall(rf"^ *```{kind}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return found[number]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file.name} holds {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")


def add_to_list(file: Path, start: str, entry: str) -> None:
    """Appends an entry to a list of a Bicep file that begins with the line `start`."""
    text = file.read_text(encoding="utf-8")
    head, _, rest = text.partition(f"{start}\n")
    indent = re.match(" *", start.rpartition("\n")[2])
    assert rest, f"{file.name} has no {start}"
    inside, _, after = rest.partition(f"\n{indent[0] if indent else ''}]\n")
    lines = [line for line in entry.splitlines() if line.strip()]
    cut = min(len(line) - len(line.lstrip()) for line in lines)
    pad = (indent[0] if indent else "") + "  "
    added = "\n".join(pad + line[cut:] for line in lines)
    file.write_text(f"{head}{start}\n{inside}\n{added}\n{indent[0] if indent else ''}]\n{after}", encoding="utf-8")


def add_what_the_pages_show(root: Path) -> None:
    """A function, a blueprint, a package, a third-party import, a permission, a scope, an API, a setting, tests."""
    app, table = root / "function_app.py", root / "local-stack.toml"
    functions = block(README, "", "python"), block(EXTEND, "A function", "python")
    app.write_text("\n\n".join([app.read_text(encoding="utf-8").rstrip() + "\n", *functions]), encoding="utf-8")
    extend(root)
    app.write_text(
        app.read_text(encoding="utf-8").replace(
            "app.register_functions(people)\n",
            "from stock_blueprint import stock  # noqa: E402\n\n"
            "app.register_functions(people)\napp.register_functions(stock)\n",
        ),
        encoding="utf-8",
    )
    change(app, "people  # noqa: E402\n\nfrom", "people  # noqa: E402\nfrom")
    write(root / "stock_blueprint.py", STOCK)
    write(root / "tests" / "test_own.py", STOCK_TEST)
    with (root / "requirements.txt").open("a", encoding="utf-8") as requirements:
        requirements.write("jmespath~=1.1\n")

    registrations, main = root / "infra" / "app-registrations.bicep", root / "infra" / "main.bicep"
    add_to_list(registrations, "var graphScopes = [", block(EXTEND, "A function", "bicep"))
    add_to_list(registrations, "var apiScopes = [", block(EXTEND, "A scope", "bicep"))
    stock = "resource apiApp 'Microsoft.Graph/applications@v1.0' = {"
    text = registrations.read_text(encoding="utf-8")
    before, _, after = text.partition(stock)
    entry = block(EXTEND, "A downstream API", "bicep", 0)
    after = after.replace("  requiredResourceAccess: [\n", f"  requiredResourceAccess: [\n{entry}", 1)
    registrations.write_text(before + stock + after, encoding="utf-8")
    settings = block(EXTEND, "A downstream API", "bicep", 1) + "      PAGE_SIZE: '50'\n"
    change(
        main,
        "      AzureAd__Scopes: 'access_as_user'\n",
        f"      AzureAd__Scopes: 'access_as_user'\n{settings}",
    )
    change(table, 'scopes = ["access_as_user"]', 'scopes = ["access_as_user", "orders.write"]')
    change(table, 'permissions = ["User.Read"]', 'permissions = ["User.Read", "Mail.Read"]')
    change(table, '# Notes__MaxLength = "500"\n', 'PAGE_SIZE = "50"\n')
    with table.open("a", encoding="utf-8") as file:
        file.write(STOCK_TABLE)


@pytest.fixture(scope="module")
def yours(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy without Orders and without maintainers/, with everything added that the pages show."""
    project = Project(copy(tmp_path_factory.mktemp("yours") / "project"))
    removed = project.dev("remove-orders")
    assert removed.returncode == 0, removed.stderr
    shutil.rmtree(project.root / "maintainers")
    add_what_the_pages_show(project.root)
    return project


def test_run_once(yours: Project) -> None:
    done = yours.dev("run", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GET  /api/me " in done.stdout
    assert "orders" not in done.stdout.lower()


def test_a_new_function_is_called(yours: Project) -> None:
    with yours.serving("run", "--port", "0") as serving:
        result = serving.project.dev("call", "alice", "/api/greeting")
    assert result.stdout.startswith("200 OK"), result.stdout + result.stderr


def test_the_suite_that_a_person_keeps(yours: Project) -> None:
    done = yours.dev("test", timeout=600, PATH=os.defpath)  # no compiler: test_the_rules_for_infra has one
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_check(yours: Project) -> None:
    """ruff, mypy, the layer rule, and the check of the package."""
    done = yours.dev("check", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      function_app.py" in done.stdout + done.stderr


def test_the_rules_for_infra(yours: Project) -> None:
    if bicep.find() is None:
        pytest.skip(bicep.MISSING)
    done = yours.dev("check", "--infra", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_command_of_the_maintainers_says_that_their_folder_is_gone(yours: Project) -> None:
    for command in (("bench",), ("check", "--infra", "--renew")):
        done = yours.dev(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "the folder maintainers/ is not here" in done.stderr


def test_orders_is_removed_once(yours: Project) -> None:
    done = yours.dev("remove-orders")
    assert done.returncode == 1
    assert "has been removed already" in done.stderr


def test_nothing_that_is_deployed_speaks_of_orders_any_more(yours: Project) -> None:
    """But for the scope orders.write, which these pages add."""
    paths = [yours.root / name for name in ("function_app.py", "azure.yaml", "local-stack.toml")]
    paths += [*(yours.root / "infra").rglob("*.bicep"), *(yours.root / "infra").rglob("*.json")]
    for path in [*paths, yours.root / "local.settings.json.example"]:
        text = path.read_text(encoding="utf-8").replace("orders.write", "").replace("Place orders", "")
        text = text.replace("place orders", "")
        assert "orders" not in text.lower(), path.name
