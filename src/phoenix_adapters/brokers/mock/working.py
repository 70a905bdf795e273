"""One order as the mock broker knows it, and everything that it remembers from one process to the next."""

from __future__ import annotations

from decimal import Decimal

from attrs import Factory, define

from phoenix_core.facts import BrokerStatus, ExecutionSaid
from phoenix_core.orders import Frame


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


@define
class Truth:
    """What is true at the mock broker, whatever it says: orders, holdings, executions."""

    ids: int = 0
    session: int = 0
    book: dict[str, Working] = Factory(dict)
    held: dict[str, Decimal] = Factory(dict)
    executions: list[ExecutionSaid] = Factory(list)
