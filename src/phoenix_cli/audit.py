"""One order, read again from an exported log: which limits stood when it left, and what protected it from then on.

The core folds the log again, and is asked after each bead what it would have been asked then. Nothing here knows
more than the log does: what else was at the broker, and what happened between two beads, it does not say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import Factory, define, frozen

from phoenix_core.acts.lights import exposure_of
from phoenix_core.beads import Bead, Decision, Limits, Position, PositionEvent
from phoenix_core.desk import Desk, evolve
from phoenix_core.gate.limits import Measure, limit_refusal, measured, policy_in_force
from phoenix_core.refusals import Refusal
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import position_id_of
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.values import Moment, Money
from phoenix_core.world import World


@frozen
class Limited:
    """The limits in force when an entry was recorded, and how it stood to each of them."""

    at: datetime
    seq: int
    policy_seq: int  # -1: the one that is built in
    signed_by: str  # whose key is under the policy; empty: nobody's
    rows: tuple[Measure, ...]
    loss_today: Money
    daily_loss_max: Money | None
    no: Refusal | None  # what the rules say of it now

    @property
    def obeyed(self) -> bool:
        """Whether every limit let it through."""
        return self.no is None


@frozen
class Span:
    """What stood between a position and the market, from one bead of the log to another."""

    protection: Protection
    seq: int
    since: datetime
    until: datetime

    @property
    def lasted(self) -> timedelta:
        """How long."""
        return self.until - self.since


@define
class Audit:
    """What the log says of one intent."""

    intent: str
    desk: Desk = Factory(Desk)
    limited: Limited | None = None
    spans: list[Span] = Factory(list)
    commands: list[tuple[int, Decision]] = Factory(list)  # what was signed about the position, in which bead
    open_end: bool = False  # the log ends while something is held

    def during(self, *kinds: Protection) -> timedelta:
        """How long its protection was one of these, in all."""
        return sum((span.lasted for span in self.spans if span.protection in kinds), timedelta(0))


# Nothing certain stood there; of what was on its way, the frames had left, or were about to.
MISSING = (Protection.NONE, Protection.SHORT, Protection.UNKNOWN)


def intents_named(beads: Iterable[Bead], name: str) -> tuple[str, ...]:
    """The intents that a beginning of an intent's id, of a position's, or of an order's reference names."""
    found: dict[str, bool] = {}
    for bead in beads:
        body = bead.body
        if isinstance(body, Position):
            if any(known.startswith(name) for known in (body.intent_id, body.position_id, body.order_ref or "")):
                found[body.intent_id] = True
    return tuple(found)


def audited(beads: Iterable[Bead], intent: str) -> Audit:
    """Fold the log again, and look after each of its beads at what the intent's position held."""
    audit, name, clock = Audit(intent), position_id_of(intent), None
    for bead in beads:
        body = bead.body
        if isinstance(body, Position) and body.position_id == name and body.event is PositionEvent.SUBMITTED:
            audit.limited = _limited(audit.desk, bead, intent)
        if isinstance(body, Decision) and body.verdict is None and body.subject in (name, intent):
            audit.commands.append((bead.seq, body))
        ticks, boot = getattr(body, "ticks", None), getattr(body, "boot", None)
        if isinstance(ticks, timedelta) and isinstance(boot, str):
            clock = Moment(bead.ts, ticks, boot)
        audit.desk = evolve(audit.desk, bead)
        now = clock.plus(bead.ts - clock.wall) if clock is not None else Moment(bead.ts, timedelta(0), "")
        _look(audit, name, bead, now)
    # Beads of one append carry one instant, and what stands between two of them never stood.
    audit.spans = [span for span in audit.spans if span.lasted or (audit.open_end and span is audit.spans[-1])]
    return audit


def _look(audit: Audit, name: str, bead: Bead, now: Moment) -> None:
    """What protects the position now; the span that this ends, and the one that it begins."""
    desk, spans = audit.desk, audit.spans
    position = desk.positions.open.get(name)
    stake = stake_of(position, desk.orders, desk.fills) if position is not None else None
    held = stake is not None and stake.held != 0
    if audit.open_end:
        last = spans[-1]
        spans[-1] = Span(last.protection, last.seq, last.since, bead.ts)
    audit.open_end = held
    if stake is None or not held:
        return
    found = protection_of(stake, now)
    if not spans or spans[-1].until != bead.ts or spans[-1].protection is not found:
        spans.append(Span(found, bead.seq, bead.ts, bead.ts))


def _limited(desk: Desk, bead: Bead, intent: str) -> Limited | None:
    """The entry that this bead sends, beside the limits of the desk as it stood before it."""
    policy, shown = policy_in_force(desk.policies, desk.genesis.mode), desk.evidence.latest(intent)
    if shown is None:
        return None
    sizing, symbol = shown.evidence.sizing, shown.evidence.lines[0].symbol
    exposure = exposure_of(desk, World(Moment(bead.ts, timedelta(0), "")), intent)
    no = limit_refusal(policy, exposure, desk.genesis.mode, symbol, sizing.quantity, sizing.notional)
    signed, limits = (policy.signed, policy.limits) if policy is not None else (None, Limits())
    return Limited(
        at=bead.ts,
        seq=bead.seq,
        policy_seq=desk.policies.seq,
        signed_by=desk.approvals.name_of(signed.key) if signed is not None else "",
        rows=measured(limits, exposure, symbol, sizing.quantity, sizing.notional),
        loss_today=exposure.loss_today,
        daily_loss_max=limits.daily_loss_max,
        no=no,
    )
