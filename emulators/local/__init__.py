"""What `dev.py` runs inside the virtual environment: the tenant's emulators and the Functions apps.

`run` and `emulators` start them; `token`, `call`, `exec` and `client` use what is running. Start at `__main__.py`.
"""

from __future__ import annotations
