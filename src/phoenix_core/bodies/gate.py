"""What the log says of whether an order may go."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from attrs import frozen

from phoenix_core.bodies.kind import Kind, Signed
from phoenix_core.facts import Margin
from phoenix_core.orders import Line
from phoenix_core.values import Mode, Money, Named, OrderType, Price, Quantity, Regime, Side


class OperatorEvent(Named):
    """Keys come and go; a signature counts as of the bead's place in the log."""

    ENROLLED = "ENROLLED"
    REVOKED = "REVOKED"


@frozen
class Operator:
    """A key that may sign for this desk, or may no longer. Enrolled by a signature of a key enrolled before it."""

    kind: ClassVar[Kind] = Kind.OPERATOR
    event: OperatorEvent
    key: str
    public: str
    name: str
    assurance: str
    signed: Signed | None = None


@frozen
class Limits:
    """How much of anything the desk may do. None means: not limited here."""

    order_quantity_max: Quantity | None = None
    order_notional_max: Money | None = None
    instrument_quantity_max: Quantity | None = None
    gross_notional_max: Money | None = None
    open_positions_max: int | None = None
    entries_per_day_max: int | None = None
    daily_loss_max: Money | None = None


@frozen
class Policy:
    """The rules a human set for the desk, signed. A new policy revokes what was approved under the old one."""

    kind: ClassVar[Kind] = Kind.POLICY
    limits: Limits
    instruments: tuple[str, ...] = ()  # none named: every instrument that the desk knows
    order_types: tuple[OrderType, ...] = (OrderType.MARKET,)
    risk_per_trade: Decimal = Decimal("0.005")
    drift_bps_max: int = 25
    spread_bps_max: int = 20
    stale_after: timedelta = timedelta(minutes=15)
    time_exit: timedelta | None = None
    odd_lots: bool = False
    delayed_quotes: bool = False
    four_eyes: bool = False
    signed: Signed | None = None


@frozen
class CanonicalSignal:
    """One READY setup, closed: nothing else about a proposal reaches the gate."""

    schema: str
    signal_id: str
    intent_id: str
    signal: str
    pair: str
    side: Side
    setup_type: str
    confidence: Decimal
    entry: Price
    stop: Price
    target: Price
    state_hash: str
    strategy: str
    created_at: datetime
    quality: Decimal | None = None
    htf: str | None = None
    ltf: str | None = None
    red_checks: int | None = None
    quantity: Quantity | None = None
    note: str | None = None  # the hash of the words; the words themselves lie in the side table
    order_type: OrderType | None = None  # only where a policy enables LIMIT and the proposer asks for it; else MARKET


class SignalEvent(Named):
    """Every input ends in exactly one of these."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    QUARANTINED = "QUARANTINED"


@frozen
class Signal:
    """An intent came in: accepted with its canonical form, refused by a rule, or put aside as unreadable."""

    kind: ClassVar[Kind] = Kind.SIGNAL
    event: SignalEvent
    digest: str  # of the bytes as they came: the same bytes have the same outcome
    channel: str  # who proposed: the identity of the way it came, never what it says of itself
    name: str = ""
    signal: CanonicalSignal | None = None
    reasons: tuple[str, ...] = ()
    detail: str = ""
    expires_at: datetime | None = None
    ticks: timedelta | None = None  # when it was accepted, on the clock that never steps
    boot: str | None = None


@frozen
class Sizing:
    """How the quantity came about, on one line that a human can check."""

    equity: Money
    currency: str
    risk_per_trade: Decimal
    stop_distance: Price
    rate: Decimal  # account currency per unit of the instrument's currency
    computed: Quantity
    stated: Quantity | None
    quantity: Quantity
    risk: Money
    notional: Money


@frozen
class QuoteSeen:
    """A quote as it was when evidence cited it."""

    bid: Price
    ask: Price
    at: datetime
    delayed: bool = False


@frozen(cache_hash=True)  # it is the key under which its screen is remembered
class Evidence:
    """Everything a human decides on, gathered from Phoenix's own data. The leaf hash of this bead is what is signed."""

    kind: ClassVar[Kind] = Kind.EVIDENCE
    intent_id: str
    version: int
    signal_id: str
    strategy: str
    proposer: str
    setup_type: str
    confidence: Decimal
    state_hash: str
    state_age: timedelta
    state_limit: timedelta
    lines: tuple[Line, ...]
    order_hash: str
    sizing: Sizing
    signal_created_at: datetime
    signal_entry: Price
    stop: Price
    target: Price
    reward_risk: Decimal
    quote: QuoteSeen
    drift_bps_max: int
    position_before: Decimal
    gross_before: Money
    daily_loss: Money
    flags: tuple[str, ...]  # red and amber lights as they stood; red ones block
    expires_at: datetime
    time_exit: timedelta | None = None
    quality: Decimal | None = None
    htf: str | None = None
    ltf: str | None = None
    red_checks: int | None = None
    daily_loss_max: Money | None = None
    margin_used: Money | None = None
    note: str | None = None
    instrument_name: str = ""
    margin: Margin | None = None  # None in the logs of releases that did not ask: there the screen says nothing of it


class Verdict(Named):
    """What a human says to an intent."""

    APPROVE = "approve"
    REJECT = "reject"


@frozen
class Decision:
    """A human decided: the statement, kept byte for byte. `type` and `subject` repeat what it says."""

    kind: ClassVar[Kind] = Kind.DECISION
    type: str
    subject: str
    signed: Signed
    verdict: Verdict | None = None
    note: str | None = None  # hash of the operator's words
    ticks: timedelta | None = None  # when it was recorded, on the clock that never steps
    boot: str | None = None


class TokenEvent(Named):
    """The life of a token as its beads tell it."""

    ISSUED = "ISSUED"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


@frozen
class T2Token:
    """One permission for one order: five minutes by either clock, spent once, never un-spent."""

    kind: ClassVar[Kind] = Kind.T2_TOKEN
    event: TokenEvent
    id: str
    intent_id: str
    timestamp: datetime
    expires_at: datetime
    used: bool
    evidence_hash: str
    order_hash: str
    order_ref: str
    account: str
    mode: Mode
    boot: str
    ticks: timedelta
    epoch: int
    final: bool = False  # for REJECTED: true revokes it, false records a refused use
    reasons: tuple[str, ...] = ()


class KillKind(Named):
    """Why entries stop, and so what it takes to start them again."""

    ONE_WAY = "ONE_WAY"
    TEMPORARY = "TEMPORARY"
    DRIFT = "DRIFT"
    SIGNALMAN = "SIGNALMAN"


class KillEvent(Named):
    """A flag goes up and comes down; nothing else happens to it."""

    RAISED = "RAISED"
    LIFTED = "LIFTED"


@frozen
class KillFlag:
    """No new entries within a scope: `desk`, `strategy:NAME` or `instrument:SYMBOL`. Exits are never stopped."""

    kind: ClassVar[Kind] = Kind.KILL_FLAG
    event: KillEvent
    flag: str  # the id of the flag
    type: KillKind
    scope: str
    reason: str
    raised_by: str
    until: datetime | None = None
    cancel_working: bool = False
    drift: str | None = None  # the identity of the drift that raised it


@frozen
class StateAnchor:
    """The strategy's context was looked at and holds: signals made on it are fresh again."""

    kind: ClassVar[Kind] = Kind.STATE_ANCHOR
    strategy: str  # `*` for all
    state_hash: str
    regime: Regime
    anchored_by: str
    ticks: timedelta | None = None
    boot: str | None = None


@frozen
class StateConflict:
    """An approval or a submit met a stale context."""

    kind: ClassVar[Kind] = Kind.STATE_CONFLICT
    intent_id: str
    strategy: str
    age: timedelta
    limit: timedelta
    stage: str  # approval or submit
