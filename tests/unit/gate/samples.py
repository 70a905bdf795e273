"""One honest proposal and everything that belongs to it: what the tests of the gate start from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar, cast

from attrs import evolve

from phoenix_core.beads import Bead, Body, CanonicalSignal, Evidence, QuoteSeen, Signal, SignalEvent, Sizing
from phoenix_core.gate.cse import SCHEMA, read_signal
from phoenix_core.gate.evidence import EVIDENCE_LIFE, Circumstances, amber, assemble, info
from phoenix_core.gate.limits import BUILT_IN
from phoenix_core.gate.sizing import size
from phoenix_core.values import ZERO, Instrument, Moment, Money, Price, Quantity, SecType

R = TypeVar("R")

WALL: Final = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)
NOW: Final = Moment(WALL, timedelta(hours=7), "boot-a")
ACCOUNT: Final = "a" * 64
LEAF: Final = "7f3ac9d2" * 8

EURUSD: Final = Instrument(
    symbol="EURUSD",
    name="European Monetary Union Euro",
    sec_type=SecType.CASH,
    base="EUR",
    currency="USD",
    exchange="IDEALPRO",
    con_id=12087792,
    tick=Price(Decimal("0.00005")),
    increment=Quantity(Decimal(1)),
    minimum=Quantity(Decimal(20_000)),
)
AAPL: Final = Instrument(
    symbol="AAPL",
    name="Apple Inc",
    sec_type=SecType.STOCK,
    base="AAPL",
    currency="USD",
    exchange="SMART",
    con_id=265598,
    tick=Price(Decimal("0.01")),
    increment=Quantity(Decimal(1)),
    minimum=Quantity(Decimal(1)),
)


def changed(record: R, **fields: object) -> R:
    """A record with other values in some fields, whose names only the test's table knows."""
    return cast(Callable[..., R], evolve)(record, **fields)


def document(**changes: object) -> dict[str, object]:
    """A proposal as a bot writes it; None leaves a field out."""
    fields: dict[str, object] = {
        "schema": SCHEMA,
        "signal_id": "sig-1",
        "intent_id": "5f0c6a4e-9d0b-4f7e-8a3e-0b1d2c3f4a5b",
        "signal": "READY",
        "pair": "EURUSD",
        "setup_type": "FVG_ENTRY",
        "confidence": "0.85",
        "entry": "1.0850",
        "stop": "1.0820",
        "target": "1.0910",
        "state_hash": "sha256:" + "ab" * 32,
        "strategy": "meanrev@4c1e",
        "created_at": "2026-11-18T18:59:30Z",
    }
    return {field: value for field, value in (fields | changes).items() if value is not None}


def signal(**changes: object) -> CanonicalSignal:
    """The same proposal, read."""
    return read_signal(document(**changes)).signal


def intent(n: int) -> str:
    """The n-th of many intents."""
    return f"00000000-0000-4000-8000-{n:012d}"


def bead(seq: int, body: Body, at: datetime = WALL, leaf: str = LEAF) -> Bead:
    """A body in a place of the log."""
    return Bead(seq=seq, ts=at, bead_id=f"bead-{seq}", body=body, leaf=leaf)


def accepted(proposed: CanonicalSignal, expires_at: datetime = WALL + timedelta(minutes=30)) -> Signal:
    """The bead of an accepted signal."""
    return Signal(
        event=SignalEvent.ACCEPTED,
        digest=f"digest-{proposed.intent_id}",
        channel="uid bot",
        signal=proposed,
        expires_at=expires_at,
    )


def sized(proposed: CanonicalSignal, instrument: Instrument = EURUSD) -> Sizing:
    """Its size on an account of 60,112 euros."""
    return size(
        proposed,
        instrument,
        equity=Money(Decimal(60_112)),
        currency="EUR",
        rate=Decimal("0.9215"),
        risk_per_trade=Decimal("0.005"),
    ).unwrap()


CIRCUMSTANCES: Final = Circumstances(
    proposer="uid bot",
    state_age=timedelta(minutes=5, seconds=19),
    state_limit=timedelta(minutes=15),
    quote=QuoteSeen(Price(Decimal("1.08495")), Price(Decimal("1.08505")), WALL),
    position_before=ZERO,
    gross_before=Money(Decimal(41_000)),
    daily_loss=Money(ZERO),
    flags=(info("recon 12 s, 0 drifts"), amber("first EURUSD trade in 90 days")),
    expires_at=WALL + EVIDENCE_LIFE,
)


def evidence(proposed: CanonicalSignal | None = None, version: int = 1, at: datetime = WALL) -> Evidence:
    """What the human sees of it."""
    proposed = proposed or signal(quality="0.8", htf="up", ltf="down", red_checks="2")
    found = evolve(CIRCUMSTANCES, expires_at=at + EVIDENCE_LIFE)
    return assemble(proposed, sized(proposed), EURUSD, ACCOUNT, BUILT_IN, version, found)
