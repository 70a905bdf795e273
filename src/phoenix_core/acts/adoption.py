"""Giving exposure an owner, and protection at prices that a human typed.

Phoenix knows of such exposure what the last whole picture shows and what the human signs, and nothing else. So it asks
that the picture shows as much that nobody owns, and that orders at these prices would stand.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

from phoenix_core.acts.carry import Signed
from phoenix_core.acts.last_look import baseline_of
from phoenix_core.beads import Order, OrderEvent, Position, Proof, ProofKind
from phoenix_core.desk import Desk
from phoenix_core.effects import Reconcile
from phoenix_core.gate import statements as says
from phoenix_core.gate.signals import off_grid
from phoenix_core.gate.sizing import increment_of
from phoenix_core.orders import Frame, Line, entry_ref, exit_ref, group_of, order_hash
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.trade import exits, protection
from phoenix_core.trade.births import adopted
from phoenix_core.trade.fills import stated
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import (
    ARITHMETIC,
    ZERO,
    Instrument,
    Moment,
    OrderRef,
    OrderType,
    Price,
    Role,
    Side,
    Tif,
    on_grid,
    plain,
    times,
)
from phoenix_core.world import World


def adopt(desk: Desk, said: says.Adopt, signed: Signed, world: World) -> Ruling:
    """Give exposure an owner: a FILLED position with an exit mandate, its statement standing where a token would."""
    card = world.instruments.get(said.symbol)
    if card is None:
        return denied(refusal(Reason.INSTRUMENT_NOT_ALLOWED, detail=f"no contract card for {said.symbol}"))
    in_order = (said.stop < said.price < said.target) if said.side.sign > 0 else (said.target < said.price < said.stop)
    if not in_order:
        return denied(refusal(Reason.SIGNAL_GEOMETRY, detail="stop, price and target are not in order"))
    if said.linked_to is not None and not isinstance(desk.positions.find(said.linked_to), Ended):
        return denied(refusal(Reason.UNKNOWN_POSITION, detail=f"{said.linked_to} is no position that has ended"))
    no = merged(
        (
            _owned(desk, said, world),
            _part_of_one(said, card),
            _never_stands(said.side, said.symbol, said.stop, said.target, world),
        )
    )
    if no is not None:
        return denied(no)
    recorded = desk.approvals.recent[signed.seq]
    ref = entry_ref(recorded.signed.statement.encode())
    body = adopted(
        ref,
        pair=said.symbol,
        side=said.side,
        quantity=said.quantity,
        price=said.price,
        stop=said.stop,
        target=said.target,
        strategy=said.strategy,
        proof=Proof(ProofKind.OPERATOR_DECISION, str(signed.seq)),
        linked_to=said.linked_to,
    )
    line = Line(
        role=Role.ENTRY,
        side=said.side,
        quantity=said.quantity,
        order_type=OrderType.MARKET,
        tif=Tif.DAY,
        outside_hours=False,
        account=desk.genesis.account,
        symbol=said.symbol,
        con_id=card.con_id,
        sec_type=card.sec_type,
        currency=card.currency,
        exchange=card.exchange,
    )
    booked = stated(
        f"stated.{signed.seq}.01",
        body.position_id,
        ref,
        Role.ENTRY,
        said.symbol,
        said.side,
        said.quantity,
        said.price,
        world.now.wall,
    )
    return granted(body.intent_id, body, booked, _protection(body, ref, line, said, world.now))


def _part_of_one(said: says.Adopt, card: Instrument) -> Refusal | None:
    """A dividend leaves a part of a share, and a conversion one of a euro: no order of such a size is taken."""
    step = increment_of(card)
    if on_grid(said.quantity, step):
        return None
    detail = f"{plain(said.quantity)} is no multiple of {plain(step)}: adopt what can be protected"
    return refusal(Reason.QUANTITY_OFF_GRID, detail=detail)


def protect_refusal(said: says.Protect, position: Open, stake: exits.Stake, world: World) -> Refusal | None:
    """Why protection is not placed as a human asks for it: some works still, or what was typed would not stand."""
    if stake.exits:
        return refusal(Reason.PROTECTION_STILL_WORKS, detail="exits work: it mends what is gone, and moves nothing")
    stop, target = said.stop or position.stop_price, said.target or position.target_price
    if times(ARITHMETIC.subtract(target, stop), Decimal(position.side.sign)) <= 0:
        return refusal(Reason.SIGNAL_GEOMETRY, detail=f"stop {plain(stop)} and target {plain(target)} are not in order")
    return _never_stands(position.side, position.pair, said.stop, said.target, world)


def _never_stands(side: Side, symbol: str, stop: Price | None, target: Price | None, world: World) -> Refusal | None:
    """Prices that a human typed, at which no order would stand: the broker refuses what is between its steps, and what
    is held would be bare; a stop beyond the market leaves at once, which is a close that nobody signed."""
    card, quote = world.instruments.get(symbol), world.quotes.get(symbol)
    typed = {name: price for name, price in (("stop", stop), ("target", target)) if price is not None}
    grid = None if card is None else off_grid(typed, card)
    if stop is None or quote is None or (quote.bid > stop if side is Side.BUY else quote.ask < stop):
        return grid
    beyond = refusal(Reason.STOP_ON_WRONG_SIDE, detail=f"the market is at or beyond the stop {plain(stop)}: close it")
    return merged((grid, beyond))


def _owned(desk: Desk, said: says.Adopt, world: World) -> Refusal | None:
    """Why this exposure needs no owner: the last whole picture does not show so much that no position accounts for.

    Who signs an adoption twice would else have two positions, each with its exits, of what is there once.
    """
    if world.snapshot is None:
        return refusal(Reason.SNAPSHOTS_MISSING, detail="no complete picture of the broker's shows what to adopt")
    if any(look.since > world.snapshot.began.wall for look in desk.owed.of(Reconcile).values()):
        detail = "something was executed, or ended, since the last picture: what is left there, the next one shows"
        return refusal(Reason.SNAPSHOTS_MISSING, detail=detail)
    owners = (desk.positions.open[name] for name in desk.positions.by_pair.get(said.symbol, ()))
    stakes = [exits.stake_of(owner, desk.orders, desk.fills) for owner in owners]
    if any(exits.working_exits(stake) > max(ZERO, stake.held) for stake in stakes):
        detail = "exits of another position work there for more than it holds: they may leave with what is adopted"
        return refusal(Reason.PROTECTION_STILL_WORKS, detail=detail)
    shown = ARITHMETIC.subtract(world.snapshot.held(said.symbol), baseline_of(desk, said.symbol))
    there = times(shown, Decimal(said.side.sign))
    ownerless = reduce(ARITHMETIC.subtract, (_claim(stake, said.side) for stake in stakes), there)
    if ownerless >= said.quantity:
        return None
    detail = f"{plain(ownerless)} of {plain(shown)} {said.symbol} shown has no owner; reconcile for a new picture"
    return refusal(Reason.EXIT_TOO_LARGE, detail=detail)


def _claim(stake: exits.Stake, side: Side) -> Decimal:
    """What a position holds on a side. What exits took beyond what it held is gone, and nobody's to adopt."""
    held = stake.held if side is stake.position.side else stake.held.copy_negate()
    return max(ZERO, held) if stake.held < 0 else held


def _protection(body: Position, ref: OrderRef, line: Line, said: says.Adopt, now: Moment) -> Order:
    frames: list[Frame] = []
    for role, kind in ((Role.STOP, OrderType.STOP), (Role.TARGET, OrderType.LIMIT)):
        exit_line = protection.exit_line(
            line, role, kind, said.quantity, said.stop if role is Role.STOP else said.target
        )
        frames.append(Frame(exit_ref(ref, role, 1), 1, order_hash((exit_line,)), exit_line))
    return Order(
        event=OrderEvent.RECORDED,
        position_id=body.position_id,
        ref=frames[0].ref,
        frames=tuple(frames),
        group=group_of(ref, 1),
        mandate=f"adoption:{ref}",
        ticks=now.ticks,
        boot=now.boot,
    )
