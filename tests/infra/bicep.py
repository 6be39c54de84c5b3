"""The Bicep compiler: its path, and a running copy of it with an interface over JSON-RPC.

The methods are those of `bicep jsonrpc`, kept stable for tools:
https://github.com/Azure/bicep/blob/main/src/Bicep.Cli/Rpc/ICliJsonRpcProtocol.cs
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.infra import program

OLDEST = (0, 37, 1)
"""The first version that formats over JSON-RPC. Snapshots are older, and so is the Graph extension (0.36.1)."""

MISSING = (
    "no Bicep compiler: none on the PATH, none of azd's (~/.azd/bin) and none of az's (~/.azure/bin); "
    "install it from https://aka.ms/bicep-install or type `az bicep install`"
)
TIMEOUT_SECONDS = 120
TENANT = "7d3c2b1a-0f4e-4c5d-9a6b-1e2f3a4b5c6d"
SUBSCRIPTION = "1b2c3d4e-5f60-4718-892a-b3c4d5e6f708"
WHERE = {
    "tenantId": TENANT,
    "subscriptionId": SUBSCRIPTION,
    "location": "westeurope",
    "deploymentName": "test",
}
"""Where a snapshot pretends to be deployed."""


class BicepError(Exception):
    """The compiler refused, ended or did not reply in time; the message holds its own words."""


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One line of the compiler about a file. `line` and `column` begin at 1."""

    path: str
    line: int
    column: int
    level: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}({self.line},{self.column}) : {self.level} {self.code}: {self.message}"


def find() -> str | None:
    """The path of a Bicep compiler: on the PATH, or where azd and az keep one of their own. None when there is none."""
    on_the_path = program("bicep")
    if on_the_path:
        return on_the_path
    name = "bicep.exe" if os.name == "nt" else "bicep"
    homes = (("AZD_CONFIG_DIR", ".azd"), ("AZURE_CONFIG_DIR", ".azure"))
    places = (Path(os.environ.get(variable) or Path.home() / folder, "bin", name) for variable, folder in homes)
    return next((str(path) for path in places if os.access(path, os.X_OK)), None)


class Compiler:
    """A running `bicep jsonrpc`. One thread at a time may call it; `close` ends it."""

    def __init__(self, command: str) -> None:
        """Starts the program at the path `command`. Raises BicepError when it cannot, or when it is too old."""
        self._calls = 0
        try:
            self._process = subprocess.Popen(
                [command, "jsonrpc", "--stdio"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise BicepError(f"{command} cannot be started: {error}") from error
        try:
            self.version = str(self._call("bicep/version")["version"])
            if tuple(int(part) for part in re.split(r"[.+-]", self.version)[:3]) < OLDEST:
                oldest = ".".join(map(str, OLDEST))
                raise BicepError(
                    f"Bicep {self.version} at {command} is too old: {oldest} or newer is needed; upgrade it"
                )
        except BicepError:
            self.close()
            raise

    def template(self, path: Path) -> dict[str, Any]:
        """The ARM template that a .bicep file compiles to. Raises BicepError with the compiler's words."""
        result = self._call("bicep/compile", path=str(path))
        template: dict[str, Any] = json.loads(_contents(result, "contents"))
        return template

    def diagnostics(self, path: Path) -> list[Diagnostic]:
        """The diagnostics of a .bicep file and its modules, or of a .bicepparam file. Raises BicepError."""
        if path.suffix == ".bicepparam":
            result = self._call("bicep/compileParams", path=str(path), parameterOverrides={})
        else:
            result = self._call("bicep/compile", path=str(path))
        return [_diagnostic(found) for found in result["diagnostics"]]

    def parameters(self, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """A .bicepparam file: the values that it gives by name, and the defaults of the parameters that it leaves out.

        Raises BicepError with the compiler's words.
        """
        result = self._call("bicep/compileParams", path=str(path), parameterOverrides={})
        given = json.loads(_contents(result, "parameters"))["parameters"]
        declared = json.loads(result["template"])["parameters"]
        return (
            {name: each["value"] for name, each in given.items()},
            {
                name: each["defaultValue"]
                for name, each in declared.items()
                if name not in given and "defaultValue" in each
            },
        )

    def references(self, path: Path) -> list[str]:
        """The absolute paths of the files that a .bicep file is compiled from."""
        return [str(found) for found in self._call("bicep/getFileReferences", path=str(path))["filePaths"]]

    def snapshot(self, path: Path) -> dict[str, Any]:
        """What a deployment with a .bicepparam file would make, always in the same order.

        Out: `predictedResources`, `outputs`, `diagnostics`. Raises BicepError when it cannot be compiled.
        """
        try:
            result = self._call("bicep/getSnapshot", path=str(path), metadata=WHERE, externalInputs=[])
        except BicepError as error:  # its own words are "Compilation failed"
            raise BicepError("\n".join([str(error), *map(str, self.diagnostics(path))])) from error
        found: dict[str, Any] = json.loads(result["snapshot"])
        found["predictedResources"].sort(key=_order)
        return found

    def format(self, path: Path) -> str:
        """The text of a .bicep file as `bicep format` would have it."""
        return str(self._call("bicep/format", path=str(path))["contents"])

    def close(self) -> None:
        """Ends the program."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One request and its response. Raises BicepError."""
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": [parameters]}
        body = json.dumps(request).encode()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        watchdog = threading.Timer(TIMEOUT_SECONDS, self._process.kill)
        watchdog.start()
        try:
            stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            stdin.flush()
            response = json.loads(_read(stdout))
        except (OSError, ValueError) as error:
            raise BicepError(
                f"the Bicep compiler ended, or did not reply within {TIMEOUT_SECONDS} s: {error}"
            ) from error
        finally:
            watchdog.cancel()
        if "error" in response:
            raise BicepError(response["error"]["message"])
        result: dict[str, Any] = response["result"]
        return result


@contextmanager
def running(command: str) -> Iterator[Compiler]:
    """A compiler that is closed at the end."""
    compiler = Compiler(command)
    try:
        yield compiler
    finally:
        compiler.close()


def _read(stream: IO[bytes]) -> bytes:
    """The body of one message. Raises ValueError when the stream ends."""
    length = 0
    while (line := stream.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if not length:
        raise ValueError("its output ended")
    return stream.read(length)


def _contents(result: dict[str, Any], name: str) -> str:
    """A part of a result. Raises BicepError with the diagnostics when the compiler could not make it."""
    if not result["success"]:
        raise BicepError("\n".join(str(_diagnostic(found)) for found in result["diagnostics"]))
    return str(result[name])


def _diagnostic(found: dict[str, Any]) -> Diagnostic:
    start = found["range"]["start"]
    source = str(found["source"]).removeprefix("file://")
    return Diagnostic(source, start["line"] + 1, start["char"] + 1, found["level"], found["code"], found["message"])


def _order(resource: dict[str, Any]) -> tuple[str, str, str]:
    """By type, then by id or unique name: the compiler's own order changes from one run to the next."""
    name = resource.get("id") or resource["properties"].get("uniqueName") or ""
    return resource["type"], str(name), json.dumps(resource, sort_keys=True)
