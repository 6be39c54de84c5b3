"""ensure-certificate.sh is what the deployment script runs, and gets every variable it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.infra.evaluator import VARIANTS, deploy
from tests.infra.project import Project

SCRIPT = "infra/ensure-certificate.sh"
FROM_THE_SERVICE = {"AZ_SCRIPTS_OUTPUT_PATH"}  # the container sets these
OF_THE_SHELL = {"LC_ALL", "IFS"}


def problems(project: Project) -> list[str]:
    """Shellcheck aside, which has a test of its own."""
    if SCRIPT not in project.texts:
        return [f"there is no {SCRIPT}"]
    text = project.texts[SCRIPT]
    found = [] if text.startswith("#!/usr/bin/env bash\n") else [f"{SCRIPT} does not begin with #!/usr/bin/env bash"]
    if "\r" in text:
        found.append(f"{SCRIPT} has Windows line ends; bash in the container fails on them")
    if "set -euo pipefail" not in text:
        found.append(f"{SCRIPT} goes on after an error: set -euo pipefail")
    scripts = deploy(project, **VARIANTS["certificate"]).of_type("Microsoft.Resources/deploymentScripts")
    if not any(script.body["properties"].get("scriptContent") == text for script in scripts):
        found.append(f"no deployment script loads {SCRIPT} (loadTextContent)")
    for script in scripts:
        found += [f"{script.where}: {what}" for what in _variables(text, script.body["properties"])]
    return found


def _variables(text: str, properties: dict[str, object]) -> Iterator[str]:
    code = re.sub(r"(?m)(^|\s)#.*$", "", text)
    read = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", code)) - FROM_THE_SERVICE - OF_THE_SHELL
    listed = properties.get("environmentVariables")
    given = {str(each["name"]): each for each in listed} if isinstance(listed, list) else {}
    yield from (f"the script reads {name}, which is not given" for name in sorted(read - set(given)))
    yield from (f"the script does not read {name}" for name in sorted(set(given) - read))
    yield from (f"{name} is empty" for name, each in given.items() if not each.get("value"))
