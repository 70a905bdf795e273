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
from phoenix_core.gate.signals import SIGNAL_SKEW_MAX
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Moment, Regime, elapsed, instant

# The adaptive life of a context: in rough weather it ages faster.
TTL: Final = {
    Regime.DEFAULT: timedelta(minutes=30),
    Regime.HIGH_VOLATILITY: timedelta(minutes=15),
    Regime.NEWS: timedelta(minutes=10),
}
# Stands for every strategy, or for every state hash, in an anchor.
EVERY: Final = "*"


@frozen
class Anchored:
    """A refresh: where in the log, when, for which context, in which weather."""

    seq: int
    at: Moment
    state_hash: str
    regime: Regime


@frozen
class Context:
    """What an intent stands on."""

    strategy: str
    state_hash: str
    created_at: datetime  # by the proposer's clock
    taken: Moment | None = None  # when its signal was accepted; None: it is judged for the first time


@define
class Anchors:
    """The last refresh of each strategy. Strategies are few."""

    refreshed: dict[str, Anchored] = Factory(dict)

    def fold(self, bead: Bead) -> None:
        """Fold STATE_ANCHOR; a STATE_CONFLICT is kept in the log, and what it obliges is a kill flag's to remember."""
        body = bead.body
        if isinstance(body, StateAnchor):
            self.refreshed[body.strategy] = Anchored(
                bead.seq, instant(bead.ts, body.ticks, body.boot), body.state_hash, body.regime
            )


def last_refresh(anchors: Anchors, strategy: str) -> Anchored | None:
    """The latest refresh that covers the strategy, by its own name or by `*`."""
    named, every = anchors.refreshed.get(strategy), anchors.refreshed.get(EVERY)
    return every if named is None or (every is not None and every.seq > named.seq) else named


def context_limit(regime: Regime, threshold: timedelta) -> timedelta:
    """How old a context may become: the weather's own limit, and never more than the threshold of the policy."""
    return min(TTL[regime], threshold)


def limit_for(anchors: Anchors, strategy: str, threshold: timedelta) -> timedelta:
    """The limit in the weather that the strategy's last refresh named; DEFAULT where none did."""
    return _limit(last_refresh(anchors, strategy), threshold)


def _limit(anchor: Anchored | None, threshold: timedelta) -> timedelta:
    return context_limit(anchor.regime if anchor is not None else Regime.DEFAULT, threshold)


def context_age(anchors: Anchors, context: Context, now: Moment) -> timedelta | None:
    """How long ago somebody last looked at this context; None where our clocks cannot say (`elapsed`).

    Of a signal's own instant only its proposer's wall clock is known. What was old when it was taken in stays so much
    older; a clock that ran ahead of ours (intake bounds by how much) makes nothing younger than its arrival.
    """
    return _age(last_refresh(anchors, context.strategy), context, now)


def _age(anchor: Anchored | None, context: Context, now: Moment) -> timedelta | None:
    if anchor is not None and anchor.state_hash in (EVERY, context.state_hash) and anchor.at.wall > context.created_at:
        return elapsed(anchor.at, now)
    if context.taken is None:
        age = now.wall - context.created_at
        return None if age < -SIGNAL_SKEW_MAX else max(timedelta(0), age)
    since, before = elapsed(context.taken, now), context.taken.wall - context.created_at
    return None if since is None else since + max(timedelta(0), before)


def stale_refusal(anchors: Anchors, context: Context, threshold: timedelta, now: Moment) -> Refusal | None:
    """STATE_CONFLICT once the context has reached its limit, or nobody can say how old it is. Of entries alone: no exit
    asks it."""
    anchor = last_refresh(anchors, context.strategy)
    age, limit = _age(anchor, context, now), _limit(anchor, threshold)
    if age is not None and age < limit:
        return None
    old = "of an age that the clocks cannot tell" if age is None else f"{_minutes(age)} old"
    return refusal(Reason.STATE_CONFLICT, detail=f"the context is {old}, the limit is {_minutes(limit)}")


def conflict(
    anchors: Anchors, intent_id: str, context: Context, threshold: timedelta, now: Moment, stage: str
) -> StateConflict:
    """The bead that keeps a conflict. `stage` is `approval` or `submit`."""
    limit, age = limit_for(anchors, context.strategy, threshold), context_age(anchors, context, now)
    return StateConflict(intent_id, context.strategy, limit if age is None else age, limit, stage)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.1f} min"
