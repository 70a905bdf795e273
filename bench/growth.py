"""What a desk costs as its past grows: `python -m bench.growth [POSITIONS]`, by default 20,000 ended positions.

One real trade again and again. At each mark: what one more bead costs to fold, what is in memory, and what a snapshot
takes to write and to read back. Not a ratio and not in the table of gates: what is asked is whether it stays flat.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Final

from bench.days import day_of, one_day
from phoenix_core.beads import Bead
from phoenix_core.desk import Desk, evolve, freeze, thaw
from phoenix_core.kernel import bead_of

MARKS: Final = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
LATELY: Final = 36_000  # beads over which the fold is averaged: the last thousand positions


def main(arguments: list[str]) -> int:
    """Grow one desk, and print a line at each mark."""
    most = int(arguments[0]) if arguments else 20_000
    begun, traded = one_day()
    wanted = {len(begun) + count * len(traded): count for count in MARKS if count <= most}
    desk, took, kept = Desk(), [0.0] * LATELY, dict[int, Bead]()
    print(f"{'positions':>10} {'beads':>10} {'fold us':>8} {'write s':>8} {'read s':>8} {'MB':>7} {'peak MB':>8}")
    for seq, sealed in enumerate(day_of(max(wanted))):
        bead = bead_of(sealed)
        began = time.thread_time()
        _ = evolve(desk, bead)
        took[seq % LATELY] = time.thread_time() - began
        kept = {s: b for s, b in (*kept.items(), (seq, bead)) if any(key[0] == s for key in desk.owed)}
        if seq + 1 in wanted:
            _tell(wanted[seq + 1], seq + 1, desk, sum(took) / min(seq + 1, LATELY), kept)
    return 0


def _tell(count: int, beads: int, desk: Desk, fold: float, kept: dict[int, Bead]) -> None:
    began = time.thread_time()
    data = freeze(desk)
    written = time.thread_time()
    assert thaw(data, kept.__getitem__).head == desk.head
    read = time.thread_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = f"{fold * 1e6:>8.1f} {written - began:>8.2f} {read - written:>8.2f}"
    print(f"{count:>10,} {beads:>10,} {times} {len(data) / 1e6:>7.1f} {peak:>8.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
