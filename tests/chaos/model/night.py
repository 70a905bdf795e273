"""The model by night: `python -m tests.chaos.model.night SECONDS [FILE]` goes on with the walks that files keep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.chaos.model.compared import BYSTANDERS, compare
from tests.chaos.model.explore import (
    OPENINGS,
    OPENINGS_AGAIN,
    OPENINGS_BY_LOTS,
    OPENINGS_LEAVING,
    OPENINGS_NIGHTS,
    OPENINGS_PARTING,
    Opening,
    for_seconds,
    report,
    resumed,
)
from tests.chaos.model.played import SIGN
from tests.showing import REPOSITORY

KEPT: Final = REPOSITORY / ".night" / "model.walk"
WORLDS: Final = 10_000_000
BITS: Final = 24  # sixteen million places
WALKS: Final = {
    "": OPENINGS,
    "-by-lots": OPENINGS_BY_LOTS,
    "-again": OPENINGS_AGAIN,
    "-leaving": OPENINGS_LEAVING,
    "-parting": OPENINGS_PARTING,
    "-nights": OPENINGS_NIGHTS,
}


def main(arguments: Sequence[str]) -> int:
    """Walk all for so long together, keep them, ask the production desk what it was not asked before; 0 if all is
    well."""
    seconds, *more = arguments
    path = Path(more[0]) if more else KEPT
    share = float(seconds) / len(WALKS)
    went_well = [
        _goes_on(path.with_stem(path.stem + name), openings, share) for name, openings in WALKS.items()
    ]  # fmt: skip
    return 0 if all(went_well) else 1


def _goes_on(path: Path, openings: tuple[Opening, ...], seconds: float) -> bool:
    walk = resumed(path, BITS, openings)
    walk.walk(WORLDS, for_seconds(seconds))
    _ = sys.stdout.write(report(walk) + "\n")
    sys.stdout.flush()
    said: list[str] = []
    if not walk.broken:
        walk.keep(path)  # a night that is cut short while it compares goes on from here, and compares then
    if walk.broken:
        said.append(f"BROKEN: {walk.broken}; its last step: {walk.story[-1]}")
    elif walk.compared.get(SIGN, 0) < len(walk.asked):
        for bystander in BYSTANDERS:
            found = compare(walk.asked, bystander)
            said += [f"DIFFERS: {difference}" for difference in found.differ]
        walk.compared[SIGN] = len(walk.asked)
        said.append(f"compared {len(walk.asked)} questions beside each of {len(BYSTANDERS)} bystanders")
    well = not any(line.startswith(("BROKEN", "DIFFERS")) for line in said)
    if well:
        walk.keep(path)  # with what was compared; what differs is compared again by the next night, and told again
    _ = sys.stdout.write("\n".join(said) + "\n")
    return well


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
