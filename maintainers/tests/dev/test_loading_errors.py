"""An import error in function_app.py: the app's own lines and one sentence on the terminal, all of it in the log."""

from __future__ import annotations

from pathlib import Path

from emulators.local.loading_errors import LoadingErrors, brief
from maintainers.tests.dev.project import Project

FRAMES = """ERROR Host.Startup: function_app.py cannot be indexed, so every route responds with 404: KeyError: 'x'
    Traceback (most recent call last):
      File "{root}/emulators/functions_host/loading.py", line 5, in call
        return func(*args, **kwargs)
      File "{root}/.venv/lib/python3.13/site-packages/a/b.py", line 6, in call
        the library's
      File "{root}/function_app.py", line 7, in <module>
        import mine
        ^^^^^^^^^^^
    KeyError: 'x'

    During handling of the above exception, another exception occurred:
      File "{root}/function_app.py", line 7, in <module>
        import mine
      File "{root}/mine.py", line 1, in <module>
        {{}}["x"]
    KeyError: 'x'
WARNING other: line
    goes on"""


def test_the_apps_own_lines_are_kept_once(tmp_path: Path) -> None:
    errors = LoadingErrors(tmp_path)

    shown = [errors.shown(line) for line in FRAMES.format(root=tmp_path).replace("\n\n", "\n    \n").splitlines()]

    assert [line for line in shown if line is not None][1:] == [
        '      File "function_app.py", line 7, in <module>',
        "        import mine",
        "        ^^^^^^^^^^^",
        '      File "mine.py", line 1, in <module>',
        '        {}["x"]',
        "WARNING other: line",
        "    goes on",
    ]


def test_the_workers_advice_is_left_out_and_the_line_is_kept() -> None:
    said = "No module named 'x'. Cannot find module. Please check it. sys.path: /a /b (function_app.py, line 3)"

    assert brief(said) == "No module named 'x' (function_app.py, line 3)"
    assert brief("NameError: y (function_app.py, line 3)") == "NameError: y (function_app.py, line 3)"


def test_run_shows_the_apps_own_lines_and_one_sentence(tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "copy")
    (project.root / "mine.py").write_text("import nosuchpackage\n", encoding="utf-8")
    with (project.root / "function_app.py").open("a", encoding="utf-8") as file:
        file.write("import mine\n")

    with project.serving("run", "--port", "0") as serving:
        serving.wait_for("Every route of the API responds with 404")
        log = (project.root / ".local" / "api.log").read_text(encoding="utf-8")

    assert 'File "mine.py", line 1, in <module>' in serving.text
    assert "function_app.py could not be loaded: ModuleNotFoundError: No module named 'nosuchpackage'" in serving.text
    for noise in ("site-packages", "importlib", "sys.path", "During handling"):
        assert noise not in serving.text
    assert "Traceback" in log
