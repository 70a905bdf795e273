"""`sim`: the deterministic simulation, seed by seed."""

from __future__ import annotations

import asyncio
import json
import re

import click

from phoenix_cli.output import BUG, wants_json

_SEEDS = re.compile(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")


@click.command("sim")
@click.option("--seeds", default="1..20", help="One seed, or a range such as 1..200.")
@click.option("--ticks", default=300, help="Steps of the storm.")
@click.option("--plant", default=None, help="A planted bug; only the tests know any.")
@click.pass_context
def sim_command(ctx: click.Context, seeds: str, ticks: int, plant: str | None) -> None:
    """Play seeds; each prints its steps, faults and last bead's hash. The same seed prints the same.

    Example: phoenix sim --seeds 1..20 --ticks 300
    """
    from phoenix_cli.wiring.sim import replays_as, run_seed
    from phoenix_core.values import BadInput

    match = _SEEDS.fullmatch(seeds)
    if match is None:
        raise BadInput("--seeds", seeds, "write one seed, or a range such as 1..200")
    if plant is not None:
        raise BadInput("--plant", plant, "bugs are planted by the tests, never by an installed Phoenix")
    first, last = int(match[1]), int(match[2] or match[1])
    broken = 0
    for seed in range(first, last + 1):
        outcome = asyncio.run(run_seed(seed, ticks))
        violation = outcome.violation
        document = {
            "seed": seed,
            "steps": outcome.steps,
            "beads": outcome.beads,
            "approvals": outcome.approvals,
            "fills": outcome.fills,
            "faults": list(outcome.faults),
            "hash": outcome.trace,
            "ok": violation is None,
        }
        if violation is not None:
            broken += 1
            document |= {"invariant": violation.invariant, "step": violation.step, "said": violation.said}
        if wants_json(ctx):
            click.echo(json.dumps(document))
            continue
        verdict = "ok" if violation is None else f"{violation.invariant} at step {violation.step}: {violation.said}"
        click.echo(f"seed {seed}: {outcome.steps} steps, {outcome.beads} beads, {outcome.trace[:16]}  {verdict}")
        if violation is not None:
            click.echo(f"  again: {replays_as(seed, ticks)}", err=True)
    if broken:
        ctx.exit(BUG)
