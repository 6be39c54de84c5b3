"""Checks the package before a deployment: it has all that the apps import, and no secret.

It unpacks exactly the files that would be packaged, and installs exactly what requirements.txt names. Then it imports
and indexes both apps without settings. The hooks prepackage and predeploy of azd run it. To run it by hand, type
`python3 dev.py check --package`. It changes only .local/package-check, where the packages are kept.

With `azd env set SKIP_PACKAGE_CHECK true` it only looks for keys, and needs no package index.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import azd
import package_files
import package_requirements

SCRIPT = "function_app.py"
KEYS = ("*.pem", "*.pfx", "*.p12", "*.key", "id_rsa*", "id_ed25519*", "id_ecdsa*")
WORKSHOP = ("client", "dev", "doctor", "emulators", "infra", "maintainers", "tests")
SHORT_NAMES = ("appconfiguration", "batch", "cosmos", "eventgrid", "eventhub", "identity", "servicebus")
"""The modules in `azure` whose package is named after them alone."""
# A private key in a file of any name, also as text of a JSON or YAML file; the words alone are no key.
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\\[nr]|\s)+(?:[A-Za-z0-9+/=]{40}|Proc-Type:)")
MAX_KEY_FILE_BYTES = 256 * 1024
SKIP = "SKIP_PACKAGE_CHECK"
KEPT = Path(".local") / "package-check"
TIMEOUT_SECONDS = 120

ADVICE = {
    "attempted relative import": "Where this is, leave out the dot: a module next to function_app.py "
    "belongs to no package.",
    "not have a unique function name": "Rename one of them: a name is unique in the whole app, blueprints included.",
}


def main(programs: Sequence[str]) -> int:
    """Checks the packages of these programs (azd, func). Returns the exit code."""
    root = azd.ROOT
    rules = [one for one in package_files.read_rules(root) if one.name in named(programs)]
    problems = []
    checked: set[tuple[str, ...]] = set()
    for one in rules:
        files = package_files.packaged(root, one)
        azd.say(f"Check of the package, {len(files)} files, as {one.name} makes it:")
        found = [*secrets(root, one, files), *virtual_environments(root, one), *named_like_a_folder(root, files)]
        if not found and tuple(files) in checked:
            azd.say("  ok      the same files as above")
        elif not found:
            found = indexing(root, one, files)
        checked.add(tuple(files))
        for problem in found:
            azd.say("  FAILED  " + problem.replace("\n", "\n          "))
        problems += found
    if problems:
        azd.say(f"{len(problems)} found, and nothing was deployed.")
    return 1 if problems else 0


def named(programs: Sequence[str]) -> set[str]:
    known = {"azd": "azd", "func": "Core Tools"}
    return {known[program] for program in programs or ["azd"]}


def secrets(root: Path, rules: package_files.Rules, files: Sequence[str]) -> Iterator[str]:
    """Keys and settings that would be deployed, or lie where what is next to them is."""
    for name in package_files.files_near(root, rules):
        base = name.rpartition("/")[2].lower()
        is_key = any(fnmatch.fnmatchcase(base, pattern) for pattern in KEYS)
        is_environment = base.startswith((".env", "local.settings"))
        if name in files and not is_key and holds_private_key(root / name):
            yield f"{name} holds a private key, and it would be deployed.\nMove it out of the project."
        if not (is_key or is_environment) or not is_deployed_folder(rules, name.rpartition("/")[0]):
            continue
        what = "a key file" if is_key else "a file of settings"
        if name in files:
            yield f"{name} is {what}, and it would be deployed.\nMove it out of the project."
        elif is_key or (base.startswith(".env") and "/" in name):
            yield (
                f"{name} is {what} in a folder that is deployed. {package_files.IGNORE_FILE} keeps it out for now.\n"
                "Move it out of the project, or into .local/. A certificate without its key may be named .crt."
            )


def holds_private_key(file: Path) -> bool:
    """Whether its beginning has a private key in PEM. Its name does not matter."""
    try:
        with file.open("rb") as content:
            return PRIVATE_KEY.search(content.read(MAX_KEY_FILE_BYTES)) is not None
    except OSError:  # reported later, when it cannot be copied
        return False


def named_like_a_folder(root: Path, files: Sequence[str]) -> Iterator[str]:
    """Modules of the app that Python finds in Azure alone: on this machine a folder of the template comes first."""
    for folder in WORKSHOP:
        if f"{folder}.py" in files and (root / folder / "__init__.py").exists():
            yield (
                f"{folder}.py has the name of the folder {folder}/ of the template: on this machine Python finds that "
                "folder instead. Rename the module."
            )


def is_deployed_folder(rules: package_files.Rules, folder: str) -> bool:
    """Whether a module in it would be deployed."""
    return rules.left_out_by(f"{folder}/module.py" if folder else "module.py") is None


def virtual_environments(root: Path, rules: package_files.Rules) -> Iterator[str]:
    """Folders with a pyvenv.cfg that would be deployed, of any name."""
    for name in package_files.files_near(root, rules):
        folder, _, base = name.rpartition("/")
        if base == "pyvenv.cfg" and is_deployed_folder(rules, folder):
            yield (
                f"{folder or 'The project'} is a virtual environment, and it would be deployed.\n"
                f"Delete it, or add this line to {package_files.IGNORE_FILE}: /{folder}/*"
            )


def indexing(root: Path, rules: package_files.Rules, files: Sequence[str]) -> list[str]:
    """Imports and indexes both apps from these files alone; says what is missing, and what to do."""
    if azd.told(SKIP).lower() == "true":
        azd.say(f"  skipped  import and indexing ({SKIP})")
        return []
    apps = scripts(root)
    missing = [name for name in (*apps, "host.json", "requirements.txt") if name not in files]
    if missing:
        return [absent(root, rules, name) for name in missing]
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        unpacked = Path(os.path.realpath(folder)) / "wwwroot"
        try:
            for name in files:
                (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, unpacked / name)
            packages = package_requirements.install(unpacked, root / KEPT)
        except OSError as problem:  # a broken link, a file without read permission, a full disk
            return [f"A file cannot be copied: {problem}"]
        except package_requirements.InstallationError as problem:
            return [
                f"requirements.txt cannot be installed: {problem}\n"
                "If this machine reaches no package index (PIP_INDEX_URL), leave the import out:\n"
                f"  azd env set {SKIP} true        (without azd: the environment variable {SKIP}=true)"
            ]
        results = [indexed(script, unpacked, packages, root, rules) for script in apps]
    return [problem for problem in results if problem]


def scripts(root: Path) -> list[str]:
    """The script of each app: function_app.py, and those that infra/ or local-stack.toml names."""
    texts = (file.read_text(encoding="utf-8") for file in sorted((root / "infra").glob("*.bicep")))
    named = [name for text in texts for name in re.findall(r"PYTHON_SCRIPT_FILE_NAME: '(\w+\.py)'", text)]
    table = root / "local-stack.toml"
    if table.exists():
        named += re.findall(r"""^app *= *["'](\w+\.py)["']""", table.read_text(encoding="utf-8"), re.MULTILINE)
    return [SCRIPT, *(name for name in dict.fromkeys(named) if (root / name).exists())]


def indexed(
    script: str, unpacked: Path, packages: package_requirements.Packages, root: Path, rules: package_files.Rules
) -> str | None:
    """Imports and indexes one app in a process of its own. Returns the problem, if there is one."""
    result = unpacked.parent / f"{script}.json"
    program = Path(__file__).with_name("package_index.py")
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(program), str(unpacked), script]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [*command, str(packages.required), str(packages.worker), str(result)],
            env={name: os.environ[name] for name in package_requirements.PLAIN if name in os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{script}: its import did not end within {TIMEOUT_SECONDS} s. Do no work while a module is imported."
    if not result.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"{script}: the process ended during the import, with exit code {done.returncode}: {last}"
    outcome = json.loads(result.read_text(encoding="utf-8"))
    if outcome.get("functions"):
        version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        azd.say(f"  ok      {script}: {len(outcome['functions'])} functions ({packages.indexer}, {version})")
        return None
    if "functions" in outcome:
        return f"{script}: it has no function. Register each blueprint: app.register_functions(...)"
    return explained(script, outcome, root, rules)


def explained(script: str, outcome: dict[str, str | None], root: Path, rules: package_files.Rules) -> str:
    """The error, and what to do about it."""
    where = outcome["where"] or script
    message = f"{where}: {outcome['type']}: {outcome['message']}"
    if outcome["module"]:
        return f"{message}\n{missing_module(outcome['module'], root, rules)}"
    if outcome["file"] and (root / outcome["file"]).exists():
        return f"{message}\n{absent(root, rules, outcome['file'])}"
    for words, advice in ADVICE.items():
        if words in message:
            return f"{message}\n{advice}"
    if outcome["type"] == "KeyError":
        return f"{message}\nIf that is a setting: read it in the function. No setting is needed to import the app."
    return f"{message}\nNo function of the app would load. (If it lacks a setting there: read that in the function.)"


def missing_module(module: str, root: Path, rules: package_files.Rules) -> str:
    """What to do about a module that was not found."""
    path = module.replace(".", "/")
    top = module.split(".")[0]
    candidates = [f"{path}.py", f"{path}/__init__.py"]
    here = next((name for name in candidates if (root / name).is_file()), None)
    if top in WORKSHOP and (here or (root / top).is_dir()):
        return f"{top} belongs to the template's workshop, which is not deployed. Move what you need out of it."
    if here is None and (root / path).is_dir():
        here = next((p.relative_to(root).as_posix() for p in sorted((root / path).rglob("*.py"))), None)
    hidden = next((one for one in parents(path) if is_hidden(root, one)), None)
    if hidden is not None:
        return no_package(hidden, here)
    if here is not None:
        return absent(root, rules, here)
    if "." in module and (root / top).exists():
        return f"There is no {path}.py in the project: add the file, or correct the import."
    if top == "azure" and "." in module:
        return f"Add {package_of(module)} to requirements.txt."
    return (
        f"If {top} is a module of yours, put {top}.py next to function_app.py. If it comes from a package, add that\n"
        f"package to requirements.txt; its name may differ from {top}."
    )


def package_of(module: str) -> str:
    """The package that has a module of Azure: azure-storage-blob for azure.storage.blob.aio."""
    parts = module.split(".")
    return "-".join(parts[: 2 if parts[1] in SHORT_NAMES else 3])


def parents(path: str) -> Iterator[str]:
    """For a/b/c: a and a/b."""
    parts = path.split("/")
    yield from ("/".join(parts[:length]) for length in range(1, len(parts)))


def is_hidden(root: Path, folder: str) -> bool:
    """Whether Python imports the file of this name and not the folder, or there is no folder."""
    return (root / f"{folder}.py").is_file() and not (root / folder / "__init__.py").is_file()


def no_package(name: str, wanted: str | None) -> str:
    """What to do about a file that is imported as if it were a package; `wanted`: the file that was meant."""
    if wanted is not None:
        return f"{name}.py hides the folder {name}/, which has no __init__.py: add that, or rename one of them."
    return f"{name}.py is a module, not a package. Correct the import, or move it to {name}/__init__.py."


def absent(root: Path, rules: package_files.Rules, name: str) -> str:
    """Why a file is not in the package."""
    line = rules.left_out_by(name)
    if line is not None:
        return (
            f"{name} is left out of the package by {package_files.IGNORE_FILE}, line {line.number}: {line.text}\n"
            "Change that line, or give the file another name."
        )
    if not (root / name).exists():
        return f"{name} does not exist. The app cannot be deployed without it."
    return f"{name} is in the project and not in the package: {rules.name} never packages a file of that name."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
