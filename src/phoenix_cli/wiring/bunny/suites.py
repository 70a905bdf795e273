"""The suites in their wave order, and the reports that are written of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from attrs import frozen

from phoenix_cli.wiring.bunny import (
    s32_broker,
    s32_gateway,
    s32_life,
    s32_tokens,
    s33_gateway,
    s33_guards,
    s33_health,
    s33_messenger,
    s33_people,
)
from phoenix_cli.wiring.bunny.witness import Vector, Verdict, run


@frozen
class Suite:
    """One build map's vectors, and where its report goes."""

    name: str
    title: str
    report: str
    vectors: tuple[Vector, ...]


S32: Final = Suite(
    "s32",
    "S32, the execution path",
    "BUNNY_REPORT_S32.md",
    (*s32_tokens.VECTORS, *s32_gateway.VECTORS, *s32_broker.VECTORS, *s32_life.VECTORS),
)
S33: Final = Suite(
    "s33",
    "S33, the first live pair, phase 1",
    "BUNNY_REPORT_S33_P1.md",
    (*s33_gateway.VECTORS, *s33_health.VECTORS, *s33_messenger.VECTORS, *s33_people.VECTORS, *s33_guards.VECTORS),
)
SUITES: Final = {"s32": (S32,), "s33": (S33,), "all": (S32, S33)}
ALL: Final = {vector.id: vector for vector in (*S32.vectors, *S33.vectors)}


def run_all(vectors: Iterable[Vector], seed: int, told: Callable[[Verdict], None] = lambda v: None) -> list[Verdict]:
    """Run vectors one after the other, each on its own desk and its own event loop."""
    verdicts: list[Verdict] = []
    for vector in vectors:
        verdicts.append(asyncio.run(run(vector, seed)))
        told(verdicts[-1])
    return verdicts


def document(verdict: Verdict) -> dict[str, object]:
    """A verdict as JSON."""
    return {
        "id": verdict.id,
        "wave": verdict.wave,
        "verdict": "pass" if verdict.passed else "not run" if verdict.not_run else "fail",
        "over": verdict.over,
        "seed": verdict.seed,
        "duration_ms": verdict.duration_ms,
        "beads": [list(beads) for beads in verdict.evidence],
        "log": verdict.log,
        "claims": [{"says": c.says, "holds": c.holds, "beads": list(c.beads), "log": c.log} for c in verdict.claims],
        "failures": list(verdict.failures),
    }


def report(suite: Suite, verdicts: list[Verdict], when: str, version: str) -> str:
    """The report of a suite: a table of verdicts, then every claim with its beads."""
    green = sum(v.passed for v in verdicts)
    took = sum(v.duration_ms for v in verdicts) / 1000
    seeds = ", ".join(sorted({str(v.seed) for v in verdicts}))
    lines = [
        f"# Bunny report: {suite.title}",
        "",
        f"{green} of {len(verdicts)} vectors green{not_run(verdicts)}.",
        f"Seed {seeds}, {took:.1f} s, Phoenix {version}, {when}.",
        "Each vector walks a production desk (engine, kernel, SQLite log) and says what it stands before; numbers are",
        "places in the vector's own log, or, where it walks two desks, in the log that is named.",
        f"Again: `phoenix bunny --suite {suite.name} --seed {seeds}`.",
        "",
        "| wave | vector | verdict | ms | log |",
        "|--:|---|---|--:|---|",
    ]
    for v in verdicts:
        word = "PASS" if v.passed else "not run" if v.not_run else "**FAIL**"
        lines.append(f"| {v.wave} | {v.id} | {word} | {v.duration_ms} | {v.log} |")
    for v in verdicts:
        lines += ["", f"## {v.id}", "", f"{v.says} Before: {v.over}.", ""]
        if v.not_run:
            lines.append(f"- **NOT RUN:** {v.not_run}")
        for claim in v.claims:
            log = f"log {claim.log}: " if claim.log > 1 else ""
            beads = f" [{log}{spans(claim.beads)}]" if claim.beads else ""
            lines.append(f"- {'' if claim.holds else '**NOT SO:** '}{claim.says}{beads}")
        if v.trouble:
            lines.append(f"- **BROKE:** {v.trouble}")
    return "\n".join(lines) + "\n"


def not_run(verdicts: list[Verdict]) -> str:
    """What was not walked, and what it would take; nothing where all was."""
    absent = [v.not_run for v in verdicts if v.not_run]
    return f", {len(absent)} not run ({', '.join(dict.fromkeys(absent))})" if absent else ""


def spans(beads: tuple[int, ...]) -> str:
    """Bead numbers for a reader: rows of neighbours as one span."""
    rows: list[list[int]] = []
    for seq in beads:
        if rows and seq == rows[-1][-1] + 1:
            rows[-1].append(seq)
        else:
            rows.append([seq])
    return ", ".join(str(row[0]) if len(row) == 1 else f"{row[0]}-{row[-1]}" for row in rows)
