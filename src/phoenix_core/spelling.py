"""Records straight to canonical text and back, for where it is hot: sealing a bead, replaying a log, keeping a desk.

`records` is the law: strict, with a path for every flaw. This is the same spelling as straight-line code, one function
written out for each class, as attrs writes an `__init__`: nothing is looked up, and keys are sorted once. Reading is
easy-going on purpose: a text is believed only where writing what was read gives the very same characters, and whoever
meets one that is not asks `records` what is wrong with it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from json.encoder import encode_basestring
from typing import Final, NewType, NoReturn, cast

import attrs

from phoenix_core.records import INTEGER_MAX, MICROSECOND, key_of
from phoenix_core.values import exact, instant_of, plain, utc_text

# What is no spelling at all ends in one of these while it is read or written again.
MISFITS: Final = (LookupError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, RecursionError)


def _no_float(digits: str) -> NoReturn:
    raise ValueError(digits)


_scan: Final = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).raw_decode


def of_text(text: str) -> dict[str, object]:
    """What an object's text says; what stands after it, or is spelt in another way, shows when it is written again."""
    return cast(dict[str, object], _scan(text)[0])


# The same few ids, names, prices and sizes stand in bead after bead: each is held once, by whatever keeps it.
@lru_cache(4096)
def _once(text: str) -> str:
    return text


@lru_cache(4096)
def _decimal(text: str) -> Decimal:
    return exact(text, "")


@lru_cache(4096)
def _decimal_text(value: Decimal) -> str:
    return f'"{plain(value)}"'


@lru_cache(1024)
def _instant_text(value: datetime) -> str:
    return f'"{utc_text(value)}"'


def _integer_text(value: int) -> str:
    assert type(value) is int and -INTEGER_MAX <= value <= INTEGER_MAX, f"{value!r} has no spelling in a bead"
    return str(value)


def _span(value: int) -> timedelta:
    return value * MICROSECOND


def _span_text(value: timedelta) -> str:
    return _integer_text(value // MICROSECOND)


def _facts_text(facts: Mapping[str, str]) -> str:
    assert all(key.isascii() for key in facts), "keys are ASCII"
    return "{" + ",".join([f"{_text(key)}:{_text(facts[key])}" for key in sorted(facts)]) + "}"


_text: Final = encode_basestring  # of anything but a text it makes a TypeError
_boolean_text: Final = {True: "true", False: "false"}
# (how it is read, how it is written); read None: as it stands, for writing it again is the check.
_SIMPLE: Final[dict[object, tuple[object, object]]] = {
    str: (_once, _text),
    bool: (None, _boolean_text),
    int: (None, _integer_text),
    Decimal: (_decimal, _decimal_text),
    datetime: (instant_of, _instant_text),
    timedelta: (_span, _span_text),
}


@cache
def spelling_of(hint: object) -> tuple[object, object]:
    """(how a value of this annotation is read or None for as it stands, how it is written)."""
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin = typing.get_origin(hint)
    if origin is tuple or origin is list:
        return _of_many(origin, *spelling_of(typing.get_args(hint)[0]))
    if origin is dict:
        return _of_pairs(*(spelling_of(arg) for arg in typing.get_args(hint)))
    if origin is Mapping:
        return None, _facts_text
    assert isinstance(hint, type), f"{hint} has no spelling in a bead"
    if issubclass(hint, Enum):
        read = {member.value: member for member in hint}
        return read, {member: encode_basestring(member.value) for member in hint}
    record: object = hint  # mypy holds `type` for unhashable, which a cache's key may not be
    return reader(record), writer(record)


def _of_many(origin: type, read: object, write: object) -> tuple[object, object]:
    one, other = _call("read", read, "value"), _call("write", write, "value")
    many = f"def made(values): return origin([{one} for value in values])"
    text = f"def made(values): return '[' + ','.join([{other} for value in values]) + ']'"
    return origin if read is None else _made(many, {"read": read, "origin": origin}), _made(text, {"write": write})


def _of_pairs(key: tuple[object, object], value: tuple[object, object]) -> tuple[object, object]:
    """Dictionaries as lists of pairs in their own order, as in `records`."""
    names = {"rk": key[0], "wk": key[1], "rv": value[0], "wv": value[1]}
    many = f"def made(pairs): return {{{_call('rk', key[0], 'k')}: {_call('rv', value[0], 'v')} for k, v in pairs}}"
    text = f"[f'[{{{_call('wk', key[1], 'k')}}},{{{_call('wv', value[1], 'v')}}}]' for k, v in pairs.items()]"
    return _made(many, names), _made(f"def made(pairs): return '[' + ','.join({text}) + ']'", names)


def _call(name: str, how: object, value: str) -> str:
    """The source that turns a value over: by a function, by a table, or not at all."""
    if how is None:
        return value
    return f"{name}[{value}]" if isinstance(how, dict) else f"{name}({value})"


def _fields(cls: object) -> list[tuple[str, str, bool, object]]:
    """(attribute, key, whether it may be left out, annotation without `| None`) of each field, as declared."""
    hints = typing.get_type_hints(cls)
    found = []
    for field in attrs.fields(cast(type[attrs.AttrsInstance], cls)):
        hint = hints[field.name]
        optional = typing.get_origin(hint) in (typing.Union, types.UnionType)
        inner = next(arg for arg in typing.get_args(hint) if arg is not type(None)) if optional else hint
        found.append((field.name, key_of(field.name), optional, inner))
    return found


def _made(source: str, names: dict[str, object]) -> object:
    """The function `made` of this source; every name in it comes from our own classes, none from any input."""
    exec(source, names)
    return names["made"]


@cache
def reader(cls: object) -> Callable[[dict[str, object]], object]:
    """The function that makes a record of the class from its fields as JSON values."""
    names: dict[str, object] = {"cls": cls}
    arguments = []
    for n, (_, key, optional, hint) in enumerate(_fields(cls)):
        read = names[f"r{n}"] = spelling_of(hint)[0]
        if optional:
            some = f"None if (v := get({key!r})) is None else {_call(f'r{n}', read, 'v')}"
            arguments.append(f"get({key!r})" if read is None else some)
        else:
            arguments.append(_call(f"r{n}", read, f"fields[{key!r}]"))
    source = f"def made(fields):\n get = fields.get\n return cls({', '.join(arguments)})"
    return cast(Callable[[dict[str, object]], object], _made(source, names))


@cache
def writer(cls: object, *extra: str) -> Callable[..., str]:
    """The function that spells a record of the class. `extra` are more keys, already spelt or empty, as arguments."""
    names: dict[str, object] = {}
    before, pieces = [], [(key, f"{{{key}}}") for key in extra]
    for n, (name, key, optional, hint) in enumerate(_fields(cls)):
        write = names[f"w{n}"] = spelling_of(hint)[1]
        piece = f',"{key}":{{{_call(f"w{n}", write, "v" if optional else f"it.{name}")}}}'
        if optional:
            before.append(f" v{n} = '' if (v := it.{name}) is None else f'{piece}'\n")
            piece = f"{{v{n}}}"
        pieces.append((key, piece))
    whole = "".join(piece for _, piece in sorted(pieces))
    arguments = ", ".join(("it", *extra))
    source = f"def made({arguments}):\n{''.join(before)} return '{{' + f'{whole}'[1:] + '}}'"
    return cast(Callable[..., str], _made(source, names))
