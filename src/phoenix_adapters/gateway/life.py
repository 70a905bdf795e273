"""What becomes of an order that was taken: acknowledged, held, routed, filled, reduced, expired.

The order of the messages is what was seen live: a resting limit is told PreSubmitted, then Submitted; a market order is
told openOrder, PreSubmitted, execDetails, openOrder, Filled, and its commission later; a stop stays PreSubmitted until
it triggers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from functools import partial
from typing import Final

from attrs import evolve

from phoenix_adapters.gateway import matching
from phoenix_adapters.gateway.accounts import ZERO, cents
from phoenix_adapters.gateway.checks import insufficient
from phoenix_adapters.gateway.hours import NEW_YORK, is_open, session_at
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.gateway.market import STEP
from phoenix_adapters.gateway.orders import Execution, Order, Stage
from phoenix_adapters.gateway.venue import Venue

IDEALPRO_MINIMUM: Final = 20_000  # base units; smaller orders are filled, at worse prices
SHORTABLE: Final = "Order held while securities are located."
_PENDING: Final = Decimal(-1)  # what TWS writes of a commission that it does not know yet
_FX_RATE: Final = Decimal("0.00002")
_FX_MINIMUM: Final = Decimal("2.00")
_STOCK_EACH: Final = Decimal("0.005")
_STOCK_MINIMUM: Final = Decimal("1.00")
_CORRECTED_AFTER: Final = timedelta(seconds=1)
_SILENT_HOLDS: Final = ("inactive", "partial_hold", "held_dialog", "inactive_locate", "held_399")


def acknowledge(venue: Venue, order: Order) -> None:
    """IB has the order: it is told, and routed unless something holds it."""
    if order.stage is not Stage.SENT:
        return
    faults = venue.faults
    order.status = "PreSubmitted"
    if faults.takes("tif_preset_10349", order.sent):
        order.tif = "DAY"
        venue.tells.error(order, 10349, "Order TIF was set to DAY based on order preset.")
    if faults.takes("price_preset", order.sent):
        tick = order.listing.tick
        order.limit = order.limit and order.limit + tick
        order.stop = order.stop and order.stop + tick
    order.stage = Stage.WAITING
    order.why_held = _held_by(order)
    silent = faults.takes("drop_ack", order.sent)
    if faults.takes("fill_before_ack", order.sent):
        silent = True
        after_its_fill = timedelta(milliseconds=2 * venue.timing.match_ms[1])
        venue.schedule.at(venue.now + after_its_fill, partial(_tell_late, venue, order))
    if not silent:
        venue.tell(order)
    _presets(venue, order)
    if order.parent is None or order.parent.filled > 0:
        admit(venue, order, told=not silent)


def _tell_late(venue: Venue, order: Order) -> None:
    if not order.told:
        venue.tell(order)


def _presets(venue: Venue, order: Order) -> None:
    """What else the broker says of an order that it took."""
    faults = venue.faults
    code = faults.take("unknown_code", order.sent)
    if code:
        venue.tells.error(order, int(code), "Something that no list of codes explains.")
    own_will = faults.seconds("broker_cancels", order.sent)
    if own_will is not None:
        venue.schedule.at(venue.now + own_will, partial(venue.give_up, order, "by the exchange"))
    if order.listing.is_fx and order.quantity < IDEALPRO_MINIMUM and faults.has("odd_lot_399", order.sent):
        text = f"Your order size is below the {order.listing.symbol} {IDEALPRO_MINIMUM} IdealPro minimum"
        venue.tells.error(order, 399, f"Order Message:\nWarning: {text} and will be routed as an odd lot order.")


def _held_by(order: Order) -> str:
    waits = ["child"] if order.parent is not None and order.parent.filled == 0 else []
    return ",".join([*waits, "trigger"] if order.stop is not None and waits else waits)


def admit(venue: Venue, order: Order, told: bool = True) -> None:
    """Route an order, unless the market is closed or a misfortune holds it."""
    if order.stage is not Stage.WAITING:
        return
    opens, _ = session_at(order.listing, venue.now, order.outside_hours)
    _await_close(venue, order)
    if venue.faults.has("inactive", order.sent):
        order.status = "Inactive"
        venue.tells.status(order)
    elif venue.faults.has("inactive_locate", order.sent):
        order.status, order.why_held = "Inactive", "locate"
        venue.tells.error(order, 404, SHORTABLE)
        venue.tells.status(order)
    elif opens > venue.now or venue.faults.has("held_399", order.sent):
        when = f"{opens.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} US/Eastern"
        venue.tells.error(
            order,
            399,
            f"Order Message:\n{order.action} {order.quantity} {order.listing.local_symbol} {order.listing.exchange}\n"
            f"Warning: your order will not be placed at the exchange until {when}",
        )
        if opens > venue.now:
            venue.schedule.at(opens, partial(route, venue, order))
    else:
        route(venue, order, told)


def release(venue: Venue, fault: str) -> None:
    """A hold was lifted: what it held goes on."""
    if fault not in _SILENT_HOLDS:
        return
    for order in list(venue.book.live.values()):
        if fault == "held_dialog" and order.stage is Stage.SENT:
            venue.after(venue.timing.ack_ms, partial(acknowledge, venue, order))
        elif fault == "partial_hold":
            order.capped_at = None
            attempt(venue, order)
        elif (
            order.stage is Stage.WAITING
            and is_open(order.listing, venue.now, order.outside_hours)
            and (order.parent is None or order.parent.filled > 0)
        ):
            order.status, order.why_held = "PreSubmitted", ""
            admit(venue, order)


def route(venue: Venue, order: Order, told: bool = True) -> None:
    """The order works from now on."""
    if order.stage is not Stage.WAITING:
        return
    venue.book.start(order)
    order.why_held = "trigger" if order.stop is not None and not order.triggered else ""
    rests = order.kind == "LMT" or venue.faults.has("never_fill", order.sent)
    if rests:
        order.status = "Submitted"
    if told and (rests or order.stop is not None):
        venue.tell(order)
    attempt(venue, order)
    if order.tif in ("IOC", "FOK"):
        # After the last moment at which its first attempt may match.
        late = timedelta(milliseconds=venue.timing.match_ms[1])
        venue.schedule.at(venue.now + late, partial(_end_immediate, venue, order))


def _end_immediate(venue: Venue, order: Order) -> None:
    if order.stage is not Stage.WORKING:
        return
    if order.tif == "FOK":
        venue.end(order, "Inactive")
        venue.tells.status(order)
        return
    order.status = "PendingCancel"
    venue.tells.status(order)
    venue.cancelled(order)


def _await_close(venue: Venue, order: Order) -> None:
    _, closes = session_at(order.listing, venue.now, order.outside_hours)
    venue.schedule.at(closes, partial(_close, venue, order))


def _close(venue: Venue, order: Order) -> None:
    """Its session is over: what is a DAY order by now does not outlive it, any other one is asked again at the next."""
    if order.tif in ("", "DAY"):
        venue.give_up(order, "End of day")
    elif order.stage is not Stage.DONE:
        _await_close(venue, order)


def attempt(venue: Venue, order: Order) -> None:
    """Fill the order soon if the price allows; it is asked for again when the moment has come."""
    if order.stage is not Stage.WORKING or order.matching or venue.faults.has("never_fill", order.sent):
        return
    if not is_open(order.listing, venue.now, order.outside_hours):
        return
    if order.not_before is not None and venue.now < order.not_before:
        return
    quote = venue.market.quote(order.listing, venue.now)
    _trigger(venue, order, matching.triggered(order, quote))
    if order.stage is not Stage.WORKING or matching.price(order, quote) is None or not matching.quantity(order, quote):
        return
    slow = venue.faults.seconds("slow_fill", order.sent) if order.not_before is None else None
    if slow is not None:
        order.not_before = venue.now + slow
        venue.schedule.at(order.not_before, partial(attempt, venue, order))
        return
    order.matching = True
    venue.after(venue.timing.match_ms, partial(_match, venue, order))


def _trigger(venue: Venue, order: Order, through: bool) -> None:
    if order.stop is None or order.triggered or not through:
        return
    order.triggered, order.status, order.why_held = True, "Submitted", ""
    venue.tell(order)


def _match(venue: Venue, order: Order) -> None:
    order.matching = False
    if order.stage is not Stage.WORKING:
        return
    quote = venue.market.quote(order.listing, venue.now)
    price, quantity = matching.price(order, quote), matching.quantity(order, quote)
    if price is None or quantity <= 0 or (order.tif == "FOK" and quantity < order.remaining):
        return
    then = _partly(venue, order)
    if then is not None:
        quantity = min(quantity, (order.remaining / 2).to_integral_value(ROUND_UP))
    execute(venue, order, quantity, price)
    if order.stage is Stage.WORKING:
        if then is not None:
            then()
        # The rest waits for what the next price shows.
        venue.schedule.at(venue.now + STEP, partial(attempt, venue, order))


def _partly(venue: Venue, order: Order) -> Callable[[], None] | None:
    """What follows if a misfortune lets only half of the order fill; one for all or nothing is never halved."""
    if order.filled or order.remaining < 2 or order.tif == "FOK":
        return None
    half = (order.remaining / 2).to_integral_value(ROUND_UP)
    pause = venue.faults.seconds("partial_fill", order.sent)
    if pause is not None:
        order.not_before = venue.now + pause
        return partial(venue.schedule.at, order.not_before, partial(attempt, venue, order))
    if venue.faults.takes("partial_then_cancel", order.sent):
        return partial(venue.after, venue.timing.cancel_ms, partial(venue.give_up, order))
    if venue.faults.takes("partial_then_reject", order.sent):
        no = insufficient(ZERO, ZERO)
        return partial(venue.after, venue.timing.cancel_ms, partial(venue.give_up, order, no=no))
    if venue.faults.has("partial_hold", order.sent):
        order.capped_at = half
        return lambda: None
    return None


def execute(venue: Venue, order: Order, quantity: Decimal, price: Decimal) -> None:
    """So much of the order fills at this price, whatever its stage: money moves, and its owner hears it."""
    if quantity == order.remaining:
        extra = venue.faults.take("overfill", order.sent)
        quantity += Decimal(extra) if extra is not None else 0
    fee = commission(venue, order.listing, quantity, price)
    rate = venue.market.rate(order.listing.currency, venue.now)
    realized = order.account.book(order.listing, quantity * order.sign, price, fee, rate)
    order.filled += quantity
    order.spent += quantity * price
    order.last_price = price
    execution = Execution(
        venue.book.next_exec_id(), order, venue.now, quantity, price, order.filled, order.average, fee,
        None if realized is None else cents(realized),
    )  # fmt: skip
    venue.book.executions.append(execution)
    if order.stage is not Stage.DONE:
        if order.remaining == 0:
            venue.end(order, "Filled")
        elif order.status not in ("PendingCancel",):
            order.status = "Submitted"
    _announce(venue, order, execution)
    _position(venue, order)
    _reduce_group(venue, order, quantity)
    for child in order.children:
        if child.stage is Stage.WAITING:
            child.why_held = ""
            admit(venue, child)
        else:
            attempt(venue, child)
    _second_thoughts(venue, execution)


def commission(venue: Venue, listing: Listing, quantity: Decimal, price: Decimal) -> Decimal:
    """What an execution costs, in the base currency."""
    if listing.is_fx:
        worth = quantity * price * venue.market.rate(listing.currency, venue.now)
        return cents(max(_FX_MINIMUM, worth * _FX_RATE))
    return cents(max(_STOCK_MINIMUM, quantity * _STOCK_EACH))


def _announce(venue: Venue, order: Order, execution: Execution) -> None:
    """Say a fill, in the usual order of messages or in one of those that were seen on bad days."""
    tells, faults = venue.tells, venue.faults
    say: Mapping[str, Callable[[], None]] = {
        "execution": partial(tells.execution, execution),
        "open": partial(tells.open_order, order),
        "status": partial(tells.status, order),
        "commission": partial(tells.commission, execution),
    }
    if faults.takes("commission_first", order.sent):
        sequence = ["commission", "execution", "open", "status"]
    elif faults.takes("status_before_exec", order.sent):
        sequence = ["open", "status", "execution"]
    else:
        sequence = ["execution", "open", "status"]
    if faults.takes("duplicate_exec", order.sent):
        sequence.append("execution")
    order.told = True
    for step in sequence:
        say[step]()
    if faults.takes("two_exec_ids", order.sent):
        tells.execution(evolve(execution, exec_id=venue.book.next_exec_id()))
    if "commission" in sequence or faults.takes("commission_never", order.sent):
        return
    late, pending = (faults.seconds(name, order.sent) for name in ("commission_late", "commission_pending"))
    if pending is not None:
        tells.commission(evolve(execution, commission=_PENDING, realized=None))
    if late is not None or pending is not None:
        venue.schedule.at(venue.now + (late or pending or timedelta(0)), say["commission"])
    else:
        venue.after(venue.timing.commission_ms, say["commission"])


def _position(venue: Venue, order: Order) -> None:
    tell = partial(venue.tells.position, order.account, order.listing)
    lag = venue.faults.seconds("position_lag", order.sent)
    if lag is not None:
        venue.schedule.at(venue.now + lag, tell)
    else:
        venue.after(venue.timing.position_ms, tell)


def _reduce_group(venue: Venue, order: Order, quantity: Decimal) -> None:
    """One cancels all: type 1 cancels the others, types 2 and 3 take from them in proportion what filled."""
    if order.oca_type == 3 and venue.faults.takes("oca_race", order.sent):
        venue.schedule.at(venue.now + _CORRECTED_AFTER, partial(_reduce_group, venue, order, quantity))
        return
    others = venue.book.group_of(order)
    venue.book.note_fill(order, ZERO if order.oca_type == 1 else order.remaining)
    for other in others:
        if order.oca_type == 1:
            venue.cancelled(other)
            continue
        share = (quantity * other.remaining / (order.remaining + quantity)).to_integral_value(ROUND_UP)
        if share >= other.remaining:
            venue.cancelled(other)
            continue
        other.quantity -= share
        venue.tell(other)


def _second_thoughts(venue: Venue, execution: Execution) -> None:
    """Corrections and busts come later, under the same id with a higher last part."""
    sent = execution.order.sent
    fraction = "0" if venue.faults.takes("bust", sent) else venue.faults.take("exec_correction", sent)
    if fraction is None:
        return
    shares = (execution.shares * Decimal(fraction)).to_integral_value(ROUND_UP)
    venue.schedule.at(venue.now + _CORRECTED_AFTER, partial(correct, venue, execution, shares))


def correct(venue: Venue, execution: Execution, shares: Decimal) -> None:
    """An execution was not what was said: `shares` is what it is now."""
    order = execution.order
    less = execution.shares - shares
    _ = order.account.book(order.listing, -less * order.sign, execution.price, ZERO)
    order.filled -= less
    order.spent -= less * execution.price
    family, _, number = execution.exec_id.rpartition(".")
    revised = evolve(
        execution, exec_id=f"{family}.{int(number) + 1:02d}", shares=shares, cumulated=order.filled,
        average=order.average, commission=ZERO, realized=None,
    )  # fmt: skip
    venue.book.executions.append(revised)
    venue.tells.execution(revised)
    _position(venue, order)
