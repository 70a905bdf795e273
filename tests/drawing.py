"""Draws the state diagram of the README from the table of transitions: `python -m tests.drawing` writes it anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from phoenix_core.trade.transitions import TRANSITIONS
from tests.showing import REPOSITORY

README: Final = REPOSITORY / "README.md"
BEGIN: Final = "<!-- transitions:begin -->\n"
END: Final = "<!-- transitions:end -->\n"
S = TypeVar("S")  # a state
E = TypeVar("E")  # an event


def diagram(table: Mapping[tuple[S, E], S]) -> str:
    """The table as a Mermaid state diagram: births, moves in the order of the table, ends."""
    moves: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, event), following in table.items():
        moves[str(state), str(following)].append(str(event))
    left = list(dict.fromkeys(state for state, _ in moves))
    ends = dict.fromkeys(following for _, following in moves if following not in left)
    lines = ["stateDiagram-v2", f"    [*] --> {left[0]}"]
    lines += [f"    {state} --> {following}: {', '.join(events)}" for (state, following), events in moves.items()]
    lines += [f"    {end} --> [*]" for end in ends]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def drawn(readme: str, picture: str) -> str:
    """The README with this diagram between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, mark, after = rest.partition(END)
    assert mark, f"README.md has lost {BEGIN.strip()} or {END.strip()}"
    return before + BEGIN + picture + mark + after


def main(readme: Path = README) -> None:
    """Write the README anew."""
    readme.write_text(drawn(readme.read_text("utf-8"), diagram(TRANSITIONS)), "utf-8")


if __name__ == "__main__":
    main()
