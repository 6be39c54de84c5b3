"""docs/errors.md against the code: every code with its status, every AADSTS number with what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import errors
from shared.exchange import entra_errors
from shared.exchange.entra_errors import error_from_entra
from shared.settings import Settings
from tests.shared.test_entra_errors import SCOPES, said
from tests.shared.test_settings import GOOD

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text(encoding="utf-8")


def tree(kind: type[errors.ApiError] = errors.ApiError) -> Iterator[type[errors.ApiError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_code_is_documented_with_its_status() -> None:
    for kind in tree():
        if not kind.__subclasses__() and kind.__module__.startswith("shared."):  # not an app's own
            status = "4xx" if kind is errors.RequestRejected else str(kind.status)
            assert f"| `{kind.code}` | {status} |" in PAGE, kind.code


def documented() -> list[tuple[int, str]]:
    """AADSTS number → code, from the table of docs/errors.md, less the rows in which more than the number decides."""
    rows = PAGE.partition("## What Entra says")[2].split("\n## ")[0].splitlines()
    found = []
    special = ("with `claims`", "where [several tenants]")
    for row in filter(lambda row: row.startswith("| ") and not any(each in row for each in special), rows):
        case, reply = row.split("|")[1:3]
        numbers = re.search(r"AADSTS([\d, ]+)", case)
        code = re.search(r"\d{3} `(\w+)`", reply)
        if numbers and code:
            found += [(int(number), code[1]) for number in re.findall(r"\d{5,}", numbers[1])]
    return found


@pytest.mark.parametrize(("number", "code"), documented())
def test_every_number_in_the_docs_becomes_what_they_say(number: int, code: str) -> None:
    assert error_from_entra(said("invalid_request", number), SCOPES, Settings.from_environ(GOOD).authority).code == code


def test_every_number_in_the_table_is_in_the_docs() -> None:
    known = entra_errors._CREDENTIAL | entra_errors._CONSENT | entra_errors._DENIED | entra_errors._APP_ONLY
    known |= entra_errors._BUSY | entra_errors._MISCONFIGURED | entra_errors._NEW_TOKEN_NEEDED
    assert {number for number, _ in documented()} == known


def test_every_number_of_several_tenants_is_in_the_docs() -> None:
    row = next(row for row in PAGE.splitlines() if row.startswith("| where [several tenants]"))
    assert {int(number) for number in re.findall(r"\d{5,}", row)} == entra_errors._NOT_IN_THE_TENANT
    theirs = Settings.from_environ(GOOD).authority.of_tenant(GOOD["AzureAd__TenantId"])
    for number in entra_errors._NOT_IN_THE_TENANT:
        assert error_from_entra(said("invalid_client", number), SCOPES, theirs).code == "consent_required"
