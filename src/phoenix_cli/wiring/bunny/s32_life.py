"""S32, wave 4: forbidden moves, promotions that were not earned, entries under a kill, approvals on an old context."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Fill
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.s32_tokens import because
from phoenix_cli.wiring.bunny.stage import Stage
from phoenix_cli.wiring.bunny.witness import Vector, Witness
from phoenix_core.acts.earn import standing_of
from phoenix_core.acts.operate import Observe, RaiseKill, ReportShadow
from phoenix_core.beads import (
    About,
    Alert,
    KillEvent,
    KillFlag,
    KillKind,
    Observation,
    Order,
    Position,
    PositionEvent,
    Promotion,
    Shadow,
    ShadowEvent,
    StateConflict,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import Close, Promote, RefreshAnchor, ValidatePaper
from phoenix_core.kernel import bead_of, evolve, sealed
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import granted
from phoenix_core.trade.positions import Open
from phoenix_core.trust.promotion import Item, bundle, record_of
from phoenix_core.values import Money, Regime, State, text_hash
from phoenix_core.watch.codes import Code

STRATEGY = "trend"


async def lifecycle_invalid(witness: Witness) -> None:
    """PROPOSED is pushed to CLOSED: by a signed close, and by a forged bead."""
    desk = await witness.desk()
    intent = await desk.propose()
    proposed = desk.position(intent)
    assert isinstance(proposed, Open), "it was just proposed"
    _ = desk.sign(Close(proposed.position_id, text_hash("close what was never opened"))).unwrap()
    await desk.tick()
    _ = witness.shown(
        desk,
        "a close of what is PROPOSED is refused, and kept as an event that the table does not know",
        Observation,
        lambda o: o.about is About.REFUSED_EVENT and Reason.ILLEGAL_TRANSITION.value in o.facts["reasons"],
    )
    witness.holds("it is PROPOSED as before", desk.state(intent) is State.PROPOSED)
    witness.never(desk, "nothing was ordered", Order)
    witness.holds("nothing reached the broker", desk.sent == 0)
    witness.holds("a forged bead that says so is no state at all", _forged_is_refused(desk, proposed))


def _forged_is_refused(desk: Stage, proposed: Open) -> bool:
    """Fold the whole log anew with a CLOSED that no table leads to: the fold itself stops there."""
    import attrs

    closed = attrs.evolve(
        proposed.last, state=State.CLOSED, from_=State.PROPOSED, event=PositionEvent.CLOSED, outcome=None
    )
    fold = Desk()
    for bead in desk.beads():
        fold = evolve(fold, bead)
    (record,) = sealed(fold.head, desk.clock.now().wall, desk.fresh(), granted("forged", closed))
    try:
        _ = evolve(fold, bead_of(record))
    except AssertionError:
        return True
    return False


# --- promotion --------------------------------------------------------------------------------------------------------


async def earned(desk: Stage, sessions: int = 20) -> None:
    """Everything that a strategy needs, but for the sessions that the caller leaves out."""
    for n in range(sessions):
        day = f"2026-10-{n + 1:02d}"
        report = Shadow(
            ShadowEvent.SESSION,
            STRATEGY,
            f"shadow-{day}",
            session_day=day,
            regime=("trend", "range")[n % 2],
            pnl=Money(Decimal(40 + (n * 7) % 30 - 20)),
            drawdown=Decimal("0.01"),
            trades=4,
            signalman_kills=0,
            overrides=0,
        )
        _ = desk.act(ReportShadow(desk.fresh(), report)).unwrap()
    _ = desk.act(Observe(desk.fresh(), About.BUNNY, "CV_S32_TOKEN_REPLAY", {"verdict": "pass"})).unwrap()
    _ = desk.sign(ValidatePaper(desk.engine.run.version, text_hash("the paper round trip"))).unwrap()
    _ = await desk.enter()  # one closed trade, so that there is an autopsy to sum up
    desk.price("1.09105", "1.09115")
    await desk.watch(5, 1)


def asked(desk: Stage) -> Refusal | None:
    """A signed `promote` of the bundle as it stands, or of no bundle at all; what the desk says to it."""
    recorder = desk.other()
    _ = recorder.catch_up()
    now = recorder.world(recorder.desk)
    fresh = bundle(STRATEGY, record_of(recorder.desk.promotions, STRATEGY), standing_of(recorder.desk, STRATEGY, now))
    evidence = fresh.unwrap().hash if is_successful(fresh) else "0" * 64
    said = desk.sign(Promote(STRATEGY, evidence))
    return None if is_successful(said) else said.failure()


def refused_promotion(observation: Observation, reason: Reason) -> bool:
    """A promotion that was refused for this reason, among others."""
    kept = observation.about is About.REFUSED_COMMAND and observation.subject == STRATEGY
    return kept and reason.value in observation.facts["reasons"]


async def promotion_bypass(witness: Witness) -> None:
    """Real money without a shadow period: refused, with the checklist."""
    desk = await witness.desk()
    no = asked(desk)
    witness.holds("refused", no is not None and no.headline is not None)
    witness.holds("as incomplete", no is not None and Reason.PROMOTION_INCOMPLETE in no.reasons)
    witness.holds("0 of 20 sessions", no is not None and "0 of 20 shadow sessions" in no.detail)
    incomplete = Reason.PROMOTION_INCOMPLETE
    _ = witness.shown(desk, "the attempt is kept", Observation, lambda o: refused_promotion(o, incomplete))
    witness.never(desk, "no PROMOTION", Promotion)
    await earned(desk)
    witness.holds("its honest twin, with all of it, is promoted", asked(desk) is None)
    witness.once(desk, "PROMOTION", Promotion, lambda p: (p.from_, p.to) == ("SHADOW", "LIVE"))


async def promotion_partial(witness: Witness) -> None:
    """Nearly everything is there: refused, and what is missing is named, all of it and only it."""
    desk = await witness.desk()
    await earned(desk, sessions=1)
    no = asked(desk)
    assert no is not None, "one session is not twenty"
    witness.holds("refused as incomplete", Reason.PROMOTION_INCOMPLETE in no.reasons)
    named = {item for item in Item if f"{item.value}: " in no.detail}
    witness.holds("what is missing is named", named == {Item.SESSIONS, Item.REGIMES, Item.SHARPE})
    incomplete = Reason.PROMOTION_INCOMPLETE
    _ = witness.shown(desk, "the attempt is kept", Observation, lambda o: refused_promotion(o, incomplete))
    witness.never(desk, "no PROMOTION", Promotion)


async def promotion_veto(witness: Witness) -> None:
    """All is there and a kill flag stands: refused, and the flag is cited."""
    desk = await witness.desk()
    await earned(desk)
    _ = desk.act(RaiseKill(desk.fresh(), "strategy:other", "volatility", "signalman", KillKind.SIGNALMAN)).unwrap()
    no = asked(desk)
    assert no is not None, "a kill flag vetoes"
    witness.holds("refused for the kill", Reason.KILL_FLAG_ACTIVE in no.reasons)
    witness.holds("the flag is cited", "SIGNALMAN strategy:other" in no.detail)
    kill = Reason.KILL_FLAG_ACTIVE
    _ = witness.shown(desk, "the attempt is kept", Observation, lambda o: refused_promotion(o, kill))
    witness.never(desk, "no PROMOTION", Promotion)


# --- kill and stale ---------------------------------------------------------------------------------------------------


async def kill_entry_attempt(witness: Witness) -> None:
    """A kill stops an entry wherever it is on its way: at approval, at submit, in the last look."""
    desk = await witness.desk()
    twin = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
    witness.holds("its honest twin, before the kill, goes", desk.state(twin) is State.MANAGED)
    sent = desk.sent
    on_its_way = await desk.propose()
    desk.price("0.65995", "0.66005", "AUDUSD")
    waiting = await desk.propose(pair="AUDUSD", entry="0.6600", stop="0.6580", target="0.6640")
    _ = desk.approve(on_its_way).unwrap()
    _ = desk.act(RaiseKill(desk.fresh(), "desk", "volatility", "signalman", KillKind.SIGNALMAN)).unwrap()
    witness.once(desk, "KILL_FLAG", KillFlag, lambda k: k.event is KillEvent.RAISED)
    said = desk.present(desk.token(on_its_way), on_its_way)
    witness.holds("a submit is refused", not is_successful(said))
    witness.holds("for the kill", Reason.KILL_FLAG_ACTIVE in said.failure().reasons)
    witness.once(desk, "and kept", T2Token, lambda t: because(Reason.KILL_FLAG_ACTIVE, t))
    no = desk.approve(waiting)
    witness.holds("an approval is refused", not is_successful(no) and Reason.KILL_FLAG_ACTIVE in no.failure().reasons)
    await desk.tick()
    witness.once(desk, "the live token is revoked", T2Token, lambda t: t.event is TokenEvent.REJECTED and t.final)
    witness.holds("what was approved is CANCELLED", desk.state(on_its_way) is State.CANCELLED)
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.KILL_RAISED, a))
    desk.broker.script(Fill())
    await desk.watch(30)
    witness.holds("nothing reached the broker", desk.sent == sent)
    witness.holds("what was held before is protected still", desk.state(twin) is State.MANAGED)


async def stale_approval(witness: Witness) -> None:
    """Approved, and nobody could send for 16 minutes: STATE_CONFLICT, before the token's own age is told."""
    desk = await witness.desk()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    desk.clock.advance(timedelta(minutes=16))
    said = desk.present(desk.token(intent), intent)
    witness.holds("submitted after 16 min, it is refused", not is_successful(said))
    witness.holds("the token had expired too", Reason.TOKEN_EXPIRED in said.failure().reasons)
    first = next(r for r in said.failure().reasons if r in (Reason.STATE_CONFLICT, Reason.TOKEN_EXPIRED))
    witness.holds("STATE_CONFLICT comes first", first is Reason.STATE_CONFLICT)
    await desk.tick()
    witness.once(desk, "STATE_CONFLICT", StateConflict, lambda c: c.intent_id == intent)
    temporary = witness.shown(
        desk,
        "a temporary kill on that strategy",
        KillFlag,
        lambda k: k.type is KillKind.TEMPORARY and k.scope == f"strategy:{STRATEGY}",
    )
    witness.holds("once", len(temporary) == 1, temporary)
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.STATE_CONFLICT, a))
    witness.once(desk, "the intent is over", Position, lambda p: p.event is PositionEvent.WITHDRAWN)
    witness.holds("CANCELLED", desk.state(intent) is State.CANCELLED)
    witness.holds("nothing reached the broker", desk.sent == 0)
    await _kill_ends(witness, desk)


async def _kill_ends(witness: Witness, desk: Stage) -> None:
    """Five minutes alone do not lift it, a refresh alone does not either; both do."""
    await desk.watch(310)
    witness.never(desk, "time alone does not lift it", KillFlag, lambda k: k.event is KillEvent.LIFTED)
    _ = desk.sign(RefreshAnchor("*", "*", Regime.DEFAULT)).unwrap()
    await desk.watch(2, 1)
    witness.once(desk, "after `anchor refresh` it comes down", KillFlag, lambda k: k.event is KillEvent.LIFTED)
    twin = await desk.enter()
    witness.holds("and a fresh intent goes", desk.state(twin) is State.MANAGED)


VECTORS = (
    Vector("CV_S32_LIFECYCLE_INVALID", 4, "PROPOSED is forced to CLOSED.", lifecycle_invalid),
    Vector("CV_S32_PROMOTION_BYPASS", 4, "Live without a shadow period.", promotion_bypass),
    Vector("CV_S32_PROMOTION_PARTIAL", 4, "Promotion with incomplete evidence.", promotion_partial),
    Vector("CV_S32_PROMOTION_VETO", 4, "Promotion while a kill flag stands.", promotion_veto),
    Vector("CV_S32_KILL_ENTRY_ATTEMPT", 4, "An order is submitted while a kill flag stands.", kill_entry_attempt),
    Vector("CV_S32_STALE_APPROVAL", 4, "Approved, then 16 minutes pass.", stale_approval),
)
