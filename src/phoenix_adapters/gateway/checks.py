"""What the broker says no to before an order exists, in its own numbers and words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from attrs import frozen

from phoenix_adapters.gateway.accounts import Account, cents
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.instruments import Listing, find
from phoenix_adapters.gateway.market import Market
from phoenix_adapters.gateway.orders import Book
from phoenix_adapters.wire import WireError, number, whole

KINDS: Final = ("MKT", "LMT", "STP", "STP LMT")
TIFS: Final = ("", "DAY", "GTC", "IOC", "FOK")
_VALIDATING: Final = "Error validating request.-'bM' : cause - "


@frozen
class No:
    """An error in TWS's number and words."""

    code: int
    text: str


NO_DEFINITION: Final = No(200, "No security definition has been found for the request")
READ_ONLY: Final = No(321, "Error validating request.-'bM' : cause - The API interface is currently in Read-Only mode.")
PERMISSION: Final = No(460, "No trading permissions.")
OFF_TICK: Final = No(110, "The price does not conform to the minimum price variation for this contract.")
PRECAUTION: Final = No(
    451,
    "The following order exceeds the Total Value Limit of 100,000 USD."
    " Restriction is specified in Precautionary Settings of Global Configuration/Presets.",
)

_FAULTS: Final[Mapping[str, No]] = {
    "readonly": READ_ONLY,
    "reject_symbol": NO_DEFINITION,
    "reject_permission": PERMISSION,
    "reject_price": OFF_TICK,
    "reject_precaution": PRECAUTION,
}


def by_fault(faults: Faults, record: Mapping[str, str]) -> No | None:
    """The refusal that a misfortune causes now."""
    return next((no for name, no in _FAULTS.items() if faults.takes(name, record)), None)


def account_of(record: Mapping[str, str], accounts: Mapping[str, Account]) -> Account | No:
    """The account that an order names; with several, it has to name one."""
    name = record["account"]
    if not name:
        if len(accounts) > 1:
            return No(321, _VALIDATING + "You must specify an account.")
        return next(iter(accounts.values()))
    return accounts.get(name) or No(321, _VALIDATING + f"Invalid account code '{name}'.")


def listing_of(record: Mapping[str, str]) -> Listing | No:
    """The one listing that an order names."""
    found = find(record)
    if len(found) > 1:
        return No(200, "The contract description specified for the request is ambiguous.")
    return found[0] if found else NO_DEFINITION


def numbers(record: Mapping[str, str], listing: Listing) -> tuple[Decimal, Decimal | None, Decimal | None] | No:
    """Quantity, limit price and stop price, or what is wrong with them."""
    kind, tif = record["orderType"], record["tif"]
    if kind not in KINDS:
        return No(321, _VALIDATING + f"Invalid order type was entered: {kind}")
    if tif not in TIFS:
        return No(321, _VALIDATING + f"The time-in-force {tif} is invalid for this order")
    if record["action"] not in ("BUY", "SELL"):
        return No(321, _VALIDATING + "Invalid side")
    if record["conditions"] != "0":
        return No(321, _VALIDATING + "conditions are not simulated")
    try:
        quantity = number(record["totalQuantity"]) or Decimal(0)
        limit, stop = number(record["lmtPrice"]), number(record["auxPrice"])
    except WireError:
        return No(320, "Error reading request. Unable to parse data.")
    if quantity <= 0:
        return No(434, "The order size cannot be zero.")
    if quantity % 1:
        return No(10243, f"Fractional-sized order cannot be placed via API: {listing.local_symbol}")
    limit = limit if kind in ("LMT", "STP LMT") else None
    stop = stop if kind in ("STP", "STP LMT") else None
    needed = [price for price, wants in ((limit, "LMT" in kind), (stop, "STP" in kind)) if wants]
    if any(price is None or price <= 0 or price % listing.tick for price in needed):
        return OFF_TICK
    return quantity, limit, stop


def id_of(record: Mapping[str, str], client_id: int, book: Book) -> No | None:
    """An order id has to be higher than all that this client used before."""
    order_id = whole(record["orderId"])
    if order_id is None or order_id < 1:
        return No(321, _VALIDATING + "Invalid order id")
    return No(103, "Duplicate order id") if order_id < book.next_id(client_id) else None


def margin_of(
    account: Account, listing: Listing, signed: Decimal, price: Decimal, market: Market, now: datetime
) -> No | None:
    """An order has to leave funds available, unless it binds less than before."""
    before = account.margin(market, now)
    after = account.margin(market, now, (listing, signed, price))
    if after.available >= 0 or after.initial <= before.initial:
        return None
    return insufficient(before.net_liquidation, after.initial)


def insufficient(equity: Decimal, needed: Decimal) -> No:
    """The refusal for margin, as TWS words it."""
    return No(
        201,
        "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH"
        f" LOAN VALUE [{cents(equity)} USD] MUST EXCEED THE INITIAL MARGIN [{cents(needed)} USD]",
    )
