"""How a position begins: by an accepted signal, or by a human who gives exposure an owner. There is no third way."""

from __future__ import annotations

from decimal import Decimal

from phoenix_core.beads import CanonicalSignal, Position, PositionEvent, Proof, ProofKind
from phoenix_core.trade.positions import position_id_of
from phoenix_core.values import NO_QUANTITY, ZERO, OrderRef, Price, Quantity, Side, State, derived_id


def born(signal: CanonicalSignal) -> Position:
    """The birth of a position by an accepted signal."""
    return Position(
        position_id=position_id_of(signal.intent_id),
        intent_id=signal.intent_id,
        state=State.PROPOSED,
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        pair=signal.pair,
        side=signal.side,
        entry_price=signal.entry,
        stop_price=signal.stop,
        target_price=signal.target,
        partial_fill_ratio=ZERO,
        filled_quantity=NO_QUANTITY,
        requested_quantity=signal.quantity if signal.quantity is not None else NO_QUANTITY,
        exited_quantity=NO_QUANTITY,
        proof=Proof(ProofKind.RULE, signal.signal_id),
        event=PositionEvent.PROPOSED,
    )


def adopted(
    ref: OrderRef,
    *,
    pair: str,
    side: Side,
    quantity: Quantity,
    price: Price,
    stop: Price,
    target: Price,
    strategy: str,
    proof: Proof,
    linked_to: str | None = None,
) -> Position:
    """The birth of a position by a signed adoption: FILLED, its executed entries stated, `ref` from the statement."""
    assert quantity > 0, "who adopts nothing owns nothing"
    intent_id = derived_id("adoption", ref)
    return Position(
        position_id=position_id_of(intent_id),
        intent_id=intent_id,
        state=State.FILLED,
        signal_id=intent_id,
        strategy=strategy,
        pair=pair,
        side=side,
        entry_price=price,
        stop_price=stop,
        target_price=target,
        partial_fill_ratio=Decimal(1),
        filled_quantity=quantity,
        requested_quantity=quantity,
        exited_quantity=NO_QUANTITY,
        proof=proof,
        event=PositionEvent.ADOPTED,
        order_ref=ref,
        average_entry=price,
        linked_to=linked_to,
    )
