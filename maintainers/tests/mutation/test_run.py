"""A whole run over a project of one module: what is killed, what survives, and what the list of reasons does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maintainers.tests.mutation.__main__ import PROJECT, main
from maintainers.tests.mutation.run import Project

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="mutation runs need fork()")

MODULE = "def is_old(age):\n    return age >= 65\n"
TESTS = "from toy.ages import is_old\n\n\ndef test_ages():\n    assert is_old(66)\n    assert not is_old(64)\n"
BOUNDARY, LATER, EARLIER = (f"is_old: age >= 65 → age {changed}" for changed in ("> 65", ">= 66", ">= 64"))


@pytest.fixture
def toy(tmp_path: Path) -> Project:
    """A module whose tests notice every change but two: what happens at 65 is not tested."""
    root = tmp_path / "project"
    (root / "toy").mkdir(parents=True)
    (root / "toy" / "ages.py").write_text(MODULE, encoding="utf-8")
    (root / "test_ages.py").write_text(TESTS, encoding="utf-8")
    project = Project(root, "toy", {"ages": ["test_ages.py"]}, tmp_path / "reasons.json", tmp_path / "results")
    give_reasons(project, {})
    return project


def give_reasons(project: Project, reasons: dict[str, str]) -> None:
    project.reasons.write_text(json.dumps({"ages": reasons}), encoding="utf-8")


def tried(project: Project) -> list[str]:
    """The mutants tried so far, in their order."""
    lines = (project.results / "ages.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[2] for line in lines]


def processes_in(folder: Path) -> list[str]:
    """The processes that work in this folder. Linux only; elsewhere the emptied folder has to do."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd").startswith(str(folder)) and " Z " not in (entry / "stat").read_text(
                encoding="utf-8"
            ):
                found.append(entry.name)
    return found


def test_a_survivor_is_named_and_fails_the_run(toy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--at-once", "2"], toy) == 1

    out = capsys.readouterr().out
    assert "ages: 5 mutants, 3 killed, 0 survive for a reason" in out
    assert out.count("no reason is given") == 2
    assert f"toy/ages.py:2 no test notices, and no reason is given: {BOUNDARY}\n" in out
    assert f"given: {LATER}\n" in out
    assert EARLIER not in out
    assert (toy.root / "toy" / "ages.py").read_text(encoding="utf-8") == MODULE


def test_with_a_reason_for_each_survivor_the_run_is_good(toy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    give_reasons(toy, {BOUNDARY: "Nobody is 65.", LATER: "Nobody is 65."})

    assert main(["ages"], toy) == 0
    assert capsys.readouterr().out == "ages: 5 mutants, 3 killed, 2 survive for a reason\n"


@pytest.mark.parametrize(
    ("key", "why"),
    [(EARLIER, "a test kills it now"), ("is_old: age > 5 → age >= 5", "there is no such change any more")],
)
def test_a_reason_too_many_fails_the_run(toy: Project, capsys: pytest.CaptureFixture[str], key: str, why: str) -> None:
    give_reasons(toy, {BOUNDARY: "Nobody is 65.", LATER: "Nobody is 65.", key: "A reason."})

    assert main([], toy) == 1
    assert f"reasons.json has a reason too many, {why}: {key}\n" in capsys.readouterr().out


def test_a_second_run_tries_only_what_new_tests_may_kill(toy: Project) -> None:
    main([], toy)
    assert len(tried(toy)) == 5
    main([], toy)
    assert len(tried(toy)) == 5

    (toy.root / "test_ages.py").write_text(TESTS + "    assert is_old(65)\n", encoding="utf-8")
    assert main([], toy) == 0
    assert sorted(tried(toy)[5:]) == [BOUNDARY, LATER]
    main(["--afresh"], toy)
    assert len(tried(toy)) == 5


def test_tests_that_fail_by_themselves_prove_nothing(toy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (toy.root / "test_ages.py").write_text(TESTS + "    assert is_old(5)\n", encoding="utf-8")

    assert main([], toy) == 2
    assert "these tests fail without any change" in capsys.readouterr().out


def test_a_mutant_that_never_ends_is_killed_in_time(toy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maintainers.tests.mutation.run._LEAST_SECONDS", 2)
    monkeypatch.setattr("maintainers.tests.mutation.run._TIMES_AS_LONG", 0)
    endless = "def is_old(age):\n    while age > 65:\n        break\n    return age >= 65\n"
    (toy.root / "toy" / "ages.py").write_text(endless, encoding="utf-8")

    main(["--at-once", "4"], toy)
    lines = (toy.results / "ages.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = {key: verdict for _, _, key, verdict in map(json.loads, lines)}
    assert verdicts["is_old: break → (dropped)"] == "killed"


def test_ctrl_c_leaves_no_process_and_the_next_run_goes_on(toy: Project) -> None:
    (toy.root / "test_ages.py").write_text(f"import time\n{TESTS}    time.sleep(0.3)\n", encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; from maintainers.tests.mutation.__main__ import main; "
        "from maintainers.tests.mutation.run import Project; root, reasons, results = map(Path, sys.argv[1:]); "
        "sys.exit(main([], Project(root, 'toy', {'ages': ['test_ages.py']}, reasons, results)))"
    )
    command = [sys.executable, "-c", program, str(toy.root), str(toy.reasons), str(toy.results)]
    copies = toy.results.with_name("copies")
    copies.mkdir()
    environ = {**os.environ, "TMPDIR": str(copies)}
    process = subprocess.Popen(command, cwd=PROJECT.root, env=environ, stdout=subprocess.PIPE, encoding="utf-8")
    results = toy.results / "ages.jsonl"
    bound = time.monotonic() + 60
    while not (results.exists() and results.read_text(encoding="utf-8")) and time.monotonic() < bound:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "the same command goes on from here" in out
    assert list(copies.iterdir()) == []
    assert processes_in(copies) == []
    begun = len(tried(toy))
    assert 0 < begun < 5
    main([], toy)
    assert len(set(tried(toy))) == len(tried(toy)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["no_such"], "no tests are listed for no_such"), (["--at-once", "9"], "a number from 1 to 8")],
)
def test_a_mistake_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


def test_the_table_names_modules_and_tests_that_exist_and_the_reasons_say_something() -> None:
    assert [path for module in PROJECT.tests if not (path := PROJECT.root / PROJECT.path(module)).is_file()] == []
    files = {test for tests in PROJECT.tests.values() for test in tests}
    assert [test for test in files if not (PROJECT.root / test).is_file()] == []
    reasons = json.loads(PROJECT.reasons.read_text(encoding="utf-8"))
    assert set(reasons) <= set(PROJECT.tests)
    assert all(len(reason.split()) >= 4 for module in reasons.values() for reason in module.values())
