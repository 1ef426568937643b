"""From JSON to frozen dataclasses and back: strict, with the path of the key in every error, and a schema.

The annotations are the one description: `parse` checks a document against them, `dump` writes one, `schema`
publishes them as JSON Schema. A document may hold nothing that the types do not name.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can spell half of a pair, which no file can hold and no screen show


class TypedError(ValueError):
    """A value is not what its place in the document asks for; the message begins with the path of the key."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


@dataclasses.dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`, both included; or, of a tuple, its length."""

    low: float = -math.inf
    high: float = math.inf

    def check(self, value: Any, path: str) -> None:
        """Raise unless `value` is inside."""
        size = len(value) if isinstance(value, tuple) else value
        if not self.low <= size <= self.high:
            what = "a length" if isinstance(value, tuple) else "a number"
            raise TypedError(path, f"found {size}, expected {what} from {self.low:g} to {self.high:g}")

    def schema(self, _of: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for JSON Schema."""
        low, high = ("minItems", "maxItems") if _of.get("type") == "array" else ("minimum", "maximum")
        bounds = {low: self.low, high: self.high}
        return {key: value for key, value in bounds.items() if math.isfinite(value)}


@dataclasses.dataclass(frozen=True, slots=True)
class Matches:
    """A string that a regular expression matches whole; `words` says so to a person."""

    pattern: str
    words: str

    def check(self, value: Any, path: str) -> None:
        """Raise unless `value` matches."""
        if not re.fullmatch(self.pattern, value):
            raise TypedError(path, f"found {value!r}, expected {self.words}")

    def schema(self, _of: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for JSON Schema."""
        return {"pattern": f"^(?:{self.pattern})$"}


def parse(kind: type[T], value: object, path: str = "$") -> T:
    """Return `value`, as it came from JSON, as an instance of `kind`.

    Raises
    ------
    TypedError
        A key is unknown or missing, or a value has the wrong type or range.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Box:
    ...     width: Annotated[int, Between(1, 9)]
    >>> parse(Box, {"width": 3})
    Box(width=3)
    >>> parse(Box, {"widht": 3})
    Traceback (most recent call last):
    ...
    edge.typed.TypedError: $.widht: unknown key, did you mean 'width'?
    """
    return typing.cast("T", _parse(kind, value, path))


def bind(function: Callable[..., Any], options: object, path: str, *, skip: int = 1) -> dict[str, Any]:
    """Return `options` checked against the keyword parameters of `function`, of which the first `skip` are not asked.

    Raises
    ------
    TypedError
        As for `parse`.
    """
    return _parse_fields(_parameters(function, skip), options, path)


def dump(value: object) -> Any:
    """Return `value` as JSON types: dataclasses become objects, tuples arrays. Non-finite numbers are refused."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: dump(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [dump(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"Writing a document: found {value}, expected a finite number.")
    return value


def schema(kind: type[Any], *, title: str, identifier: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the documents that `parse` takes for `kind`."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier, "title": title}
    return {**head, **root, "$defs": dict(sorted(definitions.items()))}


def signature_schema(function: Callable[..., Any], *, skip: int = 1) -> dict[str, Any]:
    """Return the JSON Schema of the options that `bind` takes for `function`; they hold no dataclasses."""
    summary = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return _schema_fields(_parameters(function, skip), summary, {})


@functools.cache
def _hints(target: Any) -> dict[str, Any]:
    return typing.get_type_hints(target, include_extras=True)


def _parse(kind: Any, value: object, path: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        parsed = _parse(arguments[0], value, path)
        for rule in arguments[1:]:
            rule.check(parsed, path)
        return parsed
    if origin in (Union, types.UnionType):
        return _parse_union(arguments, value, path)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise TypedError(path, f"found {_show(value)}, expected one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _parse_tuple(arguments, value, path)
    if origin is not None and issubclass(origin, Mapping):
        keyed = _expect(dict, "an object", value, path)
        return {key: _parse(arguments[1], item, f"{path}.{key}") for key, item in keyed.items()}
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, path)
    return value if kind is object else _parse_scalar(kind, value, path)


def _parse_scalar(kind: Any, value: object, path: str) -> Any:
    names = {str: "a string", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}
    number = kind is float and type(value) in (int, float)
    if number and not -sys.float_info.max <= typing.cast("float", value) <= sys.float_info.max:
        raise TypedError(path, f"found {_show(value)}, expected a finite number")
    if kind is str and isinstance(value, str) and _SURROGATE.search(value):
        raise TypedError(path, f"found {_show(value)}, expected characters that can be written as UTF-8")
    return float(typing.cast("float", value)) if number else _expect(kind, names[kind], value, path)


def _expect(kind: type[T], words: str, value: object, path: str) -> T:
    if type(value) is not kind:
        raise TypedError(path, f"found {_show(value)}, expected {words}")
    return value


def _show(value: object) -> str:
    shown = "null" if value is None else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _parse_union(kinds: tuple[Any, ...], value: object, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    chosen = [kind for kind in kinds if kind is not type(None)]
    if len(chosen) == 1:
        return _parse(chosen[0], value, path)
    tag, tagged = _tagged(tuple(chosen))
    keyed = _expect(dict, "an object", value, path)
    if tag not in keyed:
        raise TypedError(f"{path}.{tag}", f"missing, expected one of {', '.join(map(repr, tagged))}")
    name = keyed[tag]
    if not isinstance(name, str) or name not in tagged:
        raise TypedError(f"{path}.{tag}", f"found {_show(name)}, expected one of {', '.join(map(repr, tagged))}")
    return _parse(tagged[name], value, path)


@functools.cache
def _tagged(kinds: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """The field whose literal value tells the dataclasses of a union apart, and the class for each value."""
    tag: str = dataclasses.fields(kinds[0])[0].name
    return tag, {choice: kind for kind in kinds for choice in typing.get_args(_hints(kind)[tag])}


def _parse_tuple(arguments: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    items = _expect(list, "an array", value, path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_parse(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(items))
    if len(items) != len(arguments):
        raise TypedError(path, f"found {len(items)} values, expected {len(arguments)}")
    pairs = enumerate(zip(arguments, items, strict=True))
    return tuple(_parse(kind, item, f"{path}[{index}]") for index, (kind, item) in pairs)


def _parse_dataclass(kind: Any, value: object, path: str) -> Any:
    return kind(**_parse_fields(_fields(kind), value, path))


def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The annotation of each field of a dataclass, and whether it may be left out."""
    hints, absent = _hints(kind), dataclasses.MISSING
    return {
        field.name: (hints[field.name], field.default is not absent or field.default_factory is not absent)
        for field in dataclasses.fields(kind)
    }


def _parameters(function: Callable[..., Any], skip: int) -> dict[str, tuple[Any, bool]]:
    """The same of a function's parameters."""
    hints = _hints(function)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    return {p.name: (hints[p.name], p.default is not inspect.Parameter.empty) for p in parameters}


def _parse_fields(fields: Mapping[str, tuple[Any, bool]], value: object, path: str) -> dict[str, Any]:
    keyed = _expect(dict, "an object", value, path)
    for key in keyed:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(map(repr, fields))}"
            raise TypedError(f"{path}.{key}", f"unknown key, {hint}")
    for name, (_, optional) in fields.items():
        if name not in keyed and not optional:
            raise TypedError(f"{path}.{name}", "missing")
    return {name: _parse(fields[name][0], item, f"{path}.{name}") for name, item in keyed.items()}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        found = _schema(arguments[0], definitions)
        for rule in arguments[1:]:
            found |= rule.schema(found)
        return found
    if origin in (Union, types.UnionType):
        return _schema_union(arguments, definitions)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(item, definitions) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if dataclasses.is_dataclass(kind):
        return _schema_dataclass(kind, definitions)
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return {} if kind is object else {"type": names[kind]}


def _schema_union(kinds: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"anyOf": [_schema(kind, definitions) for kind in kinds]}
    chosen = tuple(kind for kind in kinds if kind is not type(None))
    return found if len(chosen) == 1 else found | {"required": [_tagged(chosen)[0]]}


def _schema_dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # holds the place while a type that contains itself is written
        definitions[name] = _schema_fields(_fields(kind), inspect.getdoc(kind) or "", definitions)
    return {"$ref": f"#/$defs/{name}"}


def _schema_fields(
    fields: Mapping[str, tuple[Any, bool]], description: str, definitions: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {name: _schema(kind, definitions) for name, (kind, _) in fields.items()},
        "required": [name for name, (_, optional) in fields.items() if not optional],
        "additionalProperties": False,
    }
