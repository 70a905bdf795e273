"""A LIVE desk, from nothing to its first entry: what a strategy must have earned, and what takes it away again."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Final
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.keys import SshVerifier
from phoenix_core.acts.earn import standing_of
from phoenix_core.acts.operate import ChangeConfig, Initialise, Observe, ReportShadow
from phoenix_core.beads import (
    About,
    Alert,
    ChangeType,
    ConfigChange,
    Decision,
    Genesis,
    Limits,
    Operator,
    OperatorEvent,
    Policy,
    Position,
    PositionEvent,
    Shadow,
    ShadowEvent,
    Signal,
)
from phoenix_core.facts import Quote
from phoenix_core.gate.statements import Promote, SetPolicy, ValidatePaper, policy_hash
from phoenix_core.refusals import Reason
from phoenix_core.trade.autopsy import Finding
from phoenix_core.trust.promotion import bundle, record_of
from phoenix_core.values import Account, CommandId, Mode, Money, Price, Quantity, State, text_hash
from phoenix_core.world import Run
from tests.keyring import hardware_pen
from tests.showing import shows
from tests.stage import START, Stage, stage
from tests.unit.desk.walks import walked

STRATEGY: Final = "trend"
OWNER: Final = Account("b" * 64, "U...567")
POLICY: Final = Policy(
    Limits(
        order_quantity_max=Quantity(Decimal(5_000_000)),
        order_notional_max=Money(Decimal(5_000_000)),
        instrument_quantity_max=Quantity(Decimal(5_000_000)),
        gross_notional_max=Money(Decimal(20_000_000)),
        open_positions_max=10,
        entries_per_day_max=100,
        daily_loss_max=Money(Decimal(50_000)),
    )
)


OTHER: Final = changed(POLICY, drift_bps_max=POLICY.drift_bps_max - 1)


class LiveBroker(MockBroker):
    """The mock, standing where the gateway of a live account stands."""

    def port(self) -> int:
        """The port of LIVE."""
        return 4001


def live_stage(policy: Policy = POLICY) -> Stage:
    """A LIVE desk on its own log: a hardware key, limits to sign, nothing earned."""
    clock, store, pen = manual_clock(START), MemoryStore(), hardware_pen("operator")
    broker = LiveBroker(clock, OWNER, CARDS, Random(1))
    for symbol, price in (("EURUSD", "1.0850"),):
        tick = CARDS[symbol].tick
        broker.set_quote(symbol, Price(Decimal(price) - tick), Price(Decimal(price) + tick))
    engine = Engine(store, broker, clock, Run("run-1", None, Mode.LIVE, True, "build-1"), SshVerifier())
    made = Stage(clock, store, broker, engine, pen)
    genesis = Genesis("phoenix.test/live", Mode.LIVE, OWNER.tag, OWNER.mask, 4001, "k", "log-key", "USD")
    operator = Operator(OperatorEvent.ENROLLED, pen.key, pen.public.line, "operator", "hardware")
    _ = made.act(Initialise(CommandId("init"), genesis, operator, policy)).unwrap()
    return made


def permitted(desk: Stage, policy: Policy = POLICY) -> None:
    """Limits and the paper validation, signed: everything that LIVE asks of a desk, and nothing of a strategy."""
    _ = desk.act(changed(desk.signature(SetPolicy(policy_hash(policy))), policy=policy)).unwrap()
    _ = desk.sign(ValidatePaper(desk.engine.run.version, text_hash("the paper round trip"))).unwrap()


def shadowed(desk: Stage) -> None:
    """A whole shadow period with what its own autopsies found, and chaos vectors that passed."""
    for n in range(20):
        report = Shadow(
            ShadowEvent.SESSION,
            STRATEGY,
            f"shadow-{n}",
            session_day=f"2026-10-{n + 1:02d}",
            regime=("trend", "range")[n % 2],
            pnl=Money(Decimal(40 + (n * 7) % 30 - 20)),
            drawdown=Decimal("0.01"),
            trades=4,
            signalman_kills=0,
            overrides=0,
            findings=(Finding.BY_STOP.value, Finding.BY_TARGET.value),
        )
        _ = desk.act(ReportShadow(desk.fresh(), report)).unwrap()
    _ = desk.act(Observe(desk.fresh(), About.BUNNY, "CV_S32_TOKEN_REPLAY", {"verdict": "pass"})).unwrap()


def promoted(desk: Stage) -> bool:
    """Whether a human's signature under the bundle as it stands promotes the strategy."""
    recorder = desk.other()
    _ = recorder.catch_up()
    standing = standing_of(recorder.desk, STRATEGY, recorder.world(recorder.desk))
    fresh = bundle(STRATEGY, record_of(recorder.desk.promotions, STRATEGY), standing)
    evidence = fresh.unwrap().hash if is_successful(fresh) else "0" * 64
    return is_successful(desk.sign(Promote(STRATEGY, evidence)))


def tuned(desk: Stage) -> None:
    """A parameter of the strategy is changed."""
    change = ChangeConfig(desk.fresh(), ChangeType.STRATEGY_TUNE, STRATEGY, "cso", "fvg_min", "0.4", "0.5", "operator")
    _ = desk.act(change).unwrap()


def refused_at_intake(desk: Stage) -> tuple[str, ...]:
    """What the desk says to one more signal of the strategy."""
    said = desk.act(proposal_of("", desk.signal(), "bot"))
    assert not is_successful(said)
    (bead,) = [body for body in desk.bodies(Signal) if body.reasons][-1:]
    return bead.reasons


@pytest.mark.parametrize("live", [True, False])
def test_real_money_never_moves_on_delayed_quotes(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed policy may name them, for MOCK and PAPER. On a LIVE desk that opens nothing: the intent is withdrawn."""
    honest, policy = MockBroker.quotes, changed(POLICY, delayed_quotes=True)

    def delayed(broker: MockBroker) -> dict[str, Quote]:
        return {symbol: changed(quote, delayed=True) for symbol, quote in honest(broker).items()}

    monkeypatch.setattr(MockBroker, "quotes", delayed)

    async def walk(desk: Stage) -> None:
        if live:
            permitted(desk, policy)
            shadowed(desk)
            assert promoted(desk)
        _ = await desk.enter()

    made = walked(walk, live_stage() if live else stage(policy=policy))
    last = made.bodies(Position)[-1]
    if live:
        assert (last.state, last.event) == (State.CANCELLED, PositionEvent.WITHDRAWN)
        assert last.reasons == (Reason.QUOTE_DELAYED.value,) and made.sent == 0
    else:
        assert last.state is State.MANAGED and made.sent == 3


class TestPromotions:
    """A LIVE desk enters for no strategy without a promotion in force."""

    @shows("INV-PROMOTION-EVIDENCE-1", "INV-PROMOTION-T2-1", "S32-PRO-06", "S32-PRO-07", "CV_S32_PROMOTION_BYPASS")
    def test_a_promoted_strategy_enters(self) -> None:
        """Limits, paper validation, shadow period, chaos vectors, signature: then the first order leaves, and fills."""
        intents: list[str] = []

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intents.append(await desk.enter())

        desk = walked(walk, live_stage())
        assert desk.state(intents[0]) is State.MANAGED and desk.sent == 3

    @shows("CV_S32_PROMOTION_BYPASS", "S32-PRO-09", "INV-PROMOTION-EVIDENCE-1")
    def test_a_strategy_that_was_never_promoted_does_not_even_wait(self) -> None:
        """Everything else is there; its signal is refused by name, and nothing is proposed to anybody."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert refused_at_intake(desk) == (Reason.STRATEGY_NOT_PROMOTED.value,)

        desk = walked(walk, live_stage())
        assert desk.bodies(Position) == [] and desk.sent == 0

    @shows("INV-PHASE2-REVALIDATE-1", "S33-REV-02")
    def test_a_change_takes_the_promotion_away(self) -> None:
        """A parameter changed: the next signal is refused until the strategy has earned it all again."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            tuned(desk)
            assert refused_at_intake(desk) == (Reason.STRATEGY_NOT_PROMOTED.value,)
            shadowed(desk)
            assert not promoted(desk), "its sweep has not passed"

        assert walked(walk, live_stage()).sent == 0

    @shows("INV-PHASE2-REVALIDATE-1", "S33-REV-01", "S33-REV-03")
    def test_another_policy_takes_the_promotion_away(self) -> None:
        """It is what every strategy trades by. One bead of a change for each that earned anything under the old one, in
        the same append; none for the first policy, for the same one again, or where nobody has anything to lose."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            third = changed(POLICY, four_eyes=True)
            permitted(desk, third)
            shadowed(desk)
            permitted(desk, third)
            assert desk.bodies(ConfigChange) == [] and promoted(desk)
            permitted(desk, OTHER)
            (made,) = desk.bodies(ConfigChange)
            assert (made.change_type, made.strategy, made.component, made.parameter, made.changed_by) == (
                ChangeType.CONFIG_FLIP,
                STRATEGY,
                "gate",
                "policy",
                "operator",
            )
            assert (made.old_value, made.new_value) == (policy_hash(third), policy_hash(OTHER))
            assert refused_at_intake(desk) == (Reason.STRATEGY_NOT_PROMOTED.value,)
            permitted(desk, third)
            assert len(desk.bodies(ConfigChange)) == 1, "its shadow has not begun"

        desk = walked(walk, live_stage())
        beads = desk.beads()
        (place,) = [n for n, bead in enumerate(beads) if isinstance(bead.body, ConfigChange)]
        told = [one.body for one in beads[place - 2 : place + 3] if not isinstance(one.body, ConfigChange)]
        assert [type(body) for body in told] == [Decision, Policy, Shadow, Alert]

    @shows("INV-PHASE2-REVALIDATE-1")
    def test_a_sweep_that_fails_later_stops_a_promoted_strategy(self) -> None:
        """The vectors of a change ran again and one failed: promoted or not, the change is open, and nothing enters."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            tuned(desk)
            await desk.tick()
            (made,) = desk.desk.changes.latest.values()
            passed = Shadow(ShadowEvent.SWEEP, STRATEGY, made.sweep_id, passed=made.vectors)
            _ = desk.act(ReportShadow(desk.fresh(), passed)).unwrap()
            shadowed(desk)
            assert promoted(desk)
            failed = Shadow(ShadowEvent.SWEEP, STRATEGY, made.sweep_id, failed=made.vectors[:1])
            _ = desk.act(ReportShadow(desk.fresh(), failed)).unwrap()
            assert refused_at_intake(desk) == (Reason.REVALIDATION_OPEN.value,)

        assert walked(walk, live_stage()).sent == 0

    @shows("INV-PHASE2-REVALIDATE-1", "INV-PROMOTION-SAFE-1")
    def test_a_change_while_an_intent_waits_stops_the_approval(self) -> None:
        """Proposed when promoted, approved after the change: the signature is refused by the same name."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent = await desk.propose()
            tuned(desk)
            said = desk.approve(intent)
            assert not is_successful(said) and said.failure().reasons == (Reason.STRATEGY_NOT_PROMOTED,)

        assert walked(walk, live_stage()).sent == 0

    def test_a_red_light_on_the_screen_says_so(self) -> None:
        """Evidence that is assembled after the change shows the red flag, before anybody signs."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent = await desk.propose()
            tuned(desk)
            await desk.watch(301, 50)
            shown = desk.desk.evidence.latest(intent)
            assert shown is not None and f"RED {Reason.STRATEGY_NOT_PROMOTED.value}" in shown.evidence.flags

        _ = walked(walk, live_stage())

    @shows("INV-PHASE2-REVALIDATE-1")
    @pytest.mark.parametrize("late", [False, True])
    def test_a_change_after_the_approval_stops_the_order(self, late: bool) -> None:
        """At submit the intent is withdrawn; between record and hand-over the last look withholds. No byte leaves."""
        made = live_stage()
        honest = MemoryStore.hold

        def interrupted(store: MemoryStore) -> object:
            if late and made.desk.positions.in_state(State.SUBMITTED) and not made.desk.changes.total:
                tuned(made)
            return honest(store)

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            if not late:
                tuned(desk)
            await desk.tick()

        with mock.patch.object(MemoryStore, "hold", interrupted):
            desk = walked(walk, made)
        last = desk.bodies(Position)[-1]
        wanted = PositionEvent.WITHHELD if late else PositionEvent.WITHDRAWN
        assert (last.state, last.event) == (State.CANCELLED, wanted)
        assert last.reasons == (Reason.STRATEGY_NOT_PROMOTED.value,) and desk.sent == 0

    def test_what_the_shadow_found_is_counted_and_in_the_autopsys_own_words(self) -> None:
        """The findings of every session since the restart, summed up; a sentence of another table is refused."""
        found: list[str] = []

        async def walk(desk: Stage) -> None:
            shadowed(desk)
            strange = Shadow(ShadowEvent.SESSION, STRATEGY, "odd", session_day="2026-11-01", findings=("buy more",))
            said = desk.act(ReportShadow(desk.fresh(), strange))
            assert not is_successful(said) and said.failure().reasons == (Reason.PROMOTION_INCOMPLETE,)
            await desk.tick()
            found.append(standing_of(desk.desk, STRATEGY, desk.engine.world()).autopsy_summary)
            tuned(desk)
            await desk.tick()
            found.append(standing_of(desk.desk, STRATEGY, desk.engine.world()).autopsy_summary)

        _ = walked(walk, live_stage())
        assert found == ["shadow 20 x left by STOP; shadow 20 x left by TARGET", ""]
