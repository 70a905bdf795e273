"""How fields become bytes on a TWS socket, and back.

Every message, both ways, is a 32-bit big-endian length and that many bytes of NUL-terminated UTF-8 fields. The one
exception is the client's hello: a bare `API\\0`, then one frame `v157..176` that has no NUL at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from attrs import define, field

PREFIX: Final = b"API\0"
LENGTH_BYTES: Final = 4
# Nothing that either side says is near it, so a longer one is a stream out of step; TWS drops such a peer.
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024

INTEGER_DIGITS_MAX: Final = 20  # a 64-bit integer and its sign
DIGITS_MAX: Final = 38  # more than any figure has, and as many as whoever writes it down may keep
UNSET_DOUBLE: Final = "1.7976931348623157E308"
UNSET_INTEGER: Final = "2147483647"
# Where a quantity is decimal it may be that of another type: the vendor's own reader takes all of these for "unset".
UNSET: Final = frozenset({UNSET_DOUBLE, UNSET_INTEGER, "9223372036854775807", "-9223372036854775808"})
_UNSET_FROM: Final = Decimal("1.7E308")  # whatever rounding a peer gave its word for "unset"


class WireError(ValueError):
    """The peer said something that the layout does not allow."""


def text(value: object) -> str:
    """One field as TWS writes it: nothing for None, 1 or 0 for a truth, plain digits for a Decimal."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        assert value.is_finite(), f"{value} must not reach the wire"
        return "0" if not value else format(value.normalize(), "f")
    assert not isinstance(value, float), "numbers are Decimal until they are text"
    return str(value)


def number(written: str) -> Decimal | None:
    """A number as TWS writes it, or None where it says nothing: an empty field, or one of its words for 'unset'."""
    if not written or written in UNSET:
        return None
    try:
        value = Decimal(written)
    except ArithmeticError as error:
        raise WireError(f"{written[:40]!r} is not a number") from error
    if not value.is_finite():
        raise WireError(f"{written[:40]!r} is not a finite number")
    if not value:
        return Decimal(0)
    if value.copy_abs() > _UNSET_FROM:
        return None
    if abs(value.adjusted()) > DIGITS_MAX or len(format(value, "f").rstrip("0")) > DIGITS_MAX:
        raise WireError(f"{written[:40]!r} has more digits than any figure")
    return value


def whole(written: str) -> int | None:
    """An integer in ASCII digits, or None: other scripts' digits are no numbers to TWS."""
    digits = written.removeprefix("-")
    return int(written) if digits.isascii() and digits.isdigit() and len(digits) < INTEGER_DIGITS_MAX else None


def frame(fields: Iterable[str]) -> bytes:
    """One message as bytes."""
    body = "\0".join([*fields, ""]).encode()
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def fields_of(body: bytes) -> tuple[str, ...]:
    """The fields of one frame's body; the client's hello, which has no NUL at its end, is its one field."""
    parts = body.decode(errors="backslashreplace").split("\0")
    if parts[-1] == "":
        _ = parts.pop()
    return tuple(parts)


def unframed(data: bytes) -> tuple[str, ...]:
    """The fields of bytes that are one whole message and nothing else."""
    if int.from_bytes(data[:LENGTH_BYTES], "big") != len(data) - LENGTH_BYTES:
        raise WireError(f"{len(data)} bytes are not one whole message")
    return fields_of(data[LENGTH_BYTES:])


@define
class Unframer:
    """Collects bytes as they arrive and gives whole messages; `hello` expects the client's bare `API\\0` first."""

    hello: bool = False
    _bytes: bytearray = field(factory=bytearray)

    def feed(self, data: bytes) -> list[tuple[str, ...]]:
        """The messages that these bytes complete."""
        self._bytes += data
        messages: list[tuple[str, ...]] = []
        if self.hello:
            if len(self._bytes) < len(PREFIX):
                return messages
            if not self._bytes.startswith(PREFIX):
                raise WireError("the peer does not speak the TWS protocol")
            del self._bytes[: len(PREFIX)]
            self.hello = False
        start = 0
        while len(self._bytes) - start >= LENGTH_BYTES:
            length = int.from_bytes(self._bytes[start : start + LENGTH_BYTES], "big")
            if length > FRAME_BYTES_MAX:
                raise WireError(f"a frame of {length} bytes is longer than any message")
            end = start + LENGTH_BYTES + length
            if len(self._bytes) < end:
                break
            messages.append(fields_of(bytes(self._bytes[start + LENGTH_BYTES : end])))
            start = end
        del self._bytes[:start]
        return messages
