"""What keeps a desk in order: its lease, its beats, its timers, its books of what was sent and told."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from attrs import define
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts import timed
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.exits import ClearAway, left_over
from phoenix_core.acts.operate import (
    Acknowledge,
    AnchorState,
    ChangeConfig,
    Degraded,
    ProveChannel,
    RaiseKill,
    ReportSent,
    ReportShadow,
    Settle,
    TakeLease,
)
from phoenix_core.acts.vital import Beat as EarnedBeat
from phoenix_core.acts.vital import Miss, signs_of
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Beat,
    ChangeType,
    ConfigChange,
    Health,
    Heartbeat,
    IbkrSession,
    KillEvent,
    KillFlag,
    KillKind,
    Limits,
    Order,
    OrderEvent,
    Policy,
    SessionEvent,
    Settlement,
    Settles,
    Shadow,
    ShadowEvent,
    StateAnchor,
)
from phoenix_core.desk import OWNERS, SLICES, Desk
from phoenix_core.effects import CancelOrder, Notify
from phoenix_core.facts import BrokerStatus, ErrorSaid, LinkEvent, LinkSaid
from phoenix_core.gate.statements import RefreshAnchor
from phoenix_core.kernel import Command, decide, due, evolve
from phoenix_core.orders import exit_ref
from phoenix_core.records import to_json
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import Account, CommandId, Money, OrderRef, Quantity, Regime, Role, Severity, Side, State
from phoenix_core.watch.alerts import Message, OpenAlert
from phoenix_core.watch.codes import Code
from phoenix_core.watch.health import AWAY_AS_DECLARED, Earned, Signs
from phoenix_core.watch.market_hours import RestartWindow
from phoenix_core.watch.session import DECLARED, OVERDUE
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import PAIR, Stage, first, stage
from tests.unit.desk.test_signed_commands import ADOPT, answered, carried
from tests.unit.desk.walks import a_day, filled, ref_of, walked

KEY = CommandId("key")
SILENT = f"no market data of {PAIR}"


@define
class Channel:
    """A way to reach a human that is blocked until it works."""

    name: str = "channel"
    works: bool = False

    async def send(self, message: Message) -> bool:
        """Take a message, or not."""
        return self.works


def refused(desk: Stage, command: Command) -> tuple[Reason, ...]:
    """Why the desk would refuse a command now, which must leave nothing."""
    ruling = decide(desk.desk, command, desk.engine.world())
    assert not ruling.drafts
    return ruling.result.failure().reasons


class TestOneOwner:
    """One kind, one owner: a bead changes the slice of the wing that owns its kind, and no other."""

    def test_a_slice_passes_over_what_is_not_its_own(self) -> None:
        """Every bead of a day, offered to every slice that does not own its kind: nothing changes."""
        beads = walked(a_day).beads()
        desk = Desk()
        for bead in beads:
            desk = evolve(desk, bead)
        for name in SLICES:
            owned = getattr(desk, name)
            before = to_json(owned)
            for bead in beads:
                if OWNERS[bead.body.kind] != name:
                    owned.fold(bead)
            assert to_json(owned) == before, name


class TestBegin:
    """A log is begun once, and nobody is an engine of a desk that is none."""

    @shows("I21")
    def test_a_log_is_begun_once_and_first(self) -> None:
        """No lease before the genesis; no second genesis, whoever asks."""
        made = stage()
        world = made.engine.world()
        ruling = decide(Desk(), TakeLease(KEY, "boot", "run"), world)
        assert ruling.result.failure().reasons == (Reason.DESK_NOT_INITIALISED,) and not ruling.drafts
        before = made.store.head()
        again = made.act(changed(first(made.pen), command_id=CommandId("again")))
        assert again.failure().reasons == (Reason.DESK_EXISTS_ALREADY,)
        assert made.store.head() == before


class TestBeats:
    """E11: every 30 s; a miss counts after 45 s; three are CRITICAL. The watchdog writes what the engine cannot."""

    @shows("S33-MON-02")
    def test_a_silent_engine_is_missed_in_steps(self) -> None:
        """None at 45 s, a WARNING after, CRITICAL from the third; each once; a released desk is not missed."""

        async def walk(desk: Stage) -> None:
            for _ in range(8):
                await desk.tick(5)
            start = desk.desk.heartbeats.last_at
            assert start is not None
            seen: list[tuple[int, Health, str]] = []
            for after in (45, 46, 50, 61, 91, 92):
                desk.clock.advance(start + timedelta(seconds=after) - desk.clock.now().wall)
                result = desk.act(Miss(CommandId(f"m{after}"), True))
                if is_successful(result):
                    beat = desk.bodies(Heartbeat)[-1]
                    told = [a for a in desk.bodies(Alert) if a.code.startswith("BEAT")]
                    assert beat.status is Beat.MISSED
                    seen.append((after, beat.health_state, told[-1].code))
            assert seen == [
                (46, Health.DEGRADED, "BEAT_MISSED"),
                (61, Health.DEGRADED, "BEAT_MISSED"),
                (91, Health.CRITICAL, "BEATS_MISSED"),
            ]
            critical = [a for a in desk.bodies(Alert) if a.code == "BEATS_MISSED"]
            assert [a.severity for a in critical] == [Severity.CRITICAL]
            await desk.tick(0.5)
            assert not {"BEAT_MISSED|desk", "BEATS_MISSED|desk"} & set(desk.desk.alerts.by_subject), "it beats again"
            desk.engine.stop()
            desk.clock.advance(timedelta(minutes=5))
            assert desk.act(Miss(CommandId("released"), True)).failure().reasons == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)

    @shows("S33-MON-11")
    def test_a_dead_engine_is_said_at_once_and_again(self) -> None:
        """Its process is gone: CRITICAL before a beat is missed, once; what lasts is said again by whoever is left."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            desk.clock.advance(timedelta(seconds=1))
            _ = desk.act(Miss(CommandId("dead"), False)).unwrap()
            (told,) = [a for a in desk.bodies(Alert) if a.code == "PROCESS_DEAD"]
            assert (told.severity, told.event) == (Severity.CRITICAL, AlertEvent.RAISED)
            assert desk.act(Miss(CommandId("again"), False)).failure().reasons == (Reason.NOTHING_TO_DO,)
            desk.clock.advance(timedelta(seconds=60))
            _ = desk.act(Miss(CommandId("later"), False)).unwrap()
            codes = [a.code for a in desk.bodies(Alert) if a.code.startswith(("BEAT", "PROCESS"))]
            assert codes.count("PROCESS_DEAD") == len(codes), "one that is gone has no beats to miss one by one"
            assert desk.bodies(Heartbeat)[-1].health_state is Health.CRITICAL
            await desk.tick(0.5)
            assert "PROCESS_DEAD|desk" not in desk.desk.alerts.by_subject, "it beats again"

        _ = walked(walk)


class TestTold:
    """E12: an alert is a bead before it is a message; what a channel took is settled, once."""

    def test_a_message_settles_the_alerts_that_it_carried(self) -> None:
        """Told: SENT beads that settle exactly those notifications. Told again: nothing new."""

        async def walk(desk: Stage) -> None:
            _ = await desk.propose()
            waiting = {key: e for key, e in desk.desk.owed.items() if isinstance(e, Notify)}
            (key, effect), *_ = waiting.items()
            message = ReportSent(KEY, Message(Severity.INFO, (effect.alert,), "text"), "console")
            ruling = decide(desk.desk, message, desk.engine.world())
            assert [(s.seq, s.index) for d in ruling.drafts for s in d.settles] == [key]
            _ = desk.engine.recorder.act(message)
            assert key not in desk.desk.owed
            again = decide(desk.desk, changed(message, command_id=CommandId("b")), desk.engine.world())
            assert is_successful(again.result) and not again.drafts

        _ = walked(walk)

    def test_only_an_open_alert_is_acknowledged(self) -> None:
        """An id that nobody raised."""

        async def walk(desk: Stage) -> None:
            assert refused(desk, Acknowledge(KEY, "ghost", "operator")) == (Reason.UNKNOWN_ALERT,)

        _ = walked(walk)

    def test_what_is_not_owed_is_not_settled(self) -> None:
        """Settled once; said again it leaves nothing, for nothing is owed any more."""

        async def walk(desk: Stage) -> None:
            desk.desk.owed[0, 0] = Notify("a", Severity.INFO, "TEST", "x", "text", None, False)
            command = Settle(KEY, (Settles(0, 0, Settlement.DONE),))
            (draft,) = decide(desk.desk, command, desk.engine.world()).drafts
            assert [(s.seq, s.index) for s in draft.settles] == [(0, 0)]
            del desk.desk.owed[0, 0]
            again = decide(desk.desk, command, desk.engine.world())
            assert is_successful(again.result) and not again.drafts

        _ = walked(walk)

    @shows("I21")
    def test_a_run_that_lost_its_lease_settles_nothing(self) -> None:
        """Found by letting two engines meet: the old one still wrote down what it had done."""

        async def walk(desk: Stage) -> None:
            desk.desk.owed[0, 0] = Notify("a", Severity.INFO, "TEST", "x", "text", None, False)
            world = desk.engine.world()
            stale = changed(world, run=changed(world.run, epoch=0))
            ruling = decide(desk.desk, Settle(KEY, (Settles(0, 0, Settlement.DONE),)), stale)
            assert ruling.result.failure().reasons == (Reason.LEASE_LOST,)
            assert not ruling.drafts

        _ = walked(walk)


class TestLink:
    """D8: a socket that stands with no broker behind it: waited for the whole budget, then escalated, once."""

    @shows("S33-SES-06")
    def test_a_broker_that_stays_away_escalates_without_an_attempt(self) -> None:
        """Degraded for 65 s: CRITICAL, one bead without an attempt, and no second one; a link that is up: nothing. That
        the port answers is no news, for its socket stands; the broker's own word over it brings the link back."""

        async def walk(desk: Stage) -> None:
            assert refused(desk, Degraded(KEY)) == (Reason.NOTHING_TO_DO,)
            desk.broker.tell(LinkSaid(LinkEvent.DEGRADED, desk.broker.session()))
            await desk.tick(1)
            for _ in range(75):
                await desk.tick(1)
            beads = desk.bodies(IbkrSession)
            assert [b.outcome for b in beads if b.escalated] == ["STILL_DEGRADED"]
            assert [b.reconnect_attempt for b in beads if b.escalated] == [0]
            told = [a for a in desk.bodies(Alert) if a.code == "LINK_ESCALATED" and a.event is AlertEvent.RAISED]
            assert [a.runbook for a in told] == ["RB-001"]
            assert refused(desk, Degraded(KEY)) == (Reason.NOTHING_TO_DO,)
            assert "LINK_ANSWERS" not in [a.code for a in desk.bodies(Alert)]
            desk.broker.tell(LinkSaid(LinkEvent.RESTORED, desk.broker.session()))
            await desk.tick(1)
            assert desk.bodies(IbkrSession)[-1].outcome == "RESTORED"
            assert desk.desk.sessions.session == 1, "the session is the one that stood"

        _ = walked(walk)

    @shows("F45")
    def test_a_gateway_that_comes_back_as_another_one_is_told(self) -> None:
        """Another version, or ids that orders of this log carried; the same one, and any in its declared window, is no
        news. Which run of ours placed the orders does not matter."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            used = max(order.order_id for order in desk.desk.orders.known())
            session, world = desk.broker.session(), desk.engine.world()

            def codes(said: LinkSaid, place: World) -> set[str]:
                ruling = decide(desk.desk, Said(KEY, said), place)
                return {d.body.code for d in ruling.drafts if isinstance(d.body, Alert)} & {"GATEWAY_RESTARTED"}

            back = LinkSaid(LinkEvent.CONNECTED, session + 1, desk.broker.accounts(), gateway_version="mock")
            assert desk.desk.sessions.gateway_version == "mock"
            assert codes(back, world) == set() == codes(changed(back, first_id=used + 1), world)
            for other in (changed(back, gateway_version="10.31"), changed(back, first_id=used)):
                assert codes(other, world) == {"GATEWAY_RESTARTED"}
                assert codes(other, changed(world, link=changed(world.link, in_restart_window=True))) == set()

        _ = walked(walk)

    @shows("F52", "I15")
    def test_a_session_of_another_account_is_told_at_once(self) -> None:
        """CRITICAL as soon as it stands, before anybody asks for anything; ours, or one that is not named yet, is no
        news, and neither is what becomes of the link afterwards."""

        async def walk(desk: Stage) -> None:
            stranger = changed(desk.broker.accounts()[0], tag="0" * 64)

            def told(event: LinkEvent, *accounts: Account) -> list[str]:
                said = LinkSaid(event, desk.broker.session() + 1, accounts)
                drafts = decide(desk.desk, Said(KEY, said), desk.engine.world()).drafts
                return [
                    d.body.subject for d in drafts if isinstance(d.body, Alert) and d.body.code == "GUARD_VIOLATION"
                ]

            assert told(LinkEvent.CONNECTED, stranger) == ["account"]
            assert not told(LinkEvent.CONNECTED, stranger, *desk.broker.accounts())
            assert not told(LinkEvent.CONNECTED) and not told(LinkEvent.RESTORED, stranger)

        _ = walked(walk)

    def test_an_account_in_other_money_is_told_once_in_each_session(self) -> None:
        """CRITICAL with the first whole picture, and not with each of those that follow every five minutes."""

        async def walk(desk: Stage) -> None:
            seen = desk.engine.world().snapshot
            assert seen is not None
            connected = desk.desk.sessions.connected_seq

            def told(currency: str) -> list[str]:
                drafts = decide(desk.desk, Said(KEY, changed(seen, currency=currency)), desk.engine.world()).drafts
                return [d.body.text for d in drafts if isinstance(d.body, Alert) and d.body.subject == "currency"]

            assert not told("JPY")
            desk.desk.sessions.connected_seq = desk.desk.head.size
            (text,) = told("JPY")
            assert "desk USD, account JPY" in text and "ACCOUNT_MISMATCH" in text
            assert not told("USD") and not told("")
            desk.desk.sessions.connected_seq = connected

        _ = walked(walk)

    @shows("F42")
    def test_clocks_that_differ_are_told_until_they_agree(self) -> None:
        """More than five seconds either way, once; agreeing again ends it, and only a synchronised link can say so."""

        async def walk(desk: Stage) -> None:
            world = desk.engine.world()
            beat = EarnedBeat(KEY, Signs(), Earned(True, True, True))

            def said(seconds: int, synchronised: bool = True) -> list[AlertEvent]:
                link = changed(world.link, skew=timedelta(seconds=seconds), synchronised=synchronised)
                drafts = decide(desk.desk, beat, changed(world, link=link)).drafts
                told = [d.body for d in drafts if isinstance(d.body, Alert)]
                return [a.event for a in told if a.code == "BROKER_CLOCK_SKEW"]

            assert (said(5), said(-5), said(6), said(-6)) == ([], [], [AlertEvent.RAISED], [AlertEvent.RAISED])
            desk.desk.alerts.by_subject["BROKER_CLOCK_SKEW|desk"] = "a"
            desk.desk.alerts.open["a"] = OpenAlert(
                "a", Code.BROKER_CLOCK_SKEW, "desk", Severity.WARNING, world.now.wall, 1, world.now.wall
            )
            assert (said(6), said(0, False), said(0)) == ([], [], [AlertEvent.RESOLVED])

        _ = walked(walk)

    @shows("S33-MON-05")
    def test_quotes_are_owed_only_where_something_waits_or_is_held(self) -> None:
        """A desk that has nothing to do owes no data; one that holds something and hears none is sick."""

        async def walk(desk: Stage) -> None:
            quiet = changed(desk.engine.world(), quotes={})
            later = changed(quiet, now=quiet.now.plus(timedelta(minutes=10)))
            assert signs_of(desk.desk, later, True).data_arriving
            _ = await desk.enter()
            assert not signs_of(desk.desk, later, True).data_arriving
            assert signs_of(desk.desk, changed(desk.engine.world(), quotes={}), True).data_arriving, "it just connected"
            assert signs_of(desk.desk, desk.engine.world(), True).data_arriving

        _ = walked(walk)

    @shows("S33-MON-06", "S33-MON-07", "S33-MON-09", "CV_S33_5_SEMANTIC_HEALTH_DEGRADE", "INV-OPS-HEARTBEAT-SEMANTIC-1")
    def test_what_is_sick_is_named_by_the_beat_at_its_time(self) -> None:
        """A drift that is open, then a feed that dies with an entry on its way and a position held: the order after 5
        minutes, its STALLED position 5 after it stalled, fills and reconciliation after 10; none of them sooner."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
            desk.broker.spoof("AAPL", Decimal(7))
            await desk.watch(350, 5)  # found after five minutes, named by a beat half a minute later
            assert desk.desk.drifts.open
            desk.broker.hush()
            last = desk.desk.observations.complete
            assert last is not None
            intent = await desk.enter()
            sent = desk.clock.now().wall
            await desk.watch(1000, 5)
            position = desk.position(intent)
            assert isinstance(position, Open) and position.state is State.STALLED
            began: dict[str, datetime] = {}
            for bead in desk.beads():
                for issue in bead.body.details if isinstance(bead.body, Heartbeat) else ():
                    _ = began.setdefault(issue, bead.ts)
            assert began.pop("drift_unresolved") < sent
            due = {
                "orders_flowing": max(sent, last.ts) + timedelta(minutes=5),
                "stalled_stuck": position.since + timedelta(minutes=5),
                "fills_updating": last.ts + timedelta(minutes=10),
                "reconciliation_fresh": last.ts + timedelta(minutes=10),
            }
            assert began.keys() == due.keys()
            for issue, at in began.items():
                assert timedelta(0) < at - due[issue] <= timedelta(seconds=45), issue

        _ = walked(walk)

    @shows("S33-MON-08", "S33-MON-12", "INV-OPS-HEARTBEAT-SEMANTIC-1")
    def test_a_line_that_fell_silent_is_told_by_name_until_it_speaks(self) -> None:
        """A minute without a quote of what is held, while others quote: DEGRADED, an alert that no throttle holds back,
        once; a new quote ends it."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            told: list[tuple[AlertEvent, str]] = []

            async def pass_by(seconds: int) -> None:
                for _ in range(seconds // 5):
                    desk.price("1.26995", "1.27005", "GBPUSD")
                    await desk.tick(5, quote=False)
                told[:] = [(a.event, a.text) for a in desk.bodies(Alert) if a.code == "SUBSCRIPTION_DEAD"]

            await pass_by(60)
            assert told == []
            assert all(beat.status is Beat.HEALTHY for beat in desk.bodies(Heartbeat))
            await pass_by(90)
            assert told == [(AlertEvent.RAISED, f"A market data subscription is dead: desk (reason {SILENT})")]
            assert desk.bodies(Heartbeat)[-1].details == {"subscriptions_alive": SILENT}
            (raised,) = (a for a in desk.bodies(Alert) if a.code == "SUBSCRIPTION_DEAD")
            assert (raised.severity, raised.always, raised.runbook) == (Severity.WARNING, True, "RB-001")
            desk.price("1.08495", "1.08505")
            await pass_by(40)
            assert [event for event, _ in told] == [AlertEvent.RAISED, AlertEvent.RESOLVED]
            assert desk.bodies(Heartbeat)[-1].status is Beat.HEALTHY

        _ = walked(walk)

    @shows("S33-MON-08")
    def test_which_lines_owe_quotes(self) -> None:
        """Over a link that has stood a while: those of what waits or is held, with a card, in a market that is open.
        And of what waits without a card."""

        async def walk(desk: Stage) -> None:
            _ = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
            _ = await desk.enter()
            world = desk.engine.world()
            later = changed(world, now=world.now.plus(timedelta(minutes=2)))

            def dead(place: World) -> set[str]:
                return set(signs_of(desk.desk, place, True).subscriptions_dead)

            assert dead(world) == set()
            assert dead(later) == {PAIR, "GBPUSD"}
            assert dead(changed(later, quotes={})) == {PAIR, "GBPUSD"}
            assert dead(changed(later, link=changed(later.link, up=False))) == set()
            mine = {PAIR: later.instruments[PAIR]}
            assert dead(changed(later, instruments=mine)) == {PAIR, "GBPUSD"}, "what waits, and nobody has a card for"
            assert dead(changed(later, instruments={"GBPUSD": later.instruments["GBPUSD"]})) == {"GBPUSD"}, "held"
            assert dead(changed(world, quotes={})) == set(), "it just connected"
            night = changed(later, now=later.now.plus(timedelta(days=3)))  # a Saturday
            assert dead(night) == set()
            at_close = timedelta(hours=2, minutes=56)  # four minutes before the market's daily break
            assert dead(changed(world, now=world.now.plus(at_close))) == {PAIR, "GBPUSD"}

        _ = walked(walk)

    @shows("S33-MON-05", "S33-RBK-06")
    def test_channels_that_take_nothing_are_told_of_by_the_page_for_it(self) -> None:
        """Three deliveries in vain: the beat says so, a CRITICAL names RB-006, once; a channel that answers ends it."""

        async def walk(desk: Stage) -> None:
            desk.broker.tell(ErrorSaid("m", desk.broker.session(), 2109, "something to tell"))
            await desk.watch(110, 1)
            beat = desk.bodies(Heartbeat)[-1]
            assert (beat.status, beat.checks.notifier_responds) == (Beat.DEGRADED, False)
            raised = [a for a in desk.bodies(Alert) if a.code == "NOTIFIER_DOWN"]
            assert [(a.event, a.severity, a.runbook) for a in raised] == [
                (AlertEvent.RAISED, Severity.CRITICAL, "RB-006")
            ]
            channel.works = True
            await desk.watch(100, 1)
            events = [a.event for a in desk.bodies(Alert) if a.code == "NOTIFIER_DOWN"]
            assert set(events) == {AlertEvent.RAISED, AlertEvent.SENT, AlertEvent.RESOLVED}
            assert desk.bodies(Heartbeat)[-1].checks.notifier_responds

        channel = Channel()
        _ = walked(walk, stage(notifiers=(channel,)))

    @shows("S33-MON-05", "S33-RBK-06")
    def test_one_dead_channel_beside_a_working_one_is_told_of_on_that(self) -> None:
        """Whoever reads the second does not know that the first is dead; a hiccup is told of by nobody."""

        async def say(desk: Stage) -> None:
            desk.broker.tell(ErrorSaid("m", desk.broker.session(), 2109, "something to tell"))
            await desk.watch(31, 1)

        async def walk(desk: Stage) -> None:
            for _ in range(2):
                await say(desk)
            preferred.works = True  # it was a hiccup of two messages
            await say(desk)
            preferred.works = False
            for _ in range(2):
                await say(desk)
                assert all(beat.checks.notifier_responds for beat in desk.bodies(Heartbeat))
            await say(desk)
            assert not desk.bodies(Heartbeat)[-1].checks.notifier_responds
            raised = [a for a in desk.bodies(Alert) if a.code == "NOTIFIER_DOWN"]
            assert [a.event for a in raised] == [AlertEvent.RAISED, AlertEvent.SENT]
            assert raised[-1].channel == "second"
            preferred.works = True
            await say(desk)
            await say(desk)
            assert desk.bodies(Heartbeat)[-1].checks.notifier_responds
            assert desk.bodies(Alert)[-1].channel == "first"

        preferred = Channel("first")
        _ = walked(walk, stage(notifiers=(preferred, Channel("second", works=True))))

    def test_a_channel_that_took_the_whole_sequence_is_proven(self) -> None:
        """A bead says which and when: what LIVE asks for."""

        async def walk(desk: Stage) -> None:
            _ = desk.act(ProveChannel(KEY, "console")).unwrap()
            _ = desk.engine.recorder.catch_up()
            assert list(desk.desk.alerts.proven) == ["console"]

        _ = walked(walk)


class TestDeclaredRestart:
    """A gateway restarts itself every night. In its declared window that is no incident, where nothing is exposed; one
    that takes longer is, and so is any other loss."""

    @staticmethod
    def told(desk: Stage) -> list[str]:
        """What people heard of the link and of the desk's health, in order."""
        about = {Code.LINK_LOST, Code.LINK_RESTORED, Code.LINK_ESCALATED, Code.HEALTH_DEGRADED}
        about |= {Code.HEALTH_DEGRADED_LONG, Code.GATEWAY_RESTARTED}
        return [a.code for a in desk.bodies(Alert) if a.event is AlertEvent.RAISED and Code(a.code) in about]

    @staticmethod
    async def away(desk: Stage, seconds: float, hour: int = 14) -> None:
        """The gateway restarts at two minutes past an hour, and nobody gets in for so long."""
        desk.engine.link.restart_window = RestartWindow(timedelta(hours=hour, minutes=2))
        await desk.watch(130, 10)
        desk.broker.refuse_connects(1_000)
        desk.broker.cut()
        await desk.watch(seconds, 2)
        desk.broker.refuse_connects(0)

    @shows("F46", "F48", "S33-MON-11")
    def test_nobody_is_told_of_one_that_comes_back(self) -> None:
        """Four minutes away: the log says that it went and came, and every beat that the link is down; nobody hears of
        it, also not of the desk's health."""

        async def walk(desk: Stage) -> None:
            await self.away(desk, 240)
            assert not desk.engine.link.up
            await desk.watch(20, 2)
            assert desk.engine.link.up and self.told(desk) == []
            gone = [b.detail for b in desk.bodies(IbkrSession) if b.event is SessionEvent.DISCONNECT]
            assert gone == [DECLARED]
            said = [b.details for b in desk.bodies(Heartbeat) if b.health_state is Health.CRITICAL]
            assert len(said) > 3 and said[0] == {"ibkr_connected": AWAY_AS_DECLARED}
            await desk.watch(60, 10)
            assert desk.state(await desk.enter()) is State.MANAGED

        _ = walked(walk)

    @shows("F46", "S33-MON-11")
    def test_one_that_takes_longer_is_told_as_the_window_ends(self) -> None:
        """CRITICAL with the first attempt that counts, once, and escalated with the third."""

        async def walk(desk: Stage) -> None:
            await self.away(desk, 280)
            assert self.told(desk) == []
            desk.broker.refuse_connects(1_000)
            await desk.watch(40, 2)
            assert self.told(desk).count("LINK_LOST") == 1 and "HEALTH_DEGRADED" in self.told(desk)
            await desk.watch(60, 2)
            assert self.told(desk).count("LINK_LOST") == self.told(desk).count("LINK_ESCALATED") == 1
            marks = [b.detail for b in desk.bodies(IbkrSession) if b.event is SessionEvent.RECONNECT]
            assert marks[0] == OVERDUE and OVERDUE not in marks[1:]

        _ = walked(walk)

    @shows("S33-MON-11")
    @pytest.mark.parametrize("exposed", [True, False])
    def test_any_other_loss_is_told_at_once(self, exposed: bool) -> None:
        """In the window with a position held; and with nothing held, at another hour."""

        async def walk(desk: Stage) -> None:
            if exposed:
                assert desk.state(await desk.enter()) is State.MANAGED
            await self.away(desk, 4, hour=14 if exposed else 3)
            assert self.told(desk)[:1] == ["LINK_LOST"]  # a beat that falls into these seconds says so, too
            assert DECLARED not in [b.detail for b in desk.bodies(IbkrSession)]

        _ = walked(walk)

    def test_a_loss_that_was_told_goes_on_into_the_window(self) -> None:
        """Lost a minute before it, told, and still away in it: neither that nor the desk's health is taken back."""

        async def walk(desk: Stage) -> None:
            desk.engine.link.restart_window = RestartWindow(timedelta(hours=14, minutes=2))
            await desk.watch(50, 10)
            desk.broker.refuse_connects(1_000)
            desk.broker.cut()
            await desk.watch(100, 2)
            assert self.told(desk) == ["LINK_LOST", "HEALTH_DEGRADED"]
            assert "HEALTH_DEGRADED|desk" in desk.desk.alerts.by_subject

        _ = walked(walk)


class TestTrust:
    """F1: a change restarts the shadow period and owes a sweep; a sweep that fails extends it. Both are told."""

    @shows("S33-REV-02", "S33-REV-03")
    def test_a_change_and_its_sweep_are_beads_and_alerts(self) -> None:
        """CONFIG_CHANGE and a restarted shadow; a good sweep is only kept, a bad one is told by its vectors."""

        async def walk(desk: Stage) -> None:
            change = ChangeConfig(KEY, ChangeType.CSO_PARAM, "trend", "cso", "lookback", "20", "30", "operator")
            _ = desk.act(change).unwrap()
            assert [c.parameter for c in desk.bodies(ConfigChange)] == ["lookback"]
            assert [s.event for s in desk.bodies(Shadow)] == [ShadowEvent.RESTARTED]
            same = changed(change, command_id=CommandId("same"), old_value="30")
            assert desk.act(same).failure().reasons == (Reason.NOTHING_TO_DO,)
            good = Shadow(ShadowEvent.SWEEP, "trend", "s1", passed=("CV_1",))
            _ = desk.act(ReportShadow(CommandId("good"), good)).unwrap()
            _ = desk.act(ReportShadow(CommandId("bad"), changed(good, id="s2", failed=("CV_2", "CV_3")))).unwrap()
            assert [s.id for s in desk.bodies(Shadow)][1:] == ["s1", "s2"]
            told = {a.code: a.text for a in desk.bodies(Alert)}
            assert "lookback" in told["REVALIDATION_STARTED"]
            assert "CV_2 CV_3" in told["VALIDATION_EXTENDED"]

        _ = walked(walk)

    def test_an_anchor_is_what_was_looked_at(self) -> None:
        """The strategy, what its context hashes to, its regime, and who looked."""

        async def walk(desk: Stage) -> None:
            _ = desk.act(AnchorState(KEY, "trend", "4f1d", Regime.NEWS, "anchor")).unwrap()
            (said,) = desk.bodies(StateAnchor)
            assert (said.strategy, said.state_hash, said.regime, said.anchored_by) == (
                "trend",
                "4f1d",
                Regime.NEWS,
                "anchor",
            )
            assert said.boot == desk.clock.now().boot

        _ = walked(walk)


class TestTimers:
    """`due`: a timer never ends an order; what it asks in vain leaves nothing."""

    def test_asked_in_vain(self) -> None:
        """A reminder of nobody, a kill that was told, a flag that stands already, a position without protection."""

        async def walk(desk: Stage) -> None:
            assert refused(desk, timed.Remind(KEY, "ghost")) == (Reason.NOTHING_TO_DO,)
            assert refused(desk, timed.TellKill(KEY, "ghost")) == (Reason.NOTHING_TO_DO,)
            flag = desk.act(RaiseKill(CommandId("k"), "desk", "test", "operator")).unwrap().subject
            _ = desk.engine.recorder.catch_up()
            _ = decide(desk.desk, timed.TellKill(KEY, flag), desk.engine.world()).result.unwrap()
            await desk.tick()
            assert refused(desk, timed.TellKill(KEY, flag)) == (Reason.NOTHING_TO_DO,)
            drift = timed.RaiseByRule(KEY, KillKind.DRIFT, "desk", "count", "drift", "identity")
            (raised,) = (d.body for d in decide(desk.desk, drift, desk.engine.world()).drafts[:1])
            assert isinstance(raised, KillFlag) and raised.drift == "identity"
            _ = desk.engine.recorder.act(drift)
            assert refused(desk, changed(drift, command_id=CommandId("b"))) == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)

    def test_a_position_whose_protection_fell_is_not_managed(self) -> None:
        """`due` saw both standing; by the time it is recorded one of them is gone: it stays FILLED."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            entry = desk.broker.truth.book[ref_of(desk, intent)]
            desk.broker._end(
                desk.broker.truth.book[exit_ref(ref_of(desk, intent), Role.STOP, 1)], BrokerStatus.CANCELLED, "x"
            )
            desk.broker._execute(entry, entry.remaining)
            await desk.tick(0.5)
            position = desk.position(intent)
            assert isinstance(position, Open) and position.state is State.FILLED
            assert refused(desk, timed.Manage(KEY, position.position_id)) == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)

    @shows("X1")
    def test_what_works_beside_nothing_is_cleared_away(self) -> None:
        """All of it left through the stop: its twin has two seconds to end with it, then it is asked to, once; what is
        held, or may still be filled, keeps its exits."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            assert isinstance(position, Open)
            assert left_over(desk.desk, position, desk.clock.now()) == ()
            stop, target = (exit_ref(ref_of(desk, intent), role, 1) for role in (Role.STOP, Role.TARGET))
            desk.broker.truth.book.clear()
            _ = desk.engine.recorder.act(Said(CommandId("out"), filled(desk, stop, str(position.held), Side.SELL)))
            over = desk.position(intent)
            assert isinstance(over, Open) and over.closing
            command = ClearAway(CommandId("clear"), over.position_id)
            desk.clock.advance(timedelta(seconds=1, milliseconds=999))
            assert refused(desk, command) == (Reason.NOTHING_TO_DO,)
            desk.clock.advance(timedelta(milliseconds=1))
            assert [c for c in due(desk.desk, desk.clock.now()) if isinstance(c, ClearAway)]
            filling = changed(over, last=changed(over.last, entry_working=True))
            assert left_over(desk.desk, filling, desk.clock.now()) == ()
            drafts = decide(desk.desk, command, desk.engine.world()).drafts
            asked = [d.body.ref for d in drafts if isinstance(d.body, Order)]
            assert asked == [stop, target], "of either, no word has said that it ended"
            _ = desk.engine.recorder.act(command)
            assert refused(desk, changed(command, command_id=CommandId("again"))) == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)

    @shows("X1")
    def test_what_works_beside_nothing_is_cleared_away_also_where_it_was_never_managed(self) -> None:
        """It left through its stop before any word said that its protection stands: FILLED, and nothing is held."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            _ = desk.engine.recorder.act(carried(desk, ADOPT)).unwrap()
            (position,) = desk.desk.positions.in_state(State.FILLED)
            stop = exit_ref(OrderRef(position.order_ref or ""), Role.STOP, 1)
            out = changed(filled(desk, stop, "10", Side.SELL), symbol="AAPL")
            _ = desk.engine.recorder.act(Said(CommandId("out"), out))
            (over,) = desk.desk.positions.in_state(State.FILLED)
            assert over.closing and desk.desk.orders.exits_of(over.position_id)
            desk.clock.advance(timedelta(seconds=2))
            (command,) = (c for c in due(desk.desk, desk.clock.now()) if isinstance(c, ClearAway))
            assert is_successful(decide(desk.desk, command, desk.engine.world()).result)

        _ = walked(walk)

    @shows("S32-STL-04", "S32-KIL-03")
    def test_a_temporary_kill_lifts_by_time_and_refresh_and_by_nothing_less(self) -> None:
        """Five minutes and no refresh: it stands. A refresh too: it comes down by its rule, and its alert with it."""

        async def walk(desk: Stage) -> None:
            raised = RaiseKill(CommandId("k"), "strategy:trend", "stale", "stale_gate", KillKind.TEMPORARY)
            _ = desk.act(raised).unwrap()
            await desk.watch(310, 62)
            (flag,) = desk.desk.kill_flags.standing
            assert refused(desk, timed.LiftByRule(KEY, flag)) == (Reason.NOTHING_TO_DO,)
            assert await answered(desk, RefreshAnchor("trend", "4f1d", Regime.DEFAULT)) == ()
            await desk.tick(0.5)
            assert not desk.desk.kill_flags.standing
            assert [(k.event, k.raised_by) for k in desk.bodies(KillFlag)][-1] == (KillEvent.LIFTED, "rule")

        _ = walked(walk)

    @pytest.mark.parametrize("cancels", [True, False])
    @shows("F74")
    def test_a_kill_ends_working_entries_only_where_it_was_told_to(self, cancels: bool) -> None:
        """D8: `--cancel-working` asks for the end of the entry, once, and never of its protection."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.mute()
            _ = desk.act(
                RaiseKill(CommandId("k"), "instrument:EURUSD", "x", "operator", cancel_working=cancels)
            ).unwrap()
            await desk.tick(1)
            await desk.tick(1)
            asked = [o.ref for o in desk.bodies(Order) if o.event is OrderEvent.CANCEL_REQUESTED]
            assert asked == ([ref_of(desk, intent)] if cancels else [])
            assert not any(isinstance(e, CancelOrder) for e in desk.desk.owed.values())

        _ = walked(walk)

    def test_the_days_loss_raises_a_one_way_kill_once(self) -> None:
        """C5: at the limit the desk is killed, whoever lost it; no second flag while the first one stands."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.price("1.08150", "1.08160")
            await desk.tick(1)
            await desk.tick(1)
            assert desk.state(intent) is State.CLOSED
            await desk.tick(1)
            kills = [k for k in desk.bodies(KillFlag) if k.raised_by == "daily_loss"]
            assert [(k.type, k.scope) for k in kills] == [(KillKind.ONE_WAY, "desk")]
            assert "DAILY_LOSS_LIMIT" in {a.code for a in desk.bodies(Alert)}
            assert not [c for c in due(desk.desk, desk.clock.now()) if isinstance(c, timed.RaiseByRule)]

        _ = walked(walk, stage(policy=Policy(limits=Limits(daily_loss_max=Money(Decimal(100))))))
