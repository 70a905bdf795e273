"""The page of the field's failures: `python -m tests.failures` writes docs/failures.md from docs/spec/failures.toml."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Final

from attrs import frozen

from tests.showing import REPOSITORY

SOURCE: Final = REPOSITORY / "docs" / "spec" / "failures.toml"
PAGE: Final = REPOSITORY / "docs" / "failures.md"
FAILURE: Final = re.compile(r"[FL][0-9]+")

HEAD: Final = """\
# What went wrong elsewhere, and what happens here

Users of other projects told these stories in public; they are their authors' own, and none was reproduced by us. Two
causes cut across most of them: **silence or an error read as an end**, and **identity by an id that is used again**.
For each: what happened there, what Phoenix does about it, and the tests that show it. Every test that is named here
exists and says so of itself; `docs/traceability.md` names all the others.

Written by `python -m tests.failures` from `docs/spec/failures.toml`.
"""
# Which numbers stand under which heading; the hazards have a page's end of their own.
CHAPTERS: Final = (
    ("Lost, unknown or wrongly ended orders", range(1, 20)),
    ("Duplicates", range(20, 32)),
    ("Fills and quantities", range(32, 41)),
    ("Connection, restart, stale data", range(41, 52)),
    ("Account confusion", range(52, 56)),
    ("Time", range(56, 60)),
    ("Storage", range(60, 68)),
    ("Limits, notifier, kill", range(68, 76)),
    ("Signs, rounding, sentinels, the reconciler", range(76, 83)),
    ("Tests that stay green", range(83, 100)),
)
HAZARDS: Final = """\
## Hazards of the client library

What `ib_insync` 0.9.86 and, unless said otherwise, `ib_async` 2.x do beneath the adapter. The library is good; these
are the places where a desk must not lean on it.
"""


@frozen
class Failure:
    """One story: where it was seen, what happened, what Phoenix does, and which tests show it."""

    id: str
    seen: tuple[str, ...]
    happened: str
    phoenix: str
    tests: tuple[str, ...]


@cache
def failures() -> tuple[Failure, ...]:
    """Every story, in the order of the file."""
    told: dict[str, dict[str, str | list[str]]] = tomllib.loads(SOURCE.read_text("utf-8"))
    return tuple(
        Failure(
            id=id,
            seen=tuple(row["seen"]),
            happened=str(row["happened"]),
            phoenix=str(row["phoenix"]),
            tests=tuple(f"tests/{test}" for test in row["tests"]),
        )
        for id, row in told.items()
    )


def address(seen: str) -> str:
    """Where a story can be read: GitHub leads an issue's number to the pull request, where it is one."""
    if seen.startswith("https://"):
        return seen
    if seen == "SEC 34-70694":
        return "https://www.sec.gov/litigation/admin/2013/34-70694.pdf"
    repository, _, number = seen.partition("#")
    return f"https://github.com/{repository}" + (f"/issues/{number}" if number else "")


def page() -> str:
    """The whole page."""
    by_number = {(failure.id[0], int(failure.id[1:])): failure for failure in failures()}
    parts = [HEAD]
    for title, numbers in CHAPTERS:
        rows = [by_number["F", number] for number in numbers if ("F", number) in by_number]
        parts.append(f"## {title}\n\n{table(rows)}")
    hazards = [failure for (kind, _), failure in by_number.items() if kind == "L"]
    parts.append(f"{HAZARDS}\n{table(hazards)}")
    return "\n".join(parts)


def table(rows: list[Failure]) -> str:
    """The rows of one chapter."""
    lines = ["| | seen in | what happened there | what happens here | shown by |", "|---|---|---|---|---|"]
    lines += [f"| {row.id} | {_links(row)} | {row.happened} | {row.phoenix} | {_tests(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _links(row: Failure) -> str:
    return "<br>".join(f"[{_name(seen)}]({address(seen)})" for seen in row.seen)


def _name(seen: str) -> str:
    return seen.removeprefix("https://gitlab.com/").replace("/-/merge_requests/", "!")


def _tests(row: Failure) -> str:
    if not row.tests:
        return "**not yet**"
    return "<br>".join(f"`{test.rpartition('::')[2]}` ({test.partition('::')[0]})" for test in row.tests)


def main() -> None:
    """Write the page anew."""
    _ = PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
