"""How dev.py makes its environment: from a package on the disk, so that no network is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dev
from maintainers.tests.dev.project import ROOT

WHEEL, STACK_WHEEL = "pytest-0.1-py3-none-any.whl", "stack-0.1-py3-none-any.whl"
_WHICH = """
from importlib.util import find_spec

print(*[name for name in ("stack", "pytest") if find_spec(name)])
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """dev.py with its requirement files; for the tests there is a `pytest` that says hello, for the stack a `stack`."""
    shutil.copy2(ROOT / "dev.py", tmp_path)
    wheel_of(tmp_path, WHEEL, "pytest", "print('hello from the environment')")
    wheel_of(tmp_path, STACK_WHEEL, "stack", "")
    local = tmp_path / "emulators" / "local"
    local.mkdir(parents=True)
    (local / "__main__.py").write_text(_WHICH, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    (tmp_path / "requirements-run.txt").write_text(f"--no-index\n./{STACK_WHEEL}\n", encoding="utf-8")
    dev_requirements = f"-r requirements-run.txt\n./{WHEEL}\n"
    (tmp_path / "requirements-dev.txt").write_text(dev_requirements, encoding="utf-8")
    return tmp_path


def wheel_of(folder: Path, name: str, module: str, code: str) -> None:
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr(f"{module}.py", code)
        info = f"{module}-0.1.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "DEV_PYTHON"}
    return subprocess.run(
        [sys.executable, "dev.py", *(arguments or ["test"])],
        cwd=folder,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_first_command_installs_the_second_starts_at_once_and_changes_are_installed(bare: Path) -> None:
    first = run(bare)
    second = run(bare)

    assert (first.returncode, first.stdout) == (0, "hello from the environment\n")
    steps = [line.split(" s  ")[1] for line in first.stderr.splitlines()[1:]]
    assert [steps[0], steps[1], steps[-1]] == ["making the environment", "collecting packages", "ready"]
    assert "installing 2 packages" in steps
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert WHEEL in (bare / ".local" / "install.log").read_text(encoding="utf-8")

    (bare / "requirements.txt").write_text("# changed\n", encoding="utf-8")
    assert "collecting packages" in run(bare).stderr


def test_the_local_stack_installs_its_own_packages_and_the_tests_add_theirs(bare: Path) -> None:
    alone = run(bare, "token", "alice")
    tests = run(bare, "test")
    both = run(bare, "token", "alice")
    again = run(bare, "test")

    assert (alone.returncode, alone.stdout, "installing 1 packages" in alone.stderr) == (0, "stack\n", True)
    assert (tests.stdout, "installing 1 packages" in tests.stderr) == ("hello from the environment\n", True)
    assert (both.stdout, both.stderr, again.stderr) == ("stack pytest\n", "", "")

    with (bare / "requirements-run.txt").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    run_again, tests_again = run(bare, "token", "alice"), run(bare, "test")
    assert all("collecting packages" in result.stderr for result in (run_again, tests_again))


@pytest.mark.parametrize(
    ("command", "level"),
    [
        *[([command], 0) for command in ("run", "emulators", "token", "call", "exec", "client", "doctor")],
        (["exec", "--", "func", "start"], 0),
        (["check", "--package"], 0),
        *[(["check", *rest], 1) for rest in ([], ["--fix"], ["--infra"], ["--infra", "--renew"])],
        *[([command], 1) for command in ("test", "fuzz", "mutate", "soak")],
        (["bench"], 2),
    ],
)
def test_what_each_command_installs(command: list[str], level: int) -> None:
    assert dev.level(command[0], command[1:]) == level


@pytest.mark.parametrize("above", [1, 2])
def test_each_list_of_packages_includes_the_one_below(above: int) -> None:
    file = ROOT / dev.LEVELS[above]
    included = re.findall(r"^-r (\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)

    assert [(file.parent / name).resolve() for name in included] == [ROOT / dev.LEVELS[above - 1]]


def test_an_interrupted_installation_is_taken_up_again(bare: Path) -> None:
    (bare / ".venv" / "bin").mkdir(parents=True)  # as far as `python -m venv` had come
    (bare / ".venv" / "pyvenv.cfg").write_text(f"version = {sys.version.split()[0]}\n", encoding="utf-8")

    again = run(bare)
    (bare / ".venv" / "dev-stamp.txt").unlink()  # as far as pip had come
    once_more = run(bare)

    assert (again.returncode, once_more.returncode) == (0, 0)
    assert "making the environment" in again.stderr
    assert "making the environment" not in once_more.stderr
    assert once_more.stderr.rstrip().endswith("ready")


def test_a_failure_says_what_failed_where_to_look_and_what_to_do(bare: Path) -> None:
    (bare / "requirements-dev.txt").write_text("--no-index\nno-such-package==1\n", encoding="utf-8")

    result = run(bare)

    assert (result.returncode, result.stdout) == (1, "")
    told = result.stderr[result.stderr.index("dev.py: ") :]
    assert told.startswith("dev.py: collecting packages failed:\n")
    assert "ERROR: No matching distribution found for no-such-package==1" in told
    assert str(Path(".local") / "install.log") in told
    assert "What to do: a package is not there for this Python: try another (3.11 to 3.14)" in told
    assert not (bare / ".venv" / "dev-stamp.txt").exists()


def test_an_environment_of_another_python_is_left_alone(bare: Path) -> None:
    (bare / ".venv").mkdir()
    (bare / ".venv" / "pyvenv.cfg").write_text("version = 3.9.18\n", encoding="utf-8")

    assert run(bare).returncode == 0

    assert (bare / f".venv-{dev.VERSION}" / "pyvenv.cfg").exists()
    assert [path.name for path in (bare / ".venv").iterdir()] == ["pyvenv.cfg"]


def test_a_users_name_in_any_alphabet_is_read_on_every_system(bare: Path) -> None:
    (bare / ".venv").mkdir()
    text = f"home = C:\\Users\\\u0141ukasz\\Python\nversion = {sys.version.split()[0]}\n"
    (bare / ".venv" / "pyvenv.cfg").write_text(text, encoding="utf-8")
    strict = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]  # what Windows would read in cp1250
    code = "import dev; print(dev.environment_folder().name, dev.environment())"

    done = subprocess.run([sys.executable, *strict, "-c", code], cwd=bare, capture_output=True, encoding="utf-8")

    assert (done.returncode, done.stdout.split()[0]) == (0, ".venv"), done.stderr


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("Error: Command '[...]' ensurepip is not available", "python3-venv"),
        ("/usr/bin/python3: No module named venv", "python3-venv"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "room on the disk"),
        (
            "WARNING: Retrying: ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))",
            "HTTPS_PROXY",
        ),
        ("WARNING: SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "PIP_CERT"),
        ("WARNING: Retrying: NewConnectionError('Failed to establish a new connection')", "check the network"),
        (
            "ERROR: Could not find a version; NameResolutionError: No matching distribution found for x",
            "check the network",
        ),
        ("ERROR: No matching distribution found for x", "try another (3.11 to 3.14)"),
        ("PermissionError: [WinError 32] The process cannot access the file", "stop whatever runs"),
    ],
)
def test_what_to_do(line: str, advice: str) -> None:
    text = dev.failure("collecting packages", ["Collecting x", line])

    assert line in text
    assert f"What to do: {advice}" in text or advice in text.split("What to do: ")[1]


def test_without_advice_the_last_lines_are_shown() -> None:
    text = dev.failure("collecting packages", ["one", "two"])

    assert "    one\n    two\n" in text
    assert "What to do" not in text
