"""The internal names of Microsoft's worker library that this host uses. The library does not promise to keep them."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType, SimpleNamespace

import pytest

from emulators.functions_host import worker_library
from emulators.functions_host.worker_library import PINNED_VERSION, WorkerLibrary, WorkerSeamError, installed_version

pytestmark = pytest.mark.skipif(
    not worker_library.is_installed(), reason="azure-functions-runtime is not installed (Python 3.13 and newer)"
)


def test_the_installed_version_is_the_one_the_host_was_written_for() -> None:
    assert installed_version() == PINNED_VERSION, (
        "azure-functions-runtime has changed: read its functions.py, loader.py and native_invocation.py again, "
        "bring worker_library.py, sdk_indexing.py and binding_types.py up to it, then change PINNED_VERSION and the pin"
    )


def test_the_invocation_takes_the_arguments_this_host_gives_it() -> None:
    parameters = inspect.signature(WorkerLibrary.load().invocation_request_native).parameters
    expected = ["invocation_id", "function_id", "inputs", "trigger_metadata", "trace_parent", "trace_state"]
    assert list(parameters)[:6] == expected, "invocation_request_native has another signature: see worker_engine.py"


def test_every_copy_has_its_own_functions_and_none_is_left_behind() -> None:
    before = {name for name in sys.modules if name.startswith(worker_library.PACKAGE)}
    first, second = WorkerLibrary.load(), WorkerLibrary.load()
    assert first.invocation_request_native is not second.invocation_request_native
    assert {name for name in sys.modules if name.startswith(worker_library.PACKAGE)} == before


def test_a_library_without_the_seam_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: ModuleType = SimpleNamespace(worker_init_request=None)  # type: ignore[assignment]
    monkeypatch.setattr("importlib.import_module", lambda _: broken)
    with pytest.raises(WorkerSeamError, match=f"does not have what this host calls .*written for {PINNED_VERSION}"):
        WorkerLibrary.load()
