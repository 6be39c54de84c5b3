"""The mutants of a module: its source with one expression or statement changed."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

DROPPED = "(dropped)"
_NEVER_CHANGED = {"annotation", "returns", "decorator_list", "type_params", "bases", "ctx"}
_LOG_ONLY = {"reason"}  # of errors: the text goes to the log alone
_LONGEST_NAME = 100  # characters of a dropped statement that its key repeats

_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_TELL_LITTLE = (ast.UnaryOp, ast.Tuple, ast.List, ast.Slice)  # a constant is shown with what stands around them
_OTHER_BOUND = {"min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """One change. `key` names it without a line number, so that it keeps its name while other code changes."""

    key: str  # function: original → mutated
    line: int
    source: str  # of the whole module


@dataclass(frozen=True)
class _Site:
    """A node in its place. `put` exchanges it for another one."""

    node: ast.AST
    parents: tuple[ast.AST, ...]  # the nearest last
    function: str
    put: Callable[[Any], None]


@dataclass(frozen=True)
class _Change:
    """What to put in a place. `shown` is the node whose text is compared; None: `original` is left out."""

    new: Any
    shown: ast.AST | None = None
    original: str = ""
    mutated: str = DROPPED


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for site in _sites(tree, (), ""):
        for change in _changes(site):
            before = ast.unparse(change.shown) if change.shown else change.original
            site.put(change.new)
            after = ast.unparse(change.shown) if change.shown else change.mutated
            text = ast.unparse(tree)
            site.put(site.node)
            key = f"{site.function or 'module'}: {_one_line(before)} → {_one_line(after)}"
            seen[key] += 1
            tied = f" #{seen[key]}" if seen[key] > 1 else ""
            found.append(Mutant(key + tied, getattr(site.node, "lineno", 0), text))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sites(parent: ast.AST, parents: tuple[ast.AST, ...], function: str) -> Iterator[_Site]:
    """Every place below `parent` that a change may be made in."""
    line = (*parents, parent)
    for name, value in ast.iter_fields(parent):
        if name in _NEVER_CHANGED:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(node, ast.AST) or _is_left_out(node, parent):
                continue
            yield _Site(node, line, function, _setter(parent, name, index))
            if not _is_log_call(node) and not _is_fixed_sum(node):
                named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
                inner = ".".join(filter(None, (function, getattr(node, "name", "")))) if named else function
                yield from _sites(node, line, inner)


def _setter(parent: ast.AST, name: str, index: int | None) -> Callable[[Any], None]:
    def put(node: Any) -> None:
        if index is None:
            setattr(parent, name, node)
        else:
            getattr(parent, name)[index] = node

    return put


def _is_left_out(node: ast.AST, parent: ast.AST) -> bool:
    """Imports, docstrings, types, texts that are put together, and texts for the log."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.keyword):
        return node.arg in _LOG_ONLY
    if isinstance(node, ast.Tuple) and isinstance(parent, ast.Subscript):
        return True  # the arguments of a type
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        is_type = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypeVar"
        return is_type or (isinstance(target, ast.Name) and target.id in ("__all__", "__slots__"))
    return False


def _is_log_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("log.")


def _is_fixed_sum(node: ast.AST) -> bool:
    """Such as 16 * 1024: changed as a whole."""
    return isinstance(node, ast.BinOp) and all(
        _is_number(side) or _is_fixed_sum(side) for side in (node.left, node.right)
    )


def _changes(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    for kind, changes in _OPERATORS:
        if isinstance(node, kind):
            yield from changes(site)
    if _is_condition(site) and not isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)):
        yield _Change(ast.UnaryOp(ast.Not(), node), None, ast.unparse(node), f"not {ast.unparse(node)}")


def _is_condition(site: _Site) -> bool:
    parent = site.parents[-1]
    if isinstance(parent, ast.comprehension):
        return site.node in parent.ifs
    return isinstance(parent, (ast.If, ast.While, ast.IfExp)) and parent.test is site.node


def _of_compare(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    for index, operator in enumerate(node.ops):
        for table in (_NEGATED, _BOUNDARY):
            if type(operator) in table:
                operators = [*node.ops[:index], table[type(operator)](), *node.ops[index + 1 :]]
                new = ast.Compare(node.left, operators, node.comparators)
                yield _Change(new, None, ast.unparse(node), ast.unparse(new))


def _of_bool_op(site: _Site) -> Iterator[_Change]:
    """One condition of several dropped: this shows whether each of them counts."""
    node: Any = site.node
    for index, value in enumerate(node.values):
        rest = [*node.values[:index], *node.values[index + 1 :]]
        new = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        word = "and" if isinstance(node.op, ast.And) else "or"
        yield _Change(new, None, f"{word} {ast.unparse(value)}")


def _of_not(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    if isinstance(node.op, ast.Not):
        yield _Change(node.operand, None, ast.unparse(node), ast.unparse(node.operand))


def _of_constant(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    parent = site.parents[-1]
    if isinstance(parent, (ast.Set, ast.List)) and len(parent.elts) > 1:
        return  # dropped as an element
    shown = next(one for one in reversed(site.parents) if not isinstance(one, _TELL_LITTLE))
    if isinstance(node.value, bool):
        yield _Change(ast.Constant(not node.value), shown)
    elif isinstance(node.value, (int, float)):
        for step in (1, -1):
            yield _Change(ast.Constant(node.value + step), shown)


def _of_collection(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    if isinstance(node, ast.Tuple) and not _is_set_like(site):
        return
    if isinstance(node.ctx if hasattr(node, "ctx") else None, ast.Store) or len(node.elts) < 2:
        return
    for index, element in enumerate(node.elts):
        new = type(node)([*node.elts[:index], *node.elts[index + 1 :]], *([node.ctx] if hasattr(node, "ctx") else []))
        yield _Change(new, None, f"element {ast.unparse(element)}")


def _is_set_like(site: _Site) -> bool:
    """A tuple whose elements are alternatives: what is compared with, caught, or gone through."""
    parent = site.parents[-1]
    if isinstance(parent, ast.Call):
        return ast.unparse(parent.func) == "isinstance"
    return isinstance(parent, (ast.Compare, ast.ExceptHandler, ast.For, ast.comprehension)) and not (
        isinstance(parent, ast.Compare) and isinstance(parent.left, ast.Tuple)
    )


def _of_dict(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    for index, key in enumerate(node.keys):
        new = ast.Dict([*node.keys[:index], *node.keys[index + 1 :]], [*node.values[:index], *node.values[index + 1 :]])
        yield _Change(new, None, f"member {ast.unparse(key) if key else '**' + ast.unparse(node.values[index])}")


def _of_call(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    name = ast.unparse(node.func)
    if name in _OTHER_BOUND:
        new = ast.Call(ast.Name(_OTHER_BOUND[name], ast.Load()), node.args, node.keywords)
        yield _Change(new, None, ast.unparse(node), ast.unparse(new))
    for index, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg not in _LOG_ONLY:
            rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield _Change(ast.Call(node.func, node.args, rest), None, f"{name}(… {ast.unparse(keyword)})")
    starred = any(isinstance(argument, ast.Starred) for argument in node.args)
    if len(node.args) > 1 and not starred and name != "isinstance":
        last = ast.unparse(node.args[-1])
        yield _Change(ast.Call(node.func, node.args[:-1], node.keywords), None, f"{name}(… {last})")


def _of_arithmetic(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    new: ast.AST
    operator = _ARITHMETIC.get(type(node.op))
    texts = (ast.JoinedStr, ast.Constant)
    if _is_fixed_sum(node):
        for step in (ast.Add, ast.Sub):
            yield _Change(ast.BinOp(node, step(), ast.Constant(1)), site.parents[-1])
        return
    if operator is None:
        return
    if isinstance(node, ast.AugAssign):
        new = ast.AugAssign(node.target, operator(), node.value)
    elif any(isinstance(side, texts) and not _is_number(side) for side in (node.left, node.right)):
        return  # texts that are put together
    else:
        new = ast.BinOp(node.left, operator(), node.right)
    yield _Change(new, None, ast.unparse(node), ast.unparse(new))


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def _of_statement(site: _Site) -> Iterator[_Change]:
    node: Any = site.node
    if isinstance(node, ast.Return):
        value = node.value.value if isinstance(node.value, ast.Constant) else node.value
        is_nothing = value is None or value is False
        if is_nothing and _is_at_the_end(site):
            return  # the function ends anyway, and returns nothing
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and not _is_new_state(site):
        return
    text = _one_line(ast.unparse(node))
    yield _Change(ast.Pass(), None, text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…")


def _is_at_the_end(site: _Site) -> bool:
    """Whether the function ends after this statement by itself."""
    inner: ast.AST = site.node
    for outer in reversed(site.parents):
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return outer.body[-1] is inner
        if not isinstance(outer, (ast.If, ast.With, ast.Try, ast.ExceptHandler)):
            return False
        blocks = [getattr(outer, name, None) for name in ("body", "orelse", "handlers")]
        if not any(block and (block[-1] is inner or isinstance(inner, ast.ExceptHandler)) for block in blocks):
            return False
        inner = outer
    return False


def _is_new_state(site: _Site) -> bool:
    """An attribute or an item is set; not where an object is made, since it would lack that attribute."""
    node: Any = site.node
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return isinstance(target, (ast.Attribute, ast.Subscript)) and not site.function.endswith("__init__")


def _of_handler(site: _Site) -> Iterator[_Change]:
    """An exception that is not caught."""
    node: Any = site.node
    caught = ast.unparse(node.type) if node.type else ""
    if ast.unparse(node.body[-1]) != "raise" or len(node.body) > 1:
        yield _Change(ast.ExceptHandler(node.type, node.name, [ast.Raise()]), None, f"except {caught}", "raise")


def _of_with(site: _Site) -> Iterator[_Change]:
    """The block without its context, such as a deadline. Without a lock it would only fail now and then."""
    node: Any = site.node
    context = ast.unparse(node.items[0].context_expr)
    if node.items[0].optional_vars is None and not context.endswith("lock"):
        yield _Change(ast.If(ast.Constant(True), node.body, []), None, f"with {context}")


_OPERATORS: tuple[tuple[Any, Callable[[_Site], Iterator[_Change]]], ...] = (
    (ast.Compare, _of_compare),
    (ast.BoolOp, _of_bool_op),
    (ast.UnaryOp, _of_not),
    (ast.Constant, _of_constant),
    ((ast.Set, ast.List, ast.Tuple), _of_collection),
    (ast.Dict, _of_dict),
    (ast.Call, _of_call),
    ((ast.BinOp, ast.AugAssign), _of_arithmetic),
    ((ast.Raise, ast.Expr, ast.Return, ast.Break, ast.Continue, ast.Delete), _of_statement),
    ((ast.AugAssign, ast.Assign, ast.AnnAssign), _of_statement),
    (ast.ExceptHandler, _of_handler),
    (ast.With, _of_with),
)
