"""The check before deployment, run as azd runs it: what it accepts, and its messages when something is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from .project import ROOT, copy, extend, write

INDEXER = "Microsoft's worker library" if sys.version_info >= (3, 13) else "the azure-functions package"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose requirements are installed already, as after the first check."""
    root = extend(copy(tmp_path_factory.mktemp("kept") / "project"))
    done = check(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "installing requirements.txt" in done.stdout
    return root


@pytest.fixture
def project(kept: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to break; it uses what is installed already."""
    root = tmp_path / "project"
    for name in ("emulators", "tests", "docs", "maintainers"):  # a folder that must not be needed
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text("", encoding="utf-8")
    for path in kept.iterdir():
        if path.is_file():
            shutil.copy2(path, root)
    for name in ("shared", "greetings", "prompts", "infra"):
        shutil.copytree(kept / name, root / name)
    (root / ".local").mkdir()
    (kept / ".local" / "package-check").rename(root / ".local" / "package-check")
    yield root
    (root / ".local" / "package-check").rename(kept / ".local" / "package-check")


def check(root: Path, *programs: str, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith("AzureAd__")}
    return subprocess.run(
        [sys.executable, "-S", "-B", str(root / "infra" / "hooks" / "package_check.py"), *programs],
        cwd=root / "infra" / "hooks",
        env={**base, **environ},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_an_extended_app_passes_for_both_packagers(project: Path) -> None:
    done = check(project, "azd", "func")

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    assert f"  ok      function_app.py: 7 functions ({INDEXER}, {version})" in done.stdout
    assert f"  ok      downstream_app.py: 3 functions ({INDEXER}, {version})" in done.stdout
    assert "installing" not in done.stdout  # they are kept
    assert done.stdout.endswith("as Core Tools makes it:\n  ok      the same files as above\n")


def test_it_needs_no_second_app(project: Path) -> None:
    (project / "downstream_app.py").unlink()

    done = check(project)

    assert done.returncode == 0, done.stdout
    assert "downstream_app" not in done.stdout


def test_a_third_app_that_infra_names_is_checked_too(project: Path) -> None:
    append(project / "infra" / "main.bicep", "// PYTHON_SCRIPT_FILE_NAME: 'stock_app.py'\n")
    write(project / "stock_app.py", "import no_such_module\n")

    done = check(project)

    assert done.returncode == 1
    assert "stock_app.py, line 1: ModuleNotFoundError" in done.stdout


def without(name: str) -> Callable[[Path], None]:
    def remove(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def ignoring(line: str) -> Callable[[Path], None]:
    return lambda root: append(root / ".funcignore", line + "\n")


def using(text: str, file: str = "people_blueprint.py") -> Callable[[Path], None]:
    return lambda root: append(root / file, text + "\n")


def saying(file: str, text: str) -> Callable[[Path], None]:
    return lambda root: write(root / file, text)


def without_and_using(name: str, text: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        saying("people_blueprint.py", text + "\n")(root)
        without(name)(root)

    return harm


def ignoring_and_using(line: str, text: str, files: dict[str, str]) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        for name, content in files.items():
            write(root / name, content)
        ignoring(line)(root)
        using(text)(root)

    return harm


def using_the_name_of(folder: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        write(root / folder / "__init__.py", "")
        write(root / f"{folder}.py", "")

    return harm


SAME_NAME = """
again = func.Blueprint()


@again.function_name("me")
@again.route("again")
def another(req: func.HttpRequest) -> str:
    return ""


app.register_functions(again)
"""
BROKEN: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a module that is gone": (
        without("people_blueprint.py"),
        ["No module named 'people_blueprint'", "put people_blueprint.py next to function_app.py", "requirements.txt"],
    ),
    "a package that is gone": (without("greetings"), ["people_blueprint.py, line ", "No module named 'greetings'"]),
    "a module of a package that is gone": (
        without("greetings/wording.py"),
        ["No module named 'greetings.wording'", "There is no greetings/wording.py in the project"],
    ),
    "a module of a package, imported by its name alone": (
        without_and_using("greetings/wording.py", "from greetings import wording"),
        ["cannot import name 'wording' from 'greetings'\n", "There is no greetings/wording.py in the project"],
    ),
    "a module of a package that is left out, imported by its name alone": (
        ignoring_and_using("/greetings/extra.py", "from greetings import extra", {"greetings/extra.py": ""}),
        ["greetings/extra.py is left out of the package by .funcignore, line "],
    ),
    "a file that hides a folder": (
        ignoring_and_using("#", "import orders.data", {"orders.py": "", "orders/data.py": ""}),
        ["No module named 'orders.data'", "orders.py hides the folder orders/", "rename one of them"],
    ),
    "a module with the name of a folder of the template": (
        using_the_name_of("client"),
        ["client.py has the name of the folder client/ of the template", "Rename the module"],
    ),
    "a module of what is only a file": (
        ignoring_and_using("#", "import orders.data", {"orders.py": ""}),
        ["No module named 'orders.data'", "orders.py is a module, not a package", "orders/__init__.py"],
    ),
    "a relative import at the top": (
        using("from .people_blueprint import people", "function_app.py"),
        ["function_app.py, line ", "leave out the dot: a module next to function_app.py belongs to no package"],
    ),
    "two functions of one name": (
        using(SAME_NAME, "function_app.py"),
        ["Function me does not have a unique function name", "Rename one of them"],
    ),
    "a module that is left out": (
        ignoring("/people_*"),
        ["people_blueprint.py is left out of the package by .funcignore, line ", ": /people_*"],
    ),
    "a package that is left out": (ignoring("/greetings/*"), ["greetings/__init__.py is left out", ": /greetings/*"]),
    "a data file that is left out": (
        ignoring("/prompts/*"),
        ["FileNotFoundError", "prompts/greeting.txt is left out of the package by .funcignore"],
    ),
    "a package that requirements.txt lacks": (
        using("import pandas"),
        ["No module named 'pandas'", "add that\n", "package to requirements.txt"],
    ),
    "a client of Azure that requirements.txt lacks": (
        using("from azure.storage.blob.aio import BlobServiceClient"),
        ["No module named 'azure.storage'", "Add azure-storage-blob to requirements.txt."],
    ),
    "a client of Azure with a short name": (
        using("import azure.cosmos"),
        ["No module named 'azure.cosmos'", "Add azure-cosmos to requirements.txt."],
    ),
    "a package that the worker alone has": (
        using("import azure_functions_runtime"),
        ["No module named 'azure_functions_runtime'", "requirements.txt"],
    ),
    "a tool of the developer's": (using("import pytest"), ["No module named 'pytest'", "requirements.txt"]),
    "a module of the workshop": (
        using("from emulators import people"),
        ["emulators belongs to the template's workshop, which is not deployed"],
    ),
    "a setting that is read at import": (
        using("import os\nos.environ['Stock__Url']"),
        ["KeyError: 'Stock__Url'", "read it in the function"],
    ),
    "a mistake in a module": (using("1 / 0"), ["people_blueprint.py, line ", "ZeroDivisionError: division by zero"]),
    "a mistake of grammar": (using("def"), ["people_blueprint.py, line ", "SyntaxError: invalid syntax"]),
    "an exit": (using("raise SystemExit(3)"), ["people_blueprint.py, line ", "SystemExit: 3"]),
    "a hard exit": (using("import os\nos._exit(3)"), ["the process ended during the import, with exit code 3"]),
    "no function": (
        saying("function_app.py", "import azure.functions as func\n\napp = func.FunctionApp()\n"),
        ["function_app.py: it has no function"],
    ),
    "two apps": (using("import azure.functions as f\nother = f.FunctionApp()", "function_app.py"), ["ValueError: "]),
    "a function of no grammar": (
        using("@app.route('x')\ndef x(request): ...", "function_app.py"),
        ["function_app.py: "],
    ),
    "the second app is broken, too": (
        using("import no_such_module", "downstream_app.py"),
        ["downstream_app.py, line ", "No module named 'no_such_module'"],
    ),
    "the second app is left out": (ignoring("/downstream_app.py"), ["downstream_app.py is left out of the package"]),
    "no first app": (without("function_app.py"), ["function_app.py does not exist"]),
    "requirements.txt is left out": (ignoring("/requirements.txt"), ["requirements.txt is left out of the package"]),
}


@pytest.mark.parametrize(("harm", "told"), BROKEN.values(), ids=BROKEN)
def test_what_would_be_404_in_azure_fails_here_and_says_why(
    project: Path, harm: Callable[[Path], None], told: list[str]
) -> None:
    harm(project)

    done = check(project)

    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    assert "  FAILED  " in done.stdout
    for words in told:
        assert words in done.stdout.replace("\n          ", "\n"), done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    "name", ["client.pem", "greetings/Client.PFX", "prompts/deep/a.key", "x.p12", "greetings/id_rsa.pub"]
)
@pytest.mark.parametrize("skip", ["", "true"])
def test_a_key_next_to_what_is_deployed_stops_it(project: Path, name: str, skip: str) -> None:
    write(project / name, "secret")

    done = check(project, "azd", "func", SKIP_PACKAGE_CHECK=skip)

    assert done.returncode == 1
    assert f"{name} is a key file" in done.stdout
    assert "Move it out of the project" in done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize("program", ["azd", "func"])
def test_a_key_that_would_be_deployed_is_named_as_such(project: Path, program: str) -> None:
    write(project / ".funcignore", "# nothing is left out\n")
    write(project / "greetings" / "client.pem", "secret")

    done = check(project, program)

    assert done.returncode == 1
    assert "greetings/client.pem is a key file, and it would be deployed" in done.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("greetings/client.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{key}"),
        ("account.txt", "{key}"),
        ("prompts/account.json", '{{"private_key": "{key_in_json}"}}'),
    ],
)
def test_a_private_key_in_a_file_of_another_name_stops_it(project: Path, name: str, content: str) -> None:
    body = "A1b2" * 16
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n"
    write(project / name, content.format(key=key, key_in_json=key.replace("\n", "\\n")))

    done = check(project, "azd", "func", SKIP_PACKAGE_CHECK="true")

    assert done.returncode == 1
    assert done.stdout.count(f"{name} holds a private key, and it would be deployed") == 2
    assert body not in done.stdout


def test_code_that_names_the_line_a_key_begins_with_is_no_key(project: Path) -> None:
    append(project / "people_blueprint.py", 'MARK = "-----BEGIN PRIVATE KEY-----"\n')

    assert check(project, SKIP_PACKAGE_CHECK="true").returncode == 0


@pytest.mark.parametrize("name", ["local.settings.production.json", "greetings/local.settings.json.bak"])
def test_settings_of_this_machine_that_would_be_deployed_stop_it(project: Path, name: str) -> None:
    write(project / name, "{}")
    assert check(project, SKIP_PACKAGE_CHECK="true").returncode == 0  # .funcignore leaves them out

    lines = (project / ".funcignore").read_text(encoding="utf-8").splitlines()
    kept_in = [line for line in lines if "local.settings" not in line and ".bak" not in line]
    write(project / ".funcignore", "\n".join(kept_in))
    done = check(project, SKIP_PACKAGE_CHECK="true")

    assert done.returncode == 1
    assert f"{name} is a file of settings, and it would be deployed" in done.stdout


def test_settings_in_a_package_stop_it_and_those_of_the_project_do_not(project: Path) -> None:
    write(project / ".env", "A=1")  # `azd env get-values > .env`, as docs/deploy.md has it
    assert check(project).returncode == 0

    write(project / "greetings" / ".env", "A=1")
    done = check(project)

    assert done.returncode == 1
    assert "greetings/.env is a file of settings in a folder that is deployed" in done.stdout


@pytest.mark.parametrize(
    "name", [".local/ca.pem", ".venv/lib/certifi/cacert.pem", "tests/key.pem", "venv/x/cacert.pem"]
)
def test_keys_where_nothing_is_deployed_are_nobodys_business(project: Path, name: str) -> None:
    write(project / name, "public")

    assert check(project).returncode == 0


@pytest.mark.parametrize("folder", ["python313", "greetings/tools"])
def test_a_virtual_environment_of_any_name_stops_it(project: Path, folder: str) -> None:
    write(project / folder / "pyvenv.cfg", "home = /usr/bin")

    done = check(project, "azd", "func")

    assert done.returncode == 1
    assert done.stdout.count(f"{folder} is a virtual environment, and it would be deployed") == 2
    assert f"add this line to .funcignore: /{folder}/*" in done.stdout
    append(project / ".funcignore", f"/{folder}/*\n")
    assert check(project, "azd", "func").returncode == 0


def test_a_folder_that_is_there_under_two_names_is_packaged_twice_and_a_loop_ends(project: Path) -> None:
    try:
        (project / "alias").symlink_to("greetings")
        (project / "greetings" / "back").symlink_to("..")
    except OSError:
        pytest.skip("this system lets nobody make links")
    append(project / "people_blueprint.py", "import alias.wording, greetings.wording\n")

    done = check(project, "azd", "func")

    assert done.returncode == 0, done.stdout


def test_a_link_that_leads_nowhere_is_told(project: Path) -> None:
    try:
        (project / "greetings" / "gone.txt").symlink_to("no-such-file")
    except OSError:
        pytest.skip("this system lets nobody make links")

    done = check(project)

    assert (done.returncode, done.stderr) == (1, "")
    assert "A file cannot be copied: " in done.stdout
    assert "gone.txt" in done.stdout


def test_the_settings_of_this_shell_are_not_there(project: Path) -> None:
    append(project / "people_blueprint.py", "import os\nassert not [n for n in os.environ if '__' in n]\n")

    done = check(project, Stock__Url="https://stock.example.com")

    assert done.returncode == 0, done.stdout


def test_without_an_index_it_stops_and_names_the_variable_that_skips_it(project: Path) -> None:
    append(project / "requirements.txt", "no-such-package-here==1\n")

    done = check(project, PIP_NO_INDEX="1")
    skipped = check(project, PIP_NO_INDEX="1", SKIP_PACKAGE_CHECK="true")

    assert done.returncode == 1
    assert "requirements.txt cannot be installed: No matching distribution found for" in done.stdout
    assert "azd env set SKIP_PACKAGE_CHECK true" in done.stdout
    assert skipped.returncode == 0
    assert "skipped  import and indexing (SKIP_PACKAGE_CHECK)" in skipped.stdout
    assert not list((project / ".local" / "package-check").glob("new-*"))


def test_both_hooks_of_azd_run_it() -> None:
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["hooks"]
    schema = json.loads((ROOT / "tests/infra/schemas/azure.yaml.schema.json").read_text(encoding="utf-8"))
    for name in ("prepackage", "predeploy"):
        assert name in schema["properties"]["hooks"]["properties"]
        assert hooks[name] == {"run": "infra/hooks/package_check.py", "interactive": True}


def test_the_worker_library_is_that_of_the_tests() -> None:
    import package_requirements

    lines = (ROOT / "requirements-run.txt").read_text(encoding="utf-8").splitlines()
    assert package_requirements.WORKER in [line.split(";")[0].strip() for line in lines]


def test_installations_are_told_apart_by_all_that_they_install(tmp_path: Path) -> None:
    import package_requirements

    digests = []
    for text, more in (("a", "b"), ("a", "c"), ("-r more.txt", "b"), ("-r more.txt", "c"), ("-r  more.txt", "c")):
        write(tmp_path / "requirements.txt", text)
        write(tmp_path / "more.txt", more)
        digests.append(package_requirements.digest(tmp_path))

    assert len(set(digests)) == 4
    assert digests[0] == digests[1]


def test_only_the_installations_used_last_are_kept(tmp_path: Path) -> None:
    import package_requirements

    for number in range(5):
        (tmp_path / f"python3.13-{number}").mkdir()
        os.utime(tmp_path / f"python3.13-{number}", (number, number))

    package_requirements.forget_old(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["python3.13-2", "python3.13-3", "python3.13-4"]
