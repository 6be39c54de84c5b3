"""The documentation against the code: settings, bounds, codes, links."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from shared.exchange import credential
from shared.net import transport
from shared.redis import cache as distributed_cache
from shared.redis import connection as redis_connection
from shared.redis import store as redis_store
from shared.settings import settings
from shared.settings.credentials import SOURCE_TYPES
from shared.settings.identity_web import HARMLESS, IGNORED, REFUSED
from shared.validation import access_token, jws, signing_keys

ROOT = Path(__file__).parents[2]
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_documented_and_every_documented_setting_is_read() -> None:
    source = text("shared/settings/settings.py") + text("shared/settings/credentials.py")
    read = set(re.findall(r'"((?:AzureAd|TokenCache)__\w+?)(?:"|__0)', source)) - {"TokenCache__Redis__"}
    read |= {f"TokenCache__Redis__{name}" for name in names_under("TokenCache__Redis__", source)}
    per_credential = set(re.findall(r'at \+ "(\w+)"', text("shared/settings/credentials.py")))
    table = text("docs/configuration.md")
    documented = set(re.findall(r"^\| `((?:AzureAd|TokenCache)__\w+?)(?:__0__SourceType)?`", table, re.MULTILINE))
    assert documented == {name.removesuffix("__0") for name in read}
    rows = [row for row in table.splitlines() if row.startswith("| `") and row.split("`")[1] in SOURCE_TYPES]
    assert {row.split("`")[1] for row in rows} == set(SOURCE_TYPES)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])}
    assert named == per_credential - {"SourceType"}


def names_under(prefix: str, source: str) -> set[str]:
    """What a function reads below the prefix that it calls `at`."""
    body = source.partition(f'at = "{prefix}"')[2].partition("\ndef ")[0]
    return set(re.findall(r'at \+ "(\w+)"', body))


@pytest.mark.parametrize(
    ("constant", "shown"),
    [
        (settings.MAX_SESSIONS, "10000"),
        (settings.MAX_SESSION_MEGABYTES, "64"),
        (access_token.LEEWAY_SECONDS, "60 s"),
        (jws.MAX_TOKEN_CHARS, "32,768"),
        (signing_keys.MAX_AGE_SECONDS, "every hour"),
        (signing_keys.COOLDOWN_SECONDS, "30 s"),
        (signing_keys.UNKNOWN_KEY_WAIT_SECONDS, "0.5 s"),
        (signing_keys.NEXT_FETCH_SECONDS, "5 s"),
        (transport.CONNECT_SECONDS, "3.05 s"),
        (transport.READ_SECONDS, "15 s"),
        (transport.MAX_RESPONSE_BYTES, "16 MiB"),
        (redis_connection.CONNECT_SECONDS, "0.5 s"),
        (redis_connection.REPLY_SECONDS, "0.2 s"),
        (redis_store.SLOW_SECONDS, "0.1 s"),
        (redis_store.FAILURES, "2 failures in a row"),
        (redis_connection.MAX_CONNECTIONS, "32"),
        (redis_store.MAX_ENTRY_BYTES, "64 KiB"),
        (distributed_cache.LOCK_SECONDS, "4 s"),
        (distributed_cache.WAIT_SECONDS, "5 s"),
        (credential.RELOAD_AFTER_SECONDS, "every four hours"),
    ],
)
def test_the_documented_bounds_are_those_of_the_code(constant: float, shown: str) -> None:
    """The right column is what docs/configuration.md says; change both or neither."""
    words = {"every hour": 3600, "16 MiB": 16 * 1024 * 1024, "64 KiB": 64 * 1024}
    folded = " ".join(text("docs/configuration.md").split())
    if shown == "every four hours":
        assert "again every four hours" in folded
        assert constant == 4 * 3600
    else:
        assert shown in folded
        assert constant == words.get(shown) or constant == float(shown.replace(",", "").split()[0])


def test_the_table_of_waits_names_every_time_of_shared_with_its_value() -> None:
    table = text("docs/configuration.md").partition("## Which wait is which")[2].partition("\n## ")[0]
    told = {name: float(value) for name, value in re.findall(r"^\| `([\w/.]+)` \| ([\d.]+) \|", table, re.MULTILINE)}
    found: dict[str, float] = {}
    for path in sorted((ROOT / "shared").rglob("*.py")):
        name = path.relative_to(ROOT / "shared").with_suffix("").as_posix()
        module = import_module(f"shared.{name.replace('/', '.')}")
        assigned = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
        names = [part.id for node in assigned for part in ast.walk(node.targets[0]) if isinstance(part, ast.Name)]
        own = [each for each in names if each.endswith("_SECONDS") and not each.startswith("_")]
        found |= {f"{name}.{constant}": float(getattr(module, constant)) for constant in own}
    assert told == found


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_readme_names_every_file_and_folder_at_the_top() -> None:
    kept_quiet = {
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "README.md",
        "requirements-run.txt",
        "requirements-dev.txt",
    }
    top = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith((".", "__")) and path.suffix not in (".ini", ".toml")
    }
    for name in top - kept_quiet - {"local.settings.json", "local.settings.json.bak"}:
        assert f"`{name}" in text("README.md"), name


def test_every_test_that_security_md_names_exists_and_so_does_its_module() -> None:
    tests = [path for folder in ("tests", "maintainers") for path in (ROOT / folder).rglob("*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in tests)
    named = set(re.findall(r"`(test_\w+)`", text("docs/security.md")))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in sources} == set()
    rules = text("docs/security.md").partition("## The rules")[2].partition("\n## ")[0]
    modules = set(re.findall(r"`([\w/]+\.py)`", rules)) - {"leaks.py"}
    assert {name for name in modules if not (ROOT / "shared" / name).exists()} == set()


def test_the_table_of_settings_of_identity_web_is_that_of_the_code() -> None:
    page = text("docs/configuration.md")
    section = page.partition("## Settings of Microsoft.Identity.Web")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] != "|--"]
    told = {(row[0], row[1].strip("`")): row[2] for row in rows[1:] if len(row) == 3 and row[0] != "here"}
    expected = {("ignored", name): why for name, why in IGNORED.items()}
    for name, reason in REFUSED.items():
        expected[f"refused unless `{HARMLESS[name]}`" if name in HARMLESS else "refused", name] = reason
    assert {row: why for row, why in told.items() if row[0] != "translated"} == expected
    assert [name for treatment, name in told if treatment == "translated"] == [
        "AzureAd__Authority",
        "AzureAd__Audience",
    ]
