"""A copy of the project as a fresh clone has it, and what a person adds to it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_NOT_COPIED = {".git", ".local", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}

EXAMPLE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8").partition("\n## A module of your own\n")[2]
_BLOCK = re.compile(r"`([\w/]+\.\w+)`[^`\n]*(?:`[^`\n]+`[^`\n]*)?:\n\n```\w+\n(.*?)```", re.DOTALL)


def example() -> dict[str, str]:
    """The files of the example in docs/extend.md, and under function_app.py what is added to its end."""
    return dict(_BLOCK.findall(EXAMPLE.partition("\n## ")[0]))


OF_THE_TEMPLATE = ("function_app.py", "mypy.ini", "ruff.toml")  # the page shows what is added to them
ADDED = {
    **{name: text for name, text in example().items() if name not in OF_THE_TEMPLATE},
    "greetings/__init__.py": "",
}


def copy(target: Path) -> Path:
    """The project as a fresh clone has it."""

    def leave_out(folder: str, names: list[str]) -> set[str]:
        environments = {name for name in names if (Path(folder) / name / "pyvenv.cfg").exists()}
        return {name for name in names if name in _NOT_COPIED or name.startswith("local.settings.json")} - {
            "local.settings.json.example"
        } | environments

    shutil.copytree(ROOT, target, ignore=leave_out)
    return target


def extend(root: Path) -> Path:
    """Does what docs/extend.md says: adds a blueprint, a package and a prompt, and registers the blueprint."""
    for name, text in ADDED.items():
        write(root / name, text)
    app = root / "function_app.py"
    app.write_text(app.read_text(encoding="utf-8") + "\n\n" + example()["function_app.py"], encoding="utf-8")
    return root


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def of_the_template(root: Path = ROOT) -> set[str]:
    """What a fresh clone deploys, written out here on purpose."""
    modules = {path.relative_to(root).as_posix() for path in (root / "shared").rglob("*.py")}
    return {"function_app.py", "downstream_app.py", "host.json", "requirements.txt", *modules}
