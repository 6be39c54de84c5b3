"""Tests of infra/: the Bicep, the hooks, azure.yaml.

reader.py, syntax.py, expressions.py   Bicep files as declarations and expressions
evaluator.py                           what a deployment of them would make, without Azure
resource_types.py, schemas/            the real schemas of the resource types; vendor.py makes them anew
checks/                                functions from the project to what is wrong with it
test_checks.py, test_breaking.py       there is nothing wrong; and each mistake would be found
tools.py                               `python3 dev.py check --infra`: these tests, and every external tool there is
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def program(name: str) -> str | None:
    """Where a program is: beside the Python that runs this, where pip puts them, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
