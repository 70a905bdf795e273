"""`phoenix demo`: the whole round trip in a throw-away home, on a virtual clock, told as a timeline."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from phoenix_cli.output import INTEGRITY, emit, fail


@click.command("demo")
@click.option("--broker", type=click.Choice(["mock", "gateway"]), default="mock", help="Which broker plays along.")
@click.option("--seed", type=int, default=7, help="What the broker's dice fall like.")
@click.pass_context
def demo_command(ctx: click.Context, broker: str, seed: int) -> None:
    """Walk one intent from signal to autopsy and verify the log.

    Example: phoenix demo --broker mock --seed 7
    """
    import asyncio

    from phoenix_cli.wiring.round_trip import round_trip

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="phoenix-demo-") as folder:
        tale = asyncio.run(round_trip(Path(folder), broker, seed))
    took = round(time.monotonic() - began, 2)
    ok = tale.verified and all(position["state"] == "CLOSED" for position in tale.positions) and bool(tale.positions)
    document = {
        "ok": ok,
        "positions": list(tale.positions),
        "beads": tale.beads,
        "verified": tale.verified,
        "duration_s": took,
    }
    words = "\n".join((*tale.lines, "", f"{tale.beads} beads, verified: {tale.verified}, {took} s"))
    emit(ctx, document, words)
    if not ok:
        fail(ctx, INTEGRITY, "the round trip did not come to its end")
