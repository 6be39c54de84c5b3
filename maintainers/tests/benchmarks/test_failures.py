"""docs/failures-compared.md against the script that measures it, and against what it measures now."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from maintainers.benchmarks.document import tables_in
from maintainers.benchmarks.failures.command import COMMAND, DOCUMENT
from maintainers.benchmarks.failures.definition import MISSING, PEERS, TABLES, peer, rows_of
from maintainers.benchmarks.failures.rows import MEASUREMENTS

ROOT = Path(__file__).parents[3]


def measure(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "maintainers.benchmarks", "failures", "--json", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=280)
    measured: dict[str, Any] = json.loads(result.stdout or "{}")
    assert (result.returncode, measured.get("problems")) == (0, {}), result.stderr
    return measured


def documented() -> dict[str, dict[str, dict[str, str]]]:
    """Table → failure → peer → cell, by their titles."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for table, (header, rows) in zip(TABLES, tables_in(ROOT / DOCUMENT, COMMAND), strict=True):
        found[table.title] = {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}
    return found


def test_the_document_has_the_rows_and_columns_of_the_definition() -> None:
    for table, (header, rows) in zip(TABLES, tables_in(ROOT / DOCUMENT, COMMAND), strict=True):
        assert header == ["failure", *(peer(key).title for key in table.peers)]
        assert [row[0] for row in rows] == [row.title for row in table.rows]
        assert all(cell not in ("", MISSING) for row in rows for cell in row)


def test_the_document_says_how_each_peer_is_used_and_in_which_version() -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    for each in PEERS:
        assert f"- **{each.title}**: {each.about}\n" in text
        assert all(re.search(rf"{re.escape(name)} \d+\.\d+", text) for name in each.packages)


def test_every_failure_is_measured_and_nothing_else_is() -> None:
    defined = {row.key for each in PEERS for row in rows_of(each.key)}

    assert defined == set(MEASUREMENTS)
    assert sum(len(table.rows) for table in TABLES) == len(defined)


def test_the_column_of_this_template_is_what_is_measured_now() -> None:
    measured = measure("--peer", "template")

    for table in measured["tables"]:
        for row in table["rows"]:
            shown = documented()[table["title"]][row["failure"]]["this template"]
            assert (row["failure"], row["cells"]["template"]) == (row["failure"], shown)


@pytest.mark.skipif(find_spec("fastapi_azure_auth") is None, reason="python3 dev.py bench failures installs the peers")
def test_with_the_peers_installed_every_cell_is_measured() -> None:
    measured = measure()

    cells = [cell for table in measured["tables"] for row in table["rows"] for cell in row["cells"].values()]
    assert len(cells) == sum(len(table.peers) * len(table.rows) for table in TABLES)
    assert MISSING not in cells


def test_a_peer_that_is_not_installed_leaves_its_column_empty(tmp_path: Path) -> None:
    """As where fastapi-azure-auth is not installed."""
    (tmp_path / "fastapi.py").write_text('raise ModuleNotFoundError("no", name="fastapi")\n', encoding="utf-8")
    command = [sys.executable, "-m", "maintainers.benchmarks", "failures", "--peer", "fastapi"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

    assert result.returncode == 0, result.stderr
    assert "Not measured: fastapi-azure-auth, because fastapi is not installed." in result.stdout
    assert f"| {TABLES[0].rows[0].title} | {MISSING} |\n" in result.stdout
