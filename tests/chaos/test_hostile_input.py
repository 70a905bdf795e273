"""Every parser on bytes that somebody spoiled: it says no in its own words, at once, in little memory, or it believes.

By default a few hundred spoilt inputs each; `python -m tests.chaos.test_hostile_input NAME SECONDS` goes on for longer,
from where chance takes it, and is one of the boxes of the night.
"""

from __future__ import annotations

import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from phoenix_adapters.brokers.ibkr.times import hours
from tests.chaos.parsers import PARSERS, Parser
from tests.showing import shows

EXAMPLES: Final = 150
ROUND: Final = 500
# Far above what any of them takes on a slow machine: what needs longer grows with its input faster than it may.
SECONDS_MAX: Final = 10
# A parser may hold its input a few times over, and what it made of it.
MEMORY_MAX: Final = 48 * 2**20
MEMORY_EVERY: Final = 25

TOKENS: Final = (
    *(
        b"",
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"-",
        b"=",
        b"#",
        b"---",
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e308",
        b"1e-30",
        b"1.7976931348623157E308",
        b"2147483647",
        b"0x1",
    ),
    *(b"9" * 25, b"1_000", b"0.1", b"9007199254740993", b"-1", b"&a", b"*a", b"!!python/object:os.system", b"<<: *a"),
    *("١٢".encode(), "\u202e".encode(), "\u200b".encode(), "é".encode(), "e\u0301".encode(), b"\xed\xa0\x80", b"\xff"),
    *(b"../../etc/passwd", b"[" * 300, b"{" * 300, b'{"a":' * 300, b"A" * 5_000, b"1" * 5_000, b"- - - - "),
    *(
        b'"v":1',
        b'"seq":0',
        b"-----BEGIN SSH SIGNATURE-----",
        b"SSHSIG",
        b"\xe2\x80\x94 x ",
        b"%s%n",
        b"=cmd|' /C calc'!A0",
    ),
)


# What longer runs found once.
FOUND: Final = {
    "gateway-says": (b"49\x001\x001791795028410\x00", b"49\x001\x00179502841795028410\x00"),
    "telegram": (b"[" * 40_000,),
    "gateway-script": (b"[" * 40_000, b'{"at": 1e300, "do": "restart"}'),
    "times": (b"20261118 14:00:00 " + b"US/" * 2_000, b"30263118:0930-20261118:1600", b"99999999999"),
}


@st.composite
def spoilt(draw: st.DrawFn, honest: tuple[bytes, ...]) -> bytes:
    """An honest input after up to six spoilings: cut, doubled, swapped, overwritten, spliced with another one."""
    data = draw(st.sampled_from(honest) | st.just(b""))
    for _ in range(draw(st.integers(0, 6))):
        at, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        match draw(st.sampled_from(("flip", "cut", "double", "token", "splice", "bytes", "many"))):
            case "flip" if data:
                bit = draw(st.integers(0, 7))
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[end:]
            case "double":
                data = data[:end] + data[at:]
            case "token":
                data = data[:at] + draw(st.sampled_from(TOKENS)) + data[draw(st.sampled_from((at, end))) :]
            case "splice":
                other = draw(st.sampled_from(honest))
                data = data[:at] + other[draw(st.integers(0, len(other))) :]
            case "bytes":
                data = data[:at] + draw(st.binary(max_size=8)) + data[end:]
            case "many":
                data = data[:at] + data[at : min(end, at + 40)] * draw(st.sampled_from((2, 30, 500))) + data[end:]
    return data


@contextmanager
def at_once() -> Iterator[None]:
    """A parser that has not answered by now never will."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {SECONDS_MAX} s")

    before = signal.signal(signal.SIGALRM, ring)
    _ = signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
    try:
        yield
    finally:
        _ = signal.setitimer(signal.ITIMER_REAL, 0)
        _ = signal.signal(signal.SIGALRM, before)


def read(parser: Parser, data: bytes, weigh: bool = False) -> None:
    """Read it twice: the same bytes have the same fate, and none of it is an exception that is not the parser's own."""
    if weigh:
        tracemalloc.start()
    try:
        fates = []
        for _ in range(2):
            with at_once():
                try:
                    _ = parser.reads(data)
                    fates.append("read")
                except parser.says_no as no:
                    fates.append(str(no))
        assert fates[0] == fates[1], "the same bytes, another fate"
        if weigh:
            _, peak = tracemalloc.get_traced_memory()
            assert peak < MEMORY_MAX, f"{len(data)} bytes took {peak}"
    finally:
        if weigh:
            tracemalloc.stop()


def spoiling(parser: Parser, examples: int, begin: int | None = None) -> Callable[[], None]:
    """So many spoilt inputs, from a seed where one is given."""
    count = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(spoilt(parser.honest()))
    def spoil(data: bytes) -> None:
        nonlocal count
        count += 1
        read(parser, data, weigh=count % MEMORY_EVERY == 0)

    return spoil if begin is None else seed(begin)(spoil)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
@shows("I20")
def test_nothing_escapes(parser: Parser) -> None:
    """No exception but the parser's own, no hang, no flood of memory; and honest input is read."""
    for data in (*parser.honest(), *FOUND.get(parser.name, ())):
        read(parser, data, weigh=True)
    spoiling(parser, EXAMPLES)()


def rounds(parser: Parser) -> None:
    """One odd word may stay unsaid in one round, as chance falls; not in eight."""
    for begin in range(8):
        spoiling(parser, 1_000, begin)()


@shows("F83")
def test_the_fuzz_bites() -> None:
    """A parser that fails on one odd byte, one that hangs and one that swells are each caught."""
    bad = (
        lambda data: 1 / (b"NaN" not in data),
        lambda data: data.decode("utf-8"),
        lambda data: int(data or b"1"),
    )
    for reads in bad:
        with pytest.raises((ZeroDivisionError, ValueError)):
            rounds(Parser("bad", reads, lambda: (b'{"a": "1"}',)))
    with pytest.raises(AssertionError, match="took"):
        read(Parser("swells", lambda data: [0] * 2**24, lambda: ()), b"x", weigh=True)


@pytest.mark.parametrize(
    "written",
    ["30263118:0930-20261118:1600", "20261118:0930-20261145:1600", "00010101:1700-0930", "20261118:9930-1600"],
)
@shows("F56", "F57")
def test_a_day_that_cannot_be_is_none(written: str) -> None:
    """A contract's hours with a day that does not exist: that day is left out, and the card is still read."""
    good = "20261119:0930-20261119:1600"
    assert hours(f"{written};{good}", "US/Eastern") == hours(good, "US/Eastern") != ()


def main(name: str, seconds: float) -> None:
    """One parser, for so long, from fresh seeds; every round says how to play it again if it fails."""
    parser = next(one for one in PARSERS if one.name == name)
    until, rounds, begin = time.monotonic() + seconds, 0, time.time_ns() % 10**9
    while time.monotonic() < until:
        rounds += 1
        _ = sys.stderr.write(f"{name}: seed {begin + rounds}\n")
        spoiling(parser, ROUND, begin + rounds)()
    _ = sys.stdout.write(f"{name} {rounds * ROUND}\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
