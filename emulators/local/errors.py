"""Why a command of the local stack ends early."""

from __future__ import annotations


class LocalError(Exception):
    """The message says what is wrong and what to type; `exit_code` is the command's."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        """2 stands for what the person can fix by typing something else, 1 for what went wrong."""
        super().__init__(message)
        self.exit_code = exit_code
