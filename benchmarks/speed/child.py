"""One group of rows: `python -m benchmarks.speed.child GROUP [--quick]`. Each result is a line of JSON on stdout."""

from __future__ import annotations

import json
import sys
import traceback

from .rows import Skipped, measure


def main(group: str, quick: bool) -> int:
    """Measures, and returns the exit code."""
    try:
        for result in measure(group, quick):
            _say(result=result.as_dict())
    except Skipped as reason:
        _say(skipped=str(reason))
    except Exception:  # noqa: BLE001 — the parent shows it; the other groups can still be measured
        _say(error=traceback.format_exc())
        return 1
    return 0


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--quick" in sys.argv))
