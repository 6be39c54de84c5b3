"""Runs the queries of infra/queries on rows: the part of the Kusto Query Language that they use, and nothing else.

An operator or function that is not here is an error, so a query cannot use what no test runs. `==` looks at case,
`startswith` and `contains` do not. Kusto's regular expressions are RE2. Those of the queries mean the same in Python.
https://learn.microsoft.com/kusto/query/datatypes-string-operators
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Row = dict[str, Any]
Table = list[Row]
Expression = Callable[[Row], Any]

TOKEN = re.compile(
    r"""\s*(?:(?P<text>@"(?:[^"]|"")*"|@'(?:[^']|'')*'|"[^"\\]*")|(?P<number>\d+)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>==|!=|>=|<=|[<>*(),=\[\]]))"""
)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "startswith": lambda text, part: text.lower().startswith(part.lower()),
    "contains": lambda text, part: part.lower() in text.lower(),
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
}


class KqlError(Exception):
    """A query uses what is not here, or what Kusto would refuse."""


def run(query: str, **tables: Table) -> Table:
    """The rows that a query yields. `tables` are traces and requests."""
    known = dict(tables)
    *lets, last = [each.strip() for each in re.sub(r"(?m)^//.*$", "", query).split(";\n")]
    for statement in lets:
        found = re.fullmatch(r"let (\w+) = (.+)", statement, re.DOTALL)
        if found is None:
            raise KqlError(f"no let statement: {statement}")
        known[found[1]] = pipeline(found[2], known)
    return pipeline(last, known)


def pipeline(text: str, tables: dict[str, Table]) -> Table:
    """A table and the operators behind it, each on a line of its own."""
    source, *steps = text.strip().split("\n| ")
    rows = [dict(row) for row in tables[source.strip()]]
    for step in steps:
        name, _, rest = step.strip().partition(" ")
        if name not in OPERATORS:
            raise KqlError(f"no operator {name}")
        rows = OPERATORS[name](rows, rest)
    return rows


def where(rows: Table, rest: str) -> Table:
    test = Parser(rest).whole()
    return [row for row in rows if test(row) is True]


def extend(rows: Table, rest: str) -> Table:
    for name, expression in Parser(rest).assignments():
        for row in rows:
            row[name] = expression(row)
    return rows


def project(rows: Table, rest: str) -> Table:
    names = [name.strip() for name in rest.split(",")]
    return [{name: row[name] for name in names} for row in rows]


def order(rows: Table, rest: str) -> Table:
    found = re.fullmatch(r"by (\w+) desc", rest)
    if found is None:
        raise KqlError(f"order {rest}")
    return sorted(rows, key=lambda row: row[found[1]], reverse=True)


def mv_expand(rows: Table, rest: str) -> Table:
    found = re.fullmatch(r"(\w+) = (.+) to typeof\(string\)", rest)
    if found is None:
        raise KqlError(f"mv-expand {rest}")
    values = Parser(found[2]).whole()
    return [{**row, found[1]: value} for row in rows for value in values(row)]


def summarize(rows: Table, rest: str) -> Table:
    what, _, by = rest.rpartition(" by ")
    keys = [key.strip() for key in by.split(",")]
    groups: dict[tuple[Any, ...], Table] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    columns = list(Parser(what).aggregates())
    return [
        {**dict(zip(keys, key, strict=True)), **{name: whole(group) for name, whole in columns}}
        for key, group in groups.items()
    ]


OPERATORS: dict[str, Callable[[Table, str], Table]] = {
    "where": where,
    "extend": extend,
    "project": project,
    "order": order,
    "mv-expand": mv_expand,
    "summarize": summarize,
}


def extract(pattern: str, group: int, text: str) -> str:
    found = re.search(pattern, text)
    return (found[group] or "") if found else ""


def toint(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "extract": extract,
    "toint": toint,
    "split": lambda text, by: text.split(by),
    "replace_regex": lambda text, pattern, new: re.sub(pattern, new, text),
    "isempty": lambda text: not text,
    "isnotempty": bool,
}


def weighted_percentile(pairs: list[tuple[int, int]], percent: int) -> int | None:
    """The smallest value that at least so many percent of the weight do not exceed."""
    total, seen = sum(weight for _, weight in pairs), 0
    for value, weight in sorted(pairs):
        seen += weight
        if seen * 100 >= total * percent:
            return value
    return None


AGGREGATES: dict[str, Callable[..., Any]] = {
    "sum": lambda rows, value: sum(value(row) for row in rows),
    "sumif": lambda rows, value, test: sum(value(row) for row in rows if test(row) is True),
    "dcount": lambda rows, value: len({value(row) for row in rows}),
    "max": lambda rows, value: max(value(row) for row in rows),
    "percentilew": lambda rows, value, weight, percent: weighted_percentile(
        [(value(row), weight(row)) for row in rows if value(row) is not None], percent({})
    ),
}


def _aggregate(function: Callable[..., Any], arguments: list[Expression], rows: Table) -> Any:
    return function(rows, *arguments)


class Parser:
    """Reads expressions: `or`, `and`, a comparison, `*`, then a value."""

    def __init__(self, text: str) -> None:
        self._tokens, at = [], 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if found is None:
                raise KqlError(f"cannot read {text[at:]!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()

    def whole(self) -> Expression:
        """One expression up to the end."""
        found = self._either()
        if self._tokens:
            raise KqlError(f"left over: {self._tokens}")
        return found

    def assignments(self) -> Iterator[tuple[str, Expression]]:
        """`name = expression, …`"""
        while self._tokens:
            name = self._take("name")
            self._expect("=")
            yield name, self._either()
            self._comma()

    def aggregates(self) -> Iterator[tuple[str, Callable[[Table], Any]]]:
        """`name = function(…), …`"""
        while self._tokens:
            name = self._take("name")
            self._expect("=")
            function, arguments = AGGREGATES[self._take("name")], self._arguments()
            yield name, partial(_aggregate, function, arguments)
            self._comma()

    def _either(self) -> Expression:
        parts = [self._all()]
        while self._is("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) is True for part in parts)

    def _all(self) -> Expression:
        parts = [self._comparison()]
        while self._is("and"):
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) is True for part in parts)

    def _comparison(self) -> Expression:
        left = self._product()
        if not self._tokens or self._tokens[0][1] not in COMPARE or self._tokens[0][0] == "text":
            return left
        sign = self._tokens.pop(0)[1]
        if sign == "matches" and not self._is("regex"):
            raise KqlError("matches without regex")
        right, compare = self._product(), COMPARE[sign]

        def compared(row: Row) -> Any:
            one, other = left(row), right(row)
            return None if one is None or other is None else compare(one, other)  # null is neither true nor false

        return compared

    def _product(self) -> Expression:
        left = self._value()
        if not self._is("*"):
            return left
        right = self._value()
        return lambda row: left(row) * right(row)

    def _value(self) -> Expression:
        kind, text = self._tokens.pop(0)
        if kind == "number":
            return lambda _: int(text)
        if kind == "text":
            value = text[2:-1].replace(text[1] * 2, text[1]) if text[0] == "@" else text[1:-1]
            return lambda _: value
        if text == "(":
            found = self._either()
            self._expect(")")
            return found
        if kind == "name" and self._tokens and self._tokens[0][1] == "(":
            if text not in FUNCTIONS:
                raise KqlError(f"no function {text}")
            function, arguments = FUNCTIONS[text], self._arguments()
            return lambda row: function(*(argument(row) for argument in arguments))
        if kind == "name":
            return lambda row: row[text]
        raise KqlError(f"unexpected {text}")

    def _arguments(self) -> list[Expression]:
        self._expect("(")
        found = [self._either()]
        while self._is(","):
            found.append(self._either())
        self._expect(")")
        return found

    def _is(self, text: str) -> bool:
        if self._tokens and self._tokens[0][1] == text and self._tokens[0][0] != "text":
            self._tokens.pop(0)
            return True
        return False

    def _comma(self) -> None:
        if self._tokens:
            self._expect(",")

    def _expect(self, text: str) -> None:
        if not self._is(text):
            raise KqlError(f"{text} is missing before {self._tokens[:1]}")

    def _take(self, kind: str) -> str:
        found, text = self._tokens.pop(0)
        if found != kind:
            raise KqlError(f"{text} is no {kind}")
        return text
