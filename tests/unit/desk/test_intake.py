"""From an input to the order: what comes in, what the human is shown, and what a red light does to a permission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.lights import LATCH, entry_lights_before, foreign_of, is_over, rate_of
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.acts.propose import Assemble, LookAgain
from phoenix_core.acts.submit import Submit
from phoenix_core.beads import (
    About,
    Alert,
    Autopsy,
    Body,
    CanonicalSignal,
    Evidence,
    KillFlag,
    KillKind,
    Limits,
    Policy,
    Position,
    PositionEvent,
    Signal,
    SignalEvent,
    StateConflict,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk
from phoenix_core.facts import BrokerStatus, Held, OrderSaid, Quote
from phoenix_core.gate.approvals import REMEMBERED
from phoenix_core.gate.evidence import Shown
from phoenix_core.gate.statements import ClearKill, Close
from phoenix_core.gate.tokens import Tokens
from phoenix_core.kernel import decide
from phoenix_core.refusals import Reason
from phoenix_core.values import Account, CommandId, Mode, Money, OrderType, Price, Quantity, State
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import PAIR, Stage, stage
from tests.unit.desk.walks import WORDS, filled, walked

OTHER = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2740", "target": "1.2600"}


@shows("S32-CON-04")
@pytest.mark.parametrize("signed", [(OrderType.MARKET,), (OrderType.MARKET, OrderType.LIMIT)])
@pytest.mark.parametrize("told", [(OrderType.MARKET,), (OrderType.MARKET, OrderType.LIMIT)])
def test_a_limit_entry_needs_the_policy_and_the_settings(
    signed: tuple[OrderType, ...], told: tuple[OrderType, ...]
) -> None:
    """C1: LIMIT comes in where the signed policy and this process's settings both name it; MARKET comes in anyway."""
    desk = stage(policy=Policy(limits=Limits(), order_types=signed))
    world = World(desk.clock.now(), changed(desk.engine.run, epoch=None, order_types=told))
    desk_now = desk.other()
    _ = desk_now.catch_up()
    for asked in OrderType.MARKET, OrderType.LIMIT:
        ruling = decide(desk_now.desk, proposal_of("", desk.signal(order_type=asked.value), "bot"), world)
        if asked in signed and asked in told:
            assert is_successful(ruling.result)
        else:
            assert ruling.result.failure().reasons == (Reason.ORDER_TYPE_NOT_ENABLED,)


@pytest.mark.parametrize("watched", [(), ("GBPUSD",), ("GBPUSD", PAIR)])
def test_a_proposal_of_what_the_desk_does_not_watch_is_refused_with_the_mend(watched: tuple[str, ...]) -> None:
    """Nobody would ever see its evidence: refused where it comes in, and whoever reads why knows what to write."""
    desk = stage()
    world = World(desk.clock.now(), changed(desk.engine.run, epoch=None, instruments=watched))
    desk_now = desk.other()
    _ = desk_now.catch_up()
    ruling = decide(desk_now.desk, proposal_of("", desk.signal(), "bot"), world)
    if not watched or PAIR in watched:
        assert is_successful(ruling.result)
    else:
        no = ruling.result.failure()
        assert no.reasons == (Reason.INSTRUMENT_NOT_ALLOWED,)
        assert "watches GBPUSD" in no.detail and f"name {PAIR} under `instruments`" in no.detail


class TestAnyBytes:
    """Any bytes end in exactly one of three beads: ACCEPTED, REFUSED by a rule, QUARANTINED as unreadable."""

    @shows("I20", "INV-CSE-1", "S32-CSE-01")
    def test_each_input_leaves_one_signal_bead(self) -> None:
        """A good one and a position; one that is still forming; no signal at all. Only the first may be decided on."""

        async def walk(desk: Stage) -> None:
            for data in (desk.signal(), desk.signal(signal="FORMING"), b"no: signal\n", b"\xff"):
                _ = desk.act(proposal_of("", data, "bot"))
            said = desk.bodies(Signal)
            wanted = [SignalEvent.ACCEPTED, SignalEvent.REFUSED, SignalEvent.QUARANTINED, SignalEvent.QUARANTINED]
            assert [s.event for s in said] == wanted
            assert said[1].reasons == (Reason.SIGNAL_NOT_READY.value,)
            assert [p.state for p in desk.bodies(Position)] == [State.PROPOSED]
            assert [a.code for a in desk.bodies(Alert)].count("SIGNAL_QUARANTINED") == 2

        _ = walked(walk)

    @shows("S32-STL-04", "F29", "S32-CSE-01")
    def test_a_stale_context_is_refused_at_the_door_without_a_flag(self) -> None:
        """E1: stale at intake is refused, and raises no kill."""

        async def walk(desk: Stage) -> None:
            data = desk.signal()
            await desk.tick(15 * 60 + 1)
            no = desk.act(proposal_of("", data, "bot")).failure()
            assert Reason.STATE_CONFLICT in no.reasons
            assert [s.event for s in desk.bodies(Signal)] == [SignalEvent.REFUSED]
            assert not desk.bodies(KillFlag)

        _ = walked(walk)

    def test_the_same_signal_again_leaves_the_inbox(self) -> None:
        """Through the same door it says nothing new; a file of it must still go somewhere: refused, and kept."""

        async def walk(desk: Stage) -> None:
            data = desk.signal()
            _ = desk.act(proposal_of("", data, "bot")).unwrap()
            await desk.tick()
            same = decide(desk.desk, proposal_of("", data, "bot"), desk.engine.world())
            assert is_successful(same.result) and not same.drafts
            no = desk.act(proposal_of("again.yaml", data, "files")).failure()
            assert no.reasons == (Reason.SIGNAL_SEEN_BEFORE,)
            assert desk.bodies(Signal)[-1].event is SignalEvent.REFUSED

        _ = walked(walk)

    def test_live_takes_nothing_in_without_a_signed_policy(self) -> None:
        """C5: LIVE does not start without one: a signal is refused, and an intent cannot be assembled or approved."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            genesis = desk.desk.genesis
            desk.desk.tenure.genesis = changed(genesis, mode=Mode.LIVE)
            try:
                world = desk.engine.world()
                no = decide(desk.desk, proposal_of("", desk.signal(), "bot"), world).result.failure()
                assert Reason.POLICY_MISSING in no.reasons
                no = decide(desk.desk, Assemble(CommandId("a"), intent), world).result.failure()
                assert (no.reasons, "policy" in no.detail) == ((Reason.EVIDENCE_MISSING,), True)
                light = entry_lights_before(desk.desk, world, intent)
                assert light is not None and Reason.POLICY_MISSING in light.reasons
            finally:
                desk.desk.tenure.genesis = genesis

        _ = walked(walk)


def assembled(desk: Stage, intent: str, world: World | None = None) -> Evidence:
    """The evidence that the desk would make of an intent now."""
    ruling = decide(desk.desk, Assemble(CommandId("a"), intent), world or desk.engine.world())
    (draft,) = ruling.drafts
    assert isinstance(draft.body, Evidence)
    return draft.body


class TestShown:
    """S32-EVD-01: what the approver sees: kills by name, what blocks, what asks for care, how fresh the picture is."""

    LIGHTS: tuple[tuple[str, Callable[[World], World]], ...] = (
        ("KILL HALT latch", lambda w: changed(w, latch=True)),
        ("KILL HALT latch", lambda w: changed(w, latch=None)),
        ("AMBER market CLOSED", lambda w: changed(w, now=changed(w.now, wall=w.now.wall + timedelta(days=3)))),
        ("INFO feed down", lambda w: changed(w, link=changed(w.link, up=False))),
    )

    @pytest.mark.parametrize(("light", "change"), LIGHTS, ids=["latch", "unreadable", "closed", "down"])
    @shows("S32-KIL-02", "S32-EVD-01")
    def test_each_light_is_shown_where_it_holds_and_nowhere_else(
        self, light: str, change: Callable[[World], World]
    ) -> None:
        """The same intent in two worlds: the light is there in one of them."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = desk.engine.world()
            assert light not in assembled(desk, intent, world).flags
            assert light in assembled(desk, intent, change(world)).flags

        _ = walked(walk)

    def test_a_stated_size_above_the_computed_one_asks_for_care(self) -> None:
        """C8: both figures are shown, and the larger one is amber; a smaller one is not."""

        async def walk(desk: Stage) -> None:
            for quantity, amber in (("900000", True), ("20000", False)):
                intent = await desk.propose(quantity=quantity)
                found = assembled(desk, intent)
                assert found.sizing.stated is not None
                assert (found.sizing.stated > found.sizing.computed) is amber
                assert ("AMBER stated size above computed" in found.flags) is amber

        _ = walked(walk)

    def test_the_same_trade_under_another_name_asks_for_care(self) -> None:
        """Two intents of one trade: the second says whose twin it is, the first was there before."""

        async def walk(desk: Stage) -> None:
            first = await desk.propose()
            assert not [f for f in assembled(desk, first).flags if f.startswith("AMBER same trade")]
            second = await desk.propose()
            assert f"AMBER same trade as {first[:8]}" in assembled(desk, second).flags

        _ = walked(walk)

    @shows("S32-EVD-01")
    def test_what_it_would_add_to_is_the_desks_own_and_blocks(self) -> None:
        """What is held in the instrument, its margin, and what the day has lost, as the desk knows them: a second
        position there is red by name, and when the first one was stopped out, its loss is on the screen."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            held, busy = desk.desk.positions.net(PAIR), f"RED {Reason.INSTRUMENT_BUSY.value}"
            intent = await desk.propose()
            margin = Money(Decimal(9100))
            found = assembled(desk, intent, changed(desk.engine.world(), margin_used=margin))
            assert found.position_before == held > 0 and found.gross_before > 0 == found.daily_loss
            assert found.margin_used == margin
            assert busy in found.flags
            desk.price("1.08150", "1.08160")
            for _ in range(6):
                await desk.tick(1)
            (over,) = desk.bodies(Autopsy)
            after = assembled(desk, intent)
            assert after.position_before == 0 < after.daily_loss == -over.realized
            assert busy not in after.flags

        _ = walked(walk)

    @shows("S32-EVD-01")
    def test_a_drift_that_nobody_answered_is_named_and_blocks(self) -> None:
        """The broker shows another holding: its cause in red, beside the kill that it raised."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            assert not [f for f in assembled(desk, intent).flags if f.startswith(("RED", "KILL"))]
            desk.broker.spoof(PAIR, Decimal(77_000))
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
            for _ in range(20):
                await desk.tick(1)
            (drift,) = desk.desk.drifts.open.values()
            flags = assembled(desk, intent).flags
            assert f"RED drift {drift.cause}" in flags and f"KILL DRIFT instrument:{PAIR}" in flags

        _ = walked(walk)

    def test_a_picture_that_was_never_whole_is_said_and_blocks(self) -> None:
        """No complete reconciliation yet: red, and no age of one is made up."""
        made = stage()
        made.broker.hush()

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = changed(desk.engine.world(), equity=Money(Decimal(100_000)))
            flags = assembled(desk, intent, world).flags
            assert "RED not reconciled in this session" in flags
            assert not [flag for flag in flags if flag.startswith("INFO recon")]

        _ = walked(walk, made)

    @pytest.mark.parametrize("missing", ["instruments", "quotes"])
    def test_without_a_card_or_a_quote_nothing_is_shown(self, missing: str) -> None:
        """Evidence is made of Phoenix's own data or not at all; it is asked for again."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = desk.engine.world()
            world = changed(world, instruments={}) if missing == "instruments" else changed(world, quotes={})
            ruling = decide(desk.desk, Assemble(CommandId("a"), intent), world)
            assert ruling.result.failure().reasons == (Reason.EVIDENCE_MISSING,) and not ruling.drafts

        _ = walked(walk)

    def test_what_cannot_be_sized_is_not_shown(self) -> None:
        """No equity known: no size, no evidence."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = changed(desk.engine.world(), equity=None)
            ruling = decide(desk.desk, Assemble(CommandId("a"), intent), world)
            assert ruling.result.failure().reasons == (Reason.EQUITY_UNKNOWN,) and not ruling.drafts

        _ = walked(walk)

    @pytest.mark.parametrize(("kept_in", "said"), [("JPY", (Reason.ACCOUNT_MISMATCH,)), ("USD", ()), ("", ())])
    def test_an_equity_in_other_money_sizes_nothing(self, kept_in: str, said: tuple[Reason, ...]) -> None:
        """A million yen taken for a million dollars is a position of a hundred times the size: nobody sees it. A broker
        that has not said what the account is kept in hinders nobody."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = desk.engine.world()
            assert world.snapshot is not None
            world = changed(world, snapshot=changed(world.snapshot, currency=kept_in))
            ruling = decide(desk.desk, Assemble(CommandId("a"), intent), world)
            refused = () if is_successful(ruling.result) else ruling.result.failure().reasons
            assert (refused, bool(ruling.drafts)) == (said, not said)

        _ = walked(walk)

    @pytest.mark.parametrize("change", [{"quantity": "25000.5"}, {"quantity": "5"}, {"stop": "1.08201"}])
    @shows("F77", "S32-EVD-01")
    def test_what_no_waiting_mends_is_taken_back_at_once(self, change: dict[str, str]) -> None:
        """It came in at a process that knows no contract card: the engine, which knows it, says why and ends it, and a
        second look finds nothing more to say. Where the card is known, the door says so."""

        async def walk(desk: Stage) -> None:
            command = proposal_of("", desk.signal(**change), "bot")
            world = desk.engine.world()
            at_the_door = decide(desk.desk, command, world)
            assert not is_successful(at_the_door.result)
            _ = desk.other().act(command).unwrap()  # whoever proposes at a command line has no broker
            await desk.tick()
            (over,) = desk.desk.positions.ended.values()
            assert over.state is State.CANCELLED
            assert over.reasons == tuple(r.value for r in at_the_door.result.failure().reasons)
            assert not desk.bodies(Evidence)

        _ = walked(walk)

    def test_a_size_that_may_be_known_later_is_waited_for(self) -> None:
        """Without the account's worth nothing is taken back: it may be told in a moment."""
        made = stage()
        made.broker.equity = Money(Decimal(0))

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            assert desk.state(intent) is State.PROPOSED and not desk.bodies(Evidence)

        _ = walked(walk, made)


def quoted(symbol: str, bid: str, ask: str, world: World) -> Quote:
    """A quote of this moment."""
    return Quote(symbol, Price(Decimal(bid)), Price(Decimal(ask)), world.now)


class TestShownAndGone:
    """S32-EVD-02: an approval covers what was displayed, and what was displayed in red cannot be approved."""

    @shows("S32-KIL-02", "S32-EVD-02")
    def test_evidence_that_shows_a_kill_is_not_approved_after_the_kill_is_gone(self) -> None:
        """The flag is down, the evidence on the screen still says KILL: refused until it is made anew."""

        async def walk(desk: Stage) -> None:
            flag = desk.act(RaiseKill(CommandId("k"), "instrument:EURUSD", "x", "operator")).unwrap().subject
            await desk.tick()
            intent = await desk.propose()
            _ = desk.sign(ClearKill(flag, WORDS)).unwrap()
            shown = desk.signature(desk.screen(intent).says)
            assert desk.act(shown).failure().reasons == (Reason.KILL_FLAG_ACTIVE,)
            await desk.tick(1)
            assert is_successful(desk.approve(intent)), "made anew, it shows no kill"

        _ = walked(walk)

    @shows("S32-EVD-01", "S32-KIL-02")
    def test_a_kill_that_is_raised_while_an_intent_waits_is_on_its_screen(self) -> None:
        """Who opens the screen a moment later does not read that no kill stands; of another instrument's nothing is
        made anew, and nothing is when nothing changes."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            _ = desk.act(RaiseKill(desk.fresh(), "instrument:GBPUSD", "x", "operator")).unwrap()
            await desk.tick(1)
            assert [(e.version, e.flags[0]) for e in desk.bodies(Evidence)] == [(1, "INFO recon 0 s, 0 drifts")]
            _ = desk.act(RaiseKill(desk.fresh(), "desk", "x", "operator")).unwrap()
            for _ in range(3):
                await desk.tick(1)
            assert [e.version for e in desk.bodies(Evidence)] == [1, 2]
            assert any("kill ONE_WAY desk" in line for line in desk.screen(intent).lines)

        _ = walked(walk)

    @shows("S32-EVD-01")
    def test_a_red_light_is_not_shown_when_it_is_over(self) -> None:
        """An intent that came between a new session and its first whole picture: red, and the moment that it is
        reconciled it can be approved, not five minutes later."""

        async def walk(desk: Stage) -> None:
            desk.broker.cut()
            desk.broker.hush()
            for _ in range(8):
                await desk.tick(1)
            intent = await desk.propose()
            assert "RED not reconciled in this session" in desk.bodies(Evidence)[-1].flags
            desk.broker.hush(False)
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
            for _ in range(20):
                await desk.tick(1)
            assert [e.version for e in desk.bodies(Evidence)] == [1, 2]
            assert is_successful(desk.approve(intent))

        _ = walked(walk)

    @shows("S32-EVD-01")
    @pytest.mark.parametrize("light", [LATCH, "RED INSTRUMENT_BUSY"])
    def test_a_light_that_no_bead_puts_out_is_over_on_the_screen_as_well(self, light: str) -> None:
        """The latch alone that was taken down, and a limit that is not reached any more: the screen is made anew at
        once, and not while it stands."""

        async def walk(desk: Stage) -> None:
            latch = [light == LATCH]
            desk.engine.latch = lambda: latch[0]
            held = await desk.enter() if light != LATCH else ""
            intent = await desk.propose()
            for _ in range(3):
                await desk.tick(1)
            assert [light in e.flags for e in desk.bodies(Evidence) if e.intent_id == intent] == [True]
            latch[0] = False
            if held:
                _ = desk.sign(Close(held, WORDS)).unwrap()
            for _ in range(3):
                await desk.tick(1)
            assert [light in e.flags for e in desk.bodies(Evidence) if e.intent_id == intent] == [True, False]
            assert is_successful(desk.approve(intent))

        _ = walked(walk)

    def test_a_question_that_brought_nothing_is_asked_once_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Five intents behind the latch, and twenty turns a second: no turn gathers their lights in vain while an order
        waits. A kill that comes in between is on the screen at once, and that the latch is down within the second."""
        asked: list[str] = []

        def counted(desk: Desk, world: World, signal: CanonicalSignal, shown: Shown) -> bool:
            asked.append(signal.intent_id)
            return is_over(desk, world, signal, shown)

        async def walk(desk: Stage) -> None:
            latch = [True]
            desk.engine.latch = lambda: latch[0]
            intents = [await desk.propose() for _ in range(5)]
            await desk.tick(1)
            monkeypatch.setattr("phoenix_core.acts.propose.is_over", counted)
            for _ in range(40):
                await desk.tick(0.05)
            assert {intent: asked.count(intent) for intent in intents} == dict.fromkeys(intents, 2)
            _ = desk.act(RaiseKill(desk.fresh(), "desk", "seen", "operator")).unwrap()
            await desk.tick(0.05)
            told = {e.intent_id: "KILL ONE_WAY desk" in e.flags for e in desk.bodies(Evidence)}
            assert told == dict.fromkeys(intents, True)
            await desk.tick(0.05)
            latch[0] = False
            await desk.tick(0.9)
            before = {e.intent_id: LATCH in e.flags for e in desk.bodies(Evidence)}
            await desk.tick(0.1)
            after = {e.intent_id: LATCH in e.flags for e in desk.bodies(Evidence)}
            assert (before, after) == (dict.fromkeys(intents, True), dict.fromkeys(intents, False))

        _ = walked(walk)

    def test_only_the_latest_questions_are_remembered(self) -> None:
        """What is forgotten is just asked again."""

        async def walk(desk: Stage) -> None:
            world = desk.engine.world()
            for n in range(REMEMBERED + 1):
                _ = decide(desk.desk, LookAgain(CommandId(f"look-{n}"), "ghost"), world)
            assert list(desk.desk.asked) == [f"look-{n}" for n in range(1, REMEMBERED + 1)]

        _ = walked(walk)

    @pytest.mark.parametrize("missing", ["instruments", "policies"])
    def test_where_nothing_can_be_judged_a_red_light_stays(self, missing: str) -> None:
        """Without a contract card, or a policy on a LIVE desk, nobody knows that it is over."""

        async def walk(desk: Stage) -> None:
            desk.engine.latch = lambda: True
            intent = await desk.propose()
            world = changed(desk.engine.world(), latch=False)
            look = LookAgain(desk.fresh(), intent)
            assert is_successful(decide(desk.desk, look, world).result)
            if missing == "instruments":
                world = changed(world, instruments={})
            else:
                assert desk.desk.tenure.genesis is not None
                desk.desk.tenure.genesis = changed(desk.desk.tenure.genesis, mode=Mode.LIVE)
            assert decide(desk.desk, look, world).result.failure().reasons == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)


class TestRates:
    """C8: sizes and limits are judged in the account's currency, by a direct or an inverse quote."""

    def test_the_rate_of_an_instruments_currency(self) -> None:
        """Its own currency is one; direct before inverse; unknown is unknown, never one."""

        async def walk(desk: Stage) -> None:
            world = changed(desk.engine.world(), quotes={})
            yen, dollars = CARDS["USDJPY"], CARDS["EURUSD"]
            direct, inverse = quoted("JPYUSD", "0.006", "0.008", world), quoted("USDJPY", "99", "101", world)
            assert rate_of(desk.desk, world, dollars) == 1
            assert rate_of(desk.desk, world, yen) is None
            assert rate_of(desk.desk, changed(world, quotes={"USDJPY": inverse}), yen) == Decimal("0.01")
            both = changed(world, quotes={"USDJPY": inverse, "JPYUSD": direct})
            assert rate_of(desk.desk, both, yen) == Decimal("0.007")

        _ = walked(walk)


async def approved(desk: Stage) -> str:
    """An intent that a human approved, and that the engine has not looked at yet."""
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    _ = desk.engine.recorder.catch_up()
    return intent


def bodies_of(desk: Stage, intent: str, world: World) -> tuple[tuple[Reason, ...], list[Body]]:
    """The reasons against a submit in this world, and what it leaves."""
    ruling = decide(desk.desk, Submit(CommandId("s"), intent), world)
    return ruling.result.failure().reasons, [draft.body for draft in ruling.drafts]


class TestRedAtSubmit:
    """C2: a refusing guard does not spend the token; a transient one waits, every other one takes it back."""

    @shows("S33-CON-07")
    def test_a_transient_light_keeps_the_permission(self) -> None:
        """No room on the wire: the intent stays approved; a human hears of it, once an hour."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            world = changed(desk.engine.world(), entry_budget=0)
            reasons, bodies = bodies_of(desk, intent, world)
            assert reasons == (Reason.PACING,)
            assert [b.code for b in bodies if isinstance(b, Alert)] == ["PACING_LIMITED"] and len(bodies) == 1
            desk.desk.alerts.warned["PACING_LIMITED|orders"] = world.now.wall
            assert bodies_of(desk, intent, world) == ((Reason.PACING,), [])
            down = changed(desk.engine.world(), link=changed(world.link, up=False))
            assert bodies_of(desk, intent, down) == ((Reason.LINK_DOWN,), [])
            gone = changed(down, accounts=(), quotes={})
            assert bodies_of(desk, intent, gone) == (
                (Reason.ACCOUNT_UNKNOWN, Reason.LINK_DOWN, Reason.QUOTE_MISSING),
                [],
            )

        _ = walked(walk)

    @shows("S33-GRD-05", "S33-GRD-06", "S33-GRD-08")
    def test_a_wrong_account_or_port_withdraws_and_is_a_violation(self) -> None:
        """The token is revoked, not spent; nothing is recorded to be sent; CRITICAL."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            world = desk.engine.world()
            wrong = (
                (changed(world, accounts=(Account("b" * 64, "MOCK"),)), Reason.ACCOUNT_MISMATCH),
                (changed(world, port=4001), Reason.PORT_MISMATCH),
                (changed(world, run=changed(world.run, mode=Mode.PAPER)), Reason.MODE_MISMATCH),
            )
            for place, reason in wrong:
                reasons, (token, position, alert) = bodies_of(desk, intent, place)
                assert reason in reasons
                assert isinstance(token, T2Token) and (token.event, token.final) == (TokenEvent.REJECTED, True)
                assert isinstance(position, Position) and position.event is PositionEvent.WITHDRAWN
                assert isinstance(alert, Alert) and (alert.code, alert.severity.value) == (
                    "GUARD_VIOLATION",
                    "CRITICAL",
                )

        _ = walked(walk)

    @pytest.mark.parametrize("left", ["0.15", "-37", "1000", "-1000"])
    def test_what_a_conversion_left_in_a_pair_is_nobodys_position(self, left: str) -> None:
        """The broker's position in a pair is virtual, and goes along with conversions: so little of it opens no drift,
        and would else keep entries out for ever, with nothing that a human could answer. One of shares is a share."""

        async def walk(desk: Stage) -> None:
            world = desk.engine.world()
            seen = world.snapshot
            assert seen is not None

            def foreign(symbol: str, quantity: str) -> tuple[str, ...]:
                there = changed(seen, positions=(Held(symbol, Decimal(quantity)),))
                return foreign_of(desk.desk, changed(world, snapshot=there))

            assert foreign("EURUSD", left) == ()
            assert foreign("EURUSD", left + "1") == (("EURUSD",) if left.endswith("1000") else ())
            assert foreign("AAPL", left) == ("AAPL",) and foreign("STRANGE", left) == ("STRANGE",)

        _ = walked(walk)

    def test_an_account_in_other_money_is_another_account(self) -> None:
        """The broker keeps it in another currency since it was approved: withdrawn, and a human hears both names."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            world = desk.engine.world()
            assert world.snapshot is not None
            ruling = decide(
                desk.desk,
                Submit(CommandId("s"), intent),
                changed(world, snapshot=changed(world.snapshot, currency="JPY")),
            )
            no = ruling.result.failure()
            assert no.reasons == (Reason.ACCOUNT_MISMATCH,)
            assert no.detail == "the desk counts in USD, the account is kept in JPY"
            assert [draft.body.code for draft in ruling.drafts if isinstance(draft.body, Alert)] == ["GUARD_VIOLATION"]

        _ = walked(walk)

    @shows("I2")
    def test_an_approved_intent_without_a_live_token_sends_nothing(self) -> None:
        """No token to spend: the intent is withdrawn, and no token is made up for it."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            desk.desk.tokens = Tokens()
            reasons, (position,) = bodies_of(desk, intent, desk.engine.world())
            assert reasons[0] is Reason.TOKEN_MISSING
            assert isinstance(position, Position) and position.event is PositionEvent.WITHDRAWN

        _ = walked(walk)

    @shows("I16")
    def test_what_came_up_since_the_approval_is_red(self) -> None:
        """A drift in its instrument, a holding there that is not ours, a picture that is none of this session."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            world = desk.engine.world()
            assert world.snapshot is not None
            foreign = changed(world.snapshot, positions=(Held("EURUSD", Decimal(1_001)),))
            reasons, _ = bodies_of(desk, intent, changed(world, snapshot=foreign))
            assert reasons == (Reason.INSTRUMENT_BUSY,)
            theirs = changed(foreign, account="mine", positions=(Held("EURUSD", Decimal(1_001), account="theirs"),))
            assert foreign_of(desk.desk, changed(world, snapshot=theirs)) == ()
            assert foreign_of(desk.desk, changed(world, snapshot=changed(theirs, account="theirs"))) == ("EURUSD",)
            trailing = OrderSaid(
                "m", 1, "", "", 77, 0, BrokerStatus.PRESUBMITTED, Quantity(Decimal(0)), symbol="EURUSD"
            )
            reasons, _ = bodies_of(desk, intent, changed(world, snapshot=changed(world.snapshot, orders=(trailing,))))
            assert reasons == (Reason.INSTRUMENT_BUSY,)
            ghost = filled(desk, "P1" + "A" * 26, "5")
            _ = desk.engine.recorder.act(Said(CommandId("ghost"), ghost))
            reasons, _ = bodies_of(desk, intent, world)
            assert reasons == (Reason.INSTRUMENT_BUSY, Reason.DRIFT_OPEN)
            desk.desk.observations.complete = None
            reasons, _ = bodies_of(desk, intent, world)
            assert reasons == (Reason.INSTRUMENT_BUSY, Reason.NOT_RECONCILED, Reason.DRIFT_OPEN)

        _ = walked(walk)

    @shows("S32-STL-06", "INV-STALE-KILL-1")
    def test_a_context_that_aged_after_the_approval(self) -> None:
        """Fresh when approved, past the threshold when used: the conflict, and a kill on the strategy for 5 minutes."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            world = desk.engine.world()
            later = changed(world, now=world.now.plus(timedelta(minutes=15, seconds=1)))
            reasons, bodies = bodies_of(desk, intent, later)
            assert Reason.STATE_CONFLICT in reasons
            flag = next(b for b in bodies if isinstance(b, KillFlag))
            assert (flag.type, flag.scope, flag.until) == (
                KillKind.TEMPORARY,
                "strategy:trend",
                later.now.wall + timedelta(minutes=5),
            )
            assert [b.stage for b in bodies if isinstance(b, StateConflict)] == ["submit"]

        _ = walked(walk)

    @shows("S32-LIF-07", "INV-T2-TOKEN-1")
    def test_a_token_whose_life_is_over_expires(self) -> None:
        """Five minutes later and all else green: EXPIRED, the intent CANCELLED by TokenExpired, nothing sent."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            desk.clock.advance(timedelta(minutes=5))
            for symbol, last in desk.broker.quotes().items():
                desk.broker.set_quote(symbol, last.bid, last.ask)
            world = desk.engine.world()
            world = changed(world, link=changed(world.link, round_trip_age=timedelta(0)))
            reasons, (token, position) = bodies_of(desk, intent, world)
            assert reasons == (Reason.TOKEN_EXPIRED,)
            assert isinstance(token, T2Token) and token.event is TokenEvent.EXPIRED
            assert isinstance(position, Position) and position.event is PositionEvent.TOKEN_EXPIRED

        _ = walked(walk)
