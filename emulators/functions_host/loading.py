"""Importing an app the way the worker does, and undoing it, so that one process can serve several apps."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

from emulators.functions_host.layout import SCRIPT_SETTING, AppLayout

# sys.path, sys.modules and os.environ belong to the process: only one app is imported at a time.
_importing = threading.RLock()
_imported: list[ImportedApp] = []


class ImportedApp:
    """The traces an imported app leaves in this process."""

    def __init__(self, layout: AppLayout) -> None:
        self._name = layout.module
        self._folder = str(layout.root)
        self._script = layout.script
        self._module: ModuleType | None = None
        self._hidden: ModuleType | None = None  # what went by the same name before

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Within it a plain import finds the app's script, freshly, and the worker library reads the right setting."""
        with _importing, _setting(SCRIPT_SETTING, self._script):
            importlib.invalidate_caches()
            sys.path.insert(0, self._folder)
            self._hidden = sys.modules.pop(self._name, None)
            _imported.append(self)
            try:
                yield
            finally:
                self._module = sys.modules.get(self._name)

    def forget(self) -> None:
        """Remove the script's module and its folder from this process; what the app itself imported stays."""
        with _importing:
            if self not in _imported:
                return
            _imported.remove(self)
            with contextlib.suppress(ValueError):  # the app may have done it
                sys.path.remove(self._folder)
            for later in _imported:
                if later._name == self._name and later._hidden is self._module:
                    later._hidden = self._hidden  # it would bring back what is to be forgotten
            if sys.modules.get(self._name) is self._module:
                sys.modules.pop(self._name, None)
                if self._hidden is not None:
                    sys.modules[self._name] = self._hidden


@contextlib.contextmanager
def _setting(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
