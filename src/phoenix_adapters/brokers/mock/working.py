"""One order as the mock broker knows it."""

from __future__ import annotations

from decimal import Decimal

from attrs import define

from phoenix_core.facts import BrokerStatus
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
