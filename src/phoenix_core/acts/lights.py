"""The thirteen lights of an entry, filled from every wing: what each guard must know, gathered in one place.

Guards judge plain values; only here does somebody look at the whole desk. Every light is filled on every submit and
again in the last look, whatever the others say.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from phoenix_core.acts.signatures import approval_refusal
from phoenix_core.acts.vouching import kept_shut
from phoenix_core.beads import CanonicalSignal, Policy, Sizing
from phoenix_core.desk import Desk
from phoenix_core.effects import SendOrder
from phoenix_core.facts import CASH_UNEXPLAINED_MAX, Quote
from phoenix_core.gate import evidence, guards, kill_flags, stale_gate, tokens
from phoenix_core.gate.evidence import Shown
from phoenix_core.gate.guards import Lights
from phoenix_core.gate.limits import Exposure, limit_refusal, policy_in_force
from phoenix_core.gate.price import mid, price_refusal
from phoenix_core.gate.signals import Proposal
from phoenix_core.gate.sizing import at_stake
from phoenix_core.gate.statements import Decide, read_statement
from phoenix_core.orders import parsed_ref
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.trade.positions import Open
from phoenix_core.trust.promotion import in_force
from phoenix_core.trust.revalidation import open_changes
from phoenix_core.values import (
    ARITHMETIC,
    ZERO,
    Account,
    Instrument,
    Mode,
    Moment,
    Money,
    Price,
    Quantity,
    SecType,
    State,
    divide,
    times,
)
from phoenix_core.watch.drift import blocking
from phoenix_core.watch.market_hours import fx_day, market_status, session_refusal
from phoenix_core.watch.observations import LastQuote, is_reconciled
from phoenix_core.world import World

RESERVED = (State.APPROVED, State.SUBMITTED, State.STALLED, State.FILLED, State.MANAGED)


def policy_of(desk: Desk) -> Policy | None:
    """The policy in force on this desk; None in LIVE before one was signed."""
    return policy_in_force(desk.policies, desk.genesis.mode)


def context_of(signal: CanonicalSignal, taken: Moment | None = None) -> stale_gate.Context:
    """What an intent stands on; `taken` is when its signal was accepted, once it was."""
    return stale_gate.Context(signal.strategy, signal.state_hash, signal.created_at, taken)


# --- rates and exposure -----------------------------------------------------------------------------------------------


def rate_of(desk: Desk, world: World, instrument: Instrument) -> Decimal | None:
    """Account currency per unit of the instrument's currency; None where no quote says."""
    return _rate_by(desk.genesis.currency, instrument.currency, world.quotes)


def last_rate(desk: Desk, currency: str) -> Decimal | None:
    """The same by the last quotes that the log knows: good for booking what has happened, and for nothing to come."""
    return _rate_by(desk.genesis.currency, currency, desk.observations.quotes)


def _rate_by(account: str, currency: str, quotes: Mapping[str, Quote] | Mapping[str, LastQuote]) -> Decimal | None:
    if account == currency:
        return Decimal(1)
    direct, inverse = quotes.get(currency + account), quotes.get(account + currency)
    if direct is not None:
        return mid(direct.bid, direct.ask)
    return divide(Decimal(1), mid(inverse.bid, inverse.ask)) if inverse is not None else None


def account_rate(desk: Desk, symbol: str, world: World) -> Decimal | None:
    """The rate of an instrument's currency by its symbol; None where its card or a quote is missing."""
    instrument = world.instruments.get(symbol)
    return None if instrument is None else rate_of(desk, world, instrument)


def rate_for(desk: Desk, position: Open, world: World) -> Decimal | None:
    """The rate of what a position holds, by the quotes of now. What was executed while the link was down is told before
    a new session has its first one, and a command has none at all: then by the last that the log knows, or by what
    the entry was sized with. None where nobody ever knew one."""
    now = account_rate(desk, position.pair, world)
    known = now if now is not None else last_rate_for(desk, position)
    thesis = desk.evidence.thesis(position.intent_id)
    return known if known is not None or thesis is None else thesis.rate


def last_rate_for(desk: Desk, position: Open) -> Decimal | None:
    """The same by the last quotes that the log knows, and nothing else."""
    thesis = desk.evidence.thesis(position.intent_id)
    lines = [*(order.line for order in desk.orders.of(position.position_id)), *(thesis.lines if thesis else ())]
    return last_rate(desk, lines[0].currency) if lines else None


def exposure_of(desk: Desk, world: World, intent_id: str) -> Exposure:
    """What the desk holds or has promised, this intent left out."""
    quantities: dict[str, Quantity] = {}
    gross, count = ZERO, 0
    busy: list[str] = []
    unvalued: list[str] = []
    for position in desk.positions.open.values():
        if position.intent_id == intent_id or position.state not in RESERVED:
            continue
        count += 1
        busy.append(position.pair)
        most = position.requested_quantity if position.entry_may_fill else position.filled_quantity
        held = max(ZERO, ARITHMETIC.subtract(most, position.exited_quantity))
        quantities[position.pair] = Quantity(ARITHMETIC.add(quantities.get(position.pair, ZERO), held))
        last, rate = position.last, rate_for(desk, position, world)
        price = last.average_entry if last.average_entry is not None else last.entry_price
        if rate is not None:
            gross = ARITHMETIC.add(gross, times(times(held, price), rate))
        elif held:
            unvalued.append(position.pair)
    day = fx_day(world.now.wall)
    entries, realized = traded_on(desk, day)
    own = desk.positions.open_of_intent(intent_id)
    sent_at = own.submitted_at if own is not None else None
    counted = 1 if sent_at is not None and fx_day(sent_at) == day else 0  # in the last look its own entry stands there
    return Exposure(
        quantities=quantities,
        gross=at_stake(gross),
        unvalued=tuple(unvalued),
        open_positions=count,
        entries_today=entries - counted,
        loss_today=Money(realized.copy_negate()),
        busy=tuple(busy),
        drifting=tuple(filter(None, desk.drifts.by_instrument)),
        foreign=foreign_of(desk, world),
    )


def traded_on(desk: Desk, day: str) -> tuple[int, Money]:
    """What a trading day has seen so far: entries that left, and the money that was realised."""
    entries, realized = 0, ZERO
    for item in desk.positions.lately:
        if fx_day(item.at) == day:
            entries, realized = entries + item.entries, ARITHMETIC.add(realized, item.realized)
    return entries, Money(realized)


def foreign_of(desk: Desk, world: World) -> tuple[str, ...]:
    """Instruments where the last complete picture shows a holding or an order on our account that is not ours. In a
    pair of currencies a little is what a conversion left, here as where pictures are compared."""
    seen = world.snapshot
    if seen is None:
        return ()
    found: dict[str, bool] = {}
    for one in seen.positions:
        card = world.instruments.get(one.symbol)
        little = CASH_UNEXPLAINED_MAX if card is not None and card.sec_type is SecType.CASH else ZERO
        if abs(one.quantity) > little and seen.is_own(one.account) and not desk.positions.by_pair.get(one.symbol):
            found[one.symbol] = True
    for order in seen.orders:
        if order.instrument is not None and seen.is_own(order.account) and not parsed_ref(order.ref):
            found[order.instrument] = True
    return tuple(found)


# --- lights -----------------------------------------------------------------------------------------------------------


def entry_lights_before(desk: Desk, world: World, intent_id: str) -> Refusal | None:
    """What forbids approving an intent already: a strategy that has not earned it, a kill, a stale context, a limit.
    The rest is the engine's."""
    proposal, shown = desk.signals.proposal(intent_id), desk.evidence.latest(intent_id)
    assert proposal is not None and shown is not None, "what a human may decide on has its signal and its evidence"
    signal = proposal.signal
    policy = policy_of(desk)
    kill = kill_flags.kill_refusal(desk.kill_flags, signal.strategy, signal.pair, world.latch)
    stale = _stale(desk, policy, proposal, world)
    sizing = shown.evidence.sizing
    limits = _limits(desk, policy, intent_id, signal.pair, sizing, world)
    earned = strategy_refusal(desk, signal.strategy)
    return merged((earned, kill, stale, limits))


def _stale(desk: Desk, policy: Policy | None, proposal: Proposal, world: World) -> Refusal | None:
    if policy is None:
        return refusal(Reason.POLICY_MISSING)
    return stale_gate.stale_refusal(
        desk.anchors, context_of(proposal.signal, proposal.taken), policy.stale_after, world.now
    )


def entry_lights(desk: Desk, position: Open, world: World, spent: bool) -> Lights:
    """All thirteen lights of an approved entry; `spent` in the last look, when the token was just used."""
    intent_id = position.intent_id
    proposal, shown = desk.signals.proposal(intent_id), desk.evidence.latest(intent_id)
    assert proposal is not None and shown is not None, "an approved intent keeps its signal and its evidence"
    genesis, signal, policy = desk.genesis, proposal.signal, policy_of(desk)
    sizing = shown.evidence.sizing
    instrument = world.instruments.get(signal.pair)
    status = None if instrument is None else market_status(instrument, world.now.wall, world.hours.get(signal.pair))
    link, shut = world.link, kept_shut(desk, signal.strategy, signal.pair, world)
    return Lights(
        account=_account_light(desk, world),
        port=guards.port_light(genesis.mode, world.port),
        mode=_mode_light(desk, signal.strategy, world, shut),
        lease=guards.lease_light(world.run.epoch, -1 if desk.tenure.released else desk.tenure.epoch),
        kill=merged(
            (
                kill_flags.kill_refusal(desk.kill_flags, signal.strategy, signal.pair, world.latch),
                shut.get(Reason.KILL_FLAG_ACTIVE),
            )
        ),
        stale=_stale(desk, policy, proposal, world),
        limits=merged((shut.get(Reason.POLICY_MISSING), _limits(desk, policy, intent_id, signal.pair, sizing, world))),
        drift=merged((_drift_light(desk, signal.pair), shut.get(Reason.DRIFT_OPEN))),
        link=guards.link_light(link.up and link.synchronised, link.round_trip_age, link.in_restart_window, link.skew),
        session=refusal(Reason.HOURS_UNKNOWN) if status is None else session_refusal(status),
        price=_price_light(desk, position, proposal, policy, world),
        token=_token_light(desk, position, shown, world, spent),
        pacing=guards.pacing_light(world.entry_budget - _queued(desk, spent), len(shown.evidence.lines)),
    )


def _account_light(desk: Desk, world: World) -> Refusal | None:
    genesis = desk.genesis
    said = guards.account_light(genesis.mode, Account(genesis.account, genesis.account_mask), world.accounts)
    return merged((said, guards.currency_light(genesis.currency, world.currency)))


def _drift_light(desk: Desk, pair: str) -> Refusal | None:
    drifts = tuple(drift.identity for drift in blocking(desk.drifts, pair))
    known = is_reconciled(desk.observations, desk.sessions.session, desk.sessions.connected_seq)
    return guards.drift_light(known, drifts)


def _limits(
    desk: Desk, policy: Policy | None, intent_id: str, pair: str, sizing: Sizing, world: World
) -> Refusal | None:
    exposure = exposure_of(desk, world, intent_id)
    return limit_refusal(policy, exposure, desk.genesis.mode, pair, sizing.quantity, sizing.notional)


def _mode_light(desk: Desk, strategy: str, world: World, shut: Mapping[Reason, Refusal | None]) -> Refusal | None:
    """The mode's own light, what LIVE asks of a strategy included; nothing is entered either where the run, its keys or
    its policy allow exits only."""
    validated = paper_validated(desk, world) and Reason.PAPER_VALIDATION_MISSING not in shut
    said = guards.mode_light(desk.genesis.mode, world.run.mode, world.run.allow_live, validated)
    closed = world.run.exits_only or not desk.approvals.can_sign()
    only = refusal(Reason.EXITS_ONLY, detail="no new entries: see status") if closed else None
    return merged((said, strategy_refusal(desk, strategy), shut.get(Reason.STRATEGY_NOT_PROMOTED), only))


def strategy_refusal(desk: Desk, strategy: str) -> Refusal | None:
    """On a LIVE desk only a strategy with a promotion in force enters; elsewhere is where it earns one."""
    if desk.genesis.mode is not Mode.LIVE:
        return None
    return in_force(desk.promotions, strategy, changes_open(desk, strategy))


def changes_open(desk: Desk, strategy: str) -> tuple[str, ...]:
    """The parameters of a strategy that were changed and are not revalidated."""
    results = {sweep: (s.passed, s.failed) for sweep, s in desk.promotions.sweeps.items() if s.strategy == strategy}
    return tuple(made.parameter for made in open_changes(desk.changes, strategy, results))


def _queued(desk: Desk, spent: bool) -> int:
    """Frames that are recorded and not known to have left: they take the room that a further entry would see free."""
    return 0 if spent else sum(len(send.frames) for send in desk.owed.of(SendOrder).values())


def paper_validated(desk: Desk, world: World) -> bool:
    """Whether a human signed that this very build passed its validation on paper."""
    return world.run.version in desk.approvals.validated


def _price_light(desk: Desk, position: Open, proposal: Proposal, policy: Policy | None, world: World) -> Refusal | None:
    signal, instrument = proposal.signal, world.instruments.get(proposal.signal.pair)
    if policy is None or instrument is None:
        return refusal(Reason.QUOTE_MISSING, detail="no policy or no contract card")
    signed = signed_decision(desk, position.intent_id)
    reference = mid(signed.live.bid, signed.live.ask) if signed is not None and signed.live is not None else None
    return price_refusal(
        world.quotes.get(signal.pair),
        world.now,
        sec_type=instrument.sec_type,
        side=signal.side,
        stop=signal.stop,
        reference=reference if reference is not None else Price(signal.entry),
        drift_bps_max=signed.drift_bps_max if signed is not None else 0,
        spread_bps_max=policy.spread_bps_max,
        delayed_allowed=policy.delayed_quotes and desk.genesis.mode is not Mode.LIVE,
    )


def signed_decision(desk: Desk, intent_id: str) -> Decide | None:
    """What the human signed about an intent, read from the stored bytes."""
    decided = desk.approvals.decided.get(intent_id)
    recorded = desk.approvals.recent.get(decided.seq) if decided is not None else None
    if recorded is None:
        return None
    says = read_statement(recorded.signed.statement.encode()).says
    return says if isinstance(says, Decide) else None


def _token_light(desk: Desk, position: Open, shown: Shown, world: World, spent: bool) -> Refusal | None:
    """Signature, order hash and life. The signature was checked again by this run, over the bytes that are stored."""
    use = tokens.Use(
        token_id=position.token_id or "",
        intent_id=position.intent_id,
        order_hash=shown.evidence.order_hash,
        evidence_hash=shown.leaf,
        order_ref=position.order_ref or "",
        account=desk.genesis.account,
        mode=desk.genesis.mode,
        epoch=world.run.epoch if world.run.epoch is not None else -1,
    )
    judge = tokens.judge_spent if spent else tokens.judge_use
    said = judge(desk.tokens, use, world.now)
    token = desk.tokens.spent.get(use.token_id) if spent else desk.tokens.live.get(use.token_id)
    issued = token.issued if token is not None else world.now
    unsigned = approval_refusal(desk, position.intent_id, issued, world)
    return merged((said, unsigned))


LATCH: Final = evidence.kill_flag("HALT latch")


def _kills(desk: Desk, signal: CanonicalSignal) -> tuple[str, ...]:
    standing = kill_flags.active(desk.kill_flags, signal.strategy, signal.pair)
    return tuple(evidence.kill_flag(f"{flag.type} {flag.scope}") for flag in standing)


def _unsettled(desk: Desk, signal: CanonicalSignal) -> tuple[str, ...]:
    """What speaks against our own picture of the broker: drifts that nobody answered, a session not reconciled."""
    drifts = tuple(evidence.red(f"drift {drift.cause}") for drift in blocking(desk.drifts, signal.pair))
    known = is_reconciled(desk.observations, desk.sessions.session, desk.sessions.connected_seq)
    return drifts if known else (*drifts, evidence.red("not reconciled in this session"))


def is_outdated(desk: Desk, signal: CanonicalSignal, shown: Shown) -> bool:
    """Whether a kill stands that the screen of an intent does not tell of: what is shown there can not be approved,
    and a new version takes no signature away."""
    return not set(_kills(desk, signal)) <= set(shown.evidence.flags)


def is_over(desk: Desk, world: World, signal: CanonicalSignal, shown: Shown) -> bool:
    """Whether a light that blocks the approval of what is shown would not be lit now: nobody could have approved it."""
    policy, instrument = policy_of(desk), world.instruments.get(signal.pair)
    if policy is None or instrument is None:
        return False
    lit = flags_for(desk, world, signal, shown.evidence.sizing, instrument, policy)
    return not set(evidence.red_lights(shown.evidence)) <= set(lit)


def flags_for(
    desk: Desk,
    world: World,
    signal: CanonicalSignal,
    sizing: Sizing,
    instrument: Instrument,
    policy: Policy,
) -> tuple[str, ...]:
    """The lights that the human sees: kills by name, what blocks, what asks for care, and how fresh the picture is."""
    flags = [*_kills(desk, signal)]
    if world.latch is not False:
        flags.append(LATCH)
    exposure = exposure_of(desk, world, signal.intent_id)
    limits = limit_refusal(policy, exposure, desk.genesis.mode, signal.pair, sizing.quantity, sizing.notional)
    flags.extend(evidence.red(f"worth of {symbol} UNKNOWN") for symbol in exposure.unvalued)
    shut = kept_shut(desk, signal.strategy, signal.pair, world)
    for no in (strategy_refusal(desk, signal.strategy), limits, merged(shut.values())):
        flags.extend(evidence.red(reason.value) for reason in (no.reasons if no is not None else ()))
    flags.extend(_unsettled(desk, signal))
    twin = desk.signals.twin_of(signal)
    if twin is not None:
        flags.append(evidence.amber(f"same trade as {twin[:8]}"))
    if sizing.stated is not None and sizing.stated > sizing.computed:
        flags.append(evidence.amber("stated size above computed"))
    status = market_status(instrument, world.now.wall, world.hours.get(signal.pair))
    if session_refusal(status) is not None:
        flags.append(evidence.amber(f"market {status.value}"))
    run = desk.observations.complete
    if run is not None:
        drifts = len(blocking(desk.drifts, signal.pair))
        flags.append(evidence.info(f"recon {int((world.now.wall - run.ts).total_seconds())} s, {drifts} drifts"))
    flags.append(evidence.info("feed live" if world.link.up else "feed down"))
    return tuple(flags)
