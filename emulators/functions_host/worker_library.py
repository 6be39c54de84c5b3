"""Microsoft's worker library, `azure-functions-runtime`: the seam this host uses, and how it is found.

The seam is internal to that library, so the version is pinned and the names are checked when it is loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from dataclasses import dataclass
from typing import Any

from emulators.functions_host.model import EngineError

PACKAGE = "azure_functions_runtime"
PINNED_VERSION = "1.3.0"

_loading = threading.Lock()


class WorkerSeamError(EngineError):
    """The installed library is not the one this host was written for."""


@dataclass(frozen=True)
class WorkerLibrary:
    """The parts of the library this host calls."""

    worker_init_request: Any
    functions_metadata_request: Any
    invocation_request_native: Any
    start_threadpool_executor: Any
    get_threadpool_executor: Any
    functions: Any
    invocation_id_cv: Any

    @classmethod
    def load(cls) -> WorkerLibrary:
        """A copy of the library of one's own. Raises WorkerSeamError.

        The library keeps the functions of its app in module globals; two apps in one process need two copies.
        """
        with _loading:
            others = _set_aside()
            try:
                return cls._from(
                    importlib.import_module(PACKAGE), importlib.import_module(f"{PACKAGE}.native_invocation")
                )
            except (ImportError, AttributeError) as error:
                raise WorkerSeamError(
                    f"azure-functions-runtime {installed_version()} does not have what this host calls ({error}); "
                    f"it was written for {PINNED_VERSION}"
                ) from error
            finally:
                _set_aside()
                sys.modules.update(others)

    @classmethod
    def _from(cls, package: Any, native: Any) -> WorkerLibrary:
        return cls(
            worker_init_request=package.worker_init_request,
            functions_metadata_request=package.functions_metadata_request,
            invocation_request_native=native.invocation_request_native,
            start_threadpool_executor=package.start_threadpool_executor,
            get_threadpool_executor=package.get_threadpool_executor,
            functions=native._functions,
            invocation_id_cv=package.invocation_id_cv,
        )


def is_installed() -> bool:
    """Whether the library can be imported (it exists for Python 3.13 and newer)."""
    return importlib.util.find_spec(PACKAGE) is not None


def installed_version() -> str:
    """The installed version, for messages and for the test that guards the seam."""
    from importlib import metadata

    try:
        return metadata.version("azure-functions-runtime")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _set_aside() -> dict[str, Any]:
    """Take the library's modules out of sys.modules, so that the next import makes new ones."""
    names = [name for name in sys.modules if name == PACKAGE or name.startswith(PACKAGE + ".")]
    return {name: sys.modules.pop(name) for name in names}
