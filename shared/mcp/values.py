"""From a type annotation: its JSON Schema (2020-12), and how a JSON value becomes a value of that type.

A type without a form is refused while the app loads. A value that does not fit is refused before the tool runs. The
sentence about it names the place and what belongs there, never the value.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import EnumMeta
from typing import Any, NamedTuple

USE = "use str, int, float, bool, list, dict, Literal, an Enum, X | None, a TypedDict or a dataclass"
_MAX_SHOWN = 60  # characters of a name that the caller sent


class UnsupportedType(TypeError):  # noqa: N818 — it becomes a TypeError with the name of the function
    """An annotation that has no form in JSON. The text says what to write instead."""


class WrongValue(ValueError):  # noqa: N818
    """A JSON value that does not fit. `path` leads to it, `why` says what belongs there."""

    def __init__(self, why: str, path: str = "") -> None:
        self.why, self.path = why, path
        super().__init__(f"{path.lstrip('.')} {why}" if path else why)

    def below(self, step: str) -> WrongValue:
        """This error, with the path of the value that holds the wrong one."""
        return WrongValue(self.why, step + self.path)


class Form(NamedTuple):
    """One type: its JSON Schema, and the function that reads a JSON value, or raises WrongValue."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]


class Fields:
    """Named values in one object: the arguments of a tool, a TypedDict, the fields of a dataclass."""

    def __init__(self, forms: Mapping[str, Form], required: Iterable[str]) -> None:
        self._forms, self._required = forms, tuple(required)
        self.schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: form.schema for name, form in forms.items()},
            "required": list(self._required),
            "additionalProperties": False,
        }

    def read(self, value: Any) -> dict[str, Any]:
        """The values by name, each of its type. Values that are not required may be absent."""
        if not isinstance(value, dict):
            raise WrongValue("must be an object")
        found = {}
        for name, part in value.items():
            if name not in self._forms:
                there = ", ".join(self._forms) or "none"
                raise WrongValue(f"is unknown here; there are: {there}", f".{name[:_MAX_SHOWN]}")
            try:
                found[name] = self._forms[name].read(part)
            except WrongValue as wrong:
                raise wrong.below(f".{name}") from None
        for name in self._required:
            if name not in found:
                raise WrongValue("is missing", f".{name}")
        return found


def form_of(hint: Any, inside: tuple[Any, ...] = ()) -> Form:
    """The form of a resolved annotation. `inside`: the types that hold it. Raises UnsupportedType."""
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    origin = typing.get_origin(hint)
    if origin in _GENERIC:
        return _GENERIC[origin](hint, inside)
    if origin is None and hint in _PLAIN:
        return _PLAIN[hint]
    if hint in inside:
        raise UnsupportedType(f"{_name_of(hint)} contains itself; {USE}")
    for is_kind, form in _CLASSES:
        if isinstance(hint, type) and is_kind(hint):
            return form(hint, (*inside, hint))
    raise UnsupportedType(f"a tool cannot take {_name_of(hint)}; {USE}")


def fields_of(hints: Mapping[str, Any], required: Iterable[str], inside: tuple[Any, ...]) -> Fields:
    """The form of several named values."""
    return Fields({name: form_of(hint, inside) for name, hint in hints.items()}, required)


def _name_of(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _kind(expected: str, kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        raise WrongValue(f"must be {expected}")

    return read


def _integer(value: Any) -> int:
    if type(value) is int or (type(value) is float and value.is_integer()):  # JSON Schema: 2.0 is an integer
        return int(value)
    raise WrongValue("must be an integer")


def _number(value: Any) -> float:
    if type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            pass
    raise WrongValue("must be a number")


def _as_is(value: Any) -> Any:
    return value


_PLAIN: dict[Any, Form] = {
    str: Form({"type": "string"}, _kind("a text", str)),
    int: Form({"type": "integer"}, _integer),
    float: Form({"type": "number"}, _number),
    bool: Form({"type": "boolean"}, _kind("true or false", bool)),
    types.NoneType: Form({"type": "null"}, _kind("null", types.NoneType)),
    None: Form({"type": "null"}, _kind("null", types.NoneType)),
    list: Form({"type": "array"}, _kind("an array", list)),
    dict: Form({"type": "object"}, _kind("an object", dict)),
    Any: Form({}, _as_is),
    object: Form({}, _as_is),
}


def _annotated(hint: Any, inside: tuple[Any, ...]) -> Form:
    inner, *notes = typing.get_args(hint)
    if len(notes) != 1 or not isinstance(notes[0], str):
        raise UnsupportedType('Annotated has one text here, the description: Annotated[str, "What to order"]')
    form = form_of(inner, inside)
    return Form({**form.schema, "description": notes[0]}, form.read)


def _list(hint: Any, inside: tuple[Any, ...]) -> Form:
    item = form_of(typing.get_args(hint)[0], inside)

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise WrongValue("must be an array")
        found = []
        for place, part in enumerate(value):
            try:
                found.append(item.read(part))
            except WrongValue as wrong:
                raise wrong.below(f"[{place}]") from None
        return found

    return Form({"type": "array", "items": item.schema}, read)


def _dict(hint: Any, inside: tuple[Any, ...]) -> Form:
    key, value_hint = typing.get_args(hint)
    if key is not str:
        raise UnsupportedType("the keys of a JSON object are texts; write dict[str, …]")
    member = form_of(value_hint, inside)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongValue("must be an object")
        found = {}
        for name, part in value.items():
            try:
                found[name] = member.read(part)
            except WrongValue as wrong:
                raise wrong.below(f".{name[:_MAX_SHOWN]}") from None
        return found

    return Form({"type": "object", "additionalProperties": member.schema}, read)


def _one_of(values: Mapping[Any, Any]) -> Form:
    """One of these JSON values; the mapping says what each becomes. Its keys are `(type, value)`: True is not 1."""
    shown = [value for _, value in values]
    kinds = {kind for kind, _ in values}
    if not kinds <= {str, int, float, bool, types.NoneType}:
        raise UnsupportedType("the values of a Literal or an Enum are str, int, float, bool or None here")
    schema: dict[str, Any] = {"enum": shown}
    if len(kinds) == 1:
        schema = {**_PLAIN[kinds.pop()].schema, **schema}

    def read(value: Any) -> Any:
        if not isinstance(value, (list, dict)) and (type(value), value) in values:
            return values[type(value), value]
        raise WrongValue(f"must be one of {', '.join(map(_json_name, shown))}")

    return Form(schema, read)


def _json_name(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "null" if value is None else str(value)


def _literal(hint: Any, _: tuple[Any, ...]) -> Form:
    return _one_of({(type(value), value): value for value in typing.get_args(hint)})


def _enum(hint: Any, _: tuple[Any, ...]) -> Form:
    return _one_of({(type(member.value), member.value): member for member in hint})


def _union(hint: Any, inside: tuple[Any, ...]) -> Form:
    """The first member that fits. If all but null is one type, the error is that of the type."""
    forms = [form_of(member, inside) for member in typing.get_args(hint)]

    def read(value: Any) -> Any:
        whys: list[WrongValue] = []
        for form in forms:
            try:
                return form.read(value)
            except WrongValue as wrong:
                whys.append(wrong)
        real = [wrong for wrong in whys if wrong.why != "must be null"]
        if len(real) == 1 and real[0].path:
            raise real[0]
        raise WrongValue(" or ".join(dict.fromkeys(wrong.why.strip() for wrong in whys)))

    return Form({"anyOf": [form.schema for form in forms]}, read)


_GENERIC: dict[Any, Callable[[Any, tuple[Any, ...]], Form]] = {
    typing.Annotated: _annotated,
    typing.Literal: _literal,
    typing.Union: _union,
    types.UnionType: _union,
    list: _list,
    dict: _dict,
}


def _typed_dict(hint: Any, inside: tuple[Any, ...]) -> Form:
    """The form of a TypedDict. Its resolved hints say whether a member is required.

    With `from __future__ import annotations`, the class itself does not know its `NotRequired`.
    """
    required, hints = set(hint.__required_keys__), {}
    for name, given in typing.get_type_hints(hint, include_extras=True).items():
        bare = given
        while typing.get_origin(bare) in _MARKS:
            if typing.get_origin(bare) is typing.NotRequired:
                required.discard(name)
            elif typing.get_origin(bare) is typing.Required:
                required.add(name)
            bare = typing.get_args(bare)[0]
        hints[name] = bare
    fields = fields_of(hints, [name for name in hints if name in required], inside)
    return Form(fields.schema, fields.read)


_MARKS = (typing.Required, typing.NotRequired, getattr(typing, "ReadOnly", typing.Required))  # ReadOnly: Python 3.13


def _dataclass(hint: Any, inside: tuple[Any, ...]) -> Form:
    import dataclasses

    hints = typing.get_type_hints(hint, include_extras=True)
    own = [field for field in dataclasses.fields(hint) if field.init]
    absent = dataclasses.MISSING
    required = [field.name for field in own if field.default is absent and field.default_factory is absent]
    fields = fields_of({field.name: hints[field.name] for field in own}, required, inside)

    def read(value: Any) -> Any:
        found = fields.read(value)
        try:
            return hint(**found)
        except (TypeError, ValueError):  # of its __post_init__; the text may repeat a value
            raise WrongValue(f"is not a valid {hint.__name__}") from None

    return Form(fields.schema, read)


def _pydantic_model(hint: Any, _: tuple[Any, ...]) -> Form:
    """The schema is pydantic's own. A model that refers to another one has `$defs`, which only a whole schema can."""
    schema = hint.model_json_schema()
    if "$defs" in schema:
        raise UnsupportedType(f"{hint.__name__} has another model in it; write a TypedDict or a dataclass")
    pydantic: Any = sys.modules["pydantic"]

    def read(value: Any) -> Any:
        try:
            return hint.model_validate(value)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:_MAX_SHOWN]}" for step in first)
            raise WrongValue(f"does not fit {hint.__name__}", path) from None

    return Form(schema, read)


def _is_pydantic_model(hint: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # without the library loaded, no model exists
    return pydantic is not None and issubclass(hint, pydantic.BaseModel)


def _is_typed_dict(hint: type) -> bool:
    return issubclass(hint, dict) and hasattr(hint, "__required_keys__")


_CLASSES: list[tuple[Callable[[type], bool], Callable[[Any, tuple[Any, ...]], Form]]] = [
    (lambda hint: isinstance(hint, EnumMeta), _enum),
    (_is_typed_dict, _typed_dict),
    (lambda hint: hasattr(hint, "__dataclass_fields__"), _dataclass),
    (_is_pydantic_model, _pydantic_model),
]
