"""`beads gates|quality`: what the log proves of a desk, each answer with the beads that it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit

if TYPE_CHECKING:
    from phoenix_cli.quality import Quality


@click.command("gates")
@click.pass_context
def beads_gates(ctx: click.Context) -> None:
    """The gates of the paper phase by query of the log: green or not, and the beads that show it. Exit 1 while one is
    not.

    Example: phoenix beads gates
    """
    from phoenix_cli.commands.runbooks import pages
    from phoenix_cli.proofs import paper_gates
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.kernel import bead_of

    with opened(home_of(ctx)) as session:
        proofs = paper_gates([bead_of(record) for record in session.store.read(0)], len(pages()))
    rows = [
        {"gate": p.gate, "name": p.name, "green": p.green, "detail": p.detail, "beads": list(p.beads)} for p in proofs
    ]
    words = [f"{'green' if p.green else 'RED  '} {p.gate} {p.name:<23} {p.detail}" for p in proofs]
    emit(ctx, {"green": all(p.green for p in proofs), "gates": rows}, "\n".join(words))
    if not all(p.green for p in proofs):
        ctx.exit(1)


@click.command("quality")
@click.option("--since", default="10d", help="Over how long: 24h, 10d.")
@click.pass_context
def beads_quality(ctx: click.Context, since: str) -> None:
    """The operating figures that going live asks for: uptime, latency, drift, precision and recall of alerts. Exit 1
    while one misses its mark.

    Example: phoenix beads quality --since 10d
    """
    from phoenix_cli.quality import quality
    from phoenix_cli.spans import span_of
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.kernel import bead_of

    span = span_of(since)
    with opened(home_of(ctx)) as session:
        now = session.clock.now().wall
        found = quality([bead_of(record) for record in session.store.read(0)], now - span, now)
    emit(ctx, found.document() | {"since": since}, words_of(found))
    if not found.met:
        ctx.exit(1)


def words_of(found: Quality) -> str:
    """One line for each figure, with its mark."""
    return "\n".join(f"{'met ' if m.met else 'MISS'} {m.name:<18} {m.shown:<12} mark {m.mark}" for m in found.marks)
