"""A local Azure Functions host for Python: HTTP triggers of the v2 programming model.

Run it with `python -m emulators.functions_host`, or use `FunctionsHost` inside a test.
"""

from __future__ import annotations

from emulators.functions_host.host import FunctionsHost

__all__ = ["FunctionsHost"]
