"""Frozen records to plain JSON values and back: strict, exact, and drawn from the type annotations alone.

A record is written with every field it has; a field that is None is left out, so that there is one spelling. On the
way in nothing is coerced: a wrong type, an unknown key or a missing one is a `BadInput` that names the path.
The same table of types draws the JSON Schema, so that the published schemas cannot drift from the code.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NewType, TypeVar, cast

import attrs

from phoenix_core.making import evolver
from phoenix_core.values import BadInput, exact, spelt, utc_of, utc_text

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
R = TypeVar("R")

# Canonical JSON carries integers below 2^53; a bead's integers are counters and ids, well inside.
INTEGER_MAX = 2**53 - 1
MICROSECOND = timedelta(microseconds=1)


if TYPE_CHECKING:
    from attrs import evolve as evolve  # its checker knows the fields of every class
else:

    def evolve(record: R, /, **changes: object) -> R:
        """A record with some of its fields changed, as `attrs.evolve` makes it, many times as fast."""
        return evolver(type(record), *changes)(record, *changes.values())


def key_of(attribute: str) -> str:
    """The JSON key of an attribute: `from_` is spelt `from`, which Python keeps for itself."""
    return attribute.rstrip("_")


def to_json(record: object) -> dict[str, Json]:
    """A record as plain JSON values, None left out."""
    return cast(dict[str, Json], _writer(_hint(type(record)))(record))


def of_json(cls: type[R], value: object, path: str = "") -> R:
    """Read a record back; raises `BadInput` naming the path of what does not fit."""
    return cast(R, _reader(_hint(cls))(value, path or cls.__name__))


def schema_of(cls: type) -> dict[str, Json]:
    """The JSON Schema of a record class."""
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for name, hint in _hints(cls):
        properties[key_of(name)] = _schema(hint)
        if not _is_optional(hint):
            required.append(key_of(name))
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def shape_of(cls: type) -> str:
    """What a record class is made of, all the way down, as text: two layouts that differ anywhere differ here."""
    return _shape(_hint(cls))


@cache
def _shape(hint: object) -> str:
    hint = _bare(hint)
    origin = typing.get_origin(hint)
    if origin is not None:
        parts = ("..." if arg is ... else _shape(arg) for arg in typing.get_args(hint))
        return f"{getattr(origin, '__name__', 'Optional')}[{', '.join(parts)}]"
    assert isinstance(hint, type), f"{hint} has no shape"
    if issubclass(hint, Enum):
        return f"{hint.__name__}({', '.join(str(member.value) for member in hint)})"
    if not attrs.has(hint):
        return hint.__name__
    return f"{hint.__name__}{{{', '.join(f'{name}: {_shape(inner)}' for name, inner in _hints(_hint(hint)))}}}"


def _hint(cls: type) -> object:
    """A class seen as an annotation: mypy holds `type` for unhashable, which a cache's key may not be."""
    return cls


@cache
def _hints(cls: object) -> tuple[tuple[str, object], ...]:
    assert isinstance(cls, type), f"{cls} has no spelling in a bead"
    hints = typing.get_type_hints(cls)
    return tuple((a.name, hints[a.name]) for a in attrs.fields(cls))


def _bare(hint: object) -> object:
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint


def _is_optional(hint: object) -> bool:
    return type(None) in typing.get_args(hint) and typing.get_origin(hint) in (typing.Union, types.UnionType)


def _inner(hint: object) -> object:
    """X of `X | None`; a union of anything else has no place in a record."""
    (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    return inner


Writer = Callable[[object], Json]
Reader = Callable[[object, str], object]


def _same(value: object) -> Json:
    return cast(Json, value)


@cache
def _writer(hint: object) -> Writer:
    hint = _bare(hint)
    if _is_optional(hint):
        return _writer(_inner(hint))
    origin = typing.get_origin(hint)
    if origin in (tuple, list, set, dict):
        return _writer_of_many(origin, typing.get_args(hint))
    if origin is Mapping or hint in (str, int, bool):
        return (lambda value: dict(cast(Mapping[str, str], value))) if origin is not None else _same
    assert isinstance(hint, type), f"{hint} has no spelling in a bead"
    if issubclass(hint, Enum):
        return lambda value: cast(Enum, value).value
    if hint is Decimal:
        return lambda value: spelt(cast(Decimal, value))
    if hint is datetime:
        return lambda value: utc_text(cast(datetime, value))
    if hint is timedelta:
        return lambda value: cast(timedelta, value) // MICROSECOND
    fields = tuple((name, key_of(name), _writer(inner)) for name, inner in _hints(_hint(hint)))

    def write(value: object) -> Json:
        out: dict[str, Json] = {}
        for name, key, writer in fields:
            item = getattr(value, name)
            if item is not None:
                out[key] = writer(item)
        return out

    return write


def _writer_of_many(origin: type, hints: tuple[object, ...]) -> Writer:
    """Sequences as lists, sets sorted by their spelling, dictionaries as lists of pairs in their own order."""
    first = _writer(hints[0])
    if origin is dict:
        second = _writer(hints[1])
        return lambda value: [[first(k), second(v)] for k, v in cast(dict[object, object], value).items()]
    if origin is tuple and hints[-1] is not ...:
        each = tuple(_writer(hint) for hint in hints)
        return lambda value: [write(item) for write, item in zip(each, cast(tuple[object, ...], value), strict=True)]
    if origin is set:
        return lambda value: cast(Json, sorted((first(item) for item in cast(set[object], value)), key=repr))
    return lambda value: [first(item) for item in cast(tuple[object, ...], value)]


@cache
def _reader(hint: object) -> Reader:
    hint = _bare(hint)
    if _is_optional(hint):
        return _reader(_inner(hint))
    origin = typing.get_origin(hint)
    if origin in (tuple, list, set, dict):
        return _reader_of_many(origin, typing.get_args(hint))
    if origin is Mapping:
        return _read_facts
    assert isinstance(hint, type), f"{hint} has no spelling in a bead"
    if issubclass(hint, Enum):
        return _read_enum(hint)
    simple: dict[type, Reader] = {
        str: _read_str,
        bool: _read_bool,
        int: _read_int,
        Decimal: exact,
        datetime: utc_of,
        timedelta: lambda value, path: _read_int(value, path) * MICROSECOND,
    }
    return simple[hint] if hint in simple else _read_record(hint)


def _read_str(value: object, path: str) -> str:
    if type(value) is not str:
        raise BadInput(path, value, "write text")
    return value


def _read_bool(value: object, path: str) -> bool:
    if type(value) is not bool:
        raise BadInput(path, value, "write true or false")
    return value


def _read_int(value: object, path: str) -> int:
    if type(value) is not int or abs(value) > INTEGER_MAX:
        raise BadInput(path, value, "write a whole number below 2^53")
    return value


def _read_enum(cls: type[Enum]) -> Reader:
    members = {member.value: member for member in cls}

    def read(value: object, path: str) -> object:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            raise BadInput(path, value, "write one of " + ", ".join(map(str, members)))
        return member

    return read


def _reader_of_many(origin: type, hints: tuple[object, ...]) -> Reader:
    fixed = origin is dict or (origin is tuple and hints[-1] is not ...)
    each = tuple(_reader(hint) for hint in (hints if fixed else hints[:1]))

    def read_fixed(value: object, path: str) -> tuple[object, ...]:
        if type(value) is not list or len(value) != len(each):
            raise BadInput(path, value, f"write a list of {len(each)}")
        return tuple(read(item, f"{path}[{n}]") for n, (read, item) in enumerate(zip(each, value, strict=True)))

    one = read_fixed if origin is dict else each[0]

    def read_many(value: object, path: str) -> object:
        if type(value) is not list:
            raise BadInput(path, value, "write a list")
        items = [one(item, f"{path}[{n}]") for n, item in enumerate(value)]
        return dict(cast(list[tuple[object, object]], items)) if origin is dict else origin(items)

    return read_fixed if origin is tuple and fixed else read_many


def _read_facts(value: object, path: str) -> dict[str, str]:
    if type(value) is not dict:
        raise BadInput(path, value, "write an object of texts")
    return {_read_str(key, path): _read_str(item, f"{path}.{key}") for key, item in value.items()}


def _read_record(cls: type) -> Reader:
    fields = tuple((name, key_of(name), _reader(hint), _is_optional(hint)) for name, hint in _hints(cls))
    known = {key for _, key, _, _ in fields}

    def read(value: object, path: str) -> object:
        if type(value) is not dict:
            raise BadInput(path, value, "write an object")
        unknown = value.keys() - known
        if unknown:
            raise BadInput(f"{path}.{min(unknown)}", value[min(unknown)], "leave out what the schema does not name")
        found: dict[str, object] = {}
        for name, key, reader, optional in fields:
            if key in value:
                found[name] = reader(value[key], f"{path}.{key}")
            elif optional:
                found[name] = None
            else:
                raise BadInput(f"{path}.{key}", "", "write this field: it is required")
        return cls(**found)

    return read


_MENDS: dict[object, str] = {
    Decimal: "give a finite Decimal of at most 38 digits",
    datetime: "give a datetime whose tzinfo is datetime.UTC itself",
}


def flaw_of(value: object, hint: object, path: str) -> BadInput | None:
    """The first value of a fact or of a body, all the way down, that is not what its annotation says: for what no type
    checker saw. A float is no Decimal, nor is what is no number."""
    hint = _bare(hint)
    if _is_optional(hint):
        return None if value is None else flaw_of(value, _inner(hint), path)
    origin, hints = typing.get_origin(hint), typing.get_args(hint)
    cls = cast(type, origin or hint)
    if not isinstance(value, cls):
        return BadInput(path, value, _MENDS.get(hint, f"give a {cls.__name__}"))
    if isinstance(value, Mapping):
        parts = [(word, _hint(str), f"{path}[{pair[0]!r}]") for pair in value.items() for word in pair]
    elif origin is not None:
        parts = [(item, hints[0], f"{path}[{n}]") for n, item in enumerate(cast(tuple[object, ...], value))]
    elif attrs.has(cls):
        parts = [(getattr(value, name), inner, f"{path}.{name}") for name, inner in _hints(_hint(cls))]
    else:
        return _flaw_of_one(value, hint, path)
    return next(filter(None, (flaw_of(*part) for part in parts)), None)


def _flaw_of_one(value: object, hint: object, path: str) -> BadInput | None:
    """The same of a value that has no parts: it is written and read back."""
    try:
        _ = _reader(hint)(_writer(hint)(value), path)
    except BadInput as error:
        return error
    except AssertionError:
        return BadInput(path, value, _MENDS[hint])
    return None


_SIMPLE_SCHEMAS: dict[object, dict[str, Json]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX},
    Decimal: {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]*[1-9])?$"},
    datetime: {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z$"},
    timedelta: {"type": "integer", "description": "microseconds"},
}


def _schema(hint: object) -> Json:
    hint = _bare(hint)
    if _is_optional(hint):
        return _schema(_inner(hint))
    origin = typing.get_origin(hint)
    if origin is tuple:
        return {"type": "array", "items": _schema(typing.get_args(hint)[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if hint in _SIMPLE_SCHEMAS:
        return dict(_SIMPLE_SCHEMAS[hint])
    assert isinstance(hint, type), f"{hint} has no schema"
    if issubclass(hint, Enum):
        return {"type": "string", "enum": [str(member.value) for member in hint]}
    return cast(Json, schema_of(hint))
