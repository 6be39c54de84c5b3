"""`python3 dev.py check --infra`: the Bicep compiler and the rules for infra/, then every other tool that is found.

A tool that is not there is named as not run, with what would bring it; it fails nothing. One that is there must pass.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.infra import bicep, program
from tests.infra.bicep import BicepError
from tests.infra.project import ROOT, Project
from tests.infra.rules import problems

TIMEOUT_SECONDS = 600
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
NOT_COPIED = (".git", ".venv*", ".local", ".azure", "__pycache__", ".*_cache", "local.settings.json*")

# What checkov would have otherwise, and why it is so. By check, from its catalog.
ACCEPTED = {
    "CKV_AZURE_13": "the code validates access tokens itself; App Service authentication would be a second check",
    "CKV_AZURE_17": "callers prove themselves by access token, not by client certificate",
    "CKV_AZURE_35": "a Functions app outside a virtual network has to reach its storage; keys are off, roles decide",
    "CKV_AZURE_36": "as CKV_AZURE_35",
    "CKV_AZURE_63": "a setting of Windows web apps; Flex Consumption logs to Application Insights",
    "CKV_AZURE_65": "as CKV_AZURE_63",
    "CKV_AZURE_66": "as CKV_AZURE_63",
    "CKV_AZURE_78": "Flex Consumption has no FTP and refuses ftpsState",
    "CKV_AZURE_80": "there is no .NET in it",
    "CKV_AZURE_88": "Flex Consumption takes the package from a blob container",
    "CKV_AZURE_109": "no app outside a virtual network, and no deployment script, reaches a vault behind a firewall",
    "CKV_AZURE_189": "as CKV_AZURE_109; the vault answers to roles alone, and reads are logged",
    "CKV_AZURE_206": "the storage holds the package and the host's leases, which a deployment makes again",
    "CKV_AZURE_212": "Flex Consumption scales from zero; always-ready instances are a parameter",
    "CKV_AZURE_213": "Flex Consumption replaces instances by itself; there is no health check setting",
    "CKV_AZURE_222": "it is a public API",
    "CKV_AZURE_225": "zone redundancy is paid for at all times; not a template's default",
}


@dataclass(frozen=True)
class Outcome:
    """Whether a tool ran, whether it was content, and what it said."""

    ran: bool
    good: bool
    words: str = ""


@dataclass(frozen=True)
class Tool:
    """A program, what brings it, and what is done with it."""

    name: str
    brought_by: str
    run: Callable[[str], Outcome]
    find: Callable[[str], str | None] = program

    def check(self) -> Outcome:
        """Runs it where it is found."""
        found = self.find(self.name)
        return self.run(found) if found else not_run(f"not found; {self.brought_by}")


def not_run(reason: str) -> Outcome:
    return Outcome(ran=False, good=True, words=reason)


def start(
    command: list[str], *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The program's end, all it said in `stdout`. One that does not end is ended, and has failed."""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, f"did not end within {TIMEOUT_SECONDS} s", "")


def plainly(command: list[str]) -> Outcome:
    """Content when its exit code is 0."""
    result = start(command)
    return Outcome(ran=True, good=result.returncode == 0, words=result.stdout)


def bicep_and_rules(found: str) -> Outcome:
    """Any diagnostic fails; without one, new snapshots are taken and the rules applied that hold for users, too."""
    try:
        with bicep.running(found) as compiler:
            project = Project(ROOT, compiler)
            words = list(project.diagnostics) or list(problems(project, makers=False))
            counted = f"Bicep {compiler.version}, {len(project.sets)} sets of parameters"
    except BicepError as error:
        return Outcome(ran=True, good=False, words=str(error))
    return Outcome(ran=True, good=not words, words="\n".join(words) or counted)


def azd(found: str) -> Outcome:
    """Each service packaged from a copy, with nothing of azd's own left behind; what is in the zips is compared."""
    sys.path.append(str(ROOT / "infra" / "hooks"))
    import package_files

    with tempfile.TemporaryDirectory() as folder:
        copy, packages = Path(folder, "project"), Path(folder, "packages")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        settings = {"AZD_CONFIG_DIR": str(Path(folder, "azd")), "AZURE_DEV_COLLECT_TELEMETRY": "no"}
        command = [found, "package", "--all", "--no-prompt", "--output-path", str(packages)]
        result = start(command, cwd=copy, environment=settings)
        if result.returncode:
            return Outcome(ran=True, good=False, words=result.stdout)
        zips = sorted(packages.glob("*.zip"))
        services = yaml.safe_load((copy / "azure.yaml").read_text(encoding="utf-8"))["services"]
        words = [] if len(zips) == len(services) else [f"azd made {len(zips)} packages, not {len(services)}"]
        wanted = set(package_files.packaged(copy, package_files.read_rules(copy)[0]))
        for path in zips:
            held = {name for name in zipfile.ZipFile(path).namelist() if not name.endswith("/")}
            words += [f"{path.name}: {name} is too much" for name in sorted(held - wanted)]
            words += [f"{path.name}: {name} is missing" for name in sorted(wanted - held)]
        return Outcome(ran=True, good=not words, words="\n".join(words))


def checkov(found: str) -> Outcome:
    """On the snapshot with everything on: it sees nothing in main.bicep, nor in what that compiles to."""
    compiler_found = bicep.find()
    if compiler_found is None:
        return not_run(bicep.MISSING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "main.json")
        try:
            with bicep.running(compiler_found) as compiler:
                deployment = Project(ROOT, compiler).deployment("certificate-everything-on")
            resources = [each for each in deployment.resources if not each["type"].startswith("Microsoft.Graph/")]
            template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
            path.write_text(json.dumps(template, indent=1), encoding="utf-8")
        except BicepError as error:
            return Outcome(ran=True, good=False, words=str(error))
        options = ["--framework", "arm", "--compact", "--quiet", "--skip-download", "--output", "json"]
        result = start([found, "-f", str(path), *options, "--skip-check", ",".join(ACCEPTED)])
    try:
        report = json.loads(result.stdout[result.stdout.index("{") :])
        summary, failed = report["summary"], report["results"]["failed_checks"]
    except (ValueError, KeyError):
        return Outcome(ran=True, good=False, words=result.stdout[-2000:])
    words = [f"{each['check_id']} {each['check_name']}: {each['resource']}" for each in failed]
    if not summary["passed"]:
        words.append("checkov checked nothing")
    return Outcome(ran=True, good=not words, words="\n".join(words) or f"{summary['passed']} checks passed")


def shell_scripts(found: str) -> Outcome:
    return plainly([found, *sorted(str(path) for path in (ROOT / "infra").rglob("*.sh"))])


def workflows(found: str) -> Outcome:
    return plainly([found])


TOOLS = (
    Tool("bicep", "https://aka.ms/bicep-install, or `az bicep install`", bicep_and_rules, lambda name: bicep.find()),
    Tool("azd", "https://aka.ms/azd-install", azd),
    Tool("checkov", "`pip install checkov`, best into an environment of its own", checkov),
    Tool("shellcheck", "https://www.shellcheck.net", shell_scripts),
    Tool("actionlint", "https://github.com/rhysd/actionlint", workflows),
)


def main(tools: tuple[Tool, ...] = TOOLS) -> int:
    """Runs everything there is, and returns the exit code."""
    outcomes = {}
    for tool in tools:
        say(f"-- {tool.name}")
        outcomes[tool.name] = outcome = tool.check()
        if outcome.words:
            say("\n".join(f"   {line}" for line in outcome.words.rstrip().splitlines()))
        if not outcome.ran:
            say("   not run")
    say(summary(outcomes))
    return 0 if all(outcome.good for outcome in outcomes.values()) else 1


def summary(outcomes: Mapping[str, Outcome]) -> str:
    """One line: what failed or that all is good, and what was not run."""
    ran = [name for name, outcome in outcomes.items() if outcome.ran]
    failed = [name for name in ran if not outcomes[name].good]
    missing = [name for name, outcome in outcomes.items() if not outcome.ran]
    verdict = f"failed: {', '.join(failed)}" if failed else f"{', '.join(ran) or 'nothing'}: all good"
    unjudged = "; infra/ was not judged, because that takes a Bicep compiler" if "bicep" in missing else ""
    return f"check --infra: {verdict}" + (f"; not run: {', '.join(missing)}" if missing else "") + unjudged


def say(line: str) -> None:
    """To the person at the terminal."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
