"""Compare the book with the broker's whole picture, and say what differs. Nothing is corrected, by either side.

A reconciliation leaves an observation of what it saw, a drift bead for every divergence that is news, and alerts. A
whole picture is also the executions answer that an unfilled end has been waiting for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from attrs import frozen

from phoenix_core.acts.lights import last_rate
from phoenix_core.beads import Alert, Body, Draft, PositionEvent, Proof, ProofKind, Settlement, Settles
from phoenix_core.desk import Desk
from phoenix_core.effects import Reconcile
from phoenix_core.facts import BrokerStatus, ExecutionSaid, Snapshot
from phoenix_core.gate.guards import currency_light
from phoenix_core.orders import parsed_ref
from phoenix_core.refusals import Reason
from phoenix_core.rulings import Ruling, granted, settling
from phoenix_core.trade.answers import entry_answer, entry_proven
from phoenix_core.trade.fills import Answer
from phoenix_core.trade.order_book import Orders
from phoenix_core.trade.order_life import End, Known, Over, Standing
from phoenix_core.trade.positions import Open, Traded, changed
from phoenix_core.values import ARITHMETIC, ZERO, Money, SecType, State, times
from phoenix_core.watch.alerts import may_raise, resolved
from phoenix_core.watch.codes import Code, alert, drift_alert
from phoenix_core.watch.compare import MOTION_AFTER_MAX, UNKNOWN_MAX, Agreement, Book, Made, OrderRow, compare
from phoenix_core.watch.drift import news
from phoenix_core.watch.market_hours import Zone, calendar_day, fx_day, in_one_day
from phoenix_core.watch.observations import is_reconciled, snapshot_seen, suspects_of
from phoenix_core.world import World

Beads = list[Body | Draft | None]


def unheard(desk: Desk, snapshot: Snapshot) -> tuple[ExecutionSaid, ...]:
    """Executions of ours that a whole picture shows and the log does not: the feed lost them, or died in silence.

    They are taken in as ordinary facts before the picture is compared; a holding that differs by less than is explained
    by a currency's cash would else hide them for ever.
    """
    whole = snapshot.complete and not snapshot.missing
    return tuple(
        said
        for said in (snapshot.executions if whole else ())
        if said.account in ("", desk.genesis.account)
        and parsed_ref(said.ref) is not None
        and desk.fills.answer(said) is not Answer.KNOWN
    )


def reconciled(desk: Desk, snapshot: Snapshot, world: World, key: str) -> Ruling:
    """What one picture of the broker leaves."""
    finding = compare(book_of(desk, snapshot, world), snapshot, suspects_of(desk.observations))
    bodies: Beads = [snapshot_seen(snapshot, finding)]
    for drift in news(desk.drifts, finding.found, snapshot.session, desk.sessions.connected_seq):
        bodies.append(drift)
        bodies.append(drift_alert(drift, f"{key}|{drift.identity}"))
    if finding.agreement is Agreement.UNKNOWN:
        if desk.observations.unknown_streak + 1 >= UNKNOWN_MAX:
            told = may_raise(desk.alerts, Code.RECONCILIATION_UNKNOWN, "reconciliation", world.now.wall)
            bodies.append(alert(Code.RECONCILIATION_UNKNOWN, "reconciliation", key) if told else None)
        return granted("reconciliation", *bodies)
    bodies.append(resolved(desk.alerts, Code.RECONCILIATION_UNKNOWN, "reconciliation", "broker"))
    bodies.append(_in_other_money(desk, snapshot, key))
    bodies.extend(_ended_unfilled(desk, snapshot))
    return _settled(desk, granted("reconciliation", *bodies), snapshot)


def _in_other_money(desk: Desk, snapshot: Snapshot, key: str) -> Alert | None:
    """An account that is kept in another currency than the desk counts in: every size and limit would be of other
    money. Nothing is entered, and a human hears why with the first whole picture of each session."""
    told = is_reconciled(desk.observations, desk.sessions.session, desk.sessions.connected_seq)
    if told or currency_light(desk.genesis.currency, snapshot.currency) is None:
        return None
    named = {"desk": desk.genesis.currency, "account": snapshot.currency}
    return alert(Code.GUARD_VIOLATION, "currency", key, reason=Reason.ACCOUNT_MISMATCH.value, **named)


def _settled(desk: Desk, ruling: Ruling, snapshot: Snapshot) -> Ruling:
    """A picture that began after an obligation to look arose has met it; a clock that was set back proves nothing."""
    began, ended = snapshot.began.wall, snapshot.ended.wall
    met = tuple(
        Settles(*key, Settlement.DONE)
        for key, effect in desk.owed.of(Reconcile).items()
        if effect.since <= began or effect.since > ended + MOTION_AFTER_MAX
    )
    return settling(ruling, *met)


@frozen
class EndedOrders:
    """The references whose order has ended: asked one by one, never listed."""

    orders: Orders

    def __contains__(self, ref: object) -> bool:
        """Whether the order of this reference has ended, however long ago."""
        return isinstance(ref, str) and self.orders.has_ended(ref)


def book_of(desk: Desk, snapshot: Snapshot, world: World) -> Book:
    """What Phoenix believes, as plain values."""
    rows = {ref: _row(order) for ref, order in desk.orders.open.items()}
    traded = (symbol for symbol, card in world.instruments.items() if card.sec_type is SecType.CASH)
    cash = frozenset((*traded, *(held.symbol for held in snapshot.positions if held.virtual)))
    return Book(
        account=desk.genesis.account,
        session=desk.sessions.session,
        holdings=desk.positions.nets,
        orders=rows,
        ended=EndedOrders(desk.orders),
        baseline={holding.symbol: holding.quantity for holding in desk.genesis.baseline},
        touched={**desk.orders.touched, **desk.fills.touched},
        cash=cash,
        made=_made(desk, snapshot, world.now.wall),
        awaited={
            position.order_ref: position.pair
            for state in (State.SUBMITTED, State.STALLED)
            for position in desk.positions.in_state(state)
            if desk.orders.has_ended(position.order_ref)
        },
    )


def _made(desk: Desk, snapshot: Snapshot, now: datetime) -> tuple[Made, ...]:
    """What today made, by our trading day and by each midnight at which the broker may begin its own. Nothing can be
    held against its figure where others traded on this account, too: it is the account's."""
    others = (one for one in snapshot.executions if parsed_ref(one.ref) is None and snapshot.is_own(one.account))
    if snapshot.realized is None or any(others):
        return ()
    days: list[Callable[[datetime], str]] = [fx_day, *(partial(calendar_day, zone) for zone in Zone)]
    return tuple(_made_on(desk, [item for item in desk.positions.lately if day(item.at) == day(now)]) for day in days)


def _made_on(desk: Desk, items: list[Traded]) -> Made:
    realized, fees = ZERO, ZERO
    for item in items:
        realized = ARITHMETIC.add(realized, item.realized)
    for position_id in dict.fromkeys(item.position_id for item in items if item.realized):
        for currency, amount in desk.fills.totals(position_id).commissions:
            fees = ARITHMETIC.add(fees, times(amount, last_rate(desk, currency) or ZERO))
    return Made(Money(realized), Money(fees))


def _row(order: Known) -> OrderRow:
    return OrderRow(
        ref=order.ref,
        symbol=order.line.symbol,
        role=order.role,
        side=order.line.side,
        quantity=order.line.quantity,
        filled=order.filled,
        status=_STATUS.get(order.standing, BrokerStatus.UNKNOWN),
        perm_id=next(reversed(order.living_ids), 0),
        group=order.group,
        sent=order.standing is not Standing.RECORDED,
    )


_STATUS = {
    Standing.WORKING: BrokerStatus.SUBMITTED,
    Standing.HELD: BrokerStatus.PRESUBMITTED,
    Standing.INACTIVE: BrokerStatus.INACTIVE,
}


def _ended_unfilled(desk: Desk, snapshot: Snapshot) -> Beads:
    """Entries that the broker ended with nothing filled, and whose executions this later picture does not show."""
    bodies: Beads = []
    for position in (*desk.positions.in_state(State.SUBMITTED), *desk.positions.in_state(State.STALLED)):
        over = desk.orders.end_of(position.order_ref or "")
        if over is not None and _is_proven(position, over, snapshot):
            bodies.extend(_end(desk, position, over))
    return bodies


def _is_proven(position: Open, over: Over, snapshot: Snapshot) -> bool:
    untraded = over.filled == position.filled_quantity == position.exited_quantity == 0
    unfilled = untraded and over.end in (End.CANCELLED, End.REJECTED)
    later = snapshot.complete and snapshot.began.wall >= over.at
    silent = all(said.ref != position.order_ref for said in snapshot.executions)
    return unfilled and later and silent and reaches_back(position, snapshot.ended.wall)


def reaches_back(position: Open, now: datetime) -> bool:
    """Whether executions that are told now go back to this position's order: past a midnight a human must decide."""
    return position.submitted_at is not None and in_one_day(position.submitted_at, now)


def _end(desk: Desk, position: Open, over: Over) -> Beads:
    event = entry_answer(position.state, entry_proven(over.end))
    assert isinstance(event, PositionEvent), "a proven end moves what was sent and not filled"
    proof = Proof(ProofKind.BROKER_MESSAGE, over.message or position.order_ref or "")
    reasons = (over.reason,) if over.reason else ()
    return [
        changed(position, event, proof, reasons=reasons),
        resolved(desk.alerts, Code.POSITION_STALLED, position.position_id, "broker"),
    ]
