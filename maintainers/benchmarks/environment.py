"""A process that reaches the emulated tenant as a deployed API reaches the real one."""

from __future__ import annotations

import os
from collections.abc import Mapping

_LEAD_PAST_IT = ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE")


def enter(environ: Mapping[str, str]) -> None:
    """This process's environment becomes that of the API: its settings, and the way to the tenant."""
    for name in _LEAD_PAST_IT:
        os.environ.pop(name, None)
    os.environ.update(environ)
