"""`python -m bench`: measure every row three times, print one table, write bench/results.json."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from math import isnan
from pathlib import Path
from random import Random
from typing import Final

try:
    from bench.broker_rows import broker_beside
    from bench.core_rows import drift_check, fill_among, folded_state, transitions_beside
    from bench.desk_rows import scripted_approval, step_beside_channels
    from bench.engine_rows import decision_beside
    from bench.log_rows import append_beside, replay_beside, snapshot_and_tail
except ImportError as error:
    sys.exit(f"bench measures beside other libraries, and `{error.name}` is missing: pip install -e '.[test,bench]'")
from bench.order_path import token_to_hand_over
from bench.rows import Effort, Measured, Row, Verdict, median_run
from bench.timing import noise
from tests.drawing_house import main as draw_pages

RESULTS: Final = Path(__file__).with_name("results.json")


def shared(measure: Callable[[Effort], dict[str, Measured]], name: str) -> Callable[[Effort], Measured]:
    """One of several rows that are measured in the same race; the race is run once for all of them."""
    kept = _RACES.setdefault(measure, {})

    def one(effort: Effort) -> Measured:
        if name not in kept:
            kept.update(measure(effort))
        return kept.pop(name)

    return one


_RACES: Final[dict[object, dict[str, Measured]]] = {}

ROWS: Final = (
    Row("accepted approval to hand-over / raw SQLite FULL", 2.2, 1.4, True, shared(token_to_hand_over, "ratio")),
    Row("token to broker call, sizing and signature included, p99 ms", 15, 5, True, shared(token_to_hand_over, "p99")),
    Row("decision path without I/O / nautilus_trader's, to a stub", 1, 0.4, True, shared(decision_beside, "decision")),
    Row("the same, nothing rehearsed", None, None, True, shared(decision_beside, "unrehearsed")),
    Row("the same / its engines alone, orders made before", None, None, True, shared(decision_beside, "engines")),
    Row("our hand-over / ib_insync placeOrder", 1.0, 0.6, True, shared(broker_beside, "hand-over")),
    Row("place to fill, our adapter / ib_insync alone", 2, 1.3, True, shared(broker_beside, "fill")),
    Row("raw SQLite FULL row / durable append", 0.55, 0.8, False, shared(append_beside, "raw")),
    Row("eventsourcing save / append", 1.9, 3, False, shared(append_beside, "eventsourcing")),
    Row(
        "eventsourcing save / bare write and fdatasync", None, None, False, shared(append_beside, "bare, eventsourcing")
    ),
    Row("SQLAlchemy insert + commit / append", 3, 5, False, shared(append_beside, "sqlalchemy")),
    Row("SQLAlchemy / bare write and fdatasync", None, None, False, shared(append_beside, "bare, sqlalchemy")),
    Row("eventsourcing replay / verified replay", 1.2, 4, False, replay_beside),
    Row("snapshot + tail / full verified replay", 0.2, 0.05, True, snapshot_and_tail),
    Row("transitions / checked transition", 10, 30, False, shared(transitions_beside, "transitions")),
    Row("python-statemachine / checked transition", 100, 300, False, shared(transitions_beside, "python-statemachine")),
    Row("drift check, 100,000 / 1,000 positions / 100", 1.5, 1.0, True, drift_check),
    Row("a fill, many / 10 positions", 1.5, 1.1, True, fill_among),
    Row("folded state, MB per million beads", 80, 50, True, folded_state),
    Row("engine step, worst channel / healthy channel", 1.5, 1.1, True, step_beside_channels),
    Row("scripted approval, machine's part, ms", None, None, True, scripted_approval),
)


def table(results: list[tuple[Row, list[Measured]]]) -> str:
    """The one table, for people."""
    lines = ["| what | gate | median | runs | |", "|---|--:|--:|---|---|"]
    for row, runs in results:
        gate = "" if row.gate is None else f"{'<=' if row.at_most else '>='} {row.gate:g}"
        middle = median_run(runs)
        each = ", ".join(f"{run.ratio:.2f}" for run in runs)
        lines.append(f"| {row.name} | {gate} | {middle.ratio:.2f} | {each} | {row.verdict(middle.ratio).value} |")
    return "\n".join(lines)


def document(results: list[tuple[Row, list[Measured]]], effort: Effort, shaky: float) -> dict[str, object]:
    """The same for programs, with percentiles in microseconds."""
    rows = []
    for row, runs in results:
        middle = median_run(runs)
        parts = {
            name: {"p50_us": spread.p50 * 1e6, "p95_us": spread.p95 * 1e6, "p99_us": spread.p99 * 1e6}
            for name, spread in middle.parts.items()
        }
        rows.append(
            {
                "row": row.name,
                "gate": row.gate,
                "aim": row.aim,
                "at_most": row.at_most,
                "ratio": None if isnan(middle.ratio) else middle.ratio,
                "runs": [None if isnan(run.ratio) else run.ratio for run in runs],
                "verdict": row.verdict(middle.ratio).name,
                "parts": parts,
                "note": middle.note,
            }
        )
    return {
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
        "noise_p95_over_p50": shaky,
        "rounds": effort.rounds,
        "beads": effort.beads,
        "long": effort.long,
        "rows": rows,
    }


def main() -> int:
    """Measure, print, write; 0 if every gate is met."""
    words = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    _ = words.add_argument("--runs", type=int, default=3, help="runs of each row; the median counts")
    _ = words.add_argument("--rounds", type=int, default=40, help="samples of each competitor in a run")
    _ = words.add_argument("--beads", type=int, default=20_000, help="beads behind the desk that is weighed and filled")
    _ = words.add_argument("--long", type=int, default=200_000, help="beads of the log that is replayed")
    _ = words.add_argument("--only", default="", help="rows whose name holds this")
    _ = words.add_argument("--page", action="store_true", help="rewrite the figures in docs/performance.md too")
    _ = words.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    asked = words.parse_args()
    dice = Random()
    effort = Effort(asked.rounds, asked.beads, asked.long, dice)
    still = noise(60, dice)
    shaky = still.p95 / still.p50
    results: list[tuple[Row, list[Measured]]] = [(row, []) for row in ROWS if asked.only in row.name]
    for run in range(asked.runs):
        for row, runs in results:
            runs.append(row.measure(effort))
            sys.stderr.write(f"run {run + 1}: {row.name}: {runs[-1].ratio:.3f} {runs[-1].note}\n")
    print(table(results))
    print(f"\nnoise: p95 of a pure loop is {shaky:.2f} times its p50; {asked.rounds} rounds, {asked.beads} beads")
    _ = asked.out.write_text(json.dumps(document(results, effort, shaky), indent=1) + "\n")
    if asked.page:
        draw_pages()
    return 1 if any(row.verdict(median_run(runs).ratio) is Verdict.NOT_MET for row, runs in results) else 0


if __name__ == "__main__":
    sys.exit(main())
