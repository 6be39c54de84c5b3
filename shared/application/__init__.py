"""Applications: one that calls this API (`CallingApp`), and this one when it calls others (`app_api`).

Only `CallingApp` is imported at start. Most apps never call an API as the application.
"""

from .calling_app import CallingApp

__all__ = [
    "CallingApp",
]
