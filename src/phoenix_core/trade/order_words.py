"""What the broker's words about an order add to what is known of it: at most one bead, and none for a word again.

The client library's own idea of an order's status never reaches this file, and a code is no end unless it is in the
closed list and the order was never acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from phoenix_core.beads import Order, OrderEvent
from phoenix_core.facts import BrokerStatus, ErrorSaid, OrderSaid
from phoenix_core.records import evolve
from phoenix_core.trade.order_life import OTHER_TERMS, End, Known, Standing, is_later_word
from phoenix_core.values import text_hash

# The codes that end an order which was never acknowledged. Every other code is an observation: several of them are
# information about an order that is alive, and reading one as an end has cost others a position.
ENDING_CODES: Final = frozenset({103, 106, 107, 109, 110, 111, 133, 200, 201, 203, 321, 434, 460, 10289})
# The codes that say: held, not refused.
HOLDING_CODES: Final = frozenset({399, 404})
# Unless these words stand beside the first of them, which TWS has for every warning about an order: too small for
# IDEALPRO, it is routed to others, and works.
NOT_HELD: Final = "odd lot"
# The codes that say: this cancel did nothing. What became of the order, only its own status says.
NOT_CANCELLED_CODES: Final = frozenset({135, 136, 161, 10147, 10148})
# What a request gets that TWS does not take, also a cancel: its API was switched to read-only meanwhile.
NOT_VALID: Final = 321
# The codes that say: this change did nothing, the order stands as it stood (135: what it names is not found). Of an
# order that works those that end a new one say so too, but for 103: an id that is no order's any more.
NOT_CHANGED_CODES: Final = frozenset({105, 134, 135, 329, 2102, 10326}) | (ENDING_CODES - {103})


# What a broker may say of one order; more is no reason that a person reads.
WORDS_MAX: Final = 1_000


def kept_words(said: OrderSaid | ErrorSaid) -> Mapping[str, str]:
    """The broker's own words on an order, under the hash that its bead names them by: beads hold no free text."""
    words = (said.text if isinstance(said, ErrorSaid) else said.reason)[:WORDS_MAX]
    return {text_hash(words): words} if words else {}


def coded(reason: str) -> str:
    """A reason as programs read it: where the broker's words alone are one, that it gave some, and never those."""
    return reason.partition("sha256:")[0].strip() or "BROKER"


def _pointer(words: str) -> str:
    return text_hash(words[:WORDS_MAX]) if words else ""


def end_said(said: OrderSaid) -> End | None:
    """The end that the broker's word on an order amounts to, if it is one."""
    if said.status is BrokerStatus.FILLED:
        return End.FILLED
    if said.completed and said.status is BrokerStatus.INACTIVE:
        return End.REJECTED
    return End.CANCELLED if said.completed or said.status is BrokerStatus.CANCELLED else None


def news(known: Known, said: OrderSaid) -> tuple[Order, ...]:
    """What a word adds over what is known: at most one bead, and none where it says nothing new."""
    if known.end is not None:
        return ()
    end = end_said(said)
    if end is not None and known.outlives(said.perm_id):
        return _one_of_two(known, said, end)
    if end is not None:
        refused = end is End.CANCELLED and known.code in ENDING_CODES
        return (_body(known, said, OrderEvent.ENDED, End.REJECTED if refused else end),)
    event = _event_of(known, said)
    return () if event is None else (_body(known, said, event),)


def _one_of_two(known: Known, said: OrderSaid, end: End) -> tuple[Order, ...]:
    """The end of one of the orders that the broker has under this reference: the other may still execute, and a
    position whose protection is thought to be over would be closed beside it."""
    if not said.perm_id or said.perm_id in known.over_ids:
        return ()
    return (_body(known, evolve(said, echo=None, group=""), OrderEvent.CHANGED, end),)


def is_strange(said: OrderSaid) -> bool:
    """Whether a word tells what an order is, and that is nothing this desk ever uses: a trailing stop, another life."""
    return said.echo is None and said.instrument is not None and said.status.is_working


def _event_of(known: Known, said: OrderSaid) -> OrderEvent | None:
    acknowledges = said.status.is_working and said.perm_id != 0
    if said.status is BrokerStatus.INACTIVE and not said.held:
        return None if known.standing is Standing.INACTIVE else OrderEvent.INACTIVE
    if said.held and known.standing is not Standing.HELD:
        return OrderEvent.HELD
    if acknowledges and not said.held and known.standing is not Standing.WORKING:
        return OrderEvent.ACKNOWLEDGED
    if said.perm_id and known.perm_ids and said.perm_id not in known.perm_ids:
        return OrderEvent.CHANGED
    other = (said.echo, said.group) != (known.echo, known.echo_group) or is_later_word(known, said.session)
    differs = other or known.strange if said.echo is not None else is_strange(said) and not known.strange
    return OrderEvent.CHANGED if acknowledges and (differs or said.filled > known.filled) else None


def contradicts(known: Known, said: OrderSaid) -> bool:
    """Whether a word about an ended order is more than the end again: it works, or it executed more than it had."""
    if known.end is None or said.completed:
        return False
    filled_after_all = said.status is BrokerStatus.FILLED and known.end is not End.FILLED
    may_fill = said.status.is_working or (said.status is BrokerStatus.INACTIVE and known.end is not End.REJECTED)
    return may_fill or filled_after_all or said.filled > known.filled


def error_news(known: Known, said: ErrorSaid) -> tuple[Order, ...]:
    """What a code about an order adds to what is known of it; what is not in a list of ours is for an observation.

    A listed refusal ends an order that was never acknowledged. Of an acknowledged entry it is kept: should the broker
    then cancel the order, it was a reject. An exit's change that is refused, once, leaves the exit as it stood.
    """
    if said.code in ENDING_CODES and not known.acknowledged and known.end in (None, End.CANCELLED):
        return (_coded(known, said, OrderEvent.ENDED, End.REJECTED.value),)
    if known.end is not None:
        return ()
    if said.code in HOLDING_CODES and NOT_HELD not in said.text:
        return () if known.standing is Standing.HELD else (_coded(known, said, OrderEvent.HELD),)
    if _refuses_cancel(known, said.code):
        return (_coded(known, said, OrderEvent.CANCEL_REFUSED),)
    if said.code in NOT_CHANGED_CODES and known.sent is not None and len(known.frames) > 1:
        return (_coded(known, said, OrderEvent.CHANGE_REFUSED),)
    if said.code in ENDING_CODES and known.revision == 1 and not known.change_refused:
        return (_coded(known, said, OrderEvent.INACTIVE),)
    return ()


def _refuses_cancel(known: Known, code: int) -> bool:
    """Whether a code answers the cancel that is out: one of those that only a cancel gets, or a request that was not
    valid while no other one is out. That of an order which was never acknowledged has ended it before."""
    out = known.cancel_requested is not None and not known.cancel_refused
    only = code == NOT_VALID and len(known.frames) == 1
    return out and (code in NOT_CANCELLED_CODES or only)


def _coded(known: Known, said: ErrorSaid, event: OrderEvent, status: str | None = None) -> Order:
    return Order(
        event=event,
        position_id=known.position_id,
        ref=known.ref,
        role=known.role,
        revision=known.revision,
        status=status,
        code=said.code,
        reason=" ".join(filter(None, (f"code {said.code}", _pointer(said.text)))),
        message=said.message,
        session=said.session,
    )


def _body(known: Known, said: OrderSaid, event: OrderEvent, end: End | None = None) -> Order:
    return Order(
        event=event,
        position_id=known.position_id,
        ref=known.ref,
        role=known.role,
        revision=known.revision,
        status=said.status.value if end is None else end.value,
        perm_id=said.perm_id or None,
        order_id=said.order_id or None,
        filled=None if said.completed else said.filled,
        remaining=said.remaining,
        echo=said.echo,
        echo_group=said.group or None,
        reason=OTHER_TERMS if is_strange(said) else _pointer(said.reason) or None,
        message=said.message,
        session=said.session,
    )
