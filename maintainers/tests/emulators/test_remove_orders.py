"""`dev.py remove-orders` changes everything or nothing, and names what it leaves to the person."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulators.remove_orders import main

APP = """from shared import User, health, json_body, requires_user


@app.route("api/orders")
@requires_user()
def list_orders(req, user: User):
    return json_body(req)


@app.route("api/own")
@requires_user()
def own(req, user: User):
    return user.api("Orders").get("/orders")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "downstream_app.py").write_text("", encoding="utf-8")
    (tmp_path / "function_app.py").write_text(APP, encoding="utf-8")
    return tmp_path


def test_a_call_of_the_persons_own_is_named_and_stays(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(project) == 0
    text = (project / "function_app.py").read_text(encoding="utf-8")
    assert "list_orders" not in text
    assert text.startswith("from shared import User, requires_user\n")
    assert not (project / "downstream_app.py").exists()
    assert 'function_app.py:7: return user.api("Orders").get("/orders")' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.bicep", "// <orders>\nparam a string\n", "a.bicep, line 1: <orders> without a </orders>"),
        ("a.bicep", "param a string\n// </orders>\n", "a.bicep, line 2: </orders> without an <orders>"),
        ("a.yaml", "# <orders>\n# <orders>\n# </orders>\n", "a.yaml, line 2: <orders> within the <orders> of line 1"),
        ("function_app.py", "def broken(:\n", "function_app.py, line 1: "),
        ("own.py", "def broken(:\n", "own.py, line 1: it is not Python"),
        ("local.settings.json.example", '{"a": {"Orders":\n1}}\n', ""),
        ("local.settings.json.example", '{\n"Orders":\n1\n}\n', "local.settings.json.example: "),
    ],
)
def test_a_file_that_is_not_as_expected_leaves_all_as_they_were(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, problem: str
) -> None:
    (project / name).write_text(text, encoding="utf-8")
    before = {path.name: path.read_text(encoding="utf-8") for path in project.iterdir()}
    code = main(project)
    if problem:
        assert code == 1
        assert f"Nothing was changed. {problem}" in capsys.readouterr().err
        assert {path.name: path.read_text(encoding="utf-8") for path in project.iterdir()} == before
    else:
        assert code == 0


def test_one_line_and_one_block_go_and_the_rest_stays(project: Path) -> None:
    text = "a: 1\nb: 2 # <orders/>\n\n# <orders>\nc: 3\n# </orders>\n\nd: 4\n"
    (project / "azure.yaml").write_text(text, encoding="utf-8")
    assert main(project) == 0
    assert (project / "azure.yaml").read_text(encoding="utf-8") == "a: 1\n\nd: 4\n"
