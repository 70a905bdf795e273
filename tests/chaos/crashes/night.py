"""Pairs of crashes by night: `python -m tests.chaos.crashes.night SCENARIO BEGIN COUNT`.

It plays so many first deaths of one scenario, each with every death in the recovery from it, and says how many first
deaths there are.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.chaos.crashes.desks import DESKS
from tests.chaos.crashes.dying import pairs_of_deaths
from tests.chaos.crashes.entries import ENTRIES
from tests.chaos.crashes.lives import LIVES
from tests.showing import REPOSITORY

SCENARIOS: Final = (*ENTRIES, *LIVES, *DESKS)
PAIRED: Final = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.__name__
    in {
        "approved_and_filled",
        "silent_and_filled",
        "partly_filled",
        "link_lost_in_flight",
        "approved_then_killed",
        "stopped_out",
        "closed_by_hand",
        "closed_while_filling",
        "protection_lost",
        "overfilled",
        "adopted",
        "drift_found",
        "restarted_in_flight",
        "intent_by_file",
    }
)


def played_on() -> str:
    """What a pair depends on: what was played on other sources says nothing about these."""
    digest = hashlib.sha256()
    for folder in (REPOSITORY / "src/phoenix_core", REPOSITORY / "src/phoenix_adapters", Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """One portion; 0 if every desk came back."""
    name, begin, count = arguments
    (scenario,) = (one for one in PAIRED if one.__name__ == name)
    told = pairs_of_deaths(scenario, slice(int(begin), int(begin) + int(count)), 1)
    end = min(int(begin) + int(count), told.firsts)
    _ = sys.stdout.write(f"{name} {begin}..{end} of {told.firsts}: {told.pictures} pairs\n")
    _ = sys.stdout.write("".join(f"NOT SO: {said}\n" for said in told.complaints))
    return 1 if told.complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
