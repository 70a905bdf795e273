"""The broker's side of the world in one object, and the ways in which an order can end.

`entries` brings orders in, `life` moves them on; both act on a Venue, which tells whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from attrs import define, field, frozen

from phoenix_adapters.gateway.accounts import Account
from phoenix_adapters.gateway.checks import No
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.gateway.market import Market
from phoenix_adapters.gateway.orders import Book, Execution, Order, Stage
from phoenix_adapters.gateway.schedule import Schedule


class Tells(Protocol):
    """What the broker says of its own accord; who hears it is not its concern."""

    def open_order(self, order: Order) -> None:
        """The order as it stands."""

    def status(self, order: Order) -> None:
        """Its status and quantities."""

    def execution(self, execution: Execution) -> None:
        """A fill, or a correction of one."""

    def commission(self, execution: Execution) -> None:
        """What a fill cost."""

    def error(self, order: Order, code: int, text: str) -> None:
        """A word about one order."""

    def refusal(self, client_id: int, order_id: int, code: int, text: str) -> None:
        """A word about an order that was never made."""

    def position(self, account: Account, listing: Listing) -> None:
        """A position as it now stands."""


@frozen
class Timing:
    """How long things take, in milliseconds, each drawn between two bounds."""

    ack_ms: tuple[float, float] = (1, 3)
    match_ms: tuple[float, float] = (1, 4)
    cancel_ms: tuple[float, float] = (1, 5)
    commission_ms: tuple[float, float] = (1, 5)
    position_ms: tuple[float, float] = (5, 20)


@define
class Venue:
    """Market, accounts, orders, and the clock that moves them."""

    schedule: Schedule
    market: Market
    accounts: dict[str, Account]
    faults: Faults
    random: Random
    tells: Tells
    timing: Timing
    book: Book = field(factory=Book)
    linked: bool = True
    _until_linked: list[Callable[[], None]] = field(factory=list)

    @property
    def now(self) -> datetime:
        """The moment that is happening."""
        return self.schedule.now

    def after(self, bounds_ms: tuple[float, float], act: Callable[[], None]) -> None:
        """Do something after a delay between these bounds."""
        self.schedule.at(self.now + timedelta(milliseconds=self.random.uniform(*bounds_ms)), act)

    def when_linked(self, act: Callable[[], None]) -> None:
        """Do something now, or as soon as the gateway reaches IB again."""
        if self.linked:
            act()
        else:
            self._until_linked.append(act)

    def link(self, up: bool) -> None:
        """Cut or mend the line between gateway and IB."""
        self.linked = up
        if up:
            waiting, self._until_linked = self._until_linked, []
            for act in waiting:
                act()

    def tell(self, order: Order) -> None:
        """Say how the order stands, in the pair of messages that TWS sends."""
        order.told = True
        self.tells.open_order(order)
        self.tells.status(order)

    def end(self, order: Order, status: str, reason: str = "") -> None:
        """The order lives no more; what hangs on it dies with it if it never filled."""
        order.status, order.reason, order.why_held = status, reason, ""
        self.book.end(order, self.now)
        if status == "Filled":
            return
        if order.filled == 0 or self.faults.takes("children_die_with_parent", order.sent):
            for child in order.children:
                if child.stage is not Stage.DONE:
                    self.cancelled(child, "Parent order is cancelled")
        elif self.faults.takes("children_outgrow_parent", order.sent):
            for child in order.children:
                child.outgrown = True

    def cancelled(self, order: Order, reason: str = "") -> None:
        """The order ends cancelled, and its owner hears it."""
        self.end(order, "Cancelled", reason)
        self.tells.status(order)
        self.tells.error(order, 202, f"Order Canceled - reason:{reason}")

    def give_up(self, order: Order, reason: str = "", no: No | None = None) -> None:
        """The broker ends an order of its own will, if it still lives."""
        if order.stage is Stage.DONE:
            return
        if no is not None:
            self.inactive(order, no)
        else:
            self.cancelled(order, reason)

    def inactive(self, order: Order, no: No) -> None:
        """The order is rejected, and its owner hears it in the order of the day."""
        status = "Cancelled" if self.faults.takes("reject_as_cancelled", order.sent) else "Inactive"
        self.end(order, status, no.text)
        if self.faults.takes("reject_status_first", order.sent):
            self.tells.status(order)
            self.tells.error(order, no.code, no.text)
        else:
            self.tells.error(order, no.code, no.text)
            self.tells.status(order)
