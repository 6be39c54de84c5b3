"""`python -m benchmarks [SUBJECT] [options]`: what `python3 dev.py bench [SUBJECT]` runs. No subject: speed."""

from __future__ import annotations

import io
import os
import sys

from emulators.local import interrupts
from maintainers.benchmarks.failures import command as failures
from maintainers.benchmarks.fleet import command as fleet
from maintainers.benchmarks.load import command as load
from maintainers.benchmarks.speed import command as speed

SUBJECTS = {"speed": speed.main, "failures": failures.main, "fleet": fleet.main, "load": load.main}


def main(arguments: list[str]) -> int:
    """Runs one subject and returns its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # Windows would write a file in another encoding than it is read in
    if not arguments or arguments[0].startswith("-"):
        arguments = ["speed", *arguments]
    if arguments[0] not in SUBJECTS:
        print(f"dev.py bench: which subject? There is {', '.join(SUBJECTS)}.", file=sys.stderr)
        return 2
    try:
        status = SUBJECTS[arguments[0]](arguments[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("dev.py bench: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has closed it, as in `dev.py bench fleet | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write would fail at exit
        return 0
    return status


if __name__ == "__main__":
    interrupts.all_as_keyboard_interrupt()
    sys.exit(main(sys.argv[1:]))
