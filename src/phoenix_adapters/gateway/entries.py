"""How orders come in: placed, modified, cancelled, asked about; by a client, or by somebody who sits at TWS."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Final

from phoenix_adapters.gateway import checks, life, matching
from phoenix_adapters.gateway.accounts import ZERO, Account, Margin
from phoenix_adapters.gateway.checks import No
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.gateway.orders import MANUAL, Order, Stage
from phoenix_adapters.gateway.venue import Venue
from phoenix_adapters.wire import Record, whole

_REFUSED_CANCEL: Final = {
    10147: "OrderId {id} that needs to be cancelled is not found.",
    10148: "OrderId {id} that needs to be cancelled cannot be cancelled, state: {state}.",
    161: "Cancel attempted when order is not in a cancellable state.  Order permId={perm}",
    136: "This order cannot be cancelled.",
}


def place(venue: Venue, client_id: int, record: Record) -> None:
    """A place frame: a new order, or the modification of one."""
    if venue.faults.takes("never_ack", record) or venue.faults.has("restart_rollback_ids"):
        return
    existing = venue.book.by_id.get((client_id, whole(record["orderId"]) or 0))
    if existing is not None:
        modify(venue, existing, record)
        return
    made = _make(venue, client_id, record)
    if isinstance(made, No):
        _refuse(venue, client_id, record, made)
        return
    venue.book.add(made)
    if made.parent is not None:
        made.parent.children.append(made)
    if record["transmit"] == "0":
        made.stage = Stage.UNTRANSMITTED
        return
    _transmit(venue, made)
    if venue.faults.takes("two_permids", record):
        _twin(venue, client_id, record)


def _twin(venue: Venue, client_id: int, record: Record) -> None:
    """One more order under an id that has one."""
    twin = _make(venue, client_id, record, check_id=False)
    assert not isinstance(twin, No), "what was taken once is taken twice"
    venue.book.add(twin)
    venue.when_linked(partial(_send, venue, twin))


def _refuse(venue: Venue, client_id: int, record: Record, no: No) -> None:
    order_id = whole(record["orderId"])
    if order_id is None:
        order_id = -1
    if no.code != 103:
        venue.book.last_id[client_id] = max(order_id, venue.book.last_id.get(client_id, 0))
    venue.tells.refusal(client_id, order_id, no.code, no.text)


def _make(venue: Venue, client_id: int, record: Record, check_id: bool = True) -> Order | No:
    """The order that a frame asks for, or the first reason against it."""
    no = (checks.by_fault(venue.faults, record) or checks.id_of(record, client_id, venue.book)) if check_id else None
    if no is not None:
        return no
    account, listing = checks.account_of(record, venue.accounts), checks.listing_of(record)
    if isinstance(account, No):
        return account
    if isinstance(listing, No):
        return listing
    figures = checks.numbers(record, listing)
    if isinstance(figures, No):
        return figures
    parent = None
    if record["parentId"] not in ("", "0"):
        parent = venue.book.by_id.get((client_id, whole(record["parentId"]) or 0))
        if parent is None:
            return No(135, f"Can't find order with id ={record['parentId']}")
    quantity, limit, stop = figures
    return Order(
        venue.book.next_perm_id(), client_id, whole(record["orderId"]) or 0, account, listing, record, record["action"],
        quantity, record["orderType"], limit, stop, record["tif"], venue.now, *_group(venue, record, parent), parent,
    )  # fmt: skip


def _group(venue: Venue, record: Record, parent: Order | None) -> tuple[str, int, str]:
    """The one-cancels-all group, its type, and the name that is told of it where that is another one; the broker puts
    the children of one parent into a group of its own if none is named."""
    named = record["ocaGroup"]
    if named:
        kind = whole(record["ocaType"]) or 3
        if venue.faults.has("oca_misnamed", record):
            return f"{named}.R", kind, named
        return (f"{named}.R" if venue.faults.has("oca_renamed", record) else named), kind, ""
    return (str(parent.perm_id), 3, "") if parent is not None else ("", 0, "")


def _family(order: Order) -> list[Order]:
    """What a frame transmits: itself, and the parent and siblings that waited for it."""
    parent = order.parent
    if parent is None:
        return [order]
    waiting = [one for one in (parent, *parent.children) if one.stage is Stage.UNTRANSMITTED or one is order]
    return sorted(waiting, key=lambda one: one.order_id)


def _transmit(venue: Venue, order: Order) -> None:
    """Send an order and what waited for it, each exactly once, now or as soon as IB is reached."""
    for one in _family(order):
        one.stage = Stage.SENT
        venue.when_linked(partial(_send, venue, one))


def _send(venue: Venue, order: Order) -> None:
    """The order goes to IB, which looks at its margin before anything else."""
    if order.stage is Stage.DONE:
        return
    parent_gone = order.parent is not None and order.parent.ended is not None and order.parent.filled == 0
    if parent_gone:
        no: No | None = No(201, "Order rejected - reason:Parent order is being cancelled.")
    elif venue.faults.takes("reject_margin", order.sent):
        margin = order.account.margin(venue.market, venue.now)
        no = checks.insufficient(margin.net_liquidation, margin.net_liquidation * 2)
    elif (rest := venue.book.rest_for(order)) is not None and not venue.faults.has("oca_forgets", order.sent):
        # What filled before an order came to its group was taken from the others; the group gives it no more.
        no = No(201, "Order rejected - reason:OCA group is already filled.") if rest == ZERO else None
        order.quantity = min(order.quantity, max(rest, order.filled))
    elif order.parent is None:
        no = checks.margin_of(
            order.account,
            order.listing,
            order.quantity * order.sign,
            reference_price(venue, order),
            venue.market,
            venue.now,
        )
    else:
        no = None
    if no is not None:
        venue.after(venue.timing.ack_ms, partial(_reject, venue, order, no))
    elif venue.faults.has("held_dialog", order.sent):
        return
    else:
        late = venue.faults.seconds("late_ack", order.sent)
        act = partial(life.acknowledge, venue, order)
        if late is None:
            venue.after(venue.timing.ack_ms, act)
        else:
            venue.schedule.at(venue.now + late, act)


def reference_price(venue: Venue, order: Order) -> Decimal:
    """The price at which an order is weighed before it fills."""
    return order.limit or order.stop or venue.market.mid(order.listing, venue.now)


def _reject(venue: Venue, order: Order, no: No) -> None:
    if order.stage is Stage.DONE:
        return
    venue.inactive(order, no)
    if venue.faults.takes("fill_after_reject", order.sent):
        venue.after(venue.timing.match_ms, partial(_fill_the_dead, venue, order))


def _fill_the_dead(venue: Venue, order: Order) -> None:
    """An order that was said to be over executes: reality does not read its own messages."""
    life.execute(venue, order, order.remaining, venue.market.mid(order.listing, venue.now))


def modify(venue: Venue, order: Order, record: Record) -> None:
    """The same id again: all fields anew, for an order that still lives."""
    say = partial(venue.tells.error, order)
    if order.stage is Stage.DONE:
        if order.status == "Filled":
            say(104, "Cannot modify a filled order.")
        else:
            say(103, "Duplicate order id")
        return
    if venue.faults.takes("readonly", record):
        say(checks.READ_ONLY.code, checks.READ_ONLY.text)
        return
    figures = checks.numbers(record, order.listing)
    if isinstance(figures, No):
        say(figures.code, figures.text)
        return
    if record["orderType"] != order.kind:
        say(329, "Order modify failed. Cannot change to the new order type.")
        return
    if record["action"] != order.action or checks.listing_of(record) is not order.listing:
        say(105, "Order being modified does not match original order.")
        return
    if record["parentId"] not in ("", "0") and (order.parent is None or order.parent.stage is Stage.DONE):
        say(135, f"Can't find order with id ={record['parentId']}")  # also where it is the order's own, and has filled
        return
    if record["ocaGroup"] != order.oca_said and (record["ocaGroup"] or order.parent is None):
        say(10326, "OCA group revision is not allowed.")
        return
    if order.stage is Stage.UNTRANSMITTED:
        _amend(order, record, *figures)
        if record["transmit"] != "0":
            _transmit(venue, order)
        return
    venue.when_linked(lambda: venue.after(venue.timing.ack_ms, partial(_modified, venue, order, record, *figures)))


def _amend(order: Order, record: Record, quantity: Decimal, limit: Decimal | None, stop: Decimal | None) -> None:
    order.sent = {**record, "parentId": order.sent.get("parentId", "0")}  # it stays what it was
    order.quantity, order.limit, order.stop, order.tif = quantity, limit, stop, record["tif"]


def _modified(
    venue: Venue, order: Order, record: Record, quantity: Decimal, limit: Decimal | None, stop: Decimal | None
) -> None:
    if order.stage is Stage.DONE:
        code, text = (104, "Cannot modify a filled order.") if order.status == "Filled" else (161, "Order is gone.")
        venue.tells.error(order, code, text)
        return
    if venue.faults.takes("change_doubles", order.sent):
        _twin(venue, order.client_id, record)
        return
    stood = order.sent, order.quantity, order.limit, order.stop, order.tif
    _amend(order, record, quantity, limit, stop)
    if venue.faults.takes("change_kills", order.sent):
        _die_of_it(venue, order, stood)
        return
    if order.quantity <= order.filled:
        order.quantity = order.filled
        venue.end(order, "Filled")
    venue.tell(order)
    life.attempt(venue, order)


def _die_of_it(venue: Venue, order: Order, stood: tuple[Record, Decimal, Decimal | None, Decimal | None, str]) -> None:
    """A change that the broker took at first and then did not: for a moment the order is what it was, then it ends."""
    venue.tell(order)
    for order.status in ("PendingCancel", "Submitted"):
        venue.tells.status(order)
    order.sent, order.quantity, order.limit, order.stop, order.tif = stood
    order.status = "PreSubmitted"
    venue.tell(order)
    venue.cancelled(order, "We cannot accept an order at these terms.")
    text = "Order rejected - reason:Order has been cancelled already, too late to replace"
    venue.tells.error(order, 201, text)


def cancel(venue: Venue, client_id: int, order_id: int) -> None:
    """A cancel frame."""
    order = venue.book.by_id.get((client_id, order_id))
    sent = order.sent if order is not None else None
    if venue.faults.takes("cancel_lost", sent):
        return
    if venue.faults.takes("readonly", sent):
        venue.tells.refusal(client_id, order_id, checks.READ_ONLY.code, checks.READ_ONLY.text)
        return
    refused = venue.faults.take("cancel_refused", sent)
    if order is None or refused:
        code = int(refused or 10147)
        words = _REFUSED_CANCEL.get(code, "Cancel refused.")
        state, perm = (order.status, order.perm_id) if order else ("unknown", 0)
        venue.tells.refusal(client_id, order_id, code, words.format(id=order_id, state=state, perm=perm))
        return
    venue.when_linked(partial(cancel_order, venue, order))


def cancel_order(venue: Venue, order: Order) -> None:
    """Somebody wants an order to end."""
    if order.stage is Stage.DONE or order.status == "PendingCancel":
        text = _REFUSED_CANCEL[10148].format(id=order.order_id, state=order.status)
        venue.tells.error(order, 10148, text)
        return
    if order.stage is Stage.UNTRANSMITTED:
        venue.cancelled(order)
        return
    forever = venue.faults.takes("pending_cancel_forever", order.sent)
    if forever or not venue.faults.takes("cancel_without_pending", order.sent):
        order.status = "PendingCancel"
        venue.tells.status(order)
    if forever:
        return
    if venue.faults.takes("fill_beats_cancel", order.sent):
        venue.schedule.at(venue.now, partial(_fill_now, venue, order))
    # A cancel never overtakes the order that it is for.
    bounds = (venue.timing.match_ms[1], venue.timing.cancel_ms[1] * 2)
    waits = bounds if order.stage is Stage.SENT else venue.timing.cancel_ms
    venue.after(waits, partial(_cancelled, venue, order))


def _fill_now(venue: Venue, order: Order) -> None:
    if order.stage is not Stage.DONE and order.remaining > 0:
        quote = venue.market.quote(order.listing, venue.now)
        price = matching.price(order, quote) or order.limit or venue.market.mid(order.listing, venue.now)
        life.execute(venue, order, order.remaining, price)


def _cancelled(venue: Venue, order: Order) -> None:
    if order.stage is Stage.DONE:
        text = _REFUSED_CANCEL[10148].format(id=order.order_id, state=order.status)
        venue.tells.error(order, 10148, text)
        return
    venue.cancelled(order)
    later = venue.faults.seconds("fill_after_cancel", order.sent)
    if later is not None:
        venue.schedule.at(venue.now + later, partial(_fill_the_dead, venue, order))


def what_if(venue: Venue, client_id: int, record: Record) -> tuple[Order, Margin, Margin] | No:
    """What an order would do to the margin; it is not placed."""
    made = _make(venue, client_id, record, check_id=False)
    if isinstance(made, No):
        return made
    before = made.account.margin(venue.market, venue.now)
    signed = made.quantity * made.sign
    after = made.account.margin(venue.market, venue.now, (made.listing, signed, reference_price(venue, made)))
    return made, before, after


def place_by_hand(
    venue: Venue,
    account: Account,
    listing: Listing,
    action: str,
    quantity: Decimal,
    kind: str = "MKT",
    limit: Decimal | None = None,
    stop: Decimal | None = None,
) -> Order:
    """Somebody at TWS places an order: no client id, no order id, no reference."""
    order = Order(
        venue.book.next_perm_id(), MANUAL, 0, account, listing, {"tif": "DAY"}, action, quantity, kind, limit, stop,
        "DAY", venue.now,
    )  # fmt: skip
    venue.book.add(order)
    venue.when_linked(partial(_send, venue, order))
    return order


def close_by_hand(venue: Venue, account: Account, listing: Listing) -> Order | None:
    """Somebody at TWS closes a position; what worked beside it stays."""
    held = account.position(listing)
    if held == ZERO:
        return None
    return place_by_hand(venue, account, listing, "SELL" if held > 0 else "BUY", abs(held))
