"""From shadow to live: the evidence is gathered anew, held against the bundle that a human signed, and recorded."""

from __future__ import annotations

from returns.pipeline import is_successful

from phoenix_core.acts.lights import changes_open, paper_validated
from phoenix_core.beads import About, Body, Observation
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import Promote
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.trust.promotion import SESSIONS_MIN, Standing, bundle, patterns, promote, record_of
from phoenix_core.trust.revalidation import sessions_needed
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.observations import bunny_failures
from phoenix_core.world import World


def standing_of(desk: Desk, strategy: str, world: World) -> Standing:
    """What the rest of the desk says of a strategy that wants to go live."""
    # Every report of a failure extends, also of a vector that passed when it ran again; older changes are moot.
    standing = {made.sweep_id for made in desk.changes.latest.values() if made.strategy == strategy}
    failures = sum(sweep.failures for id, sweep in desk.promotions.sweeps.items() if id in standing)
    tally = desk.autopsies.tallies.get(strategy)
    here = f"{tally.wins} won, {tally.losses} lost, {tally.breakevens} even" if tally is not None else ""
    return Standing(
        kill_flags=tuple(f"{flag.type} {flag.scope}" for flag in desk.kill_flags.standing.values()),
        drift_unresolved=len(desk.drifts.open),
        autopsy_summary="; ".join(filter(None, (here, patterns(desk.promotions, strategy)))),
        paper_validated=paper_validated(desk, world),
        bunny_fail=bunny_failures(desk.observations),
        revalidation_open=changes_open(desk, strategy),
        sessions_needed=sessions_needed(SESSIONS_MIN, failures),
    )


def promoted(desk: Desk, says: Promote, recorded: Body, by: str, key: str, token_id: str, world: World) -> Ruling:
    """Steps 0 to 6 of the ceremony in one append: asserted, assembled, approved, recorded, changed."""
    fresh = bundle(says.strategy, record_of(desk.promotions, says.strategy), standing_of(desk, says.strategy, world))
    made = promote(fresh, says.evidence, token_id)
    if not is_successful(made):
        no = made.failure()
        facts = {"by": by, "reasons": " ".join(r.value for r in no.reasons), "detail": no.detail}
        return denied(no, Observation(About.REFUSED_COMMAND, says.strategy, facts))
    told = alert(Code.PROMOTED, says.strategy, key, by=by)
    return granted(says.strategy, recorded, made.unwrap(), told)
