"""Where Phoenix and the broker disagree: detected, named, told to a human, and never corrected by either side.

A run compares what Phoenix believes (`Book`) with a whole picture from the broker (`Snapshot`). A picture that is not
whole says UNKNOWN and nothing else. A row that was touched while the picture was taken is in motion and is looked at
again; what still differs in two quiet pictures is a drift. One divergence is one open drift until a human answers it.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen
from returns.result import Result

from phoenix_core.beads import (
    Bead,
    DriftType,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
)
from phoenix_core.facts import BrokerStatus, Snapshot
from phoenix_core.refusals import Refusal
from phoenix_core.values import Facts, Money, Named, Quantity, Role, SecType, Severity, Side

MOTION_BEFORE: Final = timedelta(seconds=2)
LOOKS_AFTER: Final = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=8))
QUIET_NEEDED: Final = 2
UNKNOWN_MAX: Final = 3
PNL_FLOOR: Final = Decimal("1.00")
PNL_SHARE: Final = Decimal("0.005")
FX_UNEXPLAINED_MAX: Final = Decimal(1000)


class Cause(Named):
    """What differs, in one word: the `cause` of a drift bead."""

    COUNT = "count"
    SIZE = "size"
    SIGN = "sign"
    FILLS = "fills"
    OVERFILL = "overfill"
    ORPHAN_EXIT = "orphan_exit"
    UNRESOLVED_REFERENCE = "unresolved_reference"
    TWO_PERM_IDS = "two_perm_ids"
    FACT_AFTER_END = "fact_after_end"
    ORDER_STATUS = "order_status"
    ORDER_MISSING = "order_missing"
    FOREIGN_HOLDING = "foreign_holding"
    FOREIGN_ORDER = "foreign_order"
    PNL = "pnl"


class Agreement(Named):
    """What one run says. UNKNOWN is never `ok`, never `missing`, never `flat` (I13)."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    MOVING = "MOVING"  # differs only in rows that must be looked at again
    UNKNOWN = "UNKNOWN"


@frozen
class Holding:
    """What we believe to hold in one instrument: the signed sum of our own executions (ours alone, no baseline)."""

    symbol: str
    quantity: Decimal
    sec_type: SecType = SecType.STOCK


@frozen
class OrderRow:
    """What we believe of one order that has no end yet."""

    ref: str
    symbol: str
    role: Role
    side: Side
    quantity: Quantity
    filled: Quantity
    status: BrokerStatus  # the last word of the broker that we took in; UNKNOWN before any
    perm_id: int = 0
    group: str = ""


@frozen
class Book:
    """What Phoenix believes, in plain values, indexed as the slices index it (mappings are borrowed, not copied)."""

    account: str  # the keyed hash; rows of other accounts are not looked at
    session: int
    holdings: Mapping[str, Holding]  # by symbol; only what is not zero
    orders: Mapping[str, OrderRow]  # by reference: recorded, without an end
    ended: Container[str]  # references whose order has ended
    baseline: Mapping[str, Decimal]  # foreign holdings that were signed for at `init`
    touched: Mapping[str, datetime]  # symbol or reference -> the last order or execution fact on it
    cash: Container[str] = ()  # symbols of currency pairs, where the broker's position is virtual
    realized: Money | None = None  # None: nothing comparable today


@frozen
class Divergence:
    """One thing that differs, with both sides of it."""

    cause: Cause
    subject: str  # instrument, reference, `perm:<id>` or `desk`
    phoenix: Facts
    broker: Facts
    instrument: str | None = None
    refs: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The hash of what differs, without its values: size and sign of one holding are one divergence."""
        raise NotImplementedError

    @property
    def drift_type(self) -> DriftType:
        """Which of the four comparisons it belongs to."""
        raise NotImplementedError

    @property
    def severity(self) -> Severity:
        """CRITICAL raises a DRIFT kill, WARNING alerts."""
        raise NotImplementedError

    @property
    def values(self) -> str:
        """The hash of both sides: an acknowledgement lapses when it changes."""
        raise NotImplementedError


@frozen
class Finding:
    """What one run found. `found` is all that stands, open already or not; suspects are looked at again."""

    agreement: Agreement
    found: tuple[Divergence, ...] = ()
    suspects: tuple[tuple[str, int], ...] = ()  # (identity, quiet pictures it was seen in so far)
    absent: tuple[str, ...] = ()  # references of orders without an end that the picture does not show
    unexplained: tuple[str, ...] = ()  # symbols whose holding differs in this picture, moving or not
    why: str = ""  # of UNKNOWN: what was not whole


@define
class OpenDrift:
    """A drift that no human has settled yet."""

    identity: str
    bead_id: str
    seq: int
    opened_at: datetime
    cause: str
    severity: Severity
    subject: str
    instrument: str | None
    refs: tuple[str, ...]
    values: str
    session: int
    acknowledged: bool = False
    awaits_broker: bool = False  # BROKER_CORRECTED said, not yet shown by a picture


@define
class Drifts:
    """The slice of RECONCILIATION_DRIFT and RECONCILIATION_RESOLUTION."""

    open: dict[str, OpenDrift] = Factory(dict)  # by identity
    by_bead: dict[str, str] = Factory(dict)  # bead id of an open drift -> identity
    by_instrument: dict[str, list[str]] = Factory(dict)  # instrument -> identities of open drifts; `` for the desk
    opened: int = 0  # drifts ever, for the quality gate
    resolved: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in a drift or a resolution; other kinds are somebody else's."""
        raise NotImplementedError


def compare(
    book: Book,
    snapshot: Snapshot,
    suspects: Mapping[str, int],
    before: Snapshot | None = None,
    dirty: Collection[str] = (),
) -> Finding:
    """Everything that differs. `suspects` are those of the last complete run.

    With `before`, the last snapshot that agreed in everything, only rows that changed since it or that are in `dirty`
    (symbols and references touched since) are compared: the rest agreed then and stood still.
    """
    raise NotImplementedError


def why_unknown(book: Book, snapshot: Snapshot) -> str:
    """What makes a picture no whole picture: empty where it is one."""
    raise NotImplementedError


def news(drifts: Drifts, finding: Finding, session: int) -> tuple[ReconciliationDrift, ...]:
    """The beads that a finding obliges: one per divergence that is not open, or whose acknowledgement lapsed."""
    raise NotImplementedError


def drift_bead(divergence: Divergence, session: int) -> ReconciliationDrift:
    """The bead of a divergence."""
    raise NotImplementedError


def is_news(drifts: Drifts, divergence: Divergence, session: int) -> bool:
    """Whether a divergence needs a bead: for acts that meet one outside a run (a late fact, an overfill)."""
    raise NotImplementedError


def two_perm_ids(ref: str, perm_ids: tuple[int, ...], instrument: str | None) -> Divergence:
    """One reference, two permanent ids: a duplicate order (F20)."""
    raise NotImplementedError


def overfilled(ref: str, quantity: Quantity, filled: Quantity, instrument: str | None) -> Divergence:
    """More was filled than was ordered (I8)."""
    raise NotImplementedError


def fact_after_end(ref: str, ended_as: str, said: Facts, instrument: str | None) -> Divergence:
    """The broker speaks of an order or position that had ended (I10)."""
    raise NotImplementedError


def unresolved(ref: str, said: Facts, instrument: str | None) -> Divergence:
    """A reference in our own grammar that nothing in the log resolves (F08)."""
    raise NotImplementedError


def blocking(drifts: Drifts, instrument: str) -> tuple[OpenDrift, ...]:
    """The open drifts that block an entry in an instrument: its own, and those of the desk as a whole. Acknowledged
    ones stay visible and do not block."""
    raise NotImplementedError


def desk_wide(drifts: Drifts) -> tuple[OpenDrift, ...]:
    """Open drifts that name no instrument."""
    raise NotImplementedError


def critical(drifts: Drifts) -> tuple[OpenDrift, ...]:
    """Open, unanswered CRITICAL drifts in the order they opened: each obliges a DRIFT kill."""
    raise NotImplementedError


def kill_scope(drift: OpenDrift) -> str:
    """The scope of the DRIFT kill that a critical drift raises: its instrument where one is named, else the desk."""
    raise NotImplementedError


def may_resolve(
    drifts: Drifts,
    bead_or_identity: str,
    resolution: Resolution,
    notes: str,
    *,
    attributed: tuple[str, ...] = (),
    shown: Container[str] | None = None,
) -> Result[OpenDrift, Refusal]:
    """Whether a human's answer stands. PHOENIX_CORRECTED names the executions it attributes; notes are required.

    `shown` are the identities in the last complete picture; it decides with `clears` whether the answer ends the drift.
    """
    raise NotImplementedError


def clears(drift: OpenDrift, resolution: Resolution, shown: Container[str] | None) -> bool:
    """Whether an answer ends the drift now: an attribution does; BROKER_CORRECTED only once a complete picture that
    began after it no longer shows the divergence (`shown`); ACKNOWLEDGED never."""
    raise NotImplementedError


def resolution_bead(
    drift: OpenDrift, resolution: Resolution, by: str, notes: str, cleared: bool
) -> ReconciliationResolution:
    """The bead of an answer; `notes` is the hash of the operator's words."""
    raise NotImplementedError


def proven(drifts: Drifts, shown: Container[str], seen_at: datetime) -> tuple[ReconciliationResolution, ...]:
    """For `due`: BROKER_CORRECTED answers that the complete picture of `seen_at` has proven, as closing beads."""
    raise NotImplementedError


def next_look(since: datetime, looks: int) -> datetime:
    """When rows in motion are looked at again: 1, 3 and 8 s after they were first seen, then every 8 s."""
    raise NotImplementedError
