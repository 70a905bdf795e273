"""The seventh walk's longer ways: `python -m tests.chaos.model.ways FIRST..LAST` draws so many, of both sides."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from tests.chaos.model.hands import Here, beginning, drawn


def beginnings() -> list[Here]:
    """Where a drawn way may begin: with groups that hold and without, whole and in part, bought and sold."""
    either = (False, True)
    return [beginning(groups=g, part=p, sign=s) for g, p, s in product(either, either, (1, -1))]


def broken(seeds: Iterable[int]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """The seeds whose way breaks a promise, or the desk itself, with the promise and the way."""
    begins = beginnings()
    for seed in seeds:
        try:
            promise, told = drawn(seed, begins)
        except AssertionError as error:
            promise, told = "the desk broke: " + str(error).partition("\n")[0], ()
        if promise:
            yield seed, promise, told


def main(arguments: Sequence[str]) -> int:
    """Draw these, name those that break a promise; 0 if none does."""
    first, last = map(int, arguments[0].split(".."))
    found = list(broken(range(first, last + 1)))
    for seed, promise, told in found:
        _ = sys.stdout.write(f"way {seed}: {promise}: {' > '.join(told)}\n")
    _ = sys.stdout.write(f"{last - first + 1} ways, {len(found)} broken\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
