"""Directed stories: each fault of the storms meets a position in each state, and a few corners that dice rarely find.

A scene brings one intent into a state with the acts that storms have too, plays the fault in that very moment, before
the engine has another turn, and leaves the rest to the calm and its judges. No pair of a fault and a state is left out:
what strikes at an order, or at an execution, finds one of a neighbour where the position has none of its own yet.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from phoenix_adapters.brokers.mock.chaos import ChaosMode, Dawdle, Fate, Fill, Reject
from phoenix_cli.wiring.round_trip import START
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_cli.wiring.sim.acts import MISFORTUNE, kill, lapse, propose_in, refresh, restart, rise
from phoenix_cli.wiring.sim.mishaps import Crash
from phoenix_cli.wiring.sim.past import backed_up, builds, left_by_another_build, only_watched, sees, witness
from phoenix_cli.wiring.sim.rare import adopt
from phoenix_cli.wiring.sim.world import PAIRS, Simulation, quote
from phoenix_core.beads import Limits, Resolution, Verdict
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import Close, ResolveDrift
from phoenix_core.trade.positions import Open
from phoenix_core.values import Money, Quantity, Role, Side, State, text_hash

SECOND: Final = timedelta(seconds=1)
# The position that a scene is about, and a neighbour where it needs one: for what strikes at an order or an execution.
PAIR, NEIGHBOUR = "GBPUSD", "EURUSD"
STRIKES: Final = ("late_fill", "overfill", "correct", "repeat", "double", "strip")
# So often an act is tried until it does what it is here for, and not the opposite, which storms need too.
TRIES_MAX: Final = 40


@frozen
class Scene:
    """A story that is not drawn: when it begins, what the policy allows, and what happens."""

    play: Callable[[Simulation], Coroutine[object, object, None]]
    begins: str = START.isoformat()
    limits: Limits = Limits(open_positions_max=6, entries_per_day_max=500, daily_loss_max=None)


# --- how an intent comes into a state ---------------------------------------------------------------------------------


async def _proposed(sim: Simulation, pair: str) -> Open:
    await refresh(sim)
    propose_in(sim, pair)
    for _ in range(2):
        await lapse(sim, SECOND)
    return sim.desk.positions.in_state(State.PROPOSED)[-1]


async def _approved(sim: Simulation, pair: str) -> str:
    position = await _proposed(sim, pair)
    _approve(sim, position)
    return position.position_id


def _approve(sim: Simulation, position: Open) -> None:
    screen = screen_of(sim.other().desk, position.intent_id, sim.clock.now(), Verdict.APPROVE)
    assert isinstance(screen, Screen) and sim.sign(screen.says), f"not approved: {screen}"
    sim.approvals += 1


async def _sent(sim: Simulation, pair: str, fate: Fate) -> str:
    sim.broker.script(fate)
    name = await _approved(sim, pair)
    await lapse(sim, SECOND)
    return name


async def _until(sim: Simulation, name: str, state: State) -> str:
    """Time passes until a position is in a state."""
    for _ in range(60):
        sim.oracle.ledger.read()
        if sim.oracle.ledger.states.get(name) is state:
            return name
        await lapse(sim, 2 * SECOND)
    raise AssertionError(f"{name} is {sim.oracle.ledger.states.get(name)}, not {state}")


async def _filled(sim: Simulation, pair: str) -> str:
    """What was traded by hand is adopted; it is held, and that its protection works was not heard yet."""
    sim.broker.trade_by_hand(pair, Side.BUY, Quantity(Decimal(20000)))
    sim.broker.cut()  # a new session begins with a picture
    for _ in range(30):
        if not sim.desk.drifts.open:
            await lapse(sim, SECOND)
    await adopt(sim)
    sim.broker.mute(True)
    await lapse(sim, SECOND / 4)
    sim.broker.mute(False)
    held = sim.desk.positions.in_state(State.FILLED)
    assert held, "nothing was adopted"
    return held[-1].position_id


async def _closed(sim: Simulation, pair: str) -> str:
    name = await _until(sim, await _sent(sim, pair, Fill()), State.MANAGED)
    assert sim.sign(Close(sim.desk.positions.open[name].position_id, text_hash("sim")))
    return await _until(sim, name, State.CLOSED)


async def _cancelled(sim: Simulation, pair: str) -> str:
    """Somebody cancels the whole bracket in the broker's own window."""
    name = await _sent(sim, pair, Fill(timedelta(minutes=10)))
    for working in tuple(sim.broker.truth.book.values()):
        if working.frame.line.symbol == pair and not working.ends:
            sim.broker._end(working, BrokerStatus.CANCELLED, "cancelled by hand")
    return await _until(sim, name, State.CANCELLED)


async def _into(sim: Simulation, state: State, pair: str) -> str:
    """Bring one more intent into this state; answers the position."""
    match state:
        case State.PROPOSED:
            return (await _proposed(sim, pair)).position_id
        case State.APPROVED:
            return await _approved(sim, pair)
        case State.SUBMITTED:
            return await _sent(sim, pair, Fill(timedelta(seconds=20)))
        case State.STALLED:
            return await _until(sim, await _sent(sim, pair, Dawdle(timedelta(minutes=3))), state)
        case State.FILLED:
            return await _filled(sim, pair)
        case State.MANAGED:
            return await _until(sim, await _sent(sim, pair, Fill()), state)
        case State.CLOSED:
            return await _closed(sim, pair)
        case State.CANCELLED:
            return await _cancelled(sim, pair)
        case State.REJECTED:
            return await _until(sim, await _sent(sim, pair, Reject()), state)


# --- a fault meets a state --------------------------------------------------------------------------------------------


def _meeting(fault: str, state: State) -> Scene:
    act = next(act for act, _ in MISFORTUNE if act.__name__.strip("_") == fault)

    async def play(sim: Simulation) -> None:
        if fault in STRIKES:
            _ = await _closed(sim, NEIGHBOUR)
            _ = await _into(sim, State.MANAGED, NEIGHBOUR)
        name = await _into(sim, state, PAIR)
        sim.oracle.ledger.read()
        stands = sim.oracle.ledger.states.get(name)
        assert stands is state, f"{name} is {stands}, not {state}"
        sim.faults.append(fault)
        sim.told.append(f"bead {sim.store.head().size}: {fault} while {state}")
        try:
            for _ in range(TRIES_MAX):
                struck = await act(sim)
                if struck is not False and (fault in sim.standing() or fault not in sim.lasting()):
                    break
            else:
                raise AssertionError(f"{fault} found nothing to strike at")
        except Crash as crash:
            await rise(sim, crash)
        sim.oracle.ledger.visited.add(f"{fault} while {state}")
        for span in (1, 1, 2, 7, 31):
            await lapse(sim, span * SECOND)

    return Scene(play)


# --- corners ----------------------------------------------------------------------------------------------------------


def _slept(slept: timedelta, wall: timedelta) -> Scene:
    """The lid is closed on a signature: the ticks go on, or only the wall does, or it is set back."""

    async def play(sim: Simulation) -> None:
        _ = await _approved(sim, PAIR)
        sim.clock.advance(slept)
        sim.clock.step_wall(wall)
        for _ in range(3):
            await lapse(sim, SECOND)

    return Scene(play)


async def _in_the_window(sim: Simulation) -> None:
    """An approval lies in the log as the gateway's declared restart begins, which is quiet this time."""
    position = await _proposed(sim, PAIR)
    for _ in range(60):
        if sim.clock.now().wall.minute != 44:
            await lapse(sim, SECOND)
    _approve(sim, position)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _session_opens(sim: Simulation, blur: str = "") -> None:
    """An approval waits for the link: it comes up, and tells of its orders only later."""
    position = await _proposed(sim, PAIR)
    sim.broker.cut()
    sim.broker.blur = blur
    await lapse(sim, SECOND / 10)
    _approve(sim, position)
    for _ in range(20):
        await lapse(sim, SECOND / 2)


async def _a_day_of_losses(sim: Simulation) -> None:
    """A stop is run through, and more is lost than a day may lose, in the moment in which somebody approves another."""
    lost = await _into(sim, State.MANAGED, NEIGHBOUR)
    position = await _proposed(sim, PAIR)
    sim.counters[NEIGHBOUR] = -70 * sim.desk.positions.open[lost].side.sign
    quote(sim)
    _approve(sim, position)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _no_whole_picture(sim: Simulation) -> None:
    """A session opens, tells of its orders to the end, and has no whole picture to give."""
    await _session_opens(sim, "parts")


async def _a_silent_link(sim: Simulation) -> None:
    """The link stands and has not answered for a while, and somebody approves."""
    position = await _proposed(sim, PAIR)
    sim.broker.mute(True)
    for _ in range(4):
        await lapse(sim, SECOND)
    _approve(sim, position)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _an_old_context(sim: Simulation) -> None:
    """What an intent stands on was fresh when it was approved, and is not when the engine wakes."""
    position = await _proposed(sim, PAIR)
    for _ in range(41):
        await lapse(sim, 20 * SECOND)
    for _ in range(3):
        await lapse(sim, SECOND)
    _approve(sim, position)
    sim.clock.advance(timedelta(minutes=3))
    for _ in range(5):
        await lapse(sim, SECOND)


async def _works_too_long(sim: Simulation) -> None:
    """An entry works, and nothing comes of it."""
    _ = await _sent(sim, PAIR, Fill(timedelta(minutes=10)))
    for _ in range(12):
        await lapse(sim, 10 * SECOND)


async def _lease_taken(sim: Simulation) -> None:
    """An approval was meant for the run that stood; another run begins before it is used."""
    _ = await _approved(sim, PAIR)
    await restart(sim)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _no_room(sim: Simulation) -> None:
    """Three brackets are approved in one moment, and eight frames fit on the wire."""
    for position in [await _proposed(sim, pair) for pair in PAIRS]:
        _approve(sim, position)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _a_stop_moves(sim: Simulation) -> None:
    """A human moves a stop in the broker's own window."""
    _ = await _into(sim, State.MANAGED, PAIR)
    stop = next(w for w in sim.broker.truth.book.values() if w.frame.line.role is Role.STOP and not w.ends)
    sim.broker.move_stop(stop)
    for _ in range(5):
        await lapse(sim, SECOND)


async def _lost_again(sim: Simulation) -> None:
    """Protection is taken away, placed again, and taken away again: by then only a human knows why."""
    _ = await _into(sim, State.MANAGED, PAIR)
    for _ in range(3):
        for working in tuple(sim.broker.truth.book.values()):
            if working.frame.line.role.is_exit and not working.ends:
                sim.broker._end(working, BrokerStatus.CANCELLED, "cancelled by hand")
        await lapse(sim, SECOND)
        sim.broker.cut()  # a new session begins with a picture
        for _ in range(15):
            await lapse(sim, SECOND)


async def _drift_grows(sim: Simulation) -> None:
    """A human answers a drift, and then it is another one."""
    sim.broker.trade_by_hand(PAIR, Side.BUY, Quantity(Decimal(20000)))
    sim.broker.cut()
    for _ in range(20):
        await lapse(sim, SECOND)
    for drift in tuple(sim.other().desk.drifts.open.values()):
        _ = sim.sign(ResolveDrift(drift.identity, Resolution.ACKNOWLEDGED, text_hash("sim")))
    await lapse(sim, SECOND)
    sim.broker.trade_by_hand(PAIR, Side.BUY, Quantity(Decimal(20000)))
    await lapse(sim, SECOND)


async def _second_owner(sim: Simulation) -> None:
    """Nothing certain is known of an entry, and somebody wants another in the same instrument."""
    _ = await _into(sim, State.STALLED, PAIR)
    position = await _proposed(sim, PAIR)
    screen = screen_of(sim.other().desk, position.intent_id, sim.clock.now(), Verdict.APPROVE)
    assert isinstance(screen, Screen), f"nothing to approve: {screen}"
    _ = sim.sign(screen.says)
    for _ in range(3):
        await lapse(sim, SECOND)


async def _nobody_hears(sim: Simulation) -> None:
    """A kill is raised while every channel refuses."""
    for ear in sim.ears:
        ear.mood = "refuses"
    await kill(sim)
    await lapse(sim, SECOND)


async def _an_old_backup(sim: Simulation) -> None:
    """A backup is taken while an intent waits; it is approved and held by the time somebody restores the backup."""
    position = await _proposed(sim, PAIR)
    backup = backed_up(sim.store)
    with witness(sim) as note:
        _approve(sim, position)
        name = await _until(sim, position.position_id, State.MANAGED)
        sees(note, sim)
        await only_watched(sim, backup, note, position.intent_id)
        await restart(sim)  # the log itself was found again
        sees(note, sim)
    assert sim.desk.positions.find(name) is not None
    for _ in range(3):
        await lapse(sim, SECOND)


async def _another_build(sim: Simulation) -> None:
    """Another build takes over while a position is held, an entry works and an intent waits, and then a third one."""
    held = await _into(sim, State.MANAGED, NEIGHBOUR)
    works = await _into(sim, State.SUBMITTED, PAIR)
    waits = await _into(sim, State.PROPOSED, PAIRS[2])
    for build in ("sim 2", "sim 3"):
        left_by_another_build(sim)
        before = {name: sim.desk.positions.open[name].state for name in (held, works, waits)}
        sim.build = build
        await restart(sim)
        assert {name: sim.desk.positions.open[name].state for name in before} == before, before
        sim.oracle.replay(sim.desk)
        await lapse(sim, SECOND)
    assert builds(sim) == ["sim", "sim 2", "sim 3"], builds(sim)
    _approve(sim, sim.desk.positions.open[waits])
    _ = await _until(sim, waits, State.MANAGED)
    assert sim.sign(Close(held, text_hash("sim")))
    _ = await _until(sim, held, State.CLOSED)
    _ = await _until(sim, works, State.MANAGED)


CORNER_SCENES: Final[dict[str, Scene]] = {
    "six minutes by the ticks": _slept(timedelta(minutes=6), timedelta(minutes=-6)),
    "six minutes by the wall": _slept(timedelta(0), timedelta(minutes=6)),
    "an hour back by the wall": _slept(timedelta(0), timedelta(hours=-1)),
    "in the restart window": Scene(_in_the_window, "2026-11-18T23:43:00-05:00"),
    "a session opens": Scene(_session_opens),
    "a day of losses": Scene(_a_day_of_losses, limits=Limits(daily_loss_max=Money(Decimal(10)))),
    "no whole picture": Scene(_no_whole_picture),
    "a silent link": Scene(_a_silent_link),
    "an old context": Scene(_an_old_context),
    "works too long": Scene(_works_too_long),
    "another run": Scene(_lease_taken),
    "no room": Scene(_no_room),
    "a stop moves": Scene(_a_stop_moves),
    "lost again": Scene(_lost_again),
    "an answered drift grows": Scene(_drift_grows),
    "a second owner": Scene(_second_owner),
    "nobody hears": Scene(_nobody_hears),
    "an old backup": Scene(_an_old_backup),
    "another build": Scene(_another_build),
}
MEETINGS: Final[dict[str, Scene]] = {
    f"{fault} while {state}": _meeting(fault, state)
    for fault in (act.__name__.strip("_") for act, _ in MISFORTUNE)
    for state in State
}
SCENES: Final[dict[str, Scene]] = {**MEETINGS, **CORNER_SCENES}


async def play(sim: Simulation, name: str) -> None:
    """Play a scene in a world that behaves but for what the scene does."""
    sim.broker.set_mode(ChaosMode.INSTANT)
    await SCENES[name].play(sim)
