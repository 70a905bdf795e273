"""Draws what documents show of the code and of bench/results.json: `python -m tests.drawing_house` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from phoenix_core.desk import OWNERS, SLICES
from tests.laws import READING_ORDER
from tests.showing import REPOSITORY

DOCS: Final = REPOSITORY / "docs"


def rooms() -> str:
    """The reading order of the core: each room may import what stands before it."""
    return (
        "```\n"
        + " -> ".join(READING_ORDER).replace(" -> gate", "\n  -> gate").replace(" -> desk", "\n  -> desk")
        + "\n```\n"
    )


def owners() -> str:
    """Which slice of the desk folds which kinds of bead."""
    lines = ["| slice | stands in | folds |", "|---|---|---|"]
    for name, cls in SLICES.items():
        kinds = ", ".join(kind.value for kind, owner in OWNERS.items() if owner == name)
        lines.append(f"| {name} | `{cls.__module__}` | {kinds} |")
    return "\n".join(lines) + "\n"


VERDICTS: Final = {"MET": "met", "NOT_MET": "**not met**", "NOT_MEASURED": "not measured here", "SHOWN": "shown"}


def figures() -> str:
    """The rows of the last run of `python -m bench`, and what it noted of them."""
    kept = json.loads((REPOSITORY / "bench" / "results.json").read_text("utf-8"))
    lines = ["| what | gate | median | runs | |", "|---|--:|--:|---|---|"]
    for row in kept["rows"]:
        runs = ", ".join(f"{run:.2f}" for run in row["runs"])
        gate = "" if row["gate"] is None else f"{'<=' if row['at_most'] else '>='} {row['gate']:g}"
        lines.append(f"| {row['row']} | {gate} | {row['ratio']:.2f} | {runs} | {VERDICTS[row['verdict']]} |")
    noise = f"the p95 of a pure loop is {kept['noise_p95_over_p50']:.2f} times its p50"
    lines += ["", f"Python {kept['python']}, {kept['machine']}; {kept['rounds']} samples a run. Noise: {noise}.", ""]
    lines += [f"- {row['row']}: {row['note']}." for row in kept["rows"] if row["note"]]
    return "\n".join(lines) + "\n"


PARTS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "architecture.md": {"rooms": rooms, "owners": owners},
    "performance.md": {"figures": figures},
}


def drawn(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The page with every part between its two marks."""
    for name, draw in parts.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->\n"
        before, _, rest = page.partition(begin)
        _, mark, after = rest.partition(end)
        assert mark, f"the page has lost {begin.strip()} or {end.strip()}"
        page = before + begin + draw() + mark + after
    return page


def main() -> None:
    """Write the pages anew."""
    for name, parts in PARTS.items():
        page = DOCS / name
        _ = page.write_text(drawn(page.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    main()
