"""Route templates, `orders/{id:int}/{*rest}`, as ASP.NET Core reads them.

Source: https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emulators.functions_host.constraints import Constraint, constraint

# Within a template `{{` and `}}` stand for the characters themselves (a regex constraint needs them).
_PARAMETER = re.compile(r"\{((?:[^{}]|\{\{|\}\})+)\}(?!\})")
_STRAY_BRACE = re.compile(r"(?<!\{)\{(?!\{)|(?<!\})\}(?!\})")


class TemplateError(Exception):
    """The template cannot be read."""


@dataclass(frozen=True)
class Parameter:
    """One `{name:constraint=default?}` of a template."""

    name: str
    constraints: tuple[Constraint, ...]
    default: str | None
    optional: bool
    catch_all: bool

    @classmethod
    def parse(cls, text: str) -> Parameter:
        """What stands between the braces. Raises TemplateError or ConstraintError."""
        inner = text.lstrip("*").removesuffix("?")
        name, *rest = _split_outside_parentheses(inner)
        if not name or len(text) - len(text.lstrip("*")) > 2:
            raise TemplateError(f"the route parameter {{{text}}} cannot be read")
        constraints = tuple(constraint(part[1:]) for part in rest if part[0] == ":")
        defaults = [part[1:] for part in rest if part[0] == "="]
        return cls(name, constraints, defaults[0] if defaults else None, text.endswith("?"), text.startswith("*"))

    def accepts(self, value: str) -> bool:
        """Whether a value in the path satisfies every constraint."""
        return all(test(value) for test in self.constraints)


class RouteTemplate:
    """A template made ready for matching paths."""

    def __init__(self, template: str) -> None:
        """Raises TemplateError, or ConstraintError."""
        self.template = template
        self._parameters: list[Parameter] = []
        pattern = "".join(self._segment(segment) for segment in template.split("/") if segment)
        self._pattern = re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL)

    def match(self, path: str) -> Mapping[str, str] | None:
        """The route parameters if the path (decoded, with its leading slash) matches, otherwise None."""
        found = self._pattern.fullmatch(path)
        if found is None or "//" in path:  # no template has room for an empty segment, a catch-all neither
            return None
        values: dict[str, str] = {}
        for parameter, value in zip(self._parameters, found.groups(), strict=True):
            if value and not parameter.accepts(value):
                return None
            if value or parameter.default is not None:
                values[parameter.name] = value or parameter.default or ""
        return values

    def _segment(self, segment: str) -> str:
        """One segment as a regular expression, its slash included."""
        whole = _PARAMETER.fullmatch(segment)
        if whole is None:
            return "/" + "".join(self._pieces(segment))
        parameter = self._add(whole[1])
        if parameter.catch_all:
            return "(?:/(.*?))?"
        return "(?:/([^/]+))?" if parameter.optional or parameter.default is not None else "/([^/]+)"

    def _pieces(self, segment: str) -> Iterator[str]:
        """A segment that mixes text and parameters, such as `report-{year}.{format}`."""
        end = 0
        for found in _PARAMETER.finditer(segment):
            yield _literal(segment[end : found.start()])
            self._add(found[1])
            yield "([^/]+)"
            end = found.end()
        yield _literal(segment[end:])

    def _add(self, text: str) -> Parameter:
        parameter = Parameter.parse(_unescaped(text))
        self._parameters.append(parameter)
        return parameter


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


def _literal(text: str) -> str:
    if _STRAY_BRACE.search(text):
        raise TemplateError(f"the braces of {text!r} do not match")
    return re.escape(_unescaped(text))


def _split_outside_parentheses(text: str) -> list[str]:
    """`id:range(1,2):int=5` → `id`, `:range(1,2)`, `:int`, `=5`."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character in ":=" and depth == 0:
            parts.append("")
        parts[-1] += character
    return parts
