"""Checks what most often is missing before provisioning. Changes nothing. Fails with the commands to type.

azd runs it. To run it by hand, type `azd hooks run preprovision`. A check that cannot be made is reported and does not
stop the deployment.
`azd env set SKIP_CHECKS true` turns all of them off.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import azd
import checks


def main() -> int:
    if azd.told("SKIP_CHECKS").lower() == "true":
        azd.say("Checks before provisioning: off (SKIP_CHECKS).")
        return 0
    azd.say("Checks before provisioning:")
    target = checks.Target.told()

    def made(check: Callable[[checks.Target], checks.Problem | None]) -> checks.Problem | azd.UnavailableError | None:
        try:
            return check(target)
        except azd.UnavailableError as reason:
            return reason
        except (AttributeError, KeyError, TypeError, ValueError) as surprise:
            return azd.UnavailableError(f"a response of an unexpected form ({type(surprise).__name__})")

    with ThreadPoolExecutor(len(checks.CHECKS)) as threads:  # the Azure CLI takes a second to start each time
        results = list(threads.map(made, checks.CHECKS.values()))
    for step, result in zip(checks.CHECKS, results, strict=True):
        show(step, result)
    failed = sum(isinstance(result, checks.Problem) for result in results)
    if failed:
        azd.say(f"\n{failed} of {len(results)} failed, and nothing was changed.")
        azd.say("If a check is wrong about you: azd env set SKIP_CHECKS true")
    return 1 if failed else 0


def show(step: str, result: checks.Problem | azd.UnavailableError | None) -> None:
    """One line for what is well; for what is not, what it means and what to type."""
    if result is None:
        azd.say(f"  ok           {step}")
    elif isinstance(result, azd.UnavailableError):
        azd.say(f"  not checked  {step}: {result}")
    else:
        azd.say(f"  FAILED       {step}")
        for line in result.meaning.splitlines():
            azd.say(f"               {line}")
        for command in result.commands:
            azd.say(f"                 {command}")


if __name__ == "__main__":
    sys.exit(main())
