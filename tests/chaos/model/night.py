"""The model by night: `python -m tests.chaos.model.night SECONDS [FILE]` goes on with the walk that a file keeps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.chaos.model.compared import BYSTANDERS, compare
from tests.chaos.model.explore import for_seconds, report, resumed
from tests.showing import REPOSITORY

KEPT: Final = REPOSITORY / ".night" / "model.walk"
WORLDS: Final = 10_000_000
BITS: Final = 24  # sixteen million places


def main(arguments: Sequence[str]) -> int:
    """Walk for so long, keep the walk, ask the production desk what it was not asked before; 0 if all is well."""
    seconds, *more = arguments
    path = Path(more[0]) if more else KEPT
    walk = resumed(path, BITS)
    walk.walk(WORLDS, for_seconds(float(seconds)))
    _ = sys.stdout.write(report(walk) + "\n")
    sys.stdout.flush()
    said: list[str] = []
    if not walk.broken:
        walk.keep(path)  # a night that is cut short while it compares goes on from here, and compares then
    if walk.broken:
        said.append(f"BROKEN: {walk.broken}; its last step: {walk.story[-1]}")
    elif walk.compared < len(walk.asked):
        for bystander in BYSTANDERS:
            found = compare(walk.asked, bystander)
            said += [f"DIFFERS: {difference}" for difference in found.differ]
        walk.compared = len(walk.asked)
        said.append(f"compared {walk.compared} questions beside each of {len(BYSTANDERS)} bystanders")
    well = not any(line.startswith(("BROKEN", "DIFFERS")) for line in said)
    if well:
        walk.keep(path)  # with what was compared; what differs is compared again by the next night, and told again
    _ = sys.stdout.write("\n".join(said) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
