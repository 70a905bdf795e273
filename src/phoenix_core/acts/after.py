"""What follows from a fact, in the same append: the position moves, a remainder is cancelled, alerts are raised.

Each function looks at the desk as it will be once the fact's own bead is folded, because that is what the fact changed.
"""

from __future__ import annotations

from decimal import Decimal

from phoenix_core.acts.lights import rate_for
from phoenix_core.beads import (
    Alert,
    Body,
    Draft,
    Execution,
    Order,
    OrderEvent,
    PositionEvent,
    Proof,
    ProofKind,
)
from phoenix_core.desk import Desk
from phoenix_core.facts import ExecutionSaid
from phoenix_core.gate.sizing import CENT
from phoenix_core.records import evolve
from phoenix_core.trade.answers import EntrySaid, entry_answer, entry_said
from phoenix_core.trade.autopsy import Life, autopsy, outcome_of
from phoenix_core.trade.executions import Totals
from phoenix_core.trade.exits import PAIR, Stake, stake_of
from phoenix_core.trade.fills import Answer, execution, fill_of, stated
from phoenix_core.trade.order_life import End, Known, altered, applied, terms_of
from phoenix_core.trade.positions import Open, changed
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.trade.transitions import Ending, ending
from phoenix_core.values import ARITHMETIC, Moment, Money, Quantity, Role, State, plain, times
from phoenix_core.watch.alerts import may_raise, resolved
from phoenix_core.watch.codes import Code, alert, drift_alert
from phoenix_core.watch.drift import drift_bead, is_news, overfilled
from phoenix_core.world import World

Beads = list[Body | Draft | None]
HELD_STATES = (State.FILLED, State.MANAGED)


def cancel_request(known: Known, reason: str, now: Moment) -> Order:
    """Ask for the end of an order; its CANCEL_REQUESTED bead obliges the frame."""
    return Order(
        event=OrderEvent.CANCEL_REQUESTED,
        position_id=known.position_id,
        ref=known.ref,
        role=known.role,
        reason=reason,
        ticks=now.ticks,
        boot=now.boot,
    )


def stalled(position: Open, why: str, key: str) -> Beads:
    """A position whose order left and of which nothing certain is known: visible until somebody says more."""
    told = alert(Code.POSITION_STALLED, position.position_id, f"{key}|{position.position_id}", reason=why)
    proof = Proof(ProofKind.RULE, why)
    return [changed(position, PositionEvent.STALLED, proof, reasons=(why,)), told]


def after_order(
    desk: Desk,
    known: Known,
    body: Order,
    world: World,
    key: str,
    by: Proof | None = None,
    before: tuple[Order, ...] = (),
) -> Beads:
    """What a word about an order changes: acknowledgements, holds, ends, and with them protection and closing. `by`
    whom it was said, where the broker did not; `before` what the same ruling says of other orders."""
    position = desk.positions.open.get(known.position_id)
    terms = _on_other_terms(desk, known, applied(known, body, world.now.wall), key)
    if position is None:
        return [terms, resolved(desk.alerts, Code.EXIT_UNKNOWN, known.ref, "broker")]
    message = by or Proof(ProofKind.BROKER_MESSAGE, body.message or "")
    stake = _with(desk, position, world, *before, body)
    if known.role is Role.ENTRY:
        return [terms, *_after_entry(desk, stake, known, body, message, world, key)]
    after = applied(known, body, world.now.wall)
    answered = resolved(desk.alerts, Code.EXIT_UNKNOWN, known.ref, "broker") if after.answered else None
    held = alert(Code.ORDER_HELD, known.ref, key) if body.event is OrderEvent.HELD else None
    bare = _bare_entry(stake, known, body, key, world.now)
    return [terms, answered, held, *bare, *_moved(desk, stake, message, world, key)]


def _bare_entry(stake: Stake, known: Known, body: Order, key: str, now: Moment) -> Beads:
    """A stop or target was refused while its entry may still fill: what was signed is the three of them, and what the
    broker makes of the rest would be held without. The entry is asked to end, and a human hears why."""
    refused = known.role in PAIR and body.event is OrderEvent.ENDED and body.status == End.REJECTED.value
    entry = stake.entry
    if not refused or entry is None or entry.end is not None or entry.cancel_requested is not None:
        return []
    return [cancel_request(entry, "its protection was refused", now), _rejected(known, body, key)]


def _rejected(known: Known, body: Order, key: str) -> Alert:
    """What a human hears of an order that the broker refused."""
    code = body.code or known.code
    return alert(Code.ORDER_REJECTED, known.ref, key, **({"reason": f"code {code}"} if code else {}))


def _on_other_terms(desk: Desk, known: Known, after: Known, key: str) -> Alert | None:
    """The broker has an order on terms that nobody asked for, or has it as it was asked for again: a human is told."""
    before, now = altered(known), altered(after)
    if not now:
        return resolved(desk.alerts, Code.ORDER_ALTERED, known.ref, "broker")
    if before == now:
        return None
    return alert(Code.ORDER_ALTERED, known.ref, key, asked=terms_of(after.line), stands=now)


def _with(desk: Desk, position: Open, world: World, *bodies: Order) -> Stake:
    """The stake of a position as it will be once these beads about its orders are folded."""
    stake = stake_of(position, desk.orders, desk.fills)
    after = {order.ref: order for body in bodies for order in desk.orders.after(body, world.now.wall)}
    return evolve(stake, orders=tuple(after.get(order.ref, order) for order in stake.orders))


def after_drop(desk: Desk, position: Open, dropped: Order, world: World, key: str) -> Beads:
    """What it changes that no byte of an exit left: nobody waits for an answer to it. All that was held may have left
    meanwhile; where this was the last that might have executed, it is the end, and no later word would say so."""
    frames = desk.orders.after(dropped, world.now.wall)
    clear: Beads = [resolved(desk.alerts, Code.EXIT_UNKNOWN, order.ref, "rule") for order in frames]
    if not position.closing:
        return clear
    proof = Proof(ProofKind.WITHHELD, dropped.ref)
    return [*clear, *_over(desk, _with(desk, position, world, dropped), proof, world, key)]


def _after_entry(desk: Desk, stake: Stake, known: Known, body: Order, message: Proof, world: World, key: str) -> Beads:
    bodies: Beads = []
    position = stake.position
    answer = entry_answer(position.state, entry_said(body))
    if isinstance(answer, PositionEvent):  # of these words only a late acknowledgement moves anything
        bodies.append(changed(position, answer, message))
        bodies.append(resolved(desk.alerts, Code.POSITION_STALLED, position.position_id, "broker"))
    elif body.event is OrderEvent.HELD:
        bodies.append(alert(Code.ORDER_HELD, known.ref, key))
        bodies.append(None if known.cancel_requested else cancel_request(known, "held by the broker", world.now))
    elif body.event is OrderEvent.ENDED and position.state in HELD_STATES:
        over = _over(desk, stake, message, world, key)
        rest = changed(position, None, message, entry_working=False) if position.entry_working else None
        bodies.extend(over or [rest, *_shrunk_to_nothing(stake, world.now)])
    if body.event is OrderEvent.ENDED and body.status == End.REJECTED.value:
        bodies.append(_rejected(known, body, key))
    return bodies


def after_execution(
    desk: Desk,
    position: Open,
    said: ExecutionSaid,
    role: Role,
    answer: Answer,
    world: World,
    key: str,
    by: Proof | None = None,
) -> Beads:
    """What an execution changes: quantities, the state, the entry's remainder, an overfill's alarm. `by` whom it was
    stated, where the broker did not tell it."""
    fill = evolve(fill_of(said, role, world.now.wall), stated=by is not None)
    totals = desk.fills.totals(position.position_id, fill)
    entry = desk.orders.entry_of(position.position_id)
    bodies: Beads = [_execution(position, said, role, answer, by)]
    entry_open = entry is not None and entry.end is None
    entry_working = entry_open and totals.entered < position.requested_quantity
    proof = by or Proof(ProofKind.BROKER_MESSAGE, said.message)
    event = _event_of(position, role, totals)
    if role.is_exit and entry_working and entry is not None and entry.cancel_requested is None:
        bodies.append(cancel_request(entry, "an exit executed", world.now))
    exits = desk.orders.exits_of(position.position_id)
    held = position.state in HELD_STATES or event is PositionEvent.FILLED
    flat = held and totals.held == 0
    over = flat and not exits and not entry_open
    exited_by = role if role.is_exit else _exited_by(stake_of(position, desk.orders, desk.fills))
    if over and event is None:  # also by a correction of the entry, down to what has left already
        bodies.extend(_closed(desk, position, totals, exited_by, proof, world, key))
        return bodies
    after = changed(
        position,
        event,
        proof,
        filled=totals.entered,
        exited=totals.exited,
        average_entry=totals.average_entry,
        average_exit=totals.average_exit,
        entry_working=entry_working,
        closing=flat,
        realized=_in_account(desk, position, totals, world),
    )
    bodies.append(after)
    if over:  # its exits were told of before it was
        born = evolve(position, last=after, filled_at=world.now.wall)
        bodies.extend(_closed(desk, born, totals, exited_by, proof, world, key))
    if event is PositionEvent.FILLED:
        size, asked = plain(totals.entered), plain(position.requested_quantity)
        so_far = size if size == asked else f"{size} of {asked}"
        bodies.append(alert(Code.ORDER_FILLED, position.pair, said.exec_id, quantity=so_far))
        if position.state is State.STALLED:
            bodies.append(resolved(desk.alerts, Code.POSITION_STALLED, position.position_id, "broker"))
    bodies.extend(_overfill(desk, position, said, totals, key))
    return bodies


def _execution(position: Open, said: ExecutionSaid, role: Role, answer: Answer, by: Proof | None) -> Execution:
    if by is None:
        return execution(said, answer, position.position_id, role)
    name, ref, pair = said.exec_id, said.ref, position.pair
    return stated(name, position.position_id, ref, role, pair, said.side, said.quantity, said.price, said.at)


def _event_of(position: Open, role: Role, totals: Totals) -> PositionEvent | None:
    """What an execution amounts to where the position stands; of an exit the orders' ends decide."""
    if role.is_exit:
        return None
    answer = entry_answer(position.state, EntrySaid.EXECUTED if totals.entered > 0 else EntrySaid.BUSTED)
    return answer if isinstance(answer, PositionEvent) else None


def _overfill(desk: Desk, position: Open, said: ExecutionSaid, totals: Totals, key: str) -> Beads:
    if totals.entered <= position.requested_quantity and totals.exited <= totals.entered:
        return []
    over = totals.entered > position.requested_quantity
    asked, filled = (position.requested_quantity, totals.entered) if over else (totals.entered, totals.exited)
    found = overfilled(said.ref, Quantity(asked), Quantity(filled), position.pair)
    if not is_news(desk.drifts, found, desk.sessions.connected_seq):
        return []
    bead = drift_bead(found, desk.sessions.session)
    return [bead, drift_alert(bead, key)]


def _moved(desk: Desk, stake: Stake, message: Proof, world: World, key: str) -> Beads:
    """The position as its exits now stand: protected, without protection, or over."""
    position, totals = stake.position, stake.totals
    if position.state not in HELD_STATES:
        return []
    if totals.held <= 0:
        return _over(desk, stake, message, world, key)
    return _protected(desk, position, protection_of(stake, world.now), message, world, key)


def _over(desk: Desk, stake: Stake, message: Proof, world: World, key: str) -> Beads:
    """The end of a position that holds nothing and of which nothing works; none where either is not so."""
    totals = stake.totals
    if ending(totals.entered, totals.exited, all(order.end is not None for order in stake.orders)) is not Ending.CLOSED:
        return []
    return _closed(desk, stake.position, totals, _exited_by(stake), message, world, key)


def _shrunk_to_nothing(stake: Stake, now: Moment) -> Beads:
    """The entry ended partly filled, and all of that is out again: what its exits could still execute would open a
    position the other way. Protection that is to cover nothing is cancelled, where more is shrunk (D1)."""
    if stake.held != 0 or stake.totals.entered == 0:
        return []
    return [cancel_request(order, "nothing is held", now) for order in stake.exits if order.cancel_requested is None]


def _exited_by(stake: Stake) -> Role | None:
    """The role of the exit that executed most."""
    exits = [order for order in stake.orders if order.role.is_exit]
    most = max(exits, key=lambda order: stake.executed(order.ref), default=None)
    return most.role if most is not None else None


def _protected(desk: Desk, position: Open, protection: Protection, message: Proof, world: World, key: str) -> Beads:
    if protection is Protection.PENDING:
        return []
    subject = position.position_id
    if protection.covers:
        over = resolved(desk.alerts, Code.PROTECTION_LOST, subject, "broker")
        if position.state is State.FILLED and protection.stands:
            return [changed(position, PositionEvent.PROTECTED, message, closing=position.closing), over]
        return [over]
    if position.state is State.MANAGED and may_raise(desk.alerts, Code.PROTECTION_LOST, subject, world.now.wall):
        return [alert(Code.PROTECTION_LOST, subject, key, pair=position.pair, protection=protection.value)]
    return []


def _closed(
    desk: Desk, position: Open, totals: Totals, role: Role | None, proof: Proof, world: World, key: str
) -> Beads:
    """The end of a position that held something: its last bead, its autopsy, and the word of it."""
    realized = _in_account(desk, position, totals, world)
    outcome = outcome_of(totals.entered, realized)
    last = changed(
        position,
        PositionEvent.CLOSED,
        proof,
        filled=totals.entered,
        exited=totals.exited,
        average_entry=totals.average_entry,
        average_exit=totals.average_exit,
        outcome=outcome,
        realized=realized,
    )
    thesis = desk.evidence.thesis(position.intent_id)
    life = Life(
        position_id=position.position_id,
        intent_id=position.intent_id,
        strategy=position.strategy,
        side=position.side,
        requested=position.requested_quantity,
        filled=totals.entered,
        average_entry=totals.average_entry,
        average_exit=totals.average_exit,
        realized=realized,
        commission=totals.commission(desk.genesis.currency),
        currency=desk.genesis.currency,
        evidence_hash=thesis.leaf if thesis is not None else None,
        planned_entry=position.last.entry_price,
        stop=position.last.stop_price,
        target=position.last.target_price,
        risk=thesis.risk if thesis is not None else None,
        exited_by=role.value if role is not None else "",
        proposed_at=position.born_at,
        approved_at=position.approved_at,
        filled_at=position.filled_at,
        closed_at=world.now.wall,
    )
    told = alert(Code.POSITION_CLOSED, position.pair, f"{key}|{position.position_id}", outcome=outcome.value)
    over = resolved(desk.alerts, Code.PROTECTION_LOST, position.position_id, "broker")
    return [last, autopsy(life), told, over]


def _in_account(desk: Desk, position: Open, totals: Totals, world: World) -> Money:
    """Profit and loss in the account's currency, to the cent; in the instrument's own where no rate was ever known."""
    realized = times(totals.realized, rate_for(desk, position, world) or Decimal(1))
    return Money(realized.quantize(CENT, context=ARITHMETIC))
