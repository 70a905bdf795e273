"""What else the judges of the simulation know of the rules: whose word lifts what, limits, hours, prices, secrets.

Like the ledger it reads the beads' own fields and asks no slice of the desk. Hours are asked of the zone database,
which the desk never does; statements are read as the JSON that was signed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from attrs import Factory, define

from phoenix_cli.wiring.sim.honest import Honest
from phoenix_cli.wiring.sim.ledger import ENDS, REF_LENGTH, Found, Ledger
from phoenix_cli.wiring.sim.times import Times
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Autopsy,
    Bead,
    Decision,
    Evidence,
    Execution,
    ExecutionEvent,
    KillEvent,
    KillFlag,
    KillKind,
    Limits,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ProofKind,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    StateAnchor,
    T2Token,
    TokenEvent,
)
from phoenix_core.orders import Line
from phoenix_core.values import Moment, Role, Severity, State

NEW_YORK: Final = ZoneInfo("America/New_York")
RESERVED: Final = (State.APPROVED, State.SUBMITTED, State.STALLED, State.FILLED, State.MANAGED)
# What is lost is placed again once by the desk itself.
PLACED_MAX: Final = 2
# What a rule of ours may do with a position: nothing that ends an order.
BY_RULE: Final = (
    *(PositionEvent.PROPOSED, PositionEvent.WITHDRAWN, PositionEvent.TOKEN_EXPIRED),
    *(PositionEvent.SUBMITTED, PositionEvent.STALLED),
)
CENT: Final = Decimal("0.01")
TEMPORARY_FOR: Final = timedelta(minutes=5)
ROLLS_AT: Final = timedelta(hours=17)
OPENS_AT: Final = timedelta(hours=17, minutes=15)
CLOSES_SOON: Final = timedelta(minutes=5)


@define
class Rules:
    """What was signed, raised, charged and allowed so far."""

    ledger: Ledger
    secrets: tuple[str, ...] = ()  # what no bead and no message may say
    nonces: set[str] = Factory(set)  # of every statement in the log
    decided: set[tuple[str, str]] = Factory(set)  # (type, subject) of every signed statement
    statements: dict[str, dict[str, Any]] = Factory(dict)  # by position or intent: the latest that was signed of it
    raised: dict[str, tuple[KillFlag, Bead]] = Factory(dict)
    answered: set[str] = Factory(set)  # drifts of which a human said how they end
    anchored: int = -1
    versions: dict[str, tuple[str, Evidence]] = Factory(dict)  # by intent: leaf and body of the newest evidence
    charges: dict[str, tuple[int, Decimal]] = Factory(dict)  # by family: revision and amount
    limits: Limits = Factory(Limits)
    stale_after: timedelta = timedelta(minutes=15)
    looked: dict[str, tuple[datetime, timedelta]] = Factory(dict)  # when each strategy's state was last refreshed
    born: dict[str, tuple[datetime, timedelta]] = Factory(dict)  # by position: when it was proposed
    submitted: dict[str, object] = Factory(dict)  # by reference: the trading day
    entered: Counter[object] = Factory(Counter)  # by trading day: how many entries
    owners: dict[str, str] = Factory(dict)  # by reference of an entry: its position
    realized: dict[object, Decimal] = Factory(dict)  # by trading day: what the positions that closed came to
    passed: set[State] = Factory(set)  # states that positions entered since the last act
    untold: dict[str, int] = Factory(dict)  # critical drifts whose alert has not been seen, and their beads
    stops: dict[str, dict[str, bool]] = Factory(dict)  # by position: its stops, and which of them the log calls ended
    placed: dict[str, dict[str, bool]] = Factory(dict)  # by position: groups with a stop that nobody signed for
    terms: dict[str, tuple[Decimal, Decimal]] = Factory(dict)  # by position: stop and target as approved or signed
    fixed: dict[str, tuple[object, ...]] = Factory(dict)  # by position: what it is from its birth on
    honest: Honest = Factory(lambda rules: Honest(rules.ledger), takes_self=True)
    times: Times = Factory(lambda rules: Times(rules.ledger), takes_self=True)

    def judge(self, bead: Bead, data: bytes) -> Found:
        """What one more bead says against the rules."""
        yield from self.words(data.decode(), f"bead {bead.seq}")
        yield from self.honest.judge(bead)
        yield from self.times.judge(bead)
        judge = _TAKE.get(type(bead.body))
        if judge is not None:
            yield from judge(self, bead.body, bead)

    def words(self, text: str, where: str) -> Found:
        """I24: no secret in what is written or said."""
        text = text.casefold()
        for secret in self.secrets:
            if secret.casefold() in text:
                yield "I24", f"{where} says what nobody may read"


def _decision(rules: Rules, body: Decision, bead: Bead) -> Found:
    rules.decided.add((body.type, body.subject))
    said = rules.statements[body.subject] = json.loads(body.signed.statement)
    if said["session"] in rules.nonces:
        yield "I22", f"bead {bead.seq}: what was signed once is recorded a second time"
    rules.nonces.add(said["session"])
    if body.type == "drift-resolve":
        rules.answered.add(body.subject)
    if body.type == "protect":
        stop, target = rules.terms.get(body.subject, (Decimal(0), Decimal(0)))
        rules.terms[body.subject] = (Decimal(said.get("stop") or stop), Decimal(said.get("target") or target))


def _evidence(rules: Rules, body: Evidence, bead: Bead) -> Found:
    rules.versions[body.intent_id] = (bead.leaf, body)
    yield from ()


def _token(rules: Rules, body: T2Token, bead: Bead) -> Found:
    """What a token permits is what the human's statement names, and the newest evidence of the intent, to its end."""
    if body.event is not TokenEvent.ISSUED:
        issued = rules.ledger.tokens.get(body.id)
        if body.event is TokenEvent.USED and (issued is None or bound(issued) != bound(body)):
            yield "I2", f"bead {bead.seq}: a token is spent for what it was not issued for"
        return
    said = rules.statements.get(body.intent_id, {})
    leaf, evidence = rules.versions.get(body.intent_id, ("", None))
    if (said.get("evidence"), said.get("order")) != (body.evidence_hash, body.order_hash):
        yield "I2", f"bead {bead.seq}: a token for what {body.intent_id}'s statement does not name"
    if evidence is None or (leaf, evidence.order_hash) != (body.evidence_hash, body.order_hash):
        yield "I2", f"bead {bead.seq}: a token for an evidence of {body.intent_id} that is not its newest"
    elif bead.ts >= evidence.expires_at:
        yield "I17", f"bead {bead.seq}: a token for an evidence of {body.intent_id} whose time was over"


def bound(token: T2Token) -> tuple[object, ...]:
    """What a token is bound to for its whole life."""
    to = (token.intent_id, token.evidence_hash, token.order_hash, token.order_ref, token.account, token.mode)
    return (*to, token.timestamp, token.expires_at, token.boot, token.ticks, token.epoch)


def _kill(rules: Rules, body: KillFlag, bead: Bead) -> Found:
    """A flag comes down by what its kind asks for, and by nothing else."""
    if body.event is KillEvent.RAISED:
        _ = rules.raised.setdefault(body.flag, (body, bead))
        return
    flag, raised = rules.raised.pop(body.flag, (body, bead))
    if flag.type is KillKind.ONE_WAY and ("kill-clear", body.flag) not in rules.decided:
        yield "I14", f"bead {bead.seq}: a one-way kill came down, and nobody signed for it"
    if flag.type is KillKind.DRIFT and flag.drift not in rules.answered:
        yield "I14", f"bead {bead.seq}: the kill of a drift came down, and nobody answered the drift"
    if flag.type is KillKind.TEMPORARY:
        early = bead.ts < raised.ts + TEMPORARY_FOR
        if early or rules.anchored < raised.seq:
            yield "I14", f"bead {bead.seq}: a temporary kill came down {'early' if early else 'without a refresh'}"


def _resolution(rules: Rules, body: ReconciliationResolution, bead: Bead) -> Found:
    if body.cleared and body.identity not in rules.answered:
        yield "I12", f"bead {bead.seq}: a drift was closed, and no human answered it"
    if body.cleared and body.resolution is Resolution.ACKNOWLEDGED:
        yield "I12", f"bead {bead.seq}: a drift that was acknowledged is no longer visible"


def _drift(rules: Rules, body: ReconciliationDrift, bead: Bead) -> Found:
    if body.severity is Severity.CRITICAL:
        rules.untold[f"{body.subject} {body.cause}"] = bead.seq
    yield from ()


def _alert(rules: Rules, body: Alert, bead: Bead) -> Found:
    _ = rules.untold.pop(body.subject, None) if body.event is AlertEvent.RAISED else None
    yield from ()


def _anchor(rules: Rules, body: StateAnchor, bead: Bead) -> Found:
    rules.anchored = bead.seq
    rules.looked[body.strategy] = (bead.ts, rules.ledger.clock.now().ticks)
    yield from ()


def _policy(rules: Rules, body: Policy, bead: Bead) -> Found:
    rules.limits, rules.stale_after = body.limits, body.stale_after
    yield from ()


def _execution(rules: Rules, body: Execution, bead: Bead) -> Found:
    if body.event is ExecutionEvent.COMMISSION and body.commission is not None and body.revision is not None:
        known = rules.charges.get(body.family)
        if known is None or body.revision > known[0]:
            rules.charges[body.family] = (body.revision, body.commission)
    state = rules.ledger.states.get(rules.owners.get((body.ref or "")[:REF_LENGTH], ""))
    if state in ENDS and body.position_id is None:
        rules.ledger.visited.add(f"execution after {state}")
    yield from ()


def _position(rules: Rules, body: Position, bead: Bead) -> Found:
    whole = (body.intent_id, body.signal_id, body.strategy, body.pair, body.side, body.entry_price)
    if rules.fixed.setdefault(body.position_id, whole) != whole:
        yield "I5", f"bead {bead.seq}: {body.position_id} is another one than it was"
    if body.proof.type is ProofKind.RULE and body.event is not None and body.event not in BY_RULE:
        yield "I9", f"bead {bead.seq}: {body.event} by a rule of ours"
    if body.state is not State.APPROVED and rules.ledger.live.get(body.intent_id):
        yield "I3", f"bead {bead.seq}: {body.intent_id} is {body.state} and has a live token"
    rules.passed.add(body.state)
    _ = rules.born.setdefault(body.position_id, (bead.ts, rules.ledger.clock.now().ticks))
    _ = rules.terms.setdefault(body.position_id, (body.stop_price, body.target_price))
    if body.event is PositionEvent.SUBMITTED:
        if (before := rules.submitted.get(body.order_ref or "")) is not None:
            rules.entered[before] -= 1
        day = rules.submitted[body.order_ref or ""] = fx_day(bead.ts)
        rules.entered[day] += 1
        rules.owners[body.order_ref or ""] = body.position_id


def _order(rules: Rules, body: Order, bead: Bead) -> Found:
    placed = any(frame.line.role is Role.STOP and frame.revision == 1 for frame in body.frames)
    if placed and body.group is not None and not (body.mandate or "").startswith("decision:"):
        groups = rules.placed.setdefault(body.position_id, {})
        groups[body.group] = True
        if len(groups) > PLACED_MAX:
            yield "X2", f"bead {bead.seq}: protection of {body.position_id} is placed once more, and nobody signed"
    stops = rules.stops.setdefault(body.position_id, {})
    for frame in body.frames:
        if frame.line.role is Role.STOP:
            _ = stops.setdefault(frame.ref, False)
    if body.event is OrderEvent.ENDED and body.ref in stops:
        stops[body.ref] = True
    yield from ()


def _autopsy(rules: Rules, body: Autopsy, bead: Bead) -> Found:
    """What a position cost is what the log knows of its commissions by then; what it came to, its executions' cash."""
    families = rules.ledger.families.get(body.position_id, {})
    cost = sum((rules.charges[family][1] for family in families if family in rules.charges), Decimal(0))
    day = fx_day(bead.ts)
    rules.realized[day] = rules.realized.get(day, Decimal(0)) + body.realized
    if cost != body.commission:
        yield "S26", f"bead {bead.seq}: the autopsy says {body.commission}, the executions cost {cost}"
    came = rules.ledger.cash(body.position_id)
    if rules.ledger.held(body.position_id) == 0 and abs(came - body.realized) > CENT:
        yield "S26", f"bead {bead.seq}: the autopsy says {body.realized}, the executions came to {came}"


_TAKE: Final[dict[type, Callable[[Rules, Any, Bead], Found]]] = {
    Decision: _decision,
    Evidence: _evidence,
    T2Token: _token,
    KillFlag: _kill,
    ReconciliationDrift: _drift,
    ReconciliationResolution: _resolution,
    Alert: _alert,
    StateAnchor: _anchor,
    Policy: _policy,
    Execution: _execution,
    Position: _position,
    Order: _order,
    Autopsy: _autopsy,
}


# --- at the socket ----------------------------------------------------------------------------------------------------


def fx_rest(at: datetime) -> timedelta:
    """How long the FX market is open from an instant on, by the zone database; nothing: it is closed."""
    local = at.astimezone(NEW_YORK)
    clock = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day, after = local.weekday(), clock >= OPENS_AT
    shut = day == 5 or (day == 6 and not after) or (day == 4 and clock >= ROLLS_AT) or ROLLS_AT <= clock < OPENS_AT
    return timedelta(0) if shut else ROLLS_AT - clock + (timedelta(days=1) if after else timedelta(0))


def fx_day(at: datetime) -> object:
    """The trading day of an instant: it rolls at 17:00 in New York."""
    return (at.astimezone(NEW_YORK).replace(tzinfo=None) + timedelta(hours=7)).date()


def in_window(at: datetime, clock: timedelta, before: timedelta, lasts: timedelta) -> bool:
    """Whether an instant lies about this time of a day in New York."""
    local = at.astimezone(NEW_YORK).replace(tzinfo=None)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return any(-before <= local - (midnight + clock + timedelta(days=n)) < lasts for n in (-1, 0, 1))


def hours_judge(now: datetime) -> Iterator[str]:
    """C3: the market is open now and for five more minutes."""
    if fx_rest(now) < CLOSES_SOON:
        yield f"left while the market was closed or about to close: {now.astimezone(NEW_YORK):%A %H:%M:%S}"


def limits_judge(rules: Rules, position: Position, line: Line, now: datetime) -> Iterator[str]:
    """C5 and C6: the limits of the policy, and one owner for one instrument."""
    ledger, limits = rules.ledger, rules.limits
    names = (name for state in RESERVED for name in ledger.standing.get(state, ()))
    others = [ledger.last[name] for name in names if name != position.position_id]
    if limits.open_positions_max is not None and len(others) + 1 > limits.open_positions_max:
        yield f"makes {len(others) + 1} open positions"
    if any(body.pair == line.symbol for body in others):
        yield f"enters {line.symbol}, which has an owner"
    if limits.order_quantity_max is not None and line.quantity > limits.order_quantity_max:
        yield f"is of {line.quantity}"
    today = rules.entered[fx_day(now)]
    if limits.entries_per_day_max is not None and today > limits.entries_per_day_max:
        yield f"is entry {today} of its day"
    lost = -rules.realized.get(fx_day(now), Decimal(0))
    if limits.daily_loss_max is not None and lost >= limits.daily_loss_max:
        yield f"left after a loss of {lost} on its day"


def price_judge(rules: Rules, position: Position, lines: tuple[Line, ...], bid: Decimal, ask: Decimal) -> Iterator[str]:
    """C4: the price is where the human allowed it to be, and the stop still on its side."""
    said = rules.statements.get(position.intent_id, {})
    live, allowed = said.get("live") or {}, Decimal(said.get("drift_bps_max") or 0)
    if live:
        then = (Decimal(live["bid"]) + Decimal(live["ask"])) / 2
        moved = abs((bid + ask) / 2 - then) / then * 10_000
        if moved > allowed:
            yield f"left {moved:.1f} basis points from the price that was signed, {allowed} were allowed"
    for line in lines:
        if line.role is Role.STOP and line.trigger is not None:
            crossed = bid <= line.trigger if line.side.value == "SELL" else ask >= line.trigger
            if crossed:
                yield "left with its stop on the wrong side of the market"


def stale_judge(rules: Rules, position: Position, now: Moment) -> Iterator[str]:
    """STL: somebody looked at what the intent stands on, at the latest when it was proposed, and not too long ago."""
    born = rules.born[position.position_id]
    seen = (born, rules.looked.get("*", born), rules.looked.get(position.strategy, born))
    wall, ticks = max(at for at, _ in seen), max(at for _, at in seen)
    if now.wall - wall >= rules.stale_after or now.ticks - ticks >= rules.stale_after:
        yield f"left on a state that nobody looked at since {wall:%H:%M:%S}"


def terms_judge(rules: Rules, position_id: str, lines: tuple[Line, ...]) -> Iterator[str]:
    """X2: protection stands at the prices that were approved, or signed for since."""
    stop, target = rules.terms.get(position_id, (None, None))
    for line in lines:
        asked = line.trigger if line.role is Role.STOP else line.limit
        if line.role in (Role.STOP, Role.TARGET) and asked != (stop if line.role is Role.STOP else target):
            yield f"is a {line.role} at {asked}, the mandate says {stop} and {target}"


def unkilled(rules: Rules, drifts: dict[str, ReconciliationDrift], acknowledged: set[str]) -> dict[str, str]:
    """E5: critical drifts that nobody answered and whose kill is not raised yet, by identity."""
    if not drifts:
        return {}
    killed = {flag.drift for flag, _ in rules.raised.values()}
    return {
        identity: f"{drift.cause} of {drift.subject} is critical, and its kill was not raised"
        for identity, drift in drifts.items()
        if drift.severity is Severity.CRITICAL
        and not (identity in killed or identity in acknowledged or identity in rules.answered)
    }


def uncovered(rules: Rules, ledger: Ledger) -> Iterator[str]:
    """D4: positions that hold something, whose every stop the log calls ended, and of which no alarm speaks.

    Where more left than was entered nothing is held: that is an overfill, with a drift of its own.
    """
    bare = [name for name in ledger.standing.get(State.MANAGED, ()) if all(rules.stops.get(name, {"": False}).values())]
    if not bare:
        return
    alarmed = {alert.subject for alert in ledger.alerts.values() if alert.severity is Severity.CRITICAL}
    for name in bare:
        left = ledger.executed(name, True) - ledger.executed(name, False)
        if left > 0 and name not in alarmed:
            yield f"{name} is held without a stop, and no alarm says so"
