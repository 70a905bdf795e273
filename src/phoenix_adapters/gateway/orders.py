"""Orders and executions as the broker keeps them, and the book that finds them.

The book forgets at midnight what ended before it, as TWS does, so that its size is a day's and never a life's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum

from attrs import define, field

from phoenix_adapters.gateway.accounts import ZERO, Account
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.wire import Record

MANUAL = 0  # the client id of whoever sits at TWS


class Stage(Enum):
    """Where an order is; its `status` is only what clients are told."""

    UNTRANSMITTED = "waits in TWS for the frame that transmits its bracket"
    SENT = "on its way, not yet acknowledged"
    WAITING = "acknowledged, but may not fill: its parent, the market or a hold keeps it"
    WORKING = "may fill"
    DONE = "filled, cancelled or rejected"


@define(eq=False)
class Order:
    """One order. `sent` are the client's own fields, echoed back; the rest is the broker's."""

    perm_id: int
    client_id: int
    order_id: int
    account: Account
    listing: Listing
    sent: Record
    action: str
    quantity: Decimal
    kind: str
    limit: Decimal | None
    stop: Decimal | None
    tif: str
    placed: datetime
    oca_group: str = ""
    oca_type: int = 0
    oca_told: str = ""  # the name that is told of its group, where that is not the group's
    parent: Order | None = None
    children: list[Order] = field(factory=list)
    stage: Stage = Stage.SENT
    status: str = "PendingSubmit"
    why_held: str = ""
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    last_price: Decimal = ZERO
    triggered: bool = False
    told: bool = False
    outgrown: bool = False
    matching: bool = False
    not_before: datetime | None = None
    capped_at: Decimal | None = None
    ended: datetime | None = None
    reason: str = ""

    @property
    def sign(self) -> int:
        """+1 for a purchase, -1 for a sale."""
        return 1 if self.action == "BUY" else -1

    @property
    def oca_said(self) -> str:
        """The name of its one-cancels-all group, as it is told."""
        return self.oca_told or self.oca_group

    @property
    def remaining(self) -> Decimal:
        """What may still fill."""
        return max(ZERO, self.quantity - self.filled)

    @property
    def average(self) -> Decimal:
        """The mean price of what filled."""
        return self.spent / self.filled if self.filled else ZERO

    @property
    def manual(self) -> bool:
        """Whether somebody at TWS placed it by hand."""
        return self.client_id == MANUAL and self.order_id <= 0

    @property
    def outside_hours(self) -> bool:
        """Whether it works before the opening and after the close."""
        return self.sent.get("outsideRth") == "1"


@define(eq=False)
class Execution:
    """One fill, or a later word on one: the same id with a higher last part."""

    exec_id: str
    order: Order
    at: datetime
    shares: Decimal
    price: Decimal
    cumulated: Decimal
    average: Decimal
    commission: Decimal
    realized: Decimal | None


@define
class Book:
    """Every order that lives, and those and the executions of today."""

    by_id: dict[tuple[int, int], Order] = field(factory=dict)
    live: dict[int, Order] = field(factory=dict)
    working: dict[int, dict[int, Order]] = field(factory=dict)
    groups: dict[tuple[str, str], dict[int, Order]] = field(factory=dict)
    rests: dict[tuple[str, str], Decimal] = field(factory=dict)
    done: list[Order] = field(factory=list)
    executions: list[Execution] = field(factory=list)
    last_id: dict[int, int] = field(factory=dict)
    born: int = 0  # when this venue began, in seconds: a new process repeats no id of an earlier one
    _perm_id: int = 1_300_000_000
    _exec_number: int = 0

    def next_perm_id(self) -> int:
        """A permanent id that no order had."""
        self._perm_id += 1
        return self._perm_id + self.born % 100_000 * 5_000

    def next_exec_id(self) -> str:
        """An execution id in the venue's form; its last part counts corrections."""
        self._exec_number += 1
        return f"{self.born & 0xFFFFFFFF:08x}.{self._exec_number:08x}.01.01"

    def next_id(self, client_id: int) -> int:
        """The lowest order id that a client may use."""
        return self.last_id.get(client_id, 0) + 1

    def reset_ids(self) -> None:
        """Every client begins at 1 again; what was done under an id today is still told under it."""
        self.last_id = {}
        self.by_id = {key: order for key, order in self.by_id.items() if order.stage is not Stage.DONE}

    def add(self, order: Order) -> None:
        """Take an order in; the second order of one id is found by its permanent id only."""
        if order.order_id:
            _ = self.by_id.setdefault((order.client_id, order.order_id), order)
            self.last_id[order.client_id] = max(order.order_id, self.last_id.get(order.client_id, 0))
        self.live[order.perm_id] = order
        self.join(order)

    def join(self, order: Order) -> None:
        """Put an order into its one-cancels-all group."""
        if order.oca_group:
            self.groups.setdefault((order.account.name, order.oca_group), {})[order.perm_id] = order

    def group_of(self, order: Order) -> list[Order]:
        """The other living members of its group."""
        members = self.groups.get((order.account.name, order.oca_group), {}) if order.oca_group else {}
        return [one for one in members.values() if one is not order]

    def note_fill(self, order: Order, rest: Decimal) -> None:
        """Remember of a group that something in it filled: so much it may still do, and none that joins it more."""
        if order.oca_group:
            self.rests[order.account.name, order.oca_group] = rest

    def rest_for(self, order: Order) -> Decimal | None:
        """What the group that an order joins may still do; None where nothing in it has filled."""
        return self.rests.get((order.account.name, order.oca_group)) if order.oca_group else None

    def start(self, order: Order) -> None:
        """From now on prices may fill it."""
        order.stage = Stage.WORKING
        self.working.setdefault(order.listing.con_id, {})[order.perm_id] = order

    def pause(self, order: Order) -> None:
        """From now on prices do not fill it."""
        _ = self.working.get(order.listing.con_id, {}).pop(order.perm_id, None)

    def end(self, order: Order, at: datetime) -> None:
        """It lives no more."""
        order.stage, order.ended = Stage.DONE, at
        self.pause(order)
        _ = self.live.pop(order.perm_id, None)
        members = self.groups.get((order.account.name, order.oca_group))
        if members:
            _ = members.pop(order.perm_id, None)
            if not members:
                del self.groups[order.account.name, order.oca_group]
        self.done.append(order)

    def working_in(self, con_id: int) -> list[Order]:
        """The orders that a price of this listing may fill, oldest first."""
        return list(self.working.get(con_id, {}).values())

    def forget(self, before: datetime) -> None:
        """Drop what ended before this moment."""
        gone = [order for order in self.done if order.ended and order.ended < before]
        for order in gone:
            _ = self.by_id.pop((order.client_id, order.order_id), None)
        self.done = [order for order in self.done if order.ended and order.ended >= before]
        self.executions = [one for one in self.executions if one.at >= before]
        self.rests = {group: rest for group, rest in self.rests.items() if group in self.groups}

    def forget_untransmitted(self) -> None:
        """What only the gateway knew, and not IB, was never an order."""
        for order in [one for one in self.live.values() if one.stage is Stage.UNTRANSMITTED]:
            del self.live[order.perm_id]
            _ = self.by_id.pop((order.client_id, order.order_id), None)
            _ = self.groups.get((order.account.name, order.oca_group), {}).pop(order.perm_id, None)

    def open_orders(self) -> Iterator[Order]:
        """Every order that TWS shows as open, in the order of arrival."""
        return (one for one in self.live.values() if one.stage is not Stage.UNTRANSMITTED)
