"""The stand-in against the Azure CLI itself: the same output for all that the script uses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from emulators.certificates import issue_certificate
from emulators.stack import Stack
from tests.support.clock import RunningClock

from .script import Az, missing_tools

COMMANDS = [
    ["list"],
    ["list", "--query", "[?name=='compared'].name", "--output", "tsv"],
    ["list", "--query", "[?name=='nothing'].name", "--output", "tsv"],
    ["list-versions", "--name", "compared", "--query", "sort_by(@, &attributes.created)", "--output", "json"],
    ["list-versions", "--name", "compared", "--query", "sort_by(@, &attributes.created)[].[id, attributes.enabled]"],
    [
        "list-versions",
        "--name",
        "compared",
        "--query",
        "[].[attributes.expires, tags.rotation || '']",
        "--output",
        "tsv",
    ],
    ["list-versions", "--name", "compared", "--query", "[].[tags.rotation, attributes.enabled]", "--output", "tsv"],
    ["show", "--name", "compared", "--query", "cer", "--output", "tsv"],
    ["show", "--name", "compared", "--query", "{id: id, cer: cer, sid: sid, kid: kid, attributes: attributes}"],
    ["list", "--output", "none"],
]
REFUSED = [
    ["list", "--query", "[\n?x]", "--output", "tsv"],
    ["show", "--name", "nothing"],
    ["show", "--name", "compared", "--version", "0" * 32],
    ["list-versions"],
    ["list", "--no-such-option"],
]


@pytest.fixture(scope="module")
def both(stack: Stack, clock: RunningClock, tmp_path_factory: pytest.TempPathFactory) -> tuple[Az, Az]:
    """The stand-in and the CLI, before a certificate of two versions."""
    if lacking := missing_tools() or (shutil.which("az") is None and "az, the Azure CLI,"):
        pytest.skip(f"{lacking} is not here")
    for tags in ({"rotation": "first"}, None):
        stack.vault.put_certificate("compared", issue_certificate("compared", clock(), 90), tags=tags)
        clock.forward(60)
    folder: Path = tmp_path_factory.mktemp("both")
    return Az(stack, folder / "stand-in", real=False), Az(stack, folder / "az", real=True)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_same_answer(both: tuple[Az, Az], command: list[str]) -> None:
    ours, real = (az.run(["keyvault", "certificate", *command, "--vault-name", "obo-local"]) for az in both)
    assert (ours.returncode, real.returncode) == (0, 0), ours.stderr + real.stderr
    if ours.stdout.startswith(("[", "{")):
        assert json.loads(ours.stdout) == json.loads(real.stdout)
    else:
        assert ours.stdout == real.stdout


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_the_same_refusal(both: tuple[Az, Az], command: list[str]) -> None:
    ours, real = (az.run(["keyvault", "certificate", *command, "--vault-name", "obo-local"]) for az in both)
    assert real.returncode != 0
    assert (ours.returncode, ours.stdout) == (real.returncode, real.stdout)
