"""Tests of infra/: the Bicep, the hooks, azure.yaml. README.md says how to add a rule, a parameter set, a mistake.

bicep.py                   the compiler, found and running
project.py                 the files, and the deployments that the compiler makes of them, as plain dictionaries
open_values.py             what only Azure knows, and what stands in its place
rules/                     what must hold and no compiler can know
parameters/, snapshots/    the parameter sets, and what each deploys
tools.py                   `python3 dev.py check --infra`: compiler, rules, and every other tool there is
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def program(name: str) -> str | None:
    """Where a program is: next to the Python that runs this, where pip puts them, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
