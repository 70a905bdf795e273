"""Canonical JSON: one value, one spelling, and a reason for everything that is refused."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Final, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_core import canonical
from phoenix_core.canonical import DEPTH_MAX, INTEGER_MAX, SIZE_MAX, Flaw, Json, NotCanonical, decode, encode
from tests.showing import shows

ascii_keys: Final = st.text(st.characters(max_codepoint=127), max_size=8)
strings: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers: Final = st.integers(-INTEGER_MAX, INTEGER_MAX)
leaves: Final = st.none() | st.booleans() | integers | strings
values: Final = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_keys, inner, max_size=4), max_leaves=12
)


def written_by_hand(value: Json) -> str:
    """RFC 8785 once more, letter by letter, with nothing of the standard writer in it."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
        return '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(written_by_hand, value)) + "]"
    return "{" + ",".join(f"{written_by_hand(k)}:{written_by_hand(value[k])}" for k in sorted(value)) + "}"


def nested(depth: int) -> Json:
    """Lists in lists."""
    value: Json = []
    for _ in range(depth - 1):
        value = [value]
    return value


class TestOneSpelling:
    """What is written is the RFC's spelling and reads back as the same value."""

    @given(values)
    @example('\x00\x1f\x7f\x80\u2028\U0001f600"\\/')
    @example({"": "", "\n": 1, "Z": [], "a": {}, "-": None, "0": -1})
    def test_bytes_are_those_of_the_rfc(self, value: Json) -> None:
        """Our bytes are those of a writer made from the RFC's text alone."""
        assert encode(value) == written_by_hand(value).encode()

    @given(values)
    @shows("I6", "F64")
    def test_round_trip(self, value: Json) -> None:
        """decode(encode(x)) is x, type by type."""
        read = decode(encode(value)).unwrap()
        assert read == value
        assert repr(read) == repr(json.loads(json.dumps(value, sort_keys=True)))

    @given(values, st.data())
    def test_any_other_bytes_are_another_value_or_no_value(self, value: Json, data: st.DataObject) -> None:
        """One byte changed never reads as the same value: there is no second spelling."""
        good = encode(value)
        at = data.draw(st.integers(0, len(good) - 1))
        bad = good[:at] + bytes([data.draw(st.integers(0, 255).filter(lambda b: b != good[at]))]) + good[at + 1 :]
        read = decode(bad)
        assert not is_successful(read) or encode(read.unwrap()) == bad != good

    @given(st.binary(max_size=60))
    def test_no_bytes_escape(self, data: bytes) -> None:
        """Any bytes at all are a value in its one spelling, or have a flaw; nothing is raised."""
        read = decode(data)
        assert encode(read.unwrap()) == data if is_successful(read) else isinstance(read.failure(), Flaw)


REFUSED: Final = [
    (Flaw.NOT_UTF8, b'"\xff"'),
    (Flaw.NOT_UTF8, b'"\xed\xa0\x80"'),  # a surrogate, encoded
    (Flaw.NOT_UTF8, b'"\xc0\xaf"'),  # overlong
    (Flaw.NOT_JSON, b""),
    (Flaw.NOT_JSON, b"\xef\xbb\xbf1"),
    (Flaw.NOT_JSON, b"{} {}"),
    (Flaw.NOT_JSON, b"{'a':1}"),
    (Flaw.NOT_JSON, b'{"a":1,}'),
    (Flaw.NOT_JSON, b'"a\nb"'),
    (Flaw.NOT_JSON, b"01"),
    (Flaw.NOT_JSON, b"+1"),
    (Flaw.NOT_JSON, "\u0661".encode()),  # an Arabic one
    (Flaw.FLOAT, b"1.0"),
    (Flaw.FLOAT, b"1e3"),
    (Flaw.FLOAT, b"-0.0"),
    (Flaw.FLOAT, b"NaN"),
    (Flaw.FLOAT, b"[Infinity]"),
    (Flaw.FLOAT, b"-Infinity"),
    (Flaw.NUMBER_RANGE, b"9007199254740992"),
    (Flaw.NUMBER_RANGE, b'{"a":-9007199254740992}'),
    (Flaw.NUMBER_RANGE, b"1" * 100_000),
    (Flaw.TOO_DEEP, b"[" * 33 + b"]" * 33),
    (Flaw.TOO_DEEP, b'{"a":' * 33 + b"1" + b"}" * 33),
    (Flaw.TOO_DEEP, b"[" * 100_000 + b"]" * 100_000),
    (Flaw.KEY_NOT_ASCII, '{"é":1}'.encode()),
    (Flaw.KEY_NOT_ASCII, '{"a":{"\u0430":1}}'.encode()),  # a Cyrillic look-alike
    (Flaw.LONE_SURROGATE, b'"\\ud800"'),
    (Flaw.LONE_SURROGATE, b'{"a":"\\udc00x"}'),
    (Flaw.DUPLICATE_KEY, b'{"a":1,"a":1}'),
    (Flaw.DUPLICATE_KEY, b'{"a":{"b":1,"c":2,"b":3}}'),
    (Flaw.NOT_CANONICAL, b"-0"),
    (Flaw.NOT_CANONICAL, b' {"a":1}'),
    (Flaw.NOT_CANONICAL, b"1\n"),
    (Flaw.NOT_CANONICAL, b'{"b":1,"a":2}'),
    (Flaw.NOT_CANONICAL, b'{"a": 1}'),
    (Flaw.NOT_CANONICAL, b'"\\u0041"'),
    (Flaw.NOT_CANONICAL, b'"\\/"'),
    (Flaw.NOT_CANONICAL, b'"\\u000A"'),
    (Flaw.NOT_CANONICAL, b'"\\u001F"'),
    (Flaw.NOT_CANONICAL, b'"\\ud83d\\ude00"'),
    (Flaw.TOO_LARGE, b'"' + b"a" * SIZE_MAX + b'"'),
]


@pytest.mark.parametrize(("flaw", "data"), REFUSED, ids=[f"{flaw}-{data[:20]!r}" for flaw, data in REFUSED])
@shows("I20")
def test_refused_with_its_reason(flaw: Flaw, data: bytes) -> None:
    """Each kind of wrong spelling is refused, and says which kind it is."""
    assert decode(data).failure() is flaw


def test_every_flaw_has_an_attack() -> None:
    """The table above leaves no flaw out."""
    assert {flaw for flaw, _ in REFUSED} == set(Flaw)


def test_the_limits_themselves_are_in() -> None:
    """Each limit is the last value that passes."""
    passing: list[Json] = [nested(DEPTH_MAX), INTEGER_MAX, -INTEGER_MAX, "a" * (SIZE_MAX - 2), "é", ["[" * 40]]
    for good in passing:
        assert decode(encode(good)).unwrap() == good
    assert decode(b"9007199254740991").unwrap() == 9_007_199_254_740_991
    assert encode(-9_007_199_254_740_991) == b"-9007199254740991"
    assert decode(b'"' + b"a" * 262_142 + b'"').unwrap() == "a" * 262_142
    assert decode(b'"' + b"a" * 262_143 + b'"').failure() is Flaw.TOO_LARGE
    assert decode(b"[" * 32 + b"]" * 32).unwrap() == nested(32)
    assert decode(b'"aaa"', size_max=4).failure() is Flaw.TOO_LARGE
    assert decode(b'"aa"', size_max=4).unwrap() == "aa"


class Word(StrEnum):
    """Equal to a string, and yet not one."""

    YES = "yes"


@pytest.mark.parametrize(
    ("flaw", "value"),
    [
        (Flaw.FLOAT, 1.5),
        (Flaw.FLOAT, {"a": [float("nan")]}),
        (Flaw.NUMBER_RANGE, INTEGER_MAX + 1),
        (Flaw.NUMBER_RANGE, [-INTEGER_MAX - 1]),
        (Flaw.KEY_NOT_ASCII, {"ü": 1}),
        (Flaw.KEY_NOT_ASCII, {1: "the standard writer would make this a string"}),
        (Flaw.KEY_NOT_ASCII, {None: 1}),
        (Flaw.KEY_NOT_ASCII, {Word.YES: 1}),
        (Flaw.NOT_JSON, (1, 2)),
        (Flaw.NOT_JSON, {"a": Word.YES}),
        (Flaw.NOT_JSON, b"bytes"),
        (Flaw.NOT_JSON, {"a": {1, 2}}),
        (Flaw.LONE_SURROGATE, "\ud800"),
        (Flaw.LONE_SURROGATE, {"a": ["x\udfffy"]}),
        (Flaw.TOO_DEEP, nested(DEPTH_MAX + 1)),
        (Flaw.TOO_DEEP, {"a": nested(DEPTH_MAX)}),
        (Flaw.TOO_DEEP, [{"a": nested(DEPTH_MAX - 1)}]),
    ],
)
def test_what_has_no_spelling_is_not_written(flaw: Flaw, value: object) -> None:
    """A value that would be coerced, rounded or read back as another is our bug, and says so."""
    with pytest.raises(NotCanonical) as caught:
        encode(cast(Json, value))
    assert caught.value.flaw is flaw


def test_the_deepest_dictionary() -> None:
    """Dictionaries count like lists; exactly 32 pass."""
    value: Json = {}
    for _ in range(DEPTH_MAX - 1):
        value = {"a": value}
    assert decode(encode(value)).unwrap() == value
    with pytest.raises(NotCanonical):
        encode({"a": value})


def test_a_bomb_is_refused_before_it_is_read() -> None:
    """Size is judged before anything is parsed: the refusal of 50 MB makes no copy of it."""
    bomb = b"[" * 50_000_000
    before = sys.getrecursionlimit()
    assert decode(bomb).failure() is Flaw.TOO_LARGE
    assert sys.getrecursionlimit() == before


def test_nearly_no_text_needs_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ASCII and has at most 32 brackets is as deep as it may be at the most: it is not walked to see that."""

    def walked(value: object, depth: int) -> None:
        raise AssertionError("it was walked")

    monkeypatch.setattr(canonical, "_check", walked)
    for data in (b"{}", b'"a"', b"[" * 32 + b"]" * 32, b"[" + b",".join([b"{}"] * 31) + b"]"):
        assert is_successful(decode(data))
    for data in (b"[" * 33 + b"]" * 33, '"é"'.encode()):
        with pytest.raises(AssertionError, match="it was walked"):
            decode(data)


def test_what_cannot_be_written_says_which_flaw_it_has() -> None:
    """For whoever reads the trace of our own bug: the flaw, and the beginning of what has it."""
    with pytest.raises(NotCanonical, match=r"^FLOAT: 1\.5$"):
        encode(cast(Json, 1.5))
