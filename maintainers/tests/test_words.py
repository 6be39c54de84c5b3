"""The words of this project: no long sentence, and no word that maintainers/words.py tells to avoid."""

from __future__ import annotations

from pathlib import Path

import pytest

from maintainers.words import LIMIT, findings, sentences, words

ROOT = Path(__file__).parents[2]

# Files and folders without a finding. Add each one that is done.
DONE = [
    ".github",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "client",
    "dev.py",
    "docs",
    "doctor",
    "downstream_app.py",
    "emulators",
    "function_app.py",
    "infra",
    "maintainers",
    "shared",
    "tests",
]


@pytest.mark.parametrize("path", DONE)
def test_sentences_are_short_and_in_plain_words(path: str) -> None:
    assert [str(finding) for finding in findings([Path(path)])] == []


def found_in(folder: Path, name: str, text: str) -> list[tuple[int, str]]:
    (folder / name).write_text(text, encoding="utf-8")
    return [(finding.line, finding.reason) for finding in findings([Path(name)], folder)]


LONG = " ".join(["Word"] * (LIMIT + 1)) + "."
FITS = " ".join(["Word"] * LIMIT) + "."


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("module.py", f'"""{LONG}"""\n', 1),
        ("function.py", f'def f() -> None:\n    """Short.\n\n    {LONG}\n    """\n', 4),
        ("comment.py", f"a = 1\n# {LONG}\n", 2),
        ("lines.py", f"a = 1\n# Short.\n# {LONG}\n", 2),
        ("trailing.py", f"a = 1  # {LONG}\n", 1),
        ("page.md", f"# Title\n\n{LONG}\n", 3),
        ("item.md", f"- short\n- {LONG}\n", 2),
        ("cell.md", f"| a | b |\n| --- | --- |\n| short | {LONG} |\n", 3),
        ("comment.bicep", f"// {LONG}\n", 1),
        ("description.bicep", f"@description('{LONG}')\nparam a string\n", 1),
        ("settings.toml", f"# {LONG}\n", 1),
    ],
)
def test_a_long_sentence_is_found_where_it_starts(tmp_path: Path, name: str, text: str, line: int) -> None:
    assert [found for found, reason in found_in(tmp_path, name, text) if reason.endswith(" words")] == [line]
    assert found_in(tmp_path, name, text.replace(LONG, FITS)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code.md", f"```\n{LONG}\n```\n"),
        ("measured.md", f"<!-- measured: x -->\n{LONG}\n<!-- end of x -->\n"),
        ("usage.py", f'"""Usage:\n\n    {LONG}\n\nEnd.\n"""\n'),
        ("text.py", f'a = "{LONG}"\n'),
        ("data.json", f'{{"a": "{LONG}"}}\n'),
    ],
)
def test_code_measured_tables_and_texts_of_a_program_are_left_out(tmp_path: Path, name: str, text: str) -> None:
    assert found_in(tmp_path, name, text) == []


@pytest.mark.parametrize(
    "sentence",
    ["The answer is late.", "Whoever calls waits.", "It mends the entry.", "It is seldom used.", "A twin of it."],
)
def test_a_word_to_avoid_is_found(tmp_path: Path, sentence: str) -> None:
    (found,) = found_in(tmp_path, "page.md", f"{sentence}\n")
    assert "better" in found[1]


def test_a_claims_challenge_may_be_answered_and_code_may_say_anything(tmp_path: Path) -> None:
    assert found_in(tmp_path, "page.md", "It answers a claims challenge. `answer` is a name.\n") == []


def test_sentences_and_words_are_counted_as_a_reader_counts_them() -> None:
    assert sentences("One, e.g. this. `Two` is 3.05 s long. (Three.) Four?") == [
        "One, e.g this.",
        "`Two` is 3.05 s long.",
        "(Three.)",
        "Four?",
    ]
    assert words("Call `user.api(a, b)` – see [the page](https://example.com/a) – at once.") == 7  # noqa: RUF001
