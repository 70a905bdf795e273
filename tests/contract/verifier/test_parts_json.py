"""The verifier's reader of canonical JSON, on its own: each flaw has its code, each limit is the last that passes."""

from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import BEAD_MAX, LINE_MAX, READER, Json, Lie, is_canonical, is_utf8, read_json
from phoenix_core import canonical


def code(data: bytes, limit: int = BEAD_MAX) -> str:
    """The code of what is wrong with these bytes; TRUE where nothing is."""
    try:
        _ = read_json(data, limit)
    except Lie as lie:
        return lie.code
    return "TRUE"


def arrays(levels: int) -> bytes:
    """Arrays in arrays."""
    return b"[" * levels + b"]" * levels


def objects(levels: int) -> bytes:
    """Objects in objects."""
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


REFUSED: Final = [
    ("TOO_LARGE", b'"' + b"a" * (BEAD_MAX - 1) + b'"'),
    ("NOT_UTF8", b'"\xff"'),
    ("NOT_UTF8", b'"\xed\xa0\x80"'),
    ("NOT_UTF8", b'"\xc0\xaf"'),
    ("NOT_UTF8", b"\xef\xbb\xbf1"),
    ("TOO_DEEP", arrays(33)),
    ("TOO_DEEP", objects(33)),
    ("TOO_DEEP", b'{"a":' + arrays(32) + b"}"),
    ("TOO_DEEP", b"[[]," + arrays(32) + b",[]]"),
    ("TOO_DEEP", arrays(100_000)),
    ("NOT_JSON", b""),
    ("NOT_JSON", b"{} {}"),
    ("NOT_JSON", b"{'a':1}"),
    ("NOT_JSON", b'{"a":1,}'),
    ("NOT_JSON", b'"a\nb"'),
    ("NOT_JSON", b"01"),
    ("NOT_JSON", b"+1"),
    ("NOT_JSON", b"nul"),
    ("NOT_JSON", '"\\u００41"'.encode()),
    ("DUPLICATE_KEY", b'{"a":1,"a":1}'),
    ("DUPLICATE_KEY", b'{"a":{"b":1,"c":2,"b":3}}'),
    ("DUPLICATE_KEY", b'[{"a":1},{"a":1,"a":2}]'),
    ("DUPLICATE_KEY", b'{"":1,"":1}'),
    ("FLOAT", b"1.0"),
    ("FLOAT", b"1e3"),
    ("FLOAT", b"1E3"),
    ("FLOAT", b"-0.0"),
    ("FLOAT", b"[NaN]"),
    ("FLOAT", b'{"a":Infinity}'),
    ("FLOAT", b"-Infinity"),
    ("NUMBER_RANGE", b"9007199254740992"),
    ("NUMBER_RANGE", b"-9007199254740992"),
    ("NUMBER_RANGE", b'{"a":10000000000000000}'),
    ("NUMBER_RANGE", b"-" + b"9" * 17),
    ("NUMBER_RANGE", b"1" * 100_000),
    ("KEY_NOT_ASCII", '{"é":1}'.encode()),
    ("KEY_NOT_ASCII", '{"a":{"b":1,"\u0430":1}}'.encode()),
    ("KEY_NOT_ASCII", b'{"\\u0430":1}'),
    ("LONE_SURROGATE", b'"\\ud800"'),
    ("LONE_SURROGATE", b'{"a":"\\udc00x"}'),
    ("LONE_SURROGATE", b'"\\udc00\\ud800"'),
    ("NOT_CANONICAL", b"-0"),
    ("NOT_CANONICAL", b' {"a":1}'),
    ("NOT_CANONICAL", b"1\n"),
    ("NOT_CANONICAL", b"[1, 2]"),
    ("NOT_CANONICAL", b'{"a": 1}'),
    ("NOT_CANONICAL", b'{"b":1,"a":2}'),
    ("NOT_CANONICAL", b'{"a":1,"Z":2}'),
    ("NOT_CANONICAL", b'"\\u0041"'),
    ("NOT_CANONICAL", b'"\\/"'),
    ("NOT_CANONICAL", b'"\\u000A"'),
    ("NOT_CANONICAL", b'"\\u001F"'),
    ("NOT_CANONICAL", b'"\\u00e9"'),
    ("NOT_CANONICAL", b'"\\ud83d\\ude00"'),
]
PASSING: Final = [
    *(arrays(32), objects(32), b'{"a":' + arrays(31) + b"}", b"[" + arrays(31) + b"," + arrays(31) + b"]"),
    b"[" + b",".join([b"{}"] * 100) + b"]",
    b'"' + b"[" * 100 + b"{" * 100 + b'"',
    *(b"0", b"-1", b"9007199254740991", b"-9007199254740991", b"true", b"false", b"null", b'""'),
    b'{"":1,"A":2,"a":3,"a1":4}',
    *('["é","\u2028","\U0001f600","\x7f"]'.encode(), b'"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\"'),
    b'"' + b"a" * (BEAD_MAX - 2) + b'"',
]  # fmt: skip


@pytest.mark.parametrize(("flaw", "data"), REFUSED, ids=[f"{flaw}-{data[:20]!r}" for flaw, data in REFUSED])
def test_each_flaw_has_its_code(flaw: str, data: bytes) -> None:
    """Each wrong spelling is refused for what it is; a line that is no bead says only that it is wrong."""
    assert code(data) == flaw
    if flaw != "TOO_LARGE":
        assert not is_canonical(data)


@pytest.mark.parametrize("data", PASSING, ids=[repr(data[:20]) for data in PASSING])
def test_the_limits_themselves_are_in(data: bytes) -> None:
    """What stands at a limit passes, and is the value that any reader of JSON finds."""
    assert code(data) == "TRUE"
    assert is_canonical(data)
    assert read_json(data) == json.loads(data)
    assert type(read_json(data)) is type(json.loads(data))


def test_each_text_has_its_own_limit() -> None:
    """A bead, a line, a statement: the limit is the last size that passes, and nothing larger is parsed."""
    assert (code(b'"aa"', 4), code(b'"aaa"', 4)) == ("TRUE", "TOO_LARGE")
    assert code(b"\xff" * 5, 4) == "TOO_LARGE"
    line = b'"' + b"a" * (LINE_MAX - 2) + b'"'
    assert is_canonical(line)
    assert not is_canonical(line[:-1] + b'a"')


def test_one_reader_remembers_nothing() -> None:
    """The flaws of one text are not those of the next."""
    for bad in (b'{"a":1,"a":1}', b"1.0", b"x", arrays(33), arrays(100_000)):
        assert READER.read(bad) is None or READER.flaws
        assert READER.flaws
        assert (READER.read(b'{"a":1}'), READER.flaws) == ({"a": 1}, set())


def test_two_flaws_are_both_seen() -> None:
    """One text may be wrong in several ways; what is no JSON, or too deep to read, has no value."""
    _ = READER.read('{"é":9007199254740992,"é":1.5}'.encode())
    assert READER.flaws == {"DUPLICATE_KEY", "KEY_NOT_ASCII", "NUMBER_RANGE", "FLOAT"}
    assert READER.read(b"[1.5,9007199254740992,7]") == [0, 0, 7]
    assert (READER.read(b"{"), READER.flaws) == (None, {"NOT_JSON"})
    assert (READER.read(arrays(100_000)), READER.flaws) == (None, {"TOO_DEEP"})


def test_text_is_utf8_without_a_mark() -> None:
    """A byte order mark is refused at the beginning, and is a character elsewhere."""
    assert [is_utf8(data) for data in (b"", b"a", "é\ufeff".encode(), "\ufeffa".encode(), b"\xe9")] == [
        *(True, True, True, False, False)
    ]


def test_depth() -> None:
    """A leaf has none; the deepest branch counts, wherever it stands."""
    values: list[Json] = [1, "[]", None, [], {}, [1], [[], [[]]], {"a": 1, "b": {"c": []}}]
    assert [phoenix_verify.depth(value) for value in values] == [0, 0, 0, 1, 1, 1, 3, 3]


@given(st.binary(max_size=60) | st.text('[]{}":,.\\u0dea1e-ntf \n', max_size=40).map(str.encode))
def test_both_readers_agree_on_noise(data: bytes) -> None:
    """The core's reader and this one share no line, and call the same bytes canonical."""
    assert is_canonical(data) == is_successful(canonical.decode(data))
