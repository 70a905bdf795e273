"""What the log says of how orders and positions live and end."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from attrs import frozen

from phoenix_core.bodies.kind import Kind
from phoenix_core.orders import Frame, Line
from phoenix_core.values import Money, Named, Price, Quantity, Role, Side, State


class PositionEvent(Named):
    """What may happen to a position. Birth events stand outside the table of transitions."""

    PROPOSED = "Proposed"  # birth: an accepted signal
    ADOPTED = "Adopted"  # birth: a human gave exposure an owner
    APPROVED = "Approved"
    PASSED = "Passed"
    WITHDRAWN = "Withdrawn"
    SUBMITTED = "Submitted"
    TOKEN_EXPIRED = "TokenExpired"
    WITHHELD = "Withheld"
    FILLED = "Filled"
    STALLED = "Stalled"
    ACKNOWLEDGED = "Acknowledged"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"
    PROTECTED = "Protected"
    CLOSED = "Closed"


class ProofKind(Named):
    """What a change of state stands on."""

    BROKER_MESSAGE = "BROKER_MESSAGE"
    OPERATOR_DECISION = "OPERATOR_DECISION"
    WITHHELD = "WITHHELD"  # the run that recorded the order handed no byte over
    RULE = "RULE"  # a rule of ours that ends nothing at the broker: expiry, stall, stale


@frozen
class Proof:
    """The evidence of a change: which message, which decision, or which rule."""

    type: ProofKind
    id: str


class Outcome(Named):
    """How a closed position ended."""

    WIN = "WIN"
    LOSS = "LOSS"
    BREAKEVEN = "BREAKEVEN"
    BUSTED = "BUSTED"


@frozen
class Position:
    """A position after a change: state, where it came from, quantities, whole. No `event`: only quantities changed."""

    kind: ClassVar[Kind] = Kind.POSITION
    position_id: str
    intent_id: str
    state: State
    signal_id: str
    strategy: str
    pair: str
    side: Side
    entry_price: Price
    stop_price: Price
    target_price: Price
    partial_fill_ratio: Decimal
    filled_quantity: Quantity
    requested_quantity: Quantity
    exited_quantity: Quantity
    proof: Proof
    from_: State | None = None
    event: PositionEvent | None = None
    order_ref: str | None = None
    token_id: str | None = None
    evidence_hash: str | None = None
    average_entry: Price | None = None
    average_exit: Price | None = None
    entry_working: bool = False  # the entry's remainder may still fill
    closing: bool = False  # net zero, but something still works
    outcome: Outcome | None = None
    realized: Money | None = None
    linked_to: str | None = None  # the position whose late fact this adoption owns
    reasons: tuple[str, ...] = ()


class OrderEvent(Named):
    """What happened to an order, from before it left to after it ended."""

    RECORDED = "RECORDED"  # durable before any byte leaves; obliges the frames
    SENT = "SENT"
    DROPPED = "DROPPED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    CHANGED = "CHANGED"  # the broker's echo of the terms differs from what was acknowledged before
    HELD = "HELD"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"  # obliges a cancel frame
    CANCEL_SENT = "CANCEL_SENT"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    CHANGE_REFUSED = "CHANGE_REFUSED"  # the broker's: the last revision does not stand, what was asked before does
    INACTIVE = "INACTIVE"
    ENDED = "ENDED"  # the broker's end: `status` says which
    UNKNOWN = "UNKNOWN"  # asked about and not found, or no answer in time


@frozen
class Order:
    """Something happened to an order, or to the frames of one hand-over."""

    kind: ClassVar[Kind] = Kind.ORDER
    event: OrderEvent
    position_id: str
    ref: str  # the order's reference; for RECORDED, SENT and DROPPED of several frames the first one's
    frames: tuple[Frame, ...] = ()
    group: str | None = None
    mandate: str | None = None  # an exit's right to exist: `evidence:<leaf>` or `decision:<seq>`
    token_id: str | None = None  # an entry's
    role: Role | None = None
    revision: int | None = None
    status: str | None = None
    perm_id: int | None = None
    order_id: int | None = None
    filled: Quantity | None = None
    remaining: Quantity | None = None
    echo: Line | None = None
    echo_group: str | None = None
    code: int | None = None
    reason: str | None = None
    message: str | None = None
    session: int | None = None
    ticks: timedelta | None = None  # of what somebody waits for: RECORDED, SENT, CANCEL_REQUESTED
    boot: str | None = None


class ExecutionEvent(Named):
    """A fill, what replaced it, what it cost, or what an operator's statement says of it."""

    FILL = "FILL"
    CORRECTION = "CORRECTION"
    COMMISSION = "COMMISSION"
    STATED = "STATED"


@frozen
class Execution:
    """What was traded, exactly once per execution family: the latest revision counts."""

    kind: ClassVar[Kind] = Kind.EXECUTION
    event: ExecutionEvent
    exec_id: str
    family: str
    position_id: str | None = None  # None: resolves to no order of ours
    ref: str | None = None
    role: Role | None = None
    revision: int | None = None
    perm_id: int | None = None
    symbol: str | None = None
    side: Side | None = None
    quantity: Quantity | None = None
    price: Price | None = None
    at: datetime | None = None
    commission: Money | None = None
    currency: str | None = None
    message: str | None = None


@frozen
class Autopsy:
    """A closed position looked back on, from its own beads."""

    kind: ClassVar[Kind] = Kind.AUTOPSY
    position_id: str
    intent_id: str
    strategy: str
    outcome: Outcome
    entry_evidence_hash: str | None
    realized: Money
    commission: Money
    currency: str
    findings: tuple[str, ...]
    r_multiple: Decimal | None = None
    entry_slippage: Price | None = None
    held_for: timedelta | None = None
    approval_took: timedelta | None = None
