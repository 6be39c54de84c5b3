"""One group of rows: `python -m benchmarks.speed.child GROUP [--quick]`. Each result is a line of JSON on stdout."""

from __future__ import annotations

import sys
import traceback

from emulators.local import interrupts
from maintainers.benchmarks.child import say

from .rows import Skipped, measure


def main(group: str, quick: bool) -> None:
    """Measures."""
    try:
        for result in measure(group, quick):
            say(result=result.as_dict())
    except Skipped as reason:
        say(skipped=str(reason))
    except Exception:  # noqa: BLE001 — the parent shows it; the other groups can still be measured
        say(error=traceback.format_exc())


if __name__ == "__main__":
    interrupts.all_as_keyboard_interrupt()
    main(sys.argv[1], "--quick" in sys.argv)
