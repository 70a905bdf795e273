"""What a bot proposed: judged once, then remembered; every signal is one intent, for ever.

How a signal is read stands in `cse.py`; here is whether a signal that could be read may wait for a human.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, CanonicalSignal, Signal, SignalEvent
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.spelling import writer
from phoenix_core.values import Instrument, Moment, Named, OrderType, Price, SecType, instant, on_grid, plain

READY: Final = "READY"

# Older than the longest threshold of the stale gate, a setup belongs to another market.
SIGNAL_AGE_MAX: Final = timedelta(minutes=15)
# Two hosts kept by NTP differ by milliseconds; a clock that is 5 s ahead is wrong, or the signal was made up.
SIGNAL_SKEW_MAX: Final = timedelta(seconds=5)
# Longer than every limit of the stale gate, so that a context that went stale is what the human hears of first.
PROPOSAL_LIFE: Final = timedelta(minutes=30)
# An approval given in the last second lives five minutes, its order ninety seconds: 15 minutes are ample.
RETIRED_AFTER: Final = timedelta(minutes=15)
# Past this age the bytes of a refused input would be refused again for their age alone.
HEARD_FOR: Final = timedelta(hours=1)
# Stocks trade in cents from a dollar on (Rule 612 of Regulation NMS), whatever else a card says.
DOLLAR: Final = Price(Decimal(1))
CENT: Final = Price(Decimal("0.01"))


@frozen
class Incoming:
    """A signal as it was read: its canonical form, the words that stay beside the log, and the order type it asks for.

    `order_type` is as written: C9's schema has no such field, so asking for anything but MARKET is judged by name.
    """

    signal: CanonicalSignal
    texts: Mapping[str, str]  # hash -> words
    order_type: str = OrderType.MARKET.value


@frozen
class Proposal:
    """An accepted signal while somebody may still decide on it."""

    signal: CanonicalSignal
    channel: str
    seq: int
    at: datetime
    expires_at: datetime
    taken: Moment  # the same as `at`, on both clocks
    twin: str  # what it proposes, whatever it is called


@frozen
class Heard:
    """What became of an input that came lately: the same bytes have the same outcome."""

    event: SignalEvent
    at: datetime
    intent_id: str = ""
    reasons: tuple[str, ...] = ()


class Seen(Named):
    """Whether the desk has met this signal."""

    NEW = "NEW"
    SAME = "SAME"  # same ids, same body: nothing new, answer as before
    OTHER = "OTHER"  # an id that was used for another body


@define
class Signals:
    """Every signal that came in: whole while it may be decided on, a hash afterwards."""

    open: dict[str, Proposal] = Factory(dict)  # by intent, in order of arrival
    twins: dict[str, list[str]] = Factory(dict)  # twin -> the open intents that propose it, oldest first
    bodies: dict[str, str] = Factory(dict)  # intent -> hash of its canonical signal, for ever
    intents: dict[str, str] = Factory(dict)  # signal id -> intent, for ever
    heard: dict[str, Heard] = Factory(dict)  # digest of bytes -> outcome, lately, in order of arrival

    def fold(self, bead: Bead) -> None:
        """Fold SIGNAL."""
        body = bead.body
        if not isinstance(body, Signal):
            return
        self._retire(bead.ts)
        intent = ""
        if body.event is SignalEvent.ACCEPTED:
            assert body.signal is not None, "an accepted signal has its canonical form"
            assert body.expires_at is not None, "an accepted signal says until when it waits"
            signal, intent = body.signal, body.signal.intent_id
            assert intent not in self.bodies, f"intent {intent} was accepted before"
            assert signal.signal_id not in self.intents, f"signal {signal.signal_id} was accepted before"
            twin = _twin(signal)
            self.open[intent] = Proposal(
                signal, body.channel, bead.seq, bead.ts, body.expires_at, instant(bead.ts, body.ticks, body.boot), twin
            )
            self.twins.setdefault(twin, []).append(intent)
            self.bodies[intent] = _hash_of(signal)
            self.intents[signal.signal_id] = intent
        _ = self.heard.setdefault(body.digest, Heard(body.event, bead.ts, intent, body.reasons))

    def _retire(self, now: datetime) -> None:
        """Let go of what can no longer be decided on; the oldest stand in front, so this never walks them all."""
        while self.heard and next(iter(self.heard.values())).at + HEARD_FOR < now:
            del self.heard[next(iter(self.heard))]
        while self.open and next(iter(self.open.values())).expires_at + RETIRED_AFTER < now:
            intent, proposal = next(iter(self.open.items()))
            del self.open[intent]
            self.twins[proposal.twin].remove(intent)
            if not self.twins[proposal.twin]:
                del self.twins[proposal.twin]

    def proposal(self, intent_id: str) -> Proposal | None:
        """The accepted signal of an intent, while it may still be decided on."""
        return self.open.get(intent_id)

    def outcome(self, digest: str) -> Heard | None:
        """What became of exactly these bytes, if they came lately."""
        return self.heard.get(digest)

    def twin_of(self, signal: CanonicalSignal) -> str | None:
        """The latest other intent that proposes the same trade under another name: an amber light."""
        others = (it for it in reversed(self.twins.get(_twin(signal), ())) if it != signal.intent_id)
        return next(others, None)


def _hash_of(signal: CanonicalSignal) -> str:
    return hashlib.sha256(_write_signal(signal).encode()).hexdigest()


def _twin(signal: CanonicalSignal) -> str:
    """The trade itself, without its names and without what the proposer thinks of it; its prices say the side."""
    prices = (plain(price) for price in (signal.entry, signal.stop, signal.target))
    return hashlib.sha256("\x1f".join((signal.strategy, signal.pair, *prices)).encode()).hexdigest()


_write_signal: Final = writer(CanonicalSignal)


def seen(signals: Signals, signal: CanonicalSignal) -> Seen:
    """Whether the desk met this signal before: asked first, for SAME is no refusal and leaves no bead."""
    body, namesake = signals.bodies.get(signal.intent_id), signals.intents.get(signal.signal_id)
    if body is None and namesake is None:
        return Seen.NEW
    return Seen.SAME if body == _hash_of(signal) else Seen.OTHER


def judge_signal(
    signals: Signals,
    incoming: Incoming,
    now: Moment,
    order_types: tuple[OrderType, ...],
    instrument: Instrument | None,
) -> Refusal | None:
    """Every rule about the signal itself: ready, new, of its time, enabled order type, prices on the tick grid.

    Without a contract card (`instrument` None: a process without a broker) the grid is judged when evidence is made.
    """
    signal = incoming.signal
    grid = grid_refusal(signal, instrument) if instrument is not None else None
    return merged(
        (
            _ready_refusal(signals, signal),
            _time_refusal(signal, now),
            _order_type_refusal(incoming.order_type, order_types),
            grid,
        )
    )


def _ready_refusal(signals: Signals, signal: CanonicalSignal) -> Refusal | None:
    reasons: list[Refusal] = []
    if signal.signal != READY:
        reasons.append(refusal(Reason.SIGNAL_NOT_READY, detail=f"the setup is {signal.signal}, not {READY}"))
    if seen(signals, signal) is not Seen.NEW:
        reasons.append(refusal(Reason.SIGNAL_SEEN_BEFORE, detail="the signal's or the intent's id was used before"))
    return merged(reasons)


def _time_refusal(signal: CanonicalSignal, now: Moment) -> Refusal | None:
    age = now.wall - signal.created_at
    if age > SIGNAL_AGE_MAX:
        limit = SIGNAL_AGE_MAX // timedelta(minutes=1)
        return refusal(Reason.SIGNAL_TOO_OLD, detail=f"the signal is more than {limit} minutes old")
    if age < -SIGNAL_SKEW_MAX:
        ahead = -age // timedelta(seconds=1)
        return refusal(Reason.SIGNAL_FROM_THE_FUTURE, detail=f"the signal's clock is {ahead} s ahead of the desk's")
    return None


def _order_type_refusal(asked: str, enabled: tuple[OrderType, ...]) -> Refusal | None:
    # STOP is an order type of exits: no policy makes an entry of it.
    if asked in {order_type.value for order_type in enabled if order_type is not OrderType.STOP}:
        return None
    return refusal(Reason.ORDER_TYPE_NOT_ENABLED, detail=f"{asked} entries are not enabled on this desk")


def grid_refusal(signal: CanonicalSignal, instrument: Instrument) -> Refusal | None:
    """Prices off the tick grid of the contract card: refused, never rounded."""
    assert instrument.symbol == signal.pair, "a signal is judged against its own contract card"
    return off_grid({"entry": signal.entry, "stop": signal.stop, "target": signal.target}, instrument)


def off_grid(prices: Mapping[str, Price], instrument: Instrument) -> Refusal | None:
    """Which of these prices the broker would refuse, each by its name and with the step that it is no multiple of."""
    steps = ((name, price, step_at(instrument, price)) for name, price in prices.items())
    off = [(f"{name} {plain(price)}", step) for name, price, step in steps if not on_grid(price, step)]
    if not off:
        return None
    names, widest = ", ".join(name for name, _ in off), max(step for _, step in off)
    return refusal(Reason.PRICE_OFF_GRID, detail=f"{names}: not a multiple of {plain(widest)}")


def step_at(instrument: Instrument, price: Price) -> Price:
    """The step between prices, where this one stands. A card says the smallest of an instrument's steps: of most stocks
    a hundredth of a cent, in which prices below a dollar go. From a dollar on no exchange takes less than a cent."""
    whole = instrument.sec_type is SecType.STOCK and price >= DOLLAR
    return max(instrument.tick, CENT) if whole else instrument.tick


def proposal_expires_at(now: Moment) -> datetime:
    """When a proposal that nobody decided on is withdrawn."""
    return now.wall + PROPOSAL_LIFE
