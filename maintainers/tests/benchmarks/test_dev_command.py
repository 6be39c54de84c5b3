"""`dev.py bench` on a machine with nothing but Python: its packages are installed at the first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WHEEL = "peer-0.1-py3-none-any.whl"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """dev.py, and benchmarks that only import a package called `peer`."""
    shutil.copy2(ROOT / "dev.py", tmp_path)
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as wheel:
        wheel.writestr("peer.py", "")
        info = "peer-0.1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: peer\nVersion: 0.1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    for name in ("requirements-run.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    benchmarks = tmp_path / "maintainers" / "benchmarks"
    benchmarks.mkdir(parents=True)
    (benchmarks / "requirements.txt").write_text(f"--no-index\n./{WHEEL}\n", encoding="utf-8")
    (benchmarks / "__main__.py").write_text("import peer, sys\nprint(*sys.argv[1:])\n", encoding="utf-8")
    return tmp_path


def bench(folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "DEV_PYTHON"}
    environ["PIP_RETRIES"] = "1"  # the same message as after pip's five, ten seconds earlier
    command = [sys.executable, "dev.py", "bench", "failures", "--json"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", check=False)


def test_the_first_time_installs_the_second_does_not_and_a_new_environment_does_again(bare: Path) -> None:
    first, second = bench(bare), bench(bare)
    (bare / "requirements.txt").write_text("# changed\n", encoding="utf-8")
    third = bench(bare)

    assert [run.returncode for run in (first, second, third)] == [0, 0, 0], first.stderr
    assert first.stdout == "failures --json\n"
    assert first.stderr.count("collecting packages") == 1
    assert first.stderr.rstrip().endswith("ready")
    assert second.stderr == ""
    assert third.stderr.count("collecting packages") == 1


def test_without_a_network_it_says_so(bare: Path) -> None:
    requirements = bare / "maintainers" / "benchmarks" / "requirements.txt"
    nobody = "http://127.0.0.1:9/simple"  # the port of the discard service, where nothing listens
    requirements.write_text(f"--index-url {nobody}\npeer-of-nobody==1\n", encoding="utf-8")

    result = bench(bare)

    assert (result.returncode, result.stdout) == (1, "")
    told = result.stderr[result.stderr.index("dev.py: ") :]
    assert told.startswith("dev.py: collecting packages failed:")
    assert "check the network" in told
    assert "Traceback" not in told
