"""Records straight to canonical text and back, for where it is hot: sealing a bead, replaying a log, keeping a desk.

`records` is the law: strict, with a path for every flaw. This is the same spelling as straight-line code, written out
for each class as attrs writes an `__init__`: nothing is looked up, and keys are sorted once. A class is written by one
function and read by one pattern, which only the one canonical text of a record fits: what fits is read off its
groups, and whoever meets a text that does not fit asks `records` what is wrong with it.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from json.encoder import encode_basestring
from typing import Final, NewType, TypeAlias, cast

import attrs
from attrs import Factory, define, frozen

from phoenix_core.making import made, maker
from phoenix_core.records import INTEGER_MAX, MICROSECOND, key_of
from phoenix_core.values import exact, instant_of, spelt, utc_text

# A text that fits its pattern may still name a number, a day or a word that there is not; it ends in one of these.
MISFITS: Final = (LookupError, ValueError)

# --- what is written ---


@lru_cache(4096)
def _decimal_text(value: Decimal) -> str:
    return f'"{spelt(value)}"'


@lru_cache(1024)
def _instant_text(value: datetime) -> str:
    return f'"{utc_text(value)}"'


def _integer_text(value: int) -> str:
    assert type(value) is int and -INTEGER_MAX <= value <= INTEGER_MAX, f"{value!r} has no spelling in a bead"
    return str(value)


def _span_text(value: timedelta) -> str:
    return _integer_text(value // MICROSECOND)


def _facts_text(facts: Mapping[str, str]) -> str:
    assert all(key.isascii() for key in facts), "keys are ASCII"
    return "{" + ",".join([f"{_text(key)}:{_text(facts[key])}" for key in sorted(facts)]) + "}"


_text: Final = encode_basestring  # of anything but a text it makes a TypeError
_WRITES: Final[dict[object, object]] = {
    str: _text,
    bool: {True: "true", False: "false"},
    int: _integer_text,
    Decimal: _decimal_text,
    datetime: _instant_text,
    timedelta: _span_text,
}


def _bare(hint: object) -> object:
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint


@cache
def _written(hint: object) -> object:
    """The function or the table that spells a value of this annotation."""
    hint = _bare(hint)
    if hint in _WRITES:
        return _WRITES[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple or origin is list:
        each = _written(arguments[0])
        text = f"def made(values): return '[' + ','.join([{_call('write', each, 'value')} for value in values]) + ']'"
        return made(text, {"write": each})
    if origin is dict:  # as a list of pairs in its own order, as in `records`
        names = {"wk": _written(arguments[0]), "wv": _written(arguments[1])}
        pair = f"f'[{{{_call('wk', names['wk'], 'k')}}},{{{_call('wv', names['wv'], 'v')}}}]'"
        return made(f"def made(pairs): return '[' + ','.join([{pair} for k, v in pairs.items()]) + ']'", names)
    if origin is Mapping:
        return _facts_text
    assert isinstance(hint, type), f"{hint} has no spelling in a bead"
    if issubclass(hint, Enum):
        return {member: encode_basestring(member.value) for member in hint}
    record: object = hint  # mypy holds `type` for unhashable, which a cache's key may not be
    return writer(record)


def _call(name: str, how: object, value: str) -> str:
    """The source that turns a value over: by a function or by a table."""
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


@cache
def writer(cls: object, *extra: str) -> Callable[..., str]:
    """The function that spells a record of the class. `extra` are more keys, already spelt or empty, as arguments."""
    names: dict[str, object] = {}
    before, pieces = [], [(key, f"{{{key}}}") for key in extra]
    for n, (name, key, optional, hint) in enumerate(_fields(cls)):
        write = names[f"w{n}"] = _written(hint)
        piece = f',"{key}":{{{_call(f"w{n}", write, "v" if optional else f"it.{name}")}}}'
        if optional:
            before.append(f" v{n} = '' if (v := it.{name}) is None else f'{piece}'\n")
            piece = f"{{v{n}}}"
        pieces.append((key, piece))
    whole = "".join(piece for _, piece in sorted(pieces))
    arguments = ", ".join(("it", *extra))
    source = f"def made({arguments}):\n{''.join(before)} return '{{' + f'{whole}'[1:] + '}}'"
    return cast(Callable[..., str], made(source, names))


# --- what is read ---

_INTEGER: Final = "0|-?[1-9][0-9]{0,14}"  # a longer one that a bead may still hold is left to `records`
# A comma, but for what comes first in its object: no value ends in a brace that opens.
_COMMA: Final = r"(?:(?<=\{)|(?<!\{),)"


# The same few ids, names, prices and sizes stand in bead after bead: each is held once, by whatever keeps it.
@lru_cache(4096)
def _once(text: str) -> str:
    return text


@lru_cache(1024)
def _unescaped(text: str) -> str:
    return cast(str, json.loads(f'"{text}"'))


@lru_cache(4096)
def _decimal(text: str) -> Decimal:
    return exact(text, "")


@lru_cache(1024)
def _instant(text: str) -> datetime:
    at = instant_of(text)
    if at is None:
        raise ValueError(text)
    return at


def _span(text: str) -> timedelta:
    return int(text) * MICROSECOND


@frozen
class _Words:
    """How texts stand between their quotes, and what reads them there."""

    pattern: str
    read: Callable[[str], str]
    key: str  # the pattern of a key of facts

    @property
    def fact(self) -> str:
        """The pattern of one fact."""
        return f'"({self.key})":"({self.pattern})"'

    def facts(self) -> Callable[[str], dict[str, str]]:
        """The function that reads an object of texts, its keys sorted, each there once."""
        find, word = re.compile(self.fact).findall, self.read

        def read(text: str) -> dict[str, str]:
            pairs = find(text)
            found = {_once(key): word(value) for key, value in pairs}
            if len(found) < len(pairs) or [*found] != sorted(found) or not "".join(found).isascii():
                raise ValueError(text)
            return found

        return read


# Nearly every bead is printable and escapes nothing: its texts stand as they are, and a quote ends them.
_PRINTED: Final = _Words('[^"]*', _once, '[^"]*')
# In any other, each character that may not stand for itself has its one escape.
_ESCAPED: Final = _Words(
    r'[^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*',
    _unescaped,
    r"[ !#-\[\]-\x7f]*",
)
# (what stands for it, the function or the table that reads that).
_PATTERNS: Final[dict[object, tuple[str, object]]] = {
    bool: ("(true|false)", {"true": True, "false": False}),
    int: (f"({_INTEGER})", int),
    timedelta: (f"({_INTEGER})", _span),
    Decimal: ('"([-.0-9]+)"', _decimal),  # read strictly: a number has one spelling
    datetime: ('"([^"]{27})"', _instant),
}


_Match: TypeAlias = "Callable[[str], re.Match[str] | None]"
_Groups: TypeAlias = "Callable[[tuple[str, ...]], object]"  # from the groups of a pattern to what they say
_Record: TypeAlias = "Callable[[tuple[str, ...]], tuple[object, ...]]"
_GROUP: Final = re.compile(r"(?<!\\)\((?!\?)")  # where a group begins that is kept


@define
class _Source:
    """A pattern and the code that reads its groups, while they are written."""

    words: _Words
    groups: int = 0
    names: dict[str, object] = Factory(dict)

    def group(self) -> str:
        """What the code calls the next group of the pattern."""
        self.groups += 1
        return f"g{self.groups - 1}"

    def read_by(self, how: object, group: str) -> str:
        """The code that reads a group by this function or table."""
        name = f"n{len(self.names)}"
        self.names[name] = how
        return _call(name, how, group)

    def reading(self, code: str) -> _Groups:
        """The function from the groups to what this code makes of them."""
        unpacked = "".join(f"g{n}, " for n in range(self.groups))
        source = f"def made(groups):\n {unpacked}= groups\n return {code}"
        return cast("_Groups", made(source, self.names))

    def value(self, hint: object) -> tuple[str, str]:
        """(pattern, code) of a value of this annotation. All but a record is one group."""
        hint = _bare(hint)
        if hint in _PATTERNS:
            pattern, read = _PATTERNS[hint]
            return pattern, self.read_by(read, self.group())
        if hint is str:
            return f'"({self.words.pattern})"', self.read_by(self.words.read, self.group())
        origin = typing.get_origin(hint)
        if origin is Mapping:
            fact = _GROUP.sub("(?:", self.words.fact)
            return rf"(\{{(?:{fact}(?:,{fact})*)?\}})", self.read_by(self.words.facts(), self.group())
        if origin is tuple:
            each, many = _many(typing.get_args(hint)[0], self.words)
            group = self.group()
            return rf"(\[(?:{each}(?:,{each})*)?\])", f"() if {group} == '[]' else {self.read_by(many, group)}"
        assert isinstance(hint, type), f"{hint} has no spelling in a bead"
        if issubclass(hint, Enum):
            return '"([^"]*)"', self.read_by({member.value: member for member in hint}, self.group())
        pattern, codes = self.record(hint, {})
        return pattern, codes[0]

    def record(self, cls: object, more: Mapping[str, tuple[bool, str]]) -> tuple[str, list[str]]:
        """(pattern, codes) of a record: the code of itself, then those of the texts of its further keys."""
        fields = {key: (optional, hint) for _, key, optional, hint in _fields(cls)}
        code: dict[str, str] = {}
        pattern, comma = "", ""
        for key in sorted({*fields, *more}):
            if key in more:
                (optional, piece), code[key] = more[key], self.group()
            else:
                optional = fields[key][0]
                piece, code[key] = self.member(*fields[key])
            pattern += f'(?:{comma}"{key}":{piece})?' if optional else f'{comma}"{key}":{piece}'
            comma = _COMMA if optional and comma != "," else ","
        record = self.read_by(maker(cast(type, cls)), ", ".join(code[key] for key in fields))
        return rf"\{{{pattern}\}}", [record, *(code[key] for key in more)]

    def member(self, optional: bool, hint: object) -> tuple[str, str]:
        """(pattern, code) of a value that may be left out: one group says whether it is there."""
        if not optional:
            return self.value(hint)
        there = f"g{self.groups}"
        whole = attrs.has(cast(type, _bare(hint)))
        if whole:
            _ = self.group()
        pattern, code = self.value(hint)
        return f"({pattern})" if whole else pattern, f"None if {there} is None else {code}"


@cache
def _many(hint: object, words: _Words) -> tuple[str, Callable[[str], tuple[object, ...]]]:
    """(pattern of one item, without groups; the function that reads all of them)."""
    source = _Source(words)
    pattern, code = source.value(hint)
    find, one = re.compile(pattern).finditer, source.reading(code)

    def many(text: str) -> tuple[object, ...]:
        return tuple([one(found.groups()) for found in find(text)])

    return _GROUP.sub("(?:", pattern), many


def list_of(cls: object) -> tuple[str, Callable[[str], tuple[object, ...]]]:
    """(pattern of a list of such records that is not empty, as a group; the function that reads it). No texts in it."""
    each, many = _many(cls, _PRINTED)
    return rf"(\[{each}(?:,{each})*\])", many


Read = Callable[[str], tuple[object, ...] | None]


@cache
def reader(cls: object, *extra: tuple[str, bool, str]) -> Read:
    """The function that reads a record of the class from a text: (record, the texts of the extra keys in their order).

    An extra is a key, whether it may be left out, and its pattern, one group of which is its text. None where this is
    not how such a record is spelt; of some flaws, a number or a word that there is not, one of `MISFITS` is raised.
    """

    @cache
    def among(words: _Words) -> tuple[_Match, _Record]:
        source = _Source(words)
        pattern, codes = source.record(cls, {key: (optional, text) for key, optional, text in extra})
        return re.compile(pattern).fullmatch, cast("_Record", source.reading(f"({', '.join(codes)},)"))

    def read(text: str) -> tuple[object, ...] | None:
        match, read_off = among(_PRINTED if text.isprintable() and "\\" not in text else _ESCAPED)
        found = match(text)
        return None if found is None else read_off(found.groups())

    return read
