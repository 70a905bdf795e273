"""Scenarios, third part: the desk itself. Links, leases, kills, keys, checkpoints, beats, and who is told of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from phoenix_adapters.engine.watching import Watchdog
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.acts.operate import Acknowledge, ChangeConfig, RaiseKill, ReportShadow, kill_flag
from phoenix_core.beads import ChangeType, KillKind, Limits, Policy, Shadow, ShadowEvent
from phoenix_core.gate.statements import ClearKill, Enrol, RefreshAnchor, Resume, Revoke, SetPolicy, policy_hash
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.values import Money, Quantity, Regime, Side
from tests.chaos.crashes.entries import SECOND, Scenario
from tests.chaos.crashes.lives import WORDS, demand, held, rounds
from tests.chaos.crashes.scene import Scene, successor
from tests.chaos.crashes.world import Ear

# --- links ------------------------------------------------------------------------------------------------------------


async def reconnected(desk: Scene) -> None:
    """The link goes and comes back at the second attempt."""
    _ = await held(desk)
    desk.broker.refuse_connects(1)
    desk.roll()
    desk.broker.cut()
    await rounds(desk, 0.5, 6, 16, 1)


async def escalated_and_resumed(desk: Scene) -> None:
    """Three attempts, a human, `resume`, and a link."""
    _ = await held(desk)
    desk.broker.refuse_connects(3)
    desk.broker.cut()
    await rounds(desk, 0.5, 6, 16)
    desk.roll()
    await rounds(desk, 46, 1)
    _ = desk.sign(Resume())
    await rounds(desk, 6, 31, 1)


async def gateway_updated(desk: Scene) -> None:
    """The gateway comes back in another version."""
    _ = await held(desk)
    desk.broker.update("10.99")
    desk.roll()
    desk.broker.cut()
    await rounds(desk, 0.5, 6, 1)


async def pictures_unknown(desk: Scene) -> None:
    """The feed dies while the socket answers: UNKNOWN, three times, then a human."""
    _ = await held(desk)
    desk.broker.hush()
    desk.roll()
    for _ in range(3):
        demand(desk)
        await rounds(desk, 5)
    desk.broker.hush(False)
    await desk.round(5)


# --- runs -------------------------------------------------------------------------------------------------------------


async def restarted_with_a_position(desk: Scene) -> None:
    """The process is gone while something is held; a new run begins on its log."""
    _ = await held(desk)
    desk.roll()
    await successor(desk)
    await rounds(desk, 0.5, 1)


async def restarted_in_flight(desk: Scene) -> None:
    """The process is gone between the send and the first word; the new run only looks it up."""
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    desk.broker.mute()
    await desk.engine.step()
    desk.roll()
    await successor(desk)
    await rounds(desk, 0.5, 1)


async def stopped_and_started(desk: Scene) -> None:
    """An orderly end, its snapshot, and a start from it."""
    _ = await held(desk)
    desk.roll()
    desk.engine.stop("over for today")
    await successor(desk)
    await rounds(desk, 0.5, 1)


async def taken_over(desk: Scene) -> None:
    """A second engine takes the lease while an approval is on its way; the first wakes up and may do nothing."""
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    old = desk.engine
    desk.roll()
    await successor(desk)
    said = desk.broker.drain()
    await old.step()
    await old.settle()
    desk.broker.tell(*said)
    await rounds(desk, 0.5, 1)


# --- kills and context ------------------------------------------------------------------------------------------------


async def killed_blind(desk: Scene) -> None:
    """`halt`: a blind append on whatever head there is, while an intent waits and another is held."""
    _ = await held(desk)
    _ = await desk.propose(**SECOND)
    desk.roll()
    command = RaiseKill(desk.fresh(), "desk", "drill", "operator")
    ruling, now = granted("desk", kill_flag(command)), desk.clock.now().wall
    _ = desk.store.append_blind(lambda head: sealed(head, now, command.command_id, ruling))
    await rounds(desk, 0.5, 1)


async def kill_cleared(desk: Scene) -> None:
    """A signed word with a reason lifts a one-way kill."""
    await desk.start()
    flag = desk.act(RaiseKill(desk.fresh(), "desk", "drill", "operator")).unwrap().subject
    await desk.tick()
    desk.roll()
    _ = desk.sign(ClearKill(flag, WORDS)).unwrap()
    await rounds(desk, 0.5, 1)


async def temporary_kill_lifts(desk: Scene) -> None:
    """Its time is over and the anchor is refreshed: it comes down by itself."""
    await desk.start()
    kill = RaiseKill(desk.fresh(), "strategy:trend", "stale", "stale_gate", KillKind.TEMPORARY)
    _ = desk.act(kill).unwrap()
    await desk.watch(310, 30)
    desk.roll()
    _ = desk.sign(RefreshAnchor("*", "*", Regime.DEFAULT)).unwrap()
    await rounds(desk, 0.5, 1)


async def policy_replaced(desk: Scene) -> None:
    """A new policy takes back what was approved under the old one."""
    await desk.start()
    intent = await desk.propose()
    desk.broker.refuse_connects(1)
    desk.broker.cut()
    await desk.tick()
    _ = desk.approve(intent).unwrap()
    policy = Policy(limits=Limits(open_positions_max=1))
    desk.roll()
    _ = desk.act(evolve(desk.signature(SetPolicy(policy_hash(policy))), policy=policy)).unwrap()
    await rounds(desk, 0.5, 1)


async def keys_come_and_go(desk: Scene) -> None:
    """An operator is enrolled and revoked."""
    await desk.start()
    desk.roll()
    other = soft_pen("other")
    _ = desk.sign(Enrol(other.key, other.public.line, "other", "software")).unwrap()
    await desk.round(0.5)
    _ = desk.sign(Revoke(other.key, WORDS)).unwrap()
    await desk.round(0.5)


async def loss_limit_reached(desk: Scene) -> None:
    """The day's loss reaches the policy's limit: a one-way kill by rule."""
    await desk.start()
    policy = Policy(limits=Limits(daily_loss_max=Money(Decimal(50))))
    _ = desk.act(evolve(desk.signature(SetPolicy(policy_hash(policy))), policy=policy)).unwrap()
    await desk.tick()
    _ = await desk.enter()
    desk.roll()
    desk.price("1.0815", "1.0816")
    await rounds(desk, 0.5, 1)


async def parameter_changed(desk: Scene) -> None:
    """A parameter changes: the shadow period begins again, and somebody is told."""
    await desk.start()
    desk.roll()
    change = ChangeConfig(desk.fresh(), ChangeType.STRATEGY_TUNE, "trend", "stop", "atr", "2", "3", "operator")
    _ = desk.act(change).unwrap()
    report = Shadow(
        ShadowEvent.SESSION,
        "trend",
        "shadow-1",
        session_day="2026-11-17",
        regime="trend",
        pnl=Money(Decimal(10)),
        drawdown=Decimal("0.01"),
        trades=4,
        signalman_kills=0,
        overrides=0,
    )
    _ = desk.act(ReportShadow(desk.fresh(), report)).unwrap()
    await rounds(desk, 0.5, 1)


# --- who is told, and what is proven ----------------------------------------------------------------------------------


async def outbox_waits(desk: Scene) -> None:
    """No channel takes anything for a while; then everything is told."""
    await desk.start()
    desk.outside.deaf = True
    _ = await desk.enter()
    desk.roll()
    await rounds(desk, 6, 16)
    desk.outside.deaf = False
    await rounds(desk, 46, 5, 1)


async def alert_acknowledged(desk: Scene) -> None:
    """A human has seen an alert."""
    _ = await held(desk)
    desk.broker.refuse_connects(9)
    desk.broker.cut()
    await desk.tick()
    desk.roll()
    for alert in tuple(desk.desk.alerts.open):
        _ = desk.act(Acknowledge(desk.fresh(), alert, "operator"))
    await rounds(desk, 1, 30)


async def watchdog_speaks(desk: Scene) -> None:
    """The engine is dead; the watchdog records it, tells it, and the engine finds it told when it is back."""
    _ = await held(desk)
    ear = Ear(desk.outside, desk.camera)
    watchdog = Watchdog(desk.other(), desk.clock, (ear,), lambda: False, "watchdog-1")
    desk.roll()
    for seconds in (46, 46, 46):
        desk.clock.advance(timedelta(seconds=seconds))
        _ = watchdog.look()
        await watchdog.settle()
    await rounds(desk, 0.5, 1)


async def beats_and_pictures(desk: Scene) -> None:
    """An hour of nothing: beats, pictures, repeats."""
    _ = await held(desk)
    desk.roll()
    for _ in range(12):
        await desk.round(31)


async def stranger_trades(desk: Scene) -> None:
    """A trade by hand in an instrument of nobody's: told, and entries there stop."""
    await desk.start()
    desk.broker.trade_by_hand("AUDUSD", Side.SELL, Quantity(Decimal(20000)))
    desk.roll()
    demand(desk)
    await rounds(desk, 0.5, 1, 3, 8, 1)


DESKS: Final[tuple[Scenario, ...]] = (
    reconnected,
    escalated_and_resumed,
    gateway_updated,
    pictures_unknown,
    restarted_with_a_position,
    restarted_in_flight,
    stopped_and_started,
    taken_over,
    killed_blind,
    kill_cleared,
    temporary_kill_lifts,
    policy_replaced,
    keys_come_and_go,
    loss_limit_reached,
    parameter_changed,
    outbox_waits,
    alert_acknowledged,
    watchdog_speaks,
    beats_and_pictures,
    stranger_trades,
)
