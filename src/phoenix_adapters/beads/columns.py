"""What the columns of the SQLite log hold, read with suspicion."""

from __future__ import annotations

from typing import TypeVar

from phoenix_core.chain import Fault, StoreFault
from phoenix_core.tree import Frontier

T = TypeVar("T")


def key_bytes(bead_id: str) -> bytes:
    """The sixteen bytes of a uuid."""
    return bytes.fromhex(bead_id.replace("-", ""))


def exactly(cls: type[T], value: object) -> T:
    """A column holds whatever somebody wrote into it by hand; only what belongs there is used."""
    if type(value) is not cls:
        raise StoreFault(Fault.CORRUPT, f"a column holds a {type(value).__name__} where a {cls.__name__} belongs")
    return value


def frontier_of(size: object, peaks: object) -> Frontier:
    """The frontier that two columns hold."""
    try:
        return Frontier.of_bytes(exactly(int, size), exactly(bytes, peaks))
    except ValueError as error:
        raise StoreFault(Fault.CORRUPT, str(error)) from error
