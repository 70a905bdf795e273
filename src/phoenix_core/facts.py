"""What the world said, as adapters translate it: frozen, exact, and free of any vendor's types.

Facts are inputs. They become beads only through a ruling; a fact that says nothing new leaves nothing.
`message` names the broker message a fact came from (session, sequence): ends need such a name as evidence.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

from attrs import field, frozen

from phoenix_core.orders import Line
from phoenix_core.values import ARITHMETIC, ZERO, Account, Facts, Moment, Money, Named, Price, Quantity, Side


class BrokerStatus(Named):
    """What a broker says of an order. PENDING_CANCEL and INACTIVE are no ends: either may still fill."""

    PENDING = "PENDING"
    PRESUBMITTED = "PRESUBMITTED"
    SUBMITTED = "SUBMITTED"
    PENDING_CANCEL = "PENDING_CANCEL"
    INACTIVE = "INACTIVE"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_working(self) -> bool:
        """Whether the broker acknowledged the order and it may still execute."""
        return self in (BrokerStatus.PRESUBMITTED, BrokerStatus.SUBMITTED, BrokerStatus.PENDING_CANCEL)


@frozen
class OrderSaid:
    """An orderStatus, openOrder or completedOrder: the broker's word on one order."""

    message: str
    session: int
    ref: str  # as echoed; empty for orders that are not ours
    account: str
    perm_id: int  # 0 until acknowledged
    order_id: int
    status: BrokerStatus
    filled: Quantity
    remaining: Quantity | None = None
    held: bool = False  # whyHeld, or a code that says held
    echo: Line | None = None  # the terms as the broker understood them, where the message carries them
    group: str = ""
    completed: bool = False  # told by the completed-orders query
    reason: str = ""
    symbol: str = ""  # where the message names an instrument, also beside terms that this desk never uses

    @property
    def instrument(self) -> str | None:
        """The instrument that the order is in; None where the message names none."""
        return self.symbol or None if self.echo is None else self.echo.symbol


@frozen
class ExecutionSaid:
    """An execution. A correction repeats the family with a higher revision and replaces; quantity zero is a bust."""

    message: str
    session: int
    exec_id: str
    ref: str
    account: str
    perm_id: int
    symbol: str
    side: Side
    quantity: Quantity
    price: Price
    at: datetime


@frozen
class CommissionSaid:
    """What an execution cost; it may come before its execution, or never."""

    message: str
    exec_id: str
    amount: Money
    currency: str
    realized: Money | None = None


# No code of the broker's: an order stands under another client id than the session that was told of it.
ELSEWHERE: Final = -1


@frozen
class ErrorSaid:
    """A code and its words, about one order (by reference) or about the session (no reference)."""

    message: str
    session: int
    code: int
    text: str
    ref: str = ""


@frozen
class FrameSaid:
    """What became of a frame at the transport: handed over, or dropped without a byte having left."""

    ref: str
    revision: int
    sent: bool
    order_id: int = 0
    reason: str = ""


@frozen
class CancelSaid:
    """What became of a cancel request at the transport."""

    ref: str
    sent: bool
    reason: str = ""


@frozen
class Quote:
    """A two-sided price as it stood at an instant."""

    symbol: str
    bid: Price
    ask: Price
    at: Moment
    delayed: bool = False
    seq: int | None = None  # the log's observation of it, where one was made


class LinkEvent(Named):
    """What happened to the way to the broker."""

    CONNECTED = "CONNECTED"  # a session stands: accounts and port are known, nothing is synchronised yet
    CONNECT_FAILED = "CONNECT_FAILED"
    ANSWERS = "ANSWERS"  # somebody is there; no session was asked for
    LOST = "LOST"
    DEGRADED = "DEGRADED"  # 1100, 2110: the socket stands, the broker behind it does not
    RESTORED = "RESTORED"  # 1101, 1102
    SYNCHRONISED = "SYNCHRONISED"  # executions, open and completed orders, positions, account: all ends seen
    CLIENT_ID_TAKEN = "CLIENT_ID_TAKEN"


@frozen
class LinkSaid:
    """A change of the link."""

    event: LinkEvent
    session: int
    accounts: tuple[Account, ...] = ()
    port: int = 0
    gateway_version: str = ""
    detail: str = ""
    first_id: int = 0  # the order id that the gateway offers first; 0 where it offers none


# A currency pair's position is virtual at the broker: a cross-check of our executions, no book. Less than this in base
# units is interest, fees and conversions; more is explained by nobody.
CASH_UNEXPLAINED_MAX: Final = Decimal(1000)
# The parts of a picture that took longer are of two moments: the machine slept in the middle of it. What was touched
# between them is forgotten by then, and an order that ended since would contradict the picture.
PICTURE_TAKES_MAX: Final = timedelta(minutes=1)


@frozen
class Held:
    """One holding as the broker reports it: signed."""

    symbol: str
    quantity: Decimal
    average: Price | None = None
    account: str = ""
    virtual: bool = False  # of a currency pair: no book, whether or not anybody trades in it here


@frozen
class Snapshot:
    """The broker's whole picture, gathered in one session. Incomplete is UNKNOWN: never flat, missing or fine."""

    session: int
    began: Moment
    ended: Moment
    complete: bool
    positions: tuple[Held, ...] = ()
    orders: tuple[OrderSaid, ...] = ()
    executions: tuple[ExecutionSaid, ...] = ()
    equity: Money | None = None
    currency: str = ""
    realized: Money | None = None
    unrealized: Money | None = None
    margin_used: Money | None = None
    missing: tuple[str, ...] = ()
    account: str = ""

    def is_own(self, account: str) -> bool:
        """Whether a row is of this picture's account, and not of another one of the same login. A row that names none
        can only be of the one that is open."""
        return not self.account or account in ("", self.account)

    @property
    def is_of_one_moment(self) -> bool:
        """Whether it was gathered in one go, by both clocks: one of them stands still while a machine sleeps."""
        spans = self.ended.wall - self.began.wall, self.ended.ticks - self.began.ticks
        return max(spans) <= PICTURE_TAKES_MAX

    def held(self, symbol: str) -> Decimal:
        """What this picture's account holds of an instrument."""
        own = (row.quantity for row in self.positions if row.symbol == symbol and self.is_own(row.account))
        return reduce(ARITHMETIC.add, own, ZERO)


@frozen
class Margin:
    """What the broker said of the account's initial margin, before an order and after it. What it did not say is
    None."""

    before: Money | None = None
    after: Money | None = None


@frozen
class Weighed:
    """An answer to the question what an order would do to the margin: which order, and when it was asked."""

    entry: Line
    at: Moment
    margin: Margin


Fact = OrderSaid | ExecutionSaid | CommissionSaid | ErrorSaid | FrameSaid | CancelSaid | LinkSaid | Snapshot


@frozen
class Checked:
    """A signature that verified over exactly these bytes. Whose key it is and what it may do, the core decides."""

    statement: bytes
    signature: str
    key: str  # SHA256:... of the public key
    assurance: str  # "software" or "hardware"
    presence: bool
    verification: bool
    counter: int
    detail: Facts = field(factory=dict)
