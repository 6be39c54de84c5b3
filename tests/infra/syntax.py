"""From the syntax tree of tree-sitter-bicep to expressions.

Three of its shortcomings are made up for: it does not know `extension` lines, it loses blanks before a `${`, and it
applies a `.name` after `c ? a : b` (as after `a && b`, `!a`) to the whole and not to the last part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.infra.expressions import (
    Array,
    Binary,
    Call,
    Choice,
    Expr,
    For,
    Group,
    If,
    Index,
    Literal,
    Member,
    Name,
    Nested,
    Object,
    Property,
    Text,
    Unary,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

EXTENSION = re.compile(r"^extension +(?P<name>\w+).*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:u\{(?P<code>[0-9a-fA-F]+)\}|(?P<letter>.))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


class UnknownSyntaxError(Exception):
    """Bicep that is right, perhaps, but new to this reader."""


def parse(text: str) -> Node:
    """The root of the syntax tree, the `extension` lines blanked out."""
    blanked = EXTENSION.sub(lambda match: " " * len(match[0]), text)
    return _parser().parse(blanked.encode()).root_node


@lru_cache(maxsize=1)
def _parser() -> Parser:
    """Imported late: there are machines without a wheel of it, where the tests are skipped and say so."""
    import tree_sitter
    import tree_sitter_bicep

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


def errors(root: Node) -> Iterator[str]:
    """What the grammar could make nothing of."""
    if root.type == "ERROR" or root.is_missing:
        yield f"{line_of(root)}: syntax error at {text_of(root)[:60]!r}"
    elif root.has_error:
        for child in root.children:
            yield from errors(child)


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def line_of(node: Node) -> int:
    return node.start_point[0] + 1


def parts_of(node: Node) -> list[Node]:
    """The named children that are no comments."""
    return [child for child in node.named_children if child.type != "comment"]


def expression(node: Node) -> Expr:
    """Raises UnknownSyntaxError."""
    build = _BUILDERS.get(node.type)
    if build is None:
        raise UnknownSyntaxError(f"{line_of(node)}: this reader does not know a {node.type}; teach it in syntax.py")
    return replace(build(node), line=line_of(node))


def string(node: Node) -> Text:
    """A string literal, with its escapes resolved."""
    source, start = node.text or b"", node.start_byte
    quotes = 3 if source.startswith(b"'''") else 1
    parts: list[str | Expr] = []
    at = quotes
    for child in node.named_children:
        if child.type == "interpolation":
            opened = child.children[0].end_byte - start - len("${")  # blanks before it are counted as part of it
            parts += [_unescaped(source[at:opened].decode(), quotes), expression(parts_of(child)[0])]
            at = child.end_byte - start
    parts.append(_unescaped(source[at : len(source) - quotes].decode(), quotes))
    return Text(tuple(part for part in parts if part != ""), line=line_of(node))


def object_of(node: Node) -> Object:
    """The properties of an object; nested resources are left out (see nested_resources)."""
    pairs = (parts_of(child) for child in parts_of(node) if child.type == "object_property")
    found = [pair for pair in pairs if pair[0].type != "resource_declaration"]
    return Object(
        tuple(Property(_key(key), expression(value), line=line_of(key)) for key, value in found), line=line_of(node)
    )


def nested_resources(node: Node) -> list[Node]:
    """The resources declared inside the body of another."""
    inside = [parts_of(child)[0] for child in parts_of(node) if child.type == "object_property"]
    return [child for child in inside if child.type == "resource_declaration"]


def _unescaped(text: str, quotes: int) -> str:
    if quotes == 3:
        return re.sub(r"\A\r?\n", "", text)
    return _ESCAPE.sub(
        lambda match: chr(int(match["code"], 16)) if match["code"] else _LETTERS.get(match["letter"], match["letter"]),
        text,
    )


def _key(node: Node) -> Text:
    return string(node) if node.type == "string" else Text((text_of(node),), line=line_of(node))


def _last_part(node: Node, built: Expr, wrap: Callable[[Expr], Expr]) -> Expr:
    """`wrap` around the part of an unparenthesized operation that a postfix really belongs to."""
    if node.type == "parenthesized_expression":
        return wrap(built)
    match built:
        case Choice(no=no):
            return replace(built, no=_last_part(parts_of(node)[-1], no, wrap))
        case Binary(right=right):
            return replace(built, right=_last_part(parts_of(node)[-1], right, wrap))
        case Unary(operand=operand):
            return replace(built, operand=_last_part(parts_of(node)[-1], operand, wrap))
        case _:
            return wrap(built)


def _postfix(node: Node, wrap: Callable[[Expr], Expr]) -> Expr:
    target = parts_of(node)[0]
    return _last_part(target, expression(target), wrap)


def _member(node: Node) -> Expr:
    name = text_of(parts_of(node)[-1])
    forced = any(child.type in ("!", ".?", "?") for child in node.children)
    return _postfix(node, lambda target: Member(target, name, forced=forced, line=line_of(node)))


def _nested(node: Node) -> Expr:
    name = text_of(parts_of(node)[-1])
    return _postfix(node, lambda target: Nested(target, name, line=line_of(node)))


def _index(node: Node) -> Expr:
    key = expression(parts_of(node)[-1])
    return _postfix(node, lambda target: Index(target, key, line=line_of(node)))


def _call(node: Node) -> Expr:
    function, arguments = parts_of(node)
    if function.type != "identifier":
        raise UnknownSyntaxError(f"{line_of(node)}: a call of {text_of(function)[:40]!r} is new to this reader")
    return Call(text_of(function), tuple(expression(each) for each in parts_of(arguments)))


def _operator(node: Node) -> str:
    return next(child.type for child in node.children if not child.is_named)


def _choice(node: Node) -> Expr:
    condition, yes, no = (expression(each) for each in parts_of(node))
    return Choice(condition, yes, no)


def _binary(node: Node) -> Expr:
    left, right = (expression(each) for each in parts_of(node))
    return Binary(_operator(node), left, right)


def _for(node: Node) -> Expr:
    variables, over, body = parts_of(node)
    names = [text_of(each) for each in parts_of(variables)] or [text_of(variables)]
    return For(names[0], names[1] if len(names) > 1 else "", expression(over), expression(body))


def _if(node: Node) -> Expr:
    condition, body = (expression(each) for each in parts_of(node))
    return If(condition, body)


_BUILDERS: dict[str, Callable[[Node], Expr]] = {
    "array": lambda node: Array(tuple(expression(each) for each in parts_of(node))),
    "binary_expression": _binary,
    "boolean": lambda node: Literal(text_of(node) == "true"),
    "call_expression": _call,
    "for_statement": _for,
    "identifier": lambda node: Name(text_of(node)),
    "if_statement": _if,
    "member_expression": _member,
    "null": lambda node: Literal(None),
    "number": lambda node: Literal(int(text_of(node))),
    "object": object_of,
    "parenthesized_expression": lambda node: Group(expression(parts_of(node)[0])),
    "resource_expression": _nested,
    "string": string,
    "subscript_expression": _index,
    "ternary_expression": _choice,
    "unary_expression": lambda node: Unary(_operator(node), expression(parts_of(node)[-1])),
}
