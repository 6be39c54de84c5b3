"""docs/test.md: its tests pass unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_passes_as_it_stands_there(tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "test.md").read_text(encoding="utf-8"))
    sample = "[apis.Orders]" in (ROOT / "local-stack.toml").read_text(encoding="utf-8")  # remove-orders takes it out
    blocks = [block for block in blocks if sample or "Orders" not in block]
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks), encoding="utf-8")
    plugin = ("-c", "pytest.ini", "-p", "tests.support.tenant", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *plugin, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120)

    count = "\n".join(blocks).count("def test_")
    assert count >= 4
    assert (result.returncode, f"{count} passed" in result.stdout) == (0, True), result.stdout


def test_the_page_names_every_argument_and_every_failure() -> None:
    page = (ROOT / "docs" / "test.md").read_text(encoding="utf-8")
    source = (ROOT / "tests" / "support" / "tenant.py").read_text(encoding="utf-8")
    methods = re.findall(r"^    def ([a-z]\w*)\(", source, re.MULTILINE)
    arguments = re.findall(r"^        (\w+): .*= (?:None|False),$", source, re.MULTILINE)
    assert {"call", "responds", "requests", "requires_mfa", "settings"} <= set(methods)
    assert [name for name in (*methods, *arguments) if f"{name}" not in page] == []
    assert {"scopes", "roles", "mfa", "bindings"} <= set(arguments)
