"""`sim`: the deterministic simulation, seed by seed."""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from typing import TYPE_CHECKING

import click

from phoenix_cli.output import BUG, tell, wants_json

if TYPE_CHECKING:
    from phoenix_cli.wiring.sim.play import Outcome, Story

_TICKS = re.compile(r"(?:[0-9]+(?:,[0-9]+)*)?")
# So many corners that nobody saw are named; of more there are only examples.
NAMED = 12
_SEEDS = re.compile(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")


@click.command("sim")
@click.option("--seeds", default="1..20", help="One seed, or a range such as 1..200.")
@click.option(
    "--ticks",
    type=click.IntRange(0, 1_000_000),
    default=300,
    help="Acts of the storm; each is followed by turns of the engine.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=0,
    help="End a storm sooner: when the seed will have so many checked steps in all.",
)
@click.option("--without", default="", help="Faults to leave out, with commas: a story that was shrunk names them.")
@click.option("--only", default="", help="Play only the acts at these ticks, with commas.")
@click.option("--shrink", is_flag=True, help="Look for the shortest story of each breach.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, help="How many seeds are played at once.")
@click.option("--scene", default="", help="Begin with a directed story, such as 'cut while APPROVED'.")
@click.option("--plant", default=None, help="A planted bug; only the tests know any.")
@click.pass_context
def sim_command(
    ctx: click.Context,
    seeds: str,
    ticks: int,
    steps: int,
    without: str,
    only: str,
    shrink: bool,
    jobs: int,
    scene: str,
    plant: str | None,
) -> None:
    """Play seeds; each prints its steps, faults and last bead's hash. The same seed prints the same.

    Example: phoenix sim --seeds 1..1000 --steps 300 --jobs 2
    """
    from phoenix_cli.wiring.sim.play import FAULTS, Story, played
    from phoenix_cli.wiring.sim.scenes import CORNER_SCENES, SCENES
    from phoenix_core.values import BadInput

    match = _SEEDS.fullmatch(seeds)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise BadInput("--seeds", seeds, "write one seed, or a range such as 1..200")
    if plant is not None:
        raise BadInput("--plant", plant, "bugs are planted by the tests, never by an installed Phoenix")
    if _TICKS.fullmatch(only) is None:
        raise BadInput("--only", only, "write ticks with commas, such as 3,17,40")
    if scene and scene not in SCENES:
        others = ", ".join(CORNER_SCENES)
        raise BadInput("--scene", scene, f"write 'cut while APPROVED', or another fault or state, or one of: {others}")
    left_out, kept = tuple(filter(None, without.split(","))), tuple(map(int, filter(None, only.split(","))))
    unknown = [name for name in left_out if name not in FAULTS]
    if unknown:
        raise BadInput("--without", unknown[0], f"write faults with commas: {', '.join(FAULTS)}")
    story = Story(ticks, steps, left_out, kept, scene)
    outcomes = []
    for outcome in played(range(int(match[1]), int(match[2] or match[1]) + 1), story, jobs):
        outcomes.append(outcome)
        _tell(outcome, story, wants_json(ctx), shrink)
    if len(outcomes) > 1 and not wants_json(ctx):
        _tell_all(outcomes)
    if any(outcome.violation is not None for outcome in outcomes):
        ctx.exit(BUG)


def _tell(outcome: Outcome, story: Story, as_json: bool, shrink: bool) -> None:
    """One seed's line; of a breach also how to play it again."""
    from phoenix_cli.wiring.sim.play import played_of, replays_as
    from phoenix_cli.wiring.sim.shrink import shrunk

    violation = outcome.violation
    if as_json:
        document = {
            "seed": outcome.seed,
            "steps": outcome.steps,
            "beads": outcome.beads,
            "approvals": outcome.approvals,
            "fills": outcome.fills,
            "faults": list(outcome.faults),
            "hash": outcome.trace,
            "ok": violation is None,
        }
        if violation is not None:
            document |= {"invariant": violation.invariant, "step": violation.step, "said": violation.said}
        click.echo(json.dumps(document))
        return
    verdict = "ok" if violation is None else f"{violation.invariant} at step {violation.step}: {violation.said}"
    click.echo(f"seed {outcome.seed}: {outcome.steps} steps, {outcome.beads} beads, {outcome.trace[:16]}  {verdict}")
    click.echo(f"  {', '.join(outcome.faults)}")
    if violation is not None:
        tell(f"  again: {replays_as(outcome.seed, played_of(outcome, story))}")
        if shrink:
            shorter, told = asyncio.run(shrunk(outcome.seed, played_of(outcome, story), violation.invariant))
            tell(f"  shorter: {replays_as(outcome.seed, shorter)}")
            for line in told.told:
                tell(f"    {line}")


def _tell_all(outcomes: list[Outcome]) -> None:
    """What the seeds came to together, and which corners none of them saw."""
    from phoenix_cli.wiring.sim.play import BESIDE, MUST_SEE, met, never_seen

    count = len(outcomes)
    approved, filled = (
        sum(n > 0 for n in row) for row in zip(*((o.approvals, o.fills) for o in outcomes), strict=True)
    )
    steps = sum(outcome.steps for outcome in outcomes)
    click.echo(f"{count} seeds, {steps} checked steps: {approved} reached an approval, {filled} a fill")
    click.echo("how many seeds saw a fault beside a position in a state:")
    for row in met(outcomes):
        click.echo(f"  {row}")
    missed = never_seen(outcomes)
    if not missed:
        click.echo("every corner was seen")
        return
    corners = [name for name in missed if name not in BESIDE]
    click.echo(f"{len(missed) - len(corners)} of the {len(BESIDE)} pairs of this table were never seen")
    if corners:
        others = f"nor {len(corners)} of {len(MUST_SEE) - len(BESIDE)} other corners: {', '.join(corners[:NAMED])}"
        more = len(corners) - NAMED
        for line in textwrap.wrap(f"{others}, and {more} more: play more seeds" if more > 0 else others, 100):
            click.echo(line)
