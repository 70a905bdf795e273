"""What a script, a test or a person at TWS does to a running gateway, by name, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from attrs import frozen

from phoenix_adapters.gateway import entries
from phoenix_adapters.gateway.accounts import ZERO, Account
from phoenix_adapters.gateway.core import Gateway
from phoenix_adapters.gateway.instruments import BY_NAME, Listing
from phoenix_adapters.gateway.orders import Order
from phoenix_adapters.gateway.sessions import Session
from phoenix_adapters.wire import WireError, number

Given: TypeAlias = Mapping[str, str]


class UnknownAct(ValueError):
    """An act that is not in the table, or not with these words."""


@frozen
class Act:
    """One act: what it does, the words it needs, the words it may have."""

    says: str
    do: Callable[[Gateway, Given], None]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


def check(name: str, given: Given) -> Act:
    """The act of this name, if it can be done with these words."""
    act = ACTS.get(name)
    if act is None:
        raise UnknownAct(f"no act is named {name!r}; there are {', '.join(ACTS)}")
    missing = [word for word in act.needs if word not in given]
    strange = [word for word in given if word not in act.needs + act.may]
    if missing or strange:
        raise UnknownAct(f"{name}: needs {', '.join(act.needs) or 'nothing'}; missing {missing}, unknown {strange}")
    return act


def perform(gateway: Gateway, name: str, given: Given) -> None:
    """Do it now."""
    check(name, given).do(gateway, given)
    gateway.advance(gateway.schedule.now)


def _listing(given: Given) -> Listing:
    try:
        return BY_NAME[given["symbol"]]
    except KeyError:
        raise UnknownAct(f"{given['symbol']!r} is not listed; there are {', '.join(BY_NAME)}") from None


def _account(gateway: Gateway, given: Given) -> Account:
    accounts = gateway.venue.accounts
    name = given.get("account", next(iter(accounts)))
    if name not in accounts:
        raise UnknownAct(f"no account {name!r}; there are {', '.join(accounts)}")
    return accounts[name]


def _amount(given: Given, word: str) -> Decimal | None:
    try:
        return number(given[word]) if word in given else None
    except WireError as error:
        raise UnknownAct(f"{word}: {error}") from error


def _must(given: Given, word: str) -> Decimal:
    amount = _amount(given, word)
    if amount is None:
        raise UnknownAct(f"{word} is a number, not {given.get(word)!r}")
    return amount


def _orders(gateway: Gateway, given: Given) -> list[Order]:
    """The living orders that an act means: by permanent id, by reference, by symbol, else all."""
    tests: dict[str, Callable[[Order], str]] = {
        "perm_id": lambda order: str(order.perm_id),
        "order_ref": lambda order: order.sent.get("orderRef", ""),
        "symbol": lambda order: order.listing.name,
    }
    asked = [(test, given[word]) for word, test in tests.items() if word in given]
    return [one for one in gateway.venue.book.live.values() if all(test(one) == said for test, said in asked)]


def _quote(gateway: Gateway, given: Given) -> None:
    freeze = given.get("freeze", "true").lower() in ("true", "1")
    gateway.venue.market.set(_listing(given), gateway.schedule.now, _must(given, "bid"), _must(given, "ask"), freeze)


def _gap(gateway: Gateway, given: Given) -> None:
    listing, now = _listing(given), gateway.schedule.now
    by = _must(given, "ticks") * listing.tick
    quote = gateway.venue.market.quote(listing, now)
    if quote.bid is not None and quote.ask is not None:
        gateway.venue.market.set(listing, now, quote.bid + by, quote.ask + by, freeze=False)


def _sides(gateway: Gateway, given: Given) -> None:
    shown = given["show"]
    gateway.venue.market.side(_listing(given), bid=shown in ("bid", "both"), ask=shown in ("ask", "both"))


def _manual_place(gateway: Gateway, given: Given) -> None:
    _ = entries.place_by_hand(
        gateway.venue, _account(gateway, given), _listing(given), given["action"], _must(given, "quantity"),
        given.get("type", "MKT"), _amount(given, "limit"), _amount(given, "stop"),
    )  # fmt: skip


def _manual_cancel(gateway: Gateway, given: Given) -> None:
    for order in _orders(gateway, given):
        entries.cancel_order(gateway.venue, order)


def _manual_modify(gateway: Gateway, given: Given) -> None:
    for order in _orders(gateway, given):
        order.quantity = _amount(given, "quantity") or order.quantity
        order.limit = _amount(given, "limit") or order.limit
        order.stop = _amount(given, "stop") or order.stop
        order.kind = given.get("type", order.kind)
        gateway.venue.tell(order)


def _manual_close(gateway: Gateway, given: Given) -> None:
    _ = entries.close_by_hand(gateway.venue, _account(gateway, given), _listing(given))


def _deposit(gateway: Gateway, given: Given) -> None:
    _account(gateway, given).deposit(given["currency"], _must(given, "amount"))


def _transfer(gateway: Gateway, given: Given) -> None:
    """A position that no order made: a transfer, a split, an assignment."""
    account, listing = _account(gateway, given), _listing(given)
    _ = account.book(listing, _must(given, "quantity"), _amount(given, "price") or ZERO, ZERO)
    gateway.callbacks.position(account, listing)


def _misreport(gateway: Gateway, given: Given) -> None:
    """Nothing is moved: only what clients are told of the position, now and whenever they ask."""
    account, listing = _account(gateway, given), _listing(given)
    account.claim(listing, _amount(given, "quantity"))
    gateway.callbacks.position(account, listing)


def _error(gateway: Gateway, given: Given) -> None:
    for session in _sessions(gateway, given):
        gateway.board.send(
            session, "error", id=given.get("id", "-1"), code=_must(given, "code"), message=given.get("text", "")
        )


def _sessions(gateway: Gateway, given: Given) -> list[Session]:
    """The connected clients that an act means: one by its id, else all."""
    return [one for one in gateway.board.ready() if given.get("client", str(one.client_id)) == str(one.client_id)]


def _drop(gateway: Gateway, given: Given) -> None:
    for session in _sessions(gateway, given):
        gateway.board.close(session)


def _raw(gateway: Gateway, given: Given) -> None:
    for session in _sessions(gateway, given):
        gateway.board.raw(session, tuple(given["fields"].split("|")))


def _restart(gateway: Gateway, given: Given) -> None:
    gateway.restart(int(_must(given, "seconds")) if "seconds" in given else None)


def _calm(gateway: Gateway, given: Given) -> None:
    for name in gateway.faults.on():
        gateway.switch_off(name)


_FOUND_BY: Final = ("perm_id", "order_ref", "symbol")
ACTS: Final[Mapping[str, Act]] = {
    "fault": Act("switch a misfortune on", lambda gateway, given: gateway.switch_on(given["name"]), ("name",)),
    "clear": Act("switch a misfortune off", lambda gateway, given: gateway.switch_off(given["name"]), ("name",)),
    "calm": Act("switch all misfortunes off", _calm),
    "quote": Act("put a quote somewhere, and hold it there", _quote, ("symbol", "bid", "ask"), ("freeze",)),
    "gap": Act("move both sides by so many ticks", _gap, ("symbol", "ticks")),
    "hold": Act(
        "hold a price", lambda gateway, given: gateway.venue.market.freeze(_listing(given), True), ("symbol",)
    ),
    "loose": Act(
        "let a price walk", lambda gateway, given: gateway.venue.market.freeze(_listing(given), False), ("symbol",)
    ),
    "sides": Act("show bid, ask, both or none", _sides, ("symbol", "show")),
    "manual_place": Act(
        "somebody at TWS places an order", _manual_place, ("symbol", "action", "quantity"),
        ("account", "type", "limit", "stop"),
    ),
    "manual_cancel": Act("somebody at TWS cancels orders", _manual_cancel, (), _FOUND_BY),
    "manual_modify": Act(
        "somebody at TWS changes orders", _manual_modify, (), (*_FOUND_BY, "quantity", "type", "limit", "stop")
    ),
    "manual_close": Act("somebody at TWS closes a position", _manual_close, ("symbol",), ("account",)),
    "deposit": Act("cash comes or goes", _deposit, ("currency", "amount"), ("account",)),
    "transfer": Act("a position comes or goes with no order", _transfer, ("symbol", "quantity"), ("account", "price")),
    "misreport": Act(
        "tell another position than is held; the truth again with no quantity", _misreport, ("symbol",),
        ("account", "quantity"),
    ),
    "error": Act("send a code to one client or all", _error, ("code",), ("id", "text", "client")),
    "frame": Act("send fields, parted by |, as they are", _raw, ("fields",), ("client",)),
    "drop": Act("reset one client's connection, or all", _drop, (), ("client",)),
    "link_lost": Act("1100", lambda gateway, given: gateway.lose_link()),
    "link_restored": Act(
        "1102; 1101 with data=lost",
        lambda gateway, given: gateway.regain_link(given.get("data") == "lost"), (), ("data",),
    ),
    "restart": Act(
        "close all connections and the port for so many seconds",
        _restart, (), ("seconds",),
    ),
    "reset_ids": Act(
        "order ids begin at 1 again, as by TWS's button", lambda gateway, given: gateway.venue.book.reset_ids()
    ),
    "log_out": Act("nobody is logged in any more", lambda gateway, given: gateway.log_out()),
    "log_in": Act("a human logs in", lambda gateway, given: gateway.log_in()),
}  # fmt: skip
