"""Restricted canonical JSON (RFC 8785): one value, one spelling; bytes in, bytes out.

What is signed, hashed or chained must have exactly one spelling, or two readers will one day read two things. So there
are no floats, no big integers, no keys outside ASCII; and whatever does not re-encode to the same bytes is not read.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

from returns.result import Failure, Result, Success

from phoenix_core.values import Named

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]

# Every double holds these exactly, so every JSON reader in the world agrees on them.
INTEGER_MAX: Final = 2**53 - 1
# Evidence, the richest body there is, nests six deep; 32 leaves room and still fits any reader's stack.
DEPTH_MAX: Final = 32
# The largest bead ever seen is some 6 KiB; 256 KiB stops bombs before they are parsed.
SIZE_MAX: Final = 262_144


class Flaw(Named):
    """Why bytes are not canonical JSON. A text with several flaws is told one of them."""

    TOO_LARGE = "TOO_LARGE"
    NOT_UTF8 = "NOT_UTF8"
    NOT_JSON = "NOT_JSON"
    FLOAT = "FLOAT"
    NUMBER_RANGE = "NUMBER_RANGE"
    TOO_DEEP = "TOO_DEEP"
    KEY_NOT_ASCII = "KEY_NOT_ASCII"
    LONE_SURROGATE = "LONE_SURROGATE"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    NOT_CANONICAL = "NOT_CANONICAL"


class NotCanonical(ValueError):
    """A value that has no canonical spelling was about to be written: our bug, never the reader's."""

    def __init__(self, flaw: Flaw, where: object) -> None:
        """Keep the flaw apart from the sentence."""
        self.flaw = flaw
        super().__init__(f"{flaw}: {where!r:.80}")


def encode(value: Json) -> bytes:
    """The one spelling of a value; raises `NotCanonical` for what has none (a float, a tuple, a key outside ASCII)."""
    _check(value, DEPTH_MAX)
    try:
        return _write(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical(Flaw.LONE_SURROGATE, error.reason) from error


def decode(data: bytes, size_max: int = SIZE_MAX) -> Result[Json, Flaw]:
    """What canonical bytes say; the flaw of those that are not canonical. No input raises."""
    if len(data) > size_max:
        return Failure(Flaw.TOO_LARGE)
    try:
        text = data.decode()
        value = _read(text)
        # The two things that re-encoding alone would not notice need a walk, and nearly no text needs the walk.
        if not text.isascii() or text.count("{") + text.count("[") > DEPTH_MAX:
            _check(value, DEPTH_MAX)
        if _write(value).encode() == data:
            return Success(value)
        _read_noticing_duplicates(text)
    except NotCanonical as error:
        return Failure(error.flaw)
    except UnicodeDecodeError:
        return Failure(Flaw.NOT_UTF8)
    except UnicodeEncodeError:
        return Failure(Flaw.LONE_SURROGATE)
    except json.JSONDecodeError:
        return Failure(Flaw.NOT_JSON)
    except RecursionError:
        # The reader's own limit, in the hundreds, is far above ours.
        return Failure(Flaw.TOO_DEEP)
    return Failure(Flaw.NOT_CANONICAL)


def _check(value: object, depth: int) -> None:
    """Refuse what the standard writer would coerce or spell in more than one way."""
    kind = type(value)
    if kind is dict:
        assert isinstance(value, dict)
        if depth == 0:
            raise NotCanonical(Flaw.TOO_DEEP, value)
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise NotCanonical(Flaw.KEY_NOT_ASCII, key)
            if type(item) is not str:
                _check(item, depth - 1)
    elif kind is list:
        assert isinstance(value, list)
        if depth == 0:
            raise NotCanonical(Flaw.TOO_DEEP, value)
        for item in value:
            _check(item, depth - 1)
    elif kind is int:
        assert isinstance(value, int)
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise NotCanonical(Flaw.NUMBER_RANGE, value)
    elif isinstance(value, float):
        raise NotCanonical(Flaw.FLOAT, value)
    elif kind is not str and kind is not bool and value is not None:
        # Subclasses too: a str-enum or an int-enum reads back as something else than it was.
        raise NotCanonical(Flaw.NOT_JSON, value)


def _integer(digits: str) -> int:
    # Longer than any integer we hold: refused before it is converted, which takes quadratic time.
    if len(digits) > 17 or not -INTEGER_MAX <= (number := int(digits)) <= INTEGER_MAX:
        raise NotCanonical(Flaw.NUMBER_RANGE, digits)
    return number


def _no_float(digits: str) -> NoReturn:
    raise NotCanonical(Flaw.FLOAT, digits)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotCanonical(Flaw.DUPLICATE_KEY, sorted(key for key, _ in pairs))
    return found


# Made once: `json.dumps` and `json.loads` with options build theirs anew on every call.
_write: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode
_read: Final = json.JSONDecoder(parse_float=_no_float, parse_int=_integer, parse_constant=_no_float).decode
_read_noticing_duplicates: Final = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_no_duplicates).decode
