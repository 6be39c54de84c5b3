"""A client application: signs a user in with Microsoft Entra ID and calls the API as that user.

The same code serves the local stack and a real tenant; the settings differ, the code does not. It imports nothing
from the API or from the emulators. Start reading at `__main__.py`.
"""

from __future__ import annotations
