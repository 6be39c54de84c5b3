"""The deployment script runs ensure-certificate.sh and sets every variable that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.project import Deployment, Project, label
from tests.infra.rules import deployment_rule, project_rule

SCRIPT = "infra/ensure-certificate.sh"
FROM_THE_SERVICE = {"AZ_SCRIPTS_OUTPUT_PATH"}  # the container sets these
OF_THE_SHELL = {"LC_ALL", "IFS"}


@project_rule()
def text(project: Project) -> Iterator[str]:
    """The script stops at an error and has a container's line ends. Shellcheck has a test of its own."""
    found = project.texts[SCRIPT]
    if not found.startswith("#!/usr/bin/env bash\n"):
        yield f"{SCRIPT} does not begin with #!/usr/bin/env bash"
    if "\r" in found:
        yield f"{SCRIPT} has Windows line ends; bash in the container fails on them"
    if "set -euo pipefail" not in found:
        yield f"{SCRIPT} goes on after an error: set -euo pipefail"


@deployment_rule()
def variables(deployment: Deployment) -> Iterator[str]:
    """The deployment script runs it with each variable that it reads, and no other."""
    found = deployment.texts[SCRIPT]
    for script in deployment.of_type("Microsoft.Resources/deploymentScripts"):
        if script["properties"].get("scriptContent") != found:
            yield f"{label(script)} does not run {SCRIPT} (loadTextContent)"
        yield from (f"{label(script)}: {what}" for what in _variables(found, script["properties"]))


def _variables(script: str, properties: dict[str, Any]) -> Iterator[str]:
    code = re.sub(r"(?m)(^|\s)#.*$", "", script)
    read = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", code)) - FROM_THE_SERVICE - OF_THE_SHELL
    given = {str(each["name"]): each for each in properties.get("environmentVariables", ())}
    yield from (f"the script reads {name}, which is not given" for name in sorted(read - set(given)))
    yield from (f"the script does not read {name}" for name in sorted(set(given) - read))
    yield from (f"{name} is empty" for name, each in given.items() if not each.get("value"))
