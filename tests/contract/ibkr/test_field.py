"""What others met in the field, on a whole desk before the real client: FAILURES.md, the broker's side of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from returns.pipeline import is_successful

from phoenix_adapters.brokers.ibkr.broker import build
from phoenix_adapters.engine.recorder import Recorder
from phoenix_core.acts.lights import foreign_of
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Execution,
    ExecutionEvent,
    IbkrSession,
    KillFlag,
    Observation,
    Order,
    OrderEvent,
    ReconciliationDrift,
    SessionEvent,
)
from phoenix_core.gate.statements import Close, Resume
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.values import CommandId, Role, State, derived_id, text_hash
from phoenix_core.watch.codes import Code
from phoenix_core.watch.drift import Cause
from phoenix_core.world import Run, World
from tests.contract.broker.orders import NUMBER, bracket
from tests.contract.ibkr.desk import STOPPED, Desk, at_work
from tests.showing import shows

WORDS = text_hash("because")
APPROVED, HALF = Decimal(166_666), Decimal(83_333)


def causes(desk: Desk) -> list[str]:
    """What the desk and the broker ever disagreed in, in order."""
    return [one.cause for one in desk.bodies(ReconciliationDrift)]


def fills(desk: Desk) -> list[Decimal | None]:
    """Every fill in the log."""
    return [one.quantity for one in desk.bodies(Execution) if one.event is ExecutionEvent.FILL]


async def managed(desk: Desk) -> None:
    """Enter, and wait until the protection stands."""
    _ = await desk.enter()
    await desk.reaches(State.MANAGED)


async def back(desk: Desk) -> None:
    """Let time pass in leaps until the link is up again."""
    for _ in range(40):
        if desk.stage.engine.link.up:
            break
        desk.scene.clock.leap(4)
        desk.scene.server.poke()
        seen = desk.scene.clock.host.now().ticks + timedelta(seconds=0.1)
        await desk.until(lambda: desk.stage.engine.link.up or desk.scene.clock.host.now().ticks > seen)  # noqa: B023 -- awaited at once
    await desk.until(desk.is_fresh)


def killed(desk: Desk) -> None:
    """A kill from another process, which cancels working entries."""
    now = desk.scene.clock.now()
    recorder = Recorder(desk.stage.store, lambda held: World(now, Run(mode=desk.stage.engine.run.mode)))
    said = recorder.act(
        RaiseKill(CommandId(derived_id("kill", "field")), "desk", "test", "operator", cancel_working=True)
    )
    assert is_successful(said)


@shows("F03", "F04", "I8", "I13")
async def test_a_round_trip_that_is_told_from_its_end_is_a_sound_one(tmp_path: Path) -> None:
    """Entry and stop execute while nobody can log in, and the answer to the next session's question begins with the
    newest: the position ends CLOSED, and nothing stands against it."""
    async with at_work(tmp_path) as desk:
        server = desk.scene.server
        server.fault("newest_first")
        server.fault("slow_fill=1@parent")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        server.fault("no_login")
        desk.scene.cut()
        await desk.until(lambda: len(server.core.venue.book.executions) == 1)
        desk.stage.move(*STOPPED)
        await desk.until(lambda: len(server.core.venue.book.executions) == 2)
        assert not fills(desk), "nobody heard of either"
        server.clear("no_login")
        await back(desk)
        await desk.reaches(State.CLOSED)
        told = [one.role for one in desk.bodies(Execution) if one.event is ExecutionEvent.FILL]
        assert told == [Role.ENTRY, Role.STOP] and not causes(desk) and not desk.bodies(KillFlag)


@shows("F02", "F06", "F24", "F25", "I1", "I9")
@pytest.mark.parametrize("deaf", [False, True])
async def test_an_order_that_nobody_answers_is_stalled_and_never_sent_again(deaf: bool, tmp_path: Path) -> None:
    """Place frames vanish, and the questions about them too where the broker is deaf: sixty seconds later STALLED,
    one alert, and after twenty more minutes still the three frames of one bracket."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("never_ack")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        if deaf:
            desk.scene.server.fault("snapshot_never_ends=all")
            desk.scene.broker.answer_within_s = 0.2
        await desk.leap(61)
        await desk.reaches(State.STALLED)
        for _ in range(20):
            await desk.leap(60)
        assert desk.stands(State.STALLED) and len(desk.placed()) == 3
        assert desk.alerted(Code.POSITION_STALLED)


@shows("F02", "F04")
async def test_a_fill_two_hours_later_is_still_ours(tmp_path: Path) -> None:
    """Held behind a dialog in TWS, STALLED, and then it fills: attributed, protected, managed."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("held_dialog")
        desk.scene.server.fault("cancel_lost")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        await desk.leap(61)
        await desk.reaches(State.STALLED)
        for _ in range(4):
            await desk.leap(1800)
        desk.scene.server.clear("held_dialog")
        await desk.reaches(State.MANAGED)
        assert desk.held() == desk.at_broker() == APPROVED and len(desk.placed()) == 3


@shows("F05", "F09", "F81")
async def test_a_question_that_does_not_find_a_live_order_ends_nothing(tmp_path: Path) -> None:
    """Open orders, complete and empty, again and again, while stop and target work: told, and never an end."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault("snapshot_empty=open")
        for _ in range(3):
            await desk.leap(301)
        await desk.until(lambda: Cause.ORDER_MISSING.value in causes(desk))
        assert desk.stands(State.MANAGED) and len(desk.stake.exits) == 2 and len(desk.working()) == 2
        assert len(desk.placed()) == 3


@shows("F08", "F50", "L13")
async def test_an_order_in_our_grammar_that_no_bead_explains_is_critical(tmp_path: Path) -> None:
    """Another desk's bracket on our account: told by its reference in the next picture, and neither adopted nor
    touched."""
    async with at_work(tmp_path) as desk:
        scene = desk.scene
        other = build(scene.host, 4002, 18, NUMBER, scene.broker.accounts_known.account_of, scene.clock, ("EURUSD",))
        assert await other.connect() and await other.resynchronise()
        other.hand_over(bracket(other.instruments()["EURUSD"], other.accounts()[0], "stranger"))
        await desk.until(lambda: len(desk.placed()) == 3 and desk.at_broker() > 0)
        await desk.leap(301)
        await desk.until(lambda: Cause.UNRESOLVED_REFERENCE.value in causes(desk))
        assert not desk.positions and len(desk.placed()) == 3 and not scene.sent("cancelOrder")
        await other.disconnect()


@shows("F16", "F17", "F18", "F74")
@pytest.mark.parametrize("fault", ["fill_beats_cancel@BUY", "cancel_refused=10148@BUY", "cancel_refused=161@BUY"])
async def test_a_cancel_that_comes_too_late_is_one_cancel(fault: str, tmp_path: Path) -> None:
    """A kill asks for the end of a half filled entry, which fills first, or will not be cancelled: one cancel frame,
    nothing placed again, the engine lives, and what filled is held and protected."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        desk.scene.server.fault(fault)
        await managed(desk)
        killed(desk)
        await desk.until(lambda: bool(desk.scene.sent("cancelOrder")))
        desk.scene.server.clear("partial_hold")
        await desk.until(lambda: desk.held() == APPROVED == desk.at_broker())
        await desk.leap(5)
        assert len(desk.scene.sent("cancelOrder")) == 1 and desk.stands(State.MANAGED)
        assert len(set(desk.placed())) == 3 and max(desk.nets) == APPROVED


@shows("F04", "F36", "L9")
@pytest.mark.parametrize("died", [False, True])
async def test_orders_that_are_told_before_a_session_is_ready_say_nothing_new(died: bool, tmp_path: Path) -> None:
    """Live gateways tell what works, and its end, before the account and the next id: after a cut as well as to another
    process it is the same position, protected, with no disagreement and no new frame."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("orders_first")
        await managed(desk)
        if died:
            desk.die()
            await desk.revive()
            await desk.until(desk.is_fresh)
        else:
            desk.scene.cut()
            await desk.until(lambda: not desk.stage.engine.link.up)
            await back(desk)
        await desk.leap(301)
        await desk.until(lambda: desk.stands(State.MANAGED))
        assert protection_of(desk.stake, desk.scene.clock.now()) is Protection.FULL
        assert len(desk.placed()) == 3 and causes(desk) == [] and fills(desk) == [APPROVED]
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert not desk.working() and desk.at_broker() == 0


@shows("F50", "I16")
async def test_an_order_by_hand_of_a_kind_that_we_never_send_keeps_entries_out(tmp_path: Path) -> None:
    """A stop limit that somebody placed at TWS: whatever its terms, it is an order in our instrument that is not ours,
    and is told with its instrument; no entry goes beside it until it has ended."""
    async with at_work(tmp_path) as desk:
        kind = {"type": "STP LMT", "limit": "1.07000", "stop": "1.07005"}
        desk.scene.server.act("manual_place", symbol="EURUSD", action="SELL", quantity=20_000, **kind)
        await desk.until(lambda: bool(desk.working()))
        await desk.leap(301)
        await desk.until(lambda: bool(desk.bodies(ReconciliationDrift)))
        (found,) = desk.bodies(ReconciliationDrift)
        assert (found.cause, found.instrument) == (Cause.FOREIGN_ORDER.value, "EURUSD")
        snapshot = desk.stage.engine.world().snapshot
        assert snapshot is not None and foreign_of(desk.stage.desk, desk.stage.engine.world()) == ("EURUSD",)
        assert [said.echo for said in snapshot.orders] == [None] and not desk.placed()


async def test_a_contract_card_that_cannot_be_read_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """Six hours later the card is asked for anew, and says 0 where its price increment stands: the older one stays, a
    human hears of it, and the position is closed as ever."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault("card_without_tick")
        asked = len(desk.scene.sent("reqContractDetails"))
        await desk.leap(6 * 3_600 + 1)
        await desk.leap(301)
        await desk.until(lambda: desk.alerted(Code.BROKER_WARNING))
        assert len(desk.scene.sent("reqContractDetails")) > asked
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.at_broker() == 0


def shown(desk: Desk) -> Decimal:
    """What the last whole picture shows of the pair."""
    seen = desk.stage.engine.world().snapshot
    return Decimal(0) if seen is None else seen.held("EURUSD")


async def test_a_conversion_at_the_broker_keeps_nobody_out_of_the_pair(tmp_path: Path) -> None:
    """Somebody turns 150 euros of what was earned into dollars at TWS: the virtual position of the pair shows them for
    ever, and no order is small enough to take them away. The desk goes on trading it, in and out."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.act("manual_place", symbol="EURUSD", action="SELL", quantity=150)
        await desk.until(lambda: desk.at_broker() == -150)
        await desk.leap(301)
        await desk.until(lambda: shown(desk) == -150)
        assert not desk.stage.desk.drifts.open
        await managed(desk)
        await desk.leap(301)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.at_broker() == -150 and not desk.stage.desk.drifts.open


@shows("S33-CON-06")
async def test_a_broker_that_is_away_all_night_is_told_once(tmp_path: Path) -> None:
    """A gateway says 1100 every few seconds until it is back: one alert, one observation, and one when it is back."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.act("link_lost")
        for _ in range(20):
            desk.scene.server.act("error", code=1100, text="Connectivity between IBKR and TWS has been lost.")
        await desk.until(lambda: desk.alerted(Code.LINK_LOST))
        desk.scene.server.act("link_restored")
        await desk.until(lambda: desk.alerted(Code.LINK_RESTORED))
        told = [one.code for one in desk.bodies(Alert) if one.event is AlertEvent.RAISED]
        assert told == [Code.LINK_LOST.value, Code.LINK_RESTORED.value]
        kept = [one.subject for one in desk.bodies(Observation) if one.about is About.WARNING]
        assert kept == ["code 1100", "code 1102"]


@shows("S32-CON-08")
async def test_a_desk_that_runs_for_a_week_still_trades(tmp_path: Path) -> None:
    """A card tells the hours of a few days: it is asked for again, and after a week an order goes out as on the first
    day. Nobody has to start the engine anew for it."""
    async with at_work(tmp_path) as desk:
        await desk.leap(7 * 86_400)
        await desk.until(lambda: desk.scene.broker.hours()["EURUSD"][-1][1] > desk.scene.clock.now().wall)
        await managed(desk)
        assert desk.held() == desk.at_broker() > 0


@shows("F74", "I14")
async def test_a_kill_cancels_each_working_entry_once_and_says_what_became_of_it(tmp_path: Path) -> None:
    """Half filled: the rest ends, the half stays protected, and the kill stops no protection."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        await managed(desk)
        killed(desk)
        await desk.until(lambda: {order.quantity for order in desk.working()} == {HALF})
        said = [one for one in desk.bodies(Order) if one.ref == desk.stake.position.order_ref]
        assert [one.status for one in said if one.event is OrderEvent.ENDED] == ["CANCELLED"]
        assert desk.held() == HALF == desk.at_broker()
        assert len(desk.scene.sent("cancelOrder")) == 1 and desk.stands(State.MANAGED)


@shows("F21", "F32", "F34", "F36")
async def test_restarts_add_no_fill_and_no_order(tmp_path: Path) -> None:
    """Half filled, and three engines after one another: the fill stands once, and nothing is placed."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        await managed(desk)
        for _ in range(3):
            desk.die()
            await desk.revive()
            await desk.until(desk.stage.is_ready)
        assert fills(desk) == [HALF] and desk.held() == HALF == desk.at_broker()
        assert len(desk.placed()) == 3 and not desk.stage.desk.drifts.open


@shows("F62", "F06")
async def test_an_order_whose_id_was_never_told_is_found_after_a_restart(tmp_path: Path) -> None:
    """No openOrder, no orderStatus, so no permanent id; the engine dies. The next one starts, and finds it by its
    reference."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("drop_ack")
        desk.scene.server.fault("never_fill@BUY")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        desk.die()
        await desk.revive()
        await desk.until(desk.stage.is_ready)
        assert desk.positions[0].state in (State.SUBMITTED, State.STALLED) and len(desk.placed()) == 3
        desk.scene.server.clear("never_fill")
        await desk.leap(1)
        await desk.reaches(State.MANAGED)
        assert desk.held() == desk.at_broker() == APPROVED and len(desk.placed()) == 3


@shows("F01", "L13")
@pytest.mark.parametrize("dies", [False, True])
async def test_ids_that_are_issued_again_tell_of_another_gateway(dies: bool, tmp_path: Path) -> None:
    """Place frames vanish before a restart that rolls the ids back: a human hears that the gateway began anew, also
    where our own engine is another process by then; the lost order is STALLED, and never sent again."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("restart_rollback_ids")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        await desk.until(lambda: sum(one.event is OrderEvent.SENT for one in desk.bodies(Order)) == 3)
        if dies:
            desk.die()
        desk.scene.server.act("restart", seconds=1)
        if dies:
            desk.scene.clock.leap(2)
            desk.scene.server.poke()
            await desk.scene.until(lambda: desk.scene.server.listens)
            await desk.revive()
        else:
            await desk.until(lambda: not desk.stage.engine.link.up)
            await back(desk)
        await desk.until(lambda: desk.alerted(Code.GATEWAY_RESTARTED))
        await desk.until(lambda: desk.alerted(Code.POSITION_STALLED))
        await desk.until(desk.is_fresh)
        assert desk.stands(State.STALLED) and len(desk.placed()) == 3 and desk.at_broker() == 0


@shows("F80", "F66")
async def test_a_position_that_the_broker_no_longer_mentions_is_nothing(tmp_path: Path) -> None:
    """Closed at TWS, and left out of a complete picture: absence there is zero, and that is a drift."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault("omit_flat_positions")
        desk.scene.server.act("manual_close", symbol="EURUSD")
        await desk.leap(301)
        await desk.leap(9)
        await desk.until(lambda: {Cause.COUNT.value, Cause.ORPHAN_EXIT.value} <= set(causes(desk)))
        assert len(desk.placed()) == 3 and not desk.scene.sent("cancelOrder")


@shows("F20")
async def test_two_permanent_ids_of_one_reference_stop_the_instrument(tmp_path: Path) -> None:
    """The target stands twice at the broker: CRITICAL, a kill, and nothing is cancelled by anybody but a human."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("two_permids@LMT*1")
        _ = await desk.enter()
        await desk.until(lambda: Cause.TWO_PERM_IDS.value in causes(desk))
        await desk.until(lambda: desk.alerted(Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        assert len(desk.placed()) == 3 and not desk.scene.sent("cancelOrder")


@shows("F30", "F33", "L6")
async def test_a_correction_replaces_what_it_corrects(tmp_path: Path) -> None:
    """Half of the execution was none: the book has what the broker has, and its protection follows."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("exec_correction=0.5@BUY")
        await managed(desk)
        await desk.leap(2)
        await desk.until(lambda: desk.held() == HALF == desk.at_broker())
        events = [one.event for one in desk.bodies(Execution) if one.role is Role.ENTRY and one.quantity]
        assert len(events) == 2 and max(desk.nets) == APPROVED


@shows("F59")
async def test_a_broker_whose_clock_is_an_hour_off_is_told_and_exits_go(tmp_path: Path) -> None:
    """A close is carried out all the same, and the next beat says that the clocks differ."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault("clock_skew=3600")
        await desk.until(lambda: abs(desk.scene.broker.skew().total_seconds()) > 3000)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        await desk.leap(31)
        await desk.until(lambda: desk.alerted(Code.BROKER_CLOCK_SKEW))
        assert desk.nets == [0, APPROVED, 0]


@shows("F44", "F46", "F49")
@pytest.mark.parametrize("fault", ["no_login", "client_id_taken"])
async def test_a_login_that_needs_a_human_is_escalated_and_resumed(fault: str, tmp_path: Path) -> None:
    """Three attempts, told within a minute and a bit, then only looked at; a signature grants three more. The client
    id is never another one."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.broker.connect_within_s = 0.2
        desk.scene.server.fault(fault)
        desk.scene.cut()
        await desk.until(lambda: not desk.stage.engine.link.up)

        def failed() -> int:
            sessions = desk.bodies(IbkrSession)
            return sum(one.event is SessionEvent.RECONNECT and one.outcome != "CONNECTED" for one in sessions)

        for number, wait in enumerate((5, 15, 45), 1):
            desk.scene.clock.leap(wait)
            await desk.until(lambda: failed() >= number)  # noqa: B023 -- awaited at once
        await desk.until(lambda: desk.alerted(Code.LINK_ESCALATED))
        desk.scene.server.clear(fault)
        desk.sign(Resume())
        desk.scene.clock.leap(5)
        await desk.until(desk.is_fresh)
        assert desk.stands(State.MANAGED) and len(desk.placed()) == 3
        assert {one["clientId"] for one in desk.scene.sent("startApi")} == {"17"}


@shows("F48", "F46")
async def test_seven_nightly_restarts_lose_no_fill(tmp_path: Path) -> None:
    """Each night the gateway goes at a quarter to midnight and comes back; in the last one the target fills behind
    the closed port: found in the next session, once."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        for night in range(7):
            desk.scene.server.act("restart", seconds=30)
            await desk.until(lambda: not desk.stage.engine.link.up)
            if night == 6:
                desk.stage.move("1.09105", "1.09115")
            await back(desk)
            assert desk.is_owned()
            desk.scene.clock.leap(3600)
            desk.scene.server.poke()
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED, 0] and len(fills(desk)) == 2 and len(desk.placed()) == 3


@shows("F68", "CV_S33_14_PACING_VIOLATION")
async def test_a_gateway_that_says_too_fast_is_believed(tmp_path: Path) -> None:
    """Error 100 out of the blue: CRITICAL, and nothing is sent again."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.act("error", code=100, text="Max rate of messages per second has been exceeded")
        await desk.until(lambda: desk.alerted(Code.PACING_VIOLATION))
        assert desk.stands(State.MANAGED) and len(desk.placed()) == 3
