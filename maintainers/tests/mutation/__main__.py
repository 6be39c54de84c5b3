"""`python3 dev.py mutate [MODULE …]`: lists changes to validation and transport that no test notices."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from .modules import TESTS
from .run import BrokenTestsError, Project, Report, run

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
MOST_AT_ONCE = 8
# Slow to import, and nothing that is changed: the emulators import nothing from shared/.
PRELOAD = ("pytest", "requests", "msal", "azure.functions", "jwt", "starlette.applications", "uvicorn", "trustme",
           "azure.identity", "azure.keyvault.secrets", "redis", "cryptography.x509",
           "emulators.stack")  # fmt: skip
PROJECT = Project(ROOT, "shared", TESTS, HERE / "survivors.json", ROOT / ".local" / "mutation", PRELOAD)


def main(argv: list[str], project: Project = PROJECT) -> int:
    """0: every survivor has a reason, and every reason a survivor. 1: not so. 2: it could not be found out."""
    options = _options(argv, project)
    if not hasattr(os, "fork"):
        print("mutate: this needs a system with fork(), such as Linux, macOS or WSL")
        return 2
    good = True
    try:
        for report in run(project, options.modules, at_once=options.at_once, afresh=options.afresh):
            good &= report.is_good
            _show(report, project)
    except BrokenTestsError as problem:
        print(f"{problem}\nmutate: these tests fail without any change; get them to pass first")
        return 2
    except KeyboardInterrupt:
        print(f"mutate: stopped; the same command goes on from here ({project.results})")
        return 130
    return 0 if good else 1


def _options(argv: list[str], project: Project) -> argparse.Namespace:
    parser = argparse.ArgumentParser("dev.py mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of shared/; all of the table when none is named")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="mutants tried at once: 1 to 8, normally 2")
    parser.add_argument("--afresh", action="store_true", help="forget what earlier runs found out")
    options = parser.parse_args(argv)
    unknown = [module for module in options.modules if module not in project.tests]
    if unknown:
        parser.error(f"no tests are listed for {', '.join(unknown)}; there are {', '.join(project.tests)}")
    if not 1 <= options.at_once <= MOST_AT_ONCE:
        parser.error(f"--at-once is a number from 1 to {MOST_AT_ONCE}")
    options.modules = options.modules or list(project.tests)
    return options


def _show(report: Report, project: Project) -> None:
    explained = len(report.survivors) - len(report.unexplained)
    killed = report.mutants - len(report.survivors)
    print(f"{report.module}: {report.mutants} mutants, {killed} killed, {explained} survive for a reason", flush=True)
    for mutant in report.unexplained:
        print(f"  {project.path(report.module)}:{mutant.line} no test notices, and no reason is given: {mutant.key}")
    for key, why in report.outdated:
        print(f"  {project.reasons.name} has a reason too many, {why}: {key}")
    sys.stdout.flush()


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):  # both end it, even where a shell has it ignore the second
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
