"""The stale gate: an entry stands on a context that somebody looked at lately, or it does not go.

The context of an intent is as old as its signal, or as the last anchor refresh that vouches for the signal's state
hash, whichever is later. A refresh does not make an old market new; it says that a human looked, after a complete
reconciliation, and the context holds. Judged at intake, at approval and at submit. Exits bypass the gate.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, StateAnchor, StateConflict
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Moment, Regime, Role

# The adaptive life of a context: in rough weather it ages faster.
TTL: Final = {
    Regime.DEFAULT: timedelta(minutes=30),
    Regime.HIGH_VOLATILITY: timedelta(minutes=15),
    Regime.NEWS: timedelta(minutes=10),
}
# What a wall clock may step back without anybody having set it.
WALL_BACK_MAX: Final = timedelta(seconds=2)
# Stands for every strategy, or for every state hash, in an anchor.
EVERY: Final = "*"


@frozen
class Anchored:
    """A refresh: where in the log, when, for which context, in which weather."""

    seq: int
    at: datetime
    state_hash: str
    regime: Regime


@frozen
class Context:
    """What an intent stands on."""

    strategy: str
    state_hash: str
    created_at: datetime


@define
class Anchors:
    """The last refresh of each strategy. Strategies are few."""

    refreshed: dict[str, Anchored] = Factory(dict)

    def fold(self, bead: Bead) -> None:
        """Fold STATE_ANCHOR; a STATE_CONFLICT is kept in the log, and what it obliges is a kill flag's to remember."""
        body = bead.body
        if isinstance(body, StateAnchor):
            self.refreshed[body.strategy] = Anchored(bead.seq, bead.ts, body.state_hash, body.regime)


def last_refresh(anchors: Anchors, strategy: str) -> Anchored | None:
    """The latest refresh that covers the strategy, by its own name or by `*`."""
    found = [anchors.refreshed[name] for name in (EVERY, strategy) if name in anchors.refreshed]
    return max(found, key=lambda anchor: anchor.seq, default=None)


def context_limit(regime: Regime, threshold: timedelta) -> timedelta:
    """How old a context may become: the weather's own limit, and never more than the threshold of the policy."""
    return min(TTL[regime], threshold)


def limit_for(anchors: Anchors, strategy: str, threshold: timedelta) -> timedelta:
    """The limit in the weather that the strategy's last refresh named; DEFAULT where none did."""
    anchor = last_refresh(anchors, strategy)
    return context_limit(anchor.regime if anchor is not None else Regime.DEFAULT, threshold)


def context_age(anchors: Anchors, context: Context, now: Moment) -> timedelta:
    """How long ago somebody last looked at this context. Negative where the wall clock was set back."""
    anchor = last_refresh(anchors, context.strategy)
    if anchor is None or anchor.state_hash not in (EVERY, context.state_hash):
        return now.wall - context.created_at
    return now.wall - max(context.created_at, anchor.at)


def stale_refusal(
    anchors: Anchors, context: Context, threshold: timedelta, now: Moment, role: Role = Role.ENTRY
) -> Refusal | None:
    """STATE_CONFLICT once the context has reached its limit, or the wall clock went back behind it; never for exits."""
    if role.is_exit:
        return None
    age, limit = context_age(anchors, context, now), limit_for(anchors, context.strategy, threshold)
    if -WALL_BACK_MAX <= age < limit:
        return None
    return refusal(Reason.STATE_CONFLICT, detail=f"the context is {_minutes(age)} old, the limit is {_minutes(limit)}")


def conflict(
    anchors: Anchors, intent_id: str, context: Context, threshold: timedelta, now: Moment, stage: str
) -> StateConflict:
    """The bead that keeps a conflict. `stage` is `approval` or `submit`."""
    limit = limit_for(anchors, context.strategy, threshold)
    return StateConflict(intent_id, context.strategy, context_age(anchors, context, now), limit, stage)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.1f} min"
