"""An intent comes in, and the evidence a human will decide on is assembled from Phoenix's own data.

Any bytes end in exactly one of three beads: ACCEPTED (with a position PROPOSED), REFUSED by a rule, QUARANTINED as
unreadable. The proposer is the channel it came through, never what it says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_core.acts.lights import context_of, exposure_of, flags_for, is_over, policy_of, rate_of, strategy_refusal
from phoenix_core.beads import PositionEvent, Proof, ProofKind, QuoteSeen, Signal, SignalEvent
from phoenix_core.desk import Desk
from phoenix_core.gate.approvals import REMEMBERED
from phoenix_core.gate.evidence import (
    EVIDENCE_LIFE,
    Circumstances,
    Shown,
    assemble,
    bracket_of,
    margin_lights,
    margin_of,
)
from phoenix_core.gate.guards import currency_light
from phoenix_core.gate.screen import match_words
from phoenix_core.gate.signals import Incoming, Seen, judge_signal, proposal_expires_at, seen
from phoenix_core.gate.sizing import LASTING, size, stated_refusal
from phoenix_core.gate.stale_gate import context_age, limit_for, stale_refusal
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.trade.births import born
from phoenix_core.trade.positions import Open, changed
from phoenix_core.values import BadInput, CommandId, Moment, Money, State, word
from phoenix_core.watch.codes import Code, alert
from phoenix_core.world import World


@frozen
class Propose:
    """A signal came in through a channel and could be read."""

    command_id: CommandId
    digest: str  # of the bytes that came in, as the proposer has them
    channel: str
    incoming: Incoming
    name: str = ""

    def __attrs_post_init__(self) -> None:
        """These words stand in the log, and the channel on the screen of whoever approves."""
        for field, value in (("command_id", self.command_id), ("digest", self.digest), ("channel", self.channel)):
            _ = word(value, field)
        if not isinstance(self.incoming, Incoming):
            raise BadInput("incoming", type(self.incoming).__name__, "give what `read_signal` made of the document")


@frozen
class Quarantine:
    """Something came in that could not be read as a signal, or was refused before it could be."""

    command_id: CommandId
    digest: str
    channel: str
    refusal: Refusal
    name: str = ""


@frozen
class Assemble:
    """Gather what the human needs to see, anew."""

    command_id: CommandId
    intent_id: str


@frozen
class LookAgain:
    """Look whether what blocks the approval of an intent still stands, and gather it anew where it does not."""

    command_id: CommandId
    intent_id: str


@frozen
class Announce:
    """Tell the code of the screen that an intent has now: whoever approves compares both."""

    command_id: CommandId
    intent_id: str


Command = Propose | Quarantine | Assemble | LookAgain | Announce

# Whether a red light is over is asked again after so long: no bead tells when it is worth it, each question gathers all
# lights anew, and an order that is due waits for them.
ASKED_APART: Final = timedelta(seconds=1)


def _propose(desk: Desk, command: Propose, world: World) -> Ruling:
    if desk.tenure.genesis is None:
        return denied(refusal(Reason.DESK_NOT_INITIALISED, detail="run `phoenix init` first"))
    incoming = command.incoming
    signal = incoming.signal
    known = seen(desk.signals, signal)
    if known is Seen.SAME:
        return _again(command)
    policy = policy_of(desk)
    # The signed policy and the settings of this process: what either leaves out is not let in.
    order_types = tuple(t for t in policy.order_types if t in world.run.order_types) if policy is not None else ()
    context = context_of(signal)
    stale_after = policy.stale_after if policy is not None else None
    card = world.instruments.get(signal.pair)
    no = merged(
        (
            judge_signal(desk.signals, incoming, world.now, order_types, card),
            stated_refusal(signal, card, policy.odd_lots) if card is not None and policy is not None else None,
            strategy_refusal(desk, signal.strategy),
            _unwatched(signal.pair, world.run.instruments),
            refusal(Reason.POLICY_MISSING, detail="LIVE needs a signed policy") if policy is None else None,
            stale_refusal(desk.anchors, context, stale_after, world.now) if stale_after is not None else None,
        )
    )
    if no is not None:
        return denied(no, _signal(command, SignalEvent.REFUSED, no), texts=incoming.texts)
    body = Signal(
        event=SignalEvent.ACCEPTED,
        digest=command.digest,
        channel=command.channel,
        name=command.name,
        signal=signal,
        expires_at=proposal_expires_at(world.now),
        ticks=world.now.ticks,
        boot=world.now.boot,
    )
    told = alert(Code.SIGNAL_READY, signal.pair, signal.intent_id, side=signal.side.value, intent=signal.intent_id[:8])
    return granted(signal.intent_id, body, born(signal), told, texts=incoming.texts)


def _unwatched(symbol: str, watched: tuple[str, ...]) -> Refusal | None:
    """What a desk does not watch has no quotes: its evidence could never be assembled, and nobody would know why."""
    if not watched or symbol in watched:
        return None
    words = f"the desk watches {' '.join(watched)}; name {symbol} under `instruments` in its settings, and start anew"
    return refusal(Reason.INSTRUMENT_NOT_ALLOWED, detail=words)


def _again(command: Propose) -> Ruling:
    """The same signal once more: nothing new, and a file still has to leave the inbox."""
    intent = command.incoming.signal.intent_id
    if not command.name:
        return granted(intent)
    no = refusal(Reason.SIGNAL_SEEN_BEFORE, detail=f"intent {intent} is known already")
    return denied(no, _signal(command, SignalEvent.REFUSED, no))


def _signal(command: Propose | Quarantine, event: SignalEvent, no: Refusal) -> Signal:
    return Signal(
        event=event,
        digest=command.digest,
        channel=command.channel,
        name=command.name,
        reasons=tuple(reason.value for reason in no.reasons),
        detail=no.detail,
    )


def _quarantine(desk: Desk, command: Quarantine, world: World) -> Ruling:
    told = alert(Code.SIGNAL_QUARANTINED, command.channel, command.digest, reason=command.refusal.headline.value)
    return denied(command.refusal, _signal(command, SignalEvent.QUARANTINED, command.refusal), told)


def _assemble(desk: Desk, command: Assemble, world: World) -> Ruling:
    proposal = desk.signals.proposal(command.intent_id)
    position = desk.positions.open_of_intent(command.intent_id)
    if proposal is None or position is None:
        return denied(refusal(Reason.UNKNOWN_INTENT, detail=command.intent_id))
    if position.state is not State.PROPOSED:  # a new version voids the signature on the old one
        return denied(refusal(Reason.WRONG_STATE, detail=f"{position.state} is decided already"))
    elsewhere = currency_light(desk.genesis.currency, world.currency)
    if elsewhere is not None:  # a size by an equity in other money is no size
        return denied(elsewhere)
    signal = proposal.signal
    policy, instrument = policy_of(desk), world.instruments.get(signal.pair)
    quote = world.quotes.get(signal.pair)
    if policy is None or instrument is None or quote is None:
        missing = "policy" if policy is None else "contract card" if instrument is None else "quote"
        return denied(refusal(Reason.EVIDENCE_MISSING, detail=f"no {missing} for {signal.pair} yet"))
    sized = size(
        signal,
        instrument,
        equity=world.equity,
        currency=desk.genesis.currency,
        rate=rate_of(desk, world, instrument),
        risk_per_trade=policy.risk_per_trade,
        odd_lots=policy.odd_lots,
    )
    if not is_successful(sized):
        return _unsized(position, sized.failure())
    sizing = sized.unwrap()
    exposure = exposure_of(desk, world, command.intent_id)
    state_age = context_age(desk.anchors, context_of(signal, proposal.taken), world.now)
    state_limit = limit_for(desk.anchors, signal.strategy, policy.stale_after)
    entry = bracket_of(signal, sizing, instrument, desk.genesis.account)[0]
    margin = margin_of(world.weighed.get(signal.intent_id), entry, world.now)
    lights = flags_for(desk, world, signal, sizing, instrument, policy)
    found = Circumstances(
        proposer=proposal.channel,
        state_age=state_limit if state_age is None else state_age,  # what nobody can tell is no younger than stale
        state_limit=state_limit,
        quote=QuoteSeen(quote.bid, quote.ask, quote.at.wall, quote.delayed),
        position_before=desk.positions.net(signal.pair),
        gross_before=exposure.gross,
        daily_loss=Money(max(exposure.loss_today, Money(exposure.loss_today * 0))),
        flags=(*lights, *margin_lights(margin, sizing.equity)),
        expires_at=world.now.wall + EVIDENCE_LIFE,
        margin_used=world.margin_used,
        margin=margin,
    )
    evidence = assemble(
        signal, sizing, instrument, desk.genesis.account, policy, desk.evidence.next_version(signal.intent_id), found
    )
    return granted(signal.intent_id, evidence)


def _unsized(position: Open, no: Refusal) -> Ruling:
    """What can be sized later waits; what never can is taken back at once, so that its proposer hears of it."""
    if LASTING.isdisjoint(no.reasons):
        return denied(no)
    reasons = tuple(reason.value for reason in no.reasons)
    return denied(no, changed(position, PositionEvent.WITHDRAWN, Proof(ProofKind.RULE, reasons[0]), reasons=reasons))


def _look_again(desk: Desk, command: LookAgain, world: World) -> Ruling:
    """A limit and the latch are in no bead of their own: whether they are over is a question to the world. That it was
    answered by nothing is a note for `due`, and no part of the state: another run just asks."""
    proposal, shown = desk.signals.proposal(command.intent_id), desk.evidence.latest(command.intent_id)
    if proposal is not None and shown is not None and is_over(desk, world, proposal.signal, shown):
        return _assemble(desk, Assemble(command.command_id, command.intent_id), world)
    desk.asked[command.command_id] = world.now.ticks
    if len(desk.asked) > REMEMBERED:
        del desk.asked[next(iter(desk.asked))]
    return denied(refusal(Reason.NOTHING_TO_DO))


def is_asked_lately(desk: Desk, command: CommandId, now: Moment) -> bool:
    """Whether this very question was just answered by nothing."""
    asked = desk.asked.get(command)
    return asked is not None and now.ticks - asked < ASKED_APART


def unannounced(desk: Desk, intent_id: str) -> Shown | None:
    """The evidence that an undecided intent has now, where its code was not told yet."""
    position, shown = desk.positions.open_of_intent(intent_id), desk.evidence.latest(intent_id)
    if shown is None or position is None or position.state is not State.PROPOSED:
        return None
    return None if f"{Code.SIGNAL_SHOWN}|{_version(shown)}" in desk.alerts.warned else shown


def _version(shown: Shown) -> str:
    return f"{shown.evidence.intent_id} v{shown.evidence.version}"


def _announce(desk: Desk, command: Announce, world: World) -> Ruling:
    shown = unannounced(desk, command.intent_id)
    if shown is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    told = {"instrument": shown.evidence.lines[0].symbol, "words": "-".join(match_words(shown.leaf))}
    return granted(command.intent_id, alert(Code.SIGNAL_SHOWN, _version(shown), command.command_id, **told))


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    Propose: _propose,
    Quarantine: _quarantine,
    Assemble: _assemble,
    LookAgain: _look_again,
    Announce: _announce,
}
