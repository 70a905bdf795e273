"""One order as the mock broker knows it, and everything that it remembers from one process to the next."""

from __future__ import annotations

from decimal import Decimal

from attrs import Factory, define

from phoenix_core.facts import BrokerStatus, ExecutionSaid, OrderSaid, Quote
from phoenix_core.orders import Frame, parsed_ref
from phoenix_core.values import OrderType, Quantity, Role, Side


@define
class Working:
    """An order as the broker knows it."""

    frame: Frame
    group: str
    perm_id: int
    order_id: int
    status: BrokerStatus = BrokerStatus.SUBMITTED
    filled: Decimal = Decimal(0)
    ends: bool = False

    @property
    def remaining(self) -> Decimal:
        """What may still execute."""
        return self.frame.line.quantity - self.filled

    def meets(self, quote: Quote) -> bool:
        """Whether this market executes it."""
        line = self.frame.line
        buys = line.side is Side.BUY
        price = quote.ask if buys else quote.bid
        if line.order_type is OrderType.STOP and line.trigger is not None:
            return price >= line.trigger if buys else price <= line.trigger
        if line.order_type is OrderType.LIMIT and line.limit is not None:
            return price <= line.limit if buys else price >= line.limit
        return line.order_type is OrderType.MARKET

    def said(self, message: str, session: int, account: str) -> OrderSaid:
        """The broker's word on it as it stands."""
        return OrderSaid(
            message=message,
            session=session,
            ref=self.frame.ref,
            account=account,
            perm_id=self.perm_id,
            order_id=self.order_id,
            status=self.status,
            filled=Quantity(self.filled),
            remaining=Quantity(self.remaining),
            echo=self.frame.line,
            group=self.group,
            completed=self.ends,
        )


@define
class Truth:
    """What is true at the mock broker, whatever it says: orders, holdings, executions."""

    ids: int = 0
    session: int = 0
    book: dict[str, Working] = Factory(dict)
    held: dict[str, Decimal] = Factory(dict)
    executions: list[ExecutionSaid] = Factory(list)

    def children(self, entry: Working) -> list[Working]:
        """Stop and target of an entry that still work."""
        return [
            w
            for w in self.book.values()
            if w.frame.line.role in (Role.STOP, Role.TARGET)
            and not w.ends
            and w.frame.ref.startswith(entry.frame.ref + ".")
        ]

    def entry_of(self, child: Working) -> Working | None:
        """The entry that an exit hangs on, where this broker knows it."""
        parsed = parsed_ref(child.frame.ref)
        return self.book.get(parsed[0]) if parsed is not None else None
