"""A copy of the project as a fresh clone has it, and what a person adds to it."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_COPIED = {".git", ".local", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}

# The example of docs/extend.md, and more of what people put beside function_app.py.
BLUEPRINT = '''"""Who the user is, in words."""

from pathlib import Path

import azure.functions as func

from orders.greeting import greeting
from shared import User, requires_user

people = func.Blueprint()
PROMPT = (Path(__file__).parent / "prompts" / "greeting.txt").read_text(encoding="utf-8")


@people.route("greeting", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def greet(req: func.HttpRequest, user: User) -> object:
    """A greeting for the signed-in user."""
    me = user.api("Graph").get("/me?$select=displayName").json()
    return {"greeting": greeting(PROMPT, me["displayName"])}
'''
ADDED = {
    "people_blueprint.py": BLUEPRINT,
    "orders/__init__.py": "",
    "orders/greeting.py": 'def greeting(prompt: str, name: str) -> str:\n    return prompt.replace("NAME", name)\n',
    "prompts/greeting.txt": "Hello, NAME!",
}
REGISTERED = "\nfrom people_blueprint import people  # noqa: E402\n\napp.register_functions(people)\n"


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
    """Adds a blueprint, a package and a prompt, and registers the blueprint."""
    for name, text in ADDED.items():
        write(root / name, text)
    app = root / "function_app.py"
    app.write_text(app.read_text(encoding="utf-8") + REGISTERED, encoding="utf-8")
    return root


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def of_the_template(root: Path = ROOT) -> set[str]:
    """What a fresh clone deploys, written out here on purpose."""
    modules = {path.relative_to(root).as_posix() for path in (root / "shared").rglob("*.py")}
    return {"function_app.py", "downstream_app.py", "host.json", "requirements.txt", *modules}
