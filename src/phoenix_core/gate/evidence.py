"""What a human decides on: gathered from Phoenix's own data, hashed as a bead, and kept for the autopsy.

The leaf hash of an EVIDENCE bead is what is signed; a newer version of the evidence voids every signature on an older
one. How it is shown stands in `screen.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeGuard

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, CanonicalSignal, Evidence, Policy, QuoteSeen, Sizing
from phoenix_core.canonical import decode, encode
from phoenix_core.facts import Margin, Weighed
from phoenix_core.gate.price import mid
from phoenix_core.orders import Line, order_hash
from phoenix_core.records import evolve, of_json, to_json
from phoenix_core.values import (
    ARITHMETIC,
    NO_QUANTITY,
    Instrument,
    Moment,
    Money,
    OrderType,
    Price,
    Quantity,
    Role,
    Side,
    Tif,
    divide,
    floor_to,
    is_over,
    times,
)

# A screen that is five minutes old shows another market; the engine makes a new version while the intent waits.
EVIDENCE_LIFE: Final = timedelta(minutes=5)
# A token from the evidence's last second lives five minutes, its order ninety seconds: 15 minutes are ample.
RETIRED_AFTER: Final = timedelta(minutes=15)
HUNDREDTH: Final = Decimal("0.01")
# What the broker said of the margin holds for so long, where the size moved with a rate by a hundredth at most.
WEIGHED_FOR: Final = timedelta(seconds=30)


@frozen
class Shown:
    """One version of an intent's evidence, in its place in the log."""

    evidence: Evidence
    leaf: str
    seq: int
    at: datetime


@frozen
class Thesis:
    """What outlives the evidence: the approved order with its exits, and what the autopsy asks for."""

    leaf: str
    seq: int
    version: int
    strategy: str
    setup_type: str
    proposed_at: datetime
    entry: Price  # the signal's
    mid: Price  # of the quote that the evidence cites
    risk: Money
    lines: tuple[Line, ...]
    time_exit: timedelta | None = None

    @property
    def rate(self) -> Decimal:
        """Account currency per unit of the instrument's, as the entry was sized with, but for a cent."""
        order, stop, _ = self.lines
        assert stop.trigger is not None, "a stop has its trigger"
        distance = ARITHMETIC.subtract(self.entry, stop.trigger).copy_abs()
        return divide(self.risk, times(order.quantity, distance))


@frozen
class Circumstances:
    """What the assembler adds to a signal and its size, gathered from other wings by the act."""

    proposer: str
    state_age: timedelta
    state_limit: timedelta
    quote: QuoteSeen
    position_before: Decimal
    gross_before: Money
    daily_loss: Money
    flags: tuple[str, ...]  # made by `kill_flag`, `red`, `amber`, `info` below
    expires_at: datetime
    margin_used: Money | None = None
    margin: Margin | None = None


@frozen
class Kept:
    """A thesis as it is kept by the hundred thousand: its contract by number, its exits by their prices."""

    leaf: str
    seq: int
    version: int
    contract: int
    side: Side
    order_type: OrderType
    quantity: Quantity
    entry: Price
    stop: Price
    target: Price
    mid: Price
    risk: Money
    strategy: str
    setup_type: str
    proposed_at: datetime
    time_exit: timedelta | None = None


@define
class EvidenceBook:
    """The latest evidence of every intent: whole while it may be acted on, its thesis afterwards, for ever."""

    current: dict[str, Shown] = Factory(dict)  # by intent, oldest first
    theses: dict[str, str] = Factory(dict)  # intent -> its `Kept` as canonical text: a tenth of the memory
    contracts: list[Line] = Factory(list)  # what the kept entries have in common, few and shared

    def fold(self, bead: Bead) -> None:
        """Fold EVIDENCE."""
        body = bead.body
        if not isinstance(body, Evidence):
            return
        intent = body.intent_id
        assert body.version == self.next_version(intent), f"evidence {body.version} of {intent} is out of turn"
        _ = self.current.pop(intent, None)
        _ = self.theses.pop(intent, None)
        self.current[intent] = Shown(body, bead.leaf, bead.seq, bead.ts)
        self._retire(bead.ts)

    def _retire(self, now: datetime) -> None:
        """Keep only the thesis of what can no longer be acted on; the oldest stand in front: never a walk over all."""
        while self.current:
            intent, shown = next(iter(self.current.items()))
            if shown.evidence.expires_at + RETIRED_AFTER >= now:
                return
            del self.current[intent]
            self.theses[intent] = encode(to_json(self._kept(_thesis_of(shown)))).decode()

    def _kept(self, thesis: Thesis) -> Kept:
        entry, stop, target = thesis.lines
        contract = evolve(entry, side=Side.BUY, quantity=NO_QUANTITY, order_type=OrderType.MARKET, limit=None)
        if contract not in self.contracts:
            self.contracts.append(contract)
        assert stop.trigger is not None, "a stop has its trigger"
        assert target.limit is not None, "a target has its limit"
        return Kept(
            leaf=thesis.leaf,
            seq=thesis.seq,
            version=thesis.version,
            contract=self.contracts.index(contract),
            side=entry.side,
            order_type=entry.order_type,
            quantity=entry.quantity,
            entry=thesis.entry,
            stop=stop.trigger,
            target=target.limit,
            mid=thesis.mid,
            risk=thesis.risk,
            strategy=thesis.strategy,
            setup_type=thesis.setup_type,
            proposed_at=thesis.proposed_at,
            time_exit=thesis.time_exit,
        )

    def latest(self, intent_id: str) -> Shown | None:
        """The latest version, whole: until 15 minutes after it expired at least."""
        return self.current.get(intent_id)

    def thesis(self, intent_id: str) -> Thesis | None:
        """The approved order, its exits and the entry thesis of an intent, however long ago it ended."""
        shown = self.current.get(intent_id)
        if shown is not None:
            return _thesis_of(shown)
        text = self.theses.get(intent_id)
        if text is None:
            return None
        kept = of_json(Kept, decode(text.encode()).unwrap())
        entry = evolve(
            self.contracts[kept.contract],
            side=kept.side,
            quantity=kept.quantity,
            order_type=kept.order_type,
            limit=kept.entry if kept.order_type is OrderType.LIMIT else None,
        )
        return Thesis(
            leaf=kept.leaf,
            seq=kept.seq,
            version=kept.version,
            strategy=kept.strategy,
            setup_type=kept.setup_type,
            proposed_at=kept.proposed_at,
            entry=kept.entry,
            mid=kept.mid,
            risk=kept.risk,
            lines=with_exits(entry, kept.stop, kept.target),
            time_exit=kept.time_exit,
        )

    def next_version(self, intent_id: str) -> int:
        """The number that the next version of an intent's evidence carries."""
        thesis = self.thesis(intent_id)
        return thesis.version + 1 if thesis is not None else 1


def _thesis_of(shown: Shown) -> Thesis:
    evidence = shown.evidence
    return Thesis(
        leaf=shown.leaf,
        seq=shown.seq,
        version=evidence.version,
        strategy=evidence.strategy,
        setup_type=evidence.setup_type,
        proposed_at=evidence.signal_created_at,
        entry=evidence.signal_entry,
        mid=mid(evidence.quote.bid, evidence.quote.ask),
        risk=evidence.sizing.risk,
        lines=evidence.lines,
        time_exit=evidence.time_exit,
    )


# The first word of a light is its colour.
KILL: Final = "KILL"
RED: Final = "RED"
AMBER: Final = "AMBER"
INFO: Final = "INFO"


def kill_flag(words: str) -> str:
    """The light of an active kill flag: it blocks, and it is named."""
    return f"{KILL} {words}"


def red(words: str) -> str:
    """A light that blocks."""
    return f"{RED} {words}"


def amber(words: str) -> str:
    """A light that asks for the instrument to be typed too."""
    return f"{AMBER} {words}"


def info(words: str) -> str:
    """A fact beside the lights: the last reconciliation, the link."""
    return f"{INFO} {words}"


def red_lights(evidence: Evidence) -> tuple[str, ...]:
    """The lights of this evidence that forbid its approval, a kill's among them."""
    return tuple(light for light in evidence.flags if light.partition(" ")[0] in (KILL, RED))


def blocks(evidence: Evidence) -> bool:
    """Whether any light of this evidence forbids its approval."""
    return bool(red_lights(evidence))


def asks_for_instrument(evidence: Evidence) -> bool:
    """Whether an amber light asks the human to type the instrument too."""
    return any(light.partition(" ")[0] == AMBER for light in evidence.flags)


def is_weighed(weighed: Weighed | None, entry: Line, now: Moment) -> TypeGuard[Weighed]:
    """Whether an answer about the margin is about this entry, and young enough to be shown beside it."""
    if weighed is None or is_over(weighed.at, now, WEIGHED_FOR):
        return False
    asked = weighed.entry
    moved = ARITHMETIC.subtract(asked.quantity, entry.quantity).copy_abs()
    return evolve(asked, quantity=entry.quantity) == entry and times(moved, Decimal(100)) <= entry.quantity


def margin_of(weighed: Weighed | None, entry: Line, now: Moment) -> Margin:
    """What is known of the margin after an entry; without an answer that is about it, nothing."""
    return weighed.margin if is_weighed(weighed, entry, now) else Margin()


def margin_lights(margin: Margin, equity: Money) -> tuple[str, ...]:
    """A margin that the equity does not exceed: the broker refuses such an order (201), and has the last word on it."""
    short = margin.after is not None and margin.after >= equity
    return (amber("equity not above the margin after it"),) if short else ()


def bracket_of(
    signal: CanonicalSignal, sizing: Sizing, instrument: Instrument, account_tag: str
) -> tuple[Line, Line, Line]:
    """Entry, stop and target as one native bracket: hashed, approved and sent together."""
    order_type = signal.order_type or OrderType.MARKET
    assert order_type is not OrderType.STOP, "no entry is a stop order"
    entry = Line(
        role=Role.ENTRY,
        side=signal.side,
        quantity=sizing.quantity,
        order_type=order_type,
        tif=Tif.DAY,
        outside_hours=False,
        account=account_tag,
        symbol=instrument.symbol,
        con_id=instrument.con_id,
        sec_type=instrument.sec_type,
        currency=instrument.currency,
        exchange=instrument.exchange,
        limit=signal.entry if order_type is OrderType.LIMIT else None,
    )
    return with_exits(entry, signal.stop, signal.target)


def with_exits(entry: Line, stop: Price, target: Price) -> tuple[Line, Line, Line]:
    """An entry with the two orders that end what it opens: same size, other side, good till cancelled."""
    out = evolve(entry, side=entry.side.other, tif=Tif.GTC, limit=None)
    return (
        entry,
        evolve(out, role=Role.STOP, order_type=OrderType.STOP, trigger=stop),
        evolve(out, role=Role.TARGET, order_type=OrderType.LIMIT, limit=target),
    )


def assemble(
    signal: CanonicalSignal,
    sizing: Sizing,
    instrument: Instrument,
    account_tag: str,
    policy: Policy,
    version: int,
    found: Circumstances,
) -> Evidence:
    """The body of an EVIDENCE bead; its order hash is that of the bracket."""
    lines = bracket_of(signal, sizing, instrument, account_tag)
    assert all(light.partition(" ")[0] in (KILL, RED, AMBER, INFO) for light in found.flags), "a light has its colour"
    reward = ARITHMETIC.subtract(signal.target, signal.entry).copy_abs()
    return Evidence(
        intent_id=signal.intent_id,
        version=version,
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        proposer=found.proposer,
        setup_type=signal.setup_type,
        confidence=signal.confidence,
        state_hash=signal.state_hash,
        state_age=found.state_age,
        state_limit=found.state_limit,
        lines=lines,
        order_hash=order_hash(lines),
        sizing=sizing,
        signal_created_at=signal.created_at,
        signal_entry=signal.entry,
        stop=signal.stop,
        target=signal.target,
        reward_risk=floor_to(divide(reward, sizing.stop_distance), HUNDREDTH),
        quote=found.quote,
        drift_bps_max=policy.drift_bps_max,
        position_before=found.position_before,
        gross_before=found.gross_before,
        daily_loss=found.daily_loss,
        flags=found.flags,
        expires_at=found.expires_at,
        time_exit=policy.time_exit,
        quality=signal.quality,
        htf=signal.htf,
        ltf=signal.ltf,
        red_checks=signal.red_checks,
        daily_loss_max=policy.limits.daily_loss_max,
        margin_used=found.margin_used,
        note=signal.note,
        instrument_name=instrument.name,
        margin=found.margin,
    )
