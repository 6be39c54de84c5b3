"""Which changes are made to a module, and what they are called."""

from __future__ import annotations

import ast

import pytest

from maintainers.tests.mutation.mutants import mutants_of


def keys(source: str) -> list[str]:
    return [mutant.key for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b < c", ["module: b < c → b >= c", "module: b < c → b <= c"]),
        ("a = b == c", ["module: b == c → b != c"]),
        ("a = b in (c, d)", ["module: b in (c, d) → b not in (c, d)", "module: element c → (dropped)",
                             "module: element d → (dropped)"]),
        ("a = b and c or d", ["module: or b and c → (dropped)", "module: or d → (dropped)",
                              "module: and b → (dropped)", "module: and c → (dropped)"]),
        ("a = not b", ["module: not b → b"]),
        ("if a:\n    pass", ["module: a → not a"]),
        ("LONGEST = 256", ["module: LONGEST = 256 → LONGEST = 257", "module: LONGEST = 256 → LONGEST = 255"]),
        ("a = 4 * 1024", ["module: a = 4 * 1024 → a = 4 * 1024 + 1", "module: a = 4 * 1024 → a = 4 * 1024 - 1"]),
        ("strict = True", ["module: strict = True → strict = False"]),
        ("a = {'x', 'y'}", ["module: element 'x' → (dropped)", "module: element 'y' → (dropped)"]),
        ("a = {'x': b}", ["module: member 'x' → (dropped)"]),
        ("a = send(b, redirects=c)", ["module: send(… redirects=c) → (dropped)"]),
        ("a = send(b, c)", ["module: send(… c) → (dropped)"]),
        ("a = min(b, c)", ["module: min(b, c) → max(b, c)", "module: min(… c) → (dropped)"]),
        ("a = b - c", ["module: b - c → b + c"]),
        ("a += b", ["module: a += b → a -= b", "module: a += b → (dropped)"]),
        ("a.b = c", ["module: a.b = c → (dropped)"]),
        ("check(a)", ["module: check(a) → (dropped)"]),
        ("with within(a):\n    check()", ["module: with within(a) → (dropped)", "module: check() → (dropped)"]),
        ("def f(a):\n    raise a", ["f: raise a → (dropped)"]),
        ("class A:\n    def f(self, a):\n        return a", ["A.f: return a → (dropped)"]),
        ("def f():\n    try:\n        a = b\n    except A:\n        return None", ["f: except A → raise"]),
        ("def f(a):\n    for b in a:\n        return None", ["f: return None → (dropped)"]),
        ("try:\n    pass\nexcept (A, B):\n    pass", ["module: except (A, B) → raise", "module: element A → (dropped)",
                                                     "module: element B → (dropped)"]),
    ],
)  # fmt: skip
def test_what_is_changed(source: str, expected: list[str]) -> None:
    assert keys(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import a",
        '"""A docstring of 5 words."""',
        "a: tuple[int, str]",
        "__slots__ = ['a', 'b']",
        "K = TypeVar('K', bound=Hashable)",
        "if TYPE_CHECKING:\n    from a import b",
        "a = f'{b} and 5'",
        "with self._lock:\n    pass",
        "a = 'text' + b",
        "def f():\n    with a.lock:\n        return None",
        "class A:\n    def __init__(self, a):\n        self.a = a",
    ],
)
def test_what_is_left_as_it_is(source: str) -> None:
    assert keys(source) == []


def test_the_text_for_the_log_is_left_as_it_is_but_not_the_line() -> None:
    assert keys("def f():\n    log.warning('after %d s', 5)\n    raise Refused(reason='a' if b else 'c')") == [
        "f: log.warning('after %d s', 5) → (dropped)",
        "f: raise Refused(reason='a' if b else 'c') → (dropped)",
    ]


def test_equal_changes_in_one_function_are_numbered() -> None:
    found = keys("def f():\n    check()\n    check()\n\ndef g():\n    check()")
    assert found == ["f: check() → (dropped)", "f: check() → (dropped) #2", "g: check() → (dropped)"]


def test_a_mutant_differs_in_one_place_and_keeps_its_name_when_lines_are_added() -> None:
    source = "def f(a):\n    if a > 5:\n        raise Refused\n    return a\n"
    plain = ast.unparse(ast.parse(source)).splitlines()
    for mutant in mutants_of(source):
        changed = mutant.source.splitlines()
        assert len(changed) == len(plain)
        assert sum(old != new for old, new in zip(plain, changed, strict=True)) == 1
    assert keys("A = b\n# more\n\n" + source) == keys(source)
