"""What happens more rarely in the simulation: what operators sign when something is odd, what hosts and gateways do.

Each act is one thing that somebody does; what the desk makes of it is for the judges to say.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Final

from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_cli.wiring.sim.broker import ACCOUNT, STRANGER
from phoenix_cli.wiring.sim.mishaps import Crash
from phoenix_cli.wiring.sim.world import PAIRS, Simulation
from phoenix_core.acts.operate import RaiseKill, TakeLease
from phoenix_core.gate.statements import Adopt, CancelOrphans, Close, Protect, ResolveStalled, Resume, StalledEnd
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Price, Quantity, Side, State, text_hash
from phoenix_core.watch.codes import Code
from phoenix_core.watch.session import ReconnectState

WORDS: Final = text_hash("sim")
# Three beats missed and some: a watchdog that looks every few seconds has told of it by then.
GONE_FOR: Final = (timedelta(seconds=20),) * 9


# --- what operators sign when something is odd ------------------------------------------------------------------------


async def _resolve_stalled(sim: Simulation) -> None:
    """A human looks into the broker's own window and says how a STALLED entry ended."""
    stalled = sim.desk.positions.in_state(State.STALLED)
    if not stalled:
        return
    position = sim.random.choice(stalled)
    known = sim.broker.truth.book.get(position.order_ref or "")
    if known is None or (known.ends and known.filled == 0):
        end = sim.random.choice((StalledEnd.CANCELLED, StalledEnd.REJECTED))
        _ = sim.sign(ResolveStalled(position.position_id, end, WORDS))
    elif known.filled > 0:
        price = Price(MIDS[position.pair])
        _ = sim.sign(
            ResolveStalled(position.position_id, StalledEnd.FILLED, WORDS, Quantity(known.filled), price, "statement 1")
        )


async def adopt(sim: Simulation) -> None:
    """A human gives what was traded past the desk an owner, so that it is protected."""
    desk = sim.other().desk
    found = [d for d in desk.drifts.open.values() if d.cause in ("count", "size") and d.instrument in PAIRS]
    if not found:
        return
    drift = sim.random.choice(found)
    pair = str(drift.instrument)
    more = sim.broker.truth.held.get(pair, Decimal(0)) - desk.positions.net(pair)
    if more == 0:
        return
    side = Side.BUY if more > 0 else Side.SELL
    mid, tick = MIDS[pair], CARDS[pair].tick
    _ = sim.sign(
        Adopt(
            symbol=pair,
            side=side,
            quantity=Quantity(abs(more)),
            price=Price(mid),
            stop=Price(mid - side.sign * 300 * tick),
            target=Price(mid + side.sign * 600 * tick),
            strategy="demo",
            reason=WORDS,
            drift=drift.identity,
        )
    )


async def _protect(sim: Simulation) -> None:
    """A human has the protection of what is held placed again; where it stands, the desk says so."""
    held = [*sim.desk.positions.in_state(State.FILLED), *sim.desk.positions.in_state(State.MANAGED)]
    bare = [position for position in held if not _works(sim, position)]
    if held:
        _ = sim.sign(Protect(sim.random.choice(bare or held).position_id))


def _works(sim: Simulation, position: Open) -> bool:
    return any(order.role.is_exit and order.end is None for order in sim.desk.orders.of(position.position_id))


async def _cancel_orphans(sim: Simulation) -> None:
    """A human cancels exactly the orders that would open a position."""
    orphans = [drift for drift in sim.other().desk.drifts.open.values() if drift.cause == "orphan_exit"]
    if orphans:
        drift = sim.random.choice(orphans)
        _ = sim.sign(CancelOrphans(drift.identity, drift.refs))


async def hears(sim: Simulation) -> None:
    """Whoever is told that the broker answers again lets the link try."""
    if any(one.code is Code.LINK_ANSWERS for one in sim.desk.alerts.open.values()):
        await _resume(sim)


async def _resume(sim: Simulation) -> None:
    """A human lets an escalated link try three times more."""
    if sim.other().desk.sessions.state is ReconnectState.ESCALATED:
        _ = sim.sign(Resume())


async def _pocket(sim: Simulation) -> None:
    """An operator decides on a screen and sends it later, or sends again what was sent once."""
    if sim.pocket and sim.random.random() < 0.6:
        _ = sim.other().act(sim.random.choice(sim.pocket))
        return
    waiting = sim.desk.positions.in_state(State.PROPOSED)
    screen = screen_of(sim.other().desk, sim.random.choice(waiting).intent_id, sim.clock.now()) if waiting else None
    command = sim.signature(screen.says) if isinstance(screen, Screen) else None
    if command is not None:
        sim.pocket = [*sim.pocket[-3:], command]


async def _lower(sim: Simulation) -> None:
    """Somebody takes the halt file away that the engine, or somebody, put there."""
    sim.latch = False


# --- what hosts and gateways do ---------------------------------------------------------------------------------------


async def _latch(sim: Simulation) -> None:
    """The halt file appears, or cannot be read; no bead says so."""
    sim.latch = sim.random.choice((True, None))


async def _between(sim: Simulation) -> None:
    """The next time that SUBMITTED is durable, and before its frame is handed over, somebody else writes: a kill, or
    another engine that takes the lease."""
    steals = sim.random.random() < 0.4

    def strike() -> None:
        people = sim.other()
        if steals:
            sim.robbed = True
            _ = people.act(TakeLease(CommandId(sim.fresh("thief")), "boot-0", sim.fresh("run")))
            sim.oracle.ledger.visited.add("lease taken between commit and send")
        else:
            _ = people.act(RaiseKill(CommandId(sim.fresh("kill")), "desk", "sim", "sim"))
            sim.oracle.ledger.visited.add("kill between commit and send")

    sim.hands.mishap.between = strike


async def _nightly(sim: Simulation) -> None:
    """The gateway restarts itself: the session is gone, some attempts fail, order ids begin anew."""
    sim.broker.cut()
    sim.broker.refuse_connects(sim.random.choice((1, 2, 3)))
    sim.broker.reuses_ids = True
    sim.oracle.ledger.visited.add("order ids again")
    if sim.random.random() < 0.5:
        sim.broker.update(f"mock-{sim.fresh('v')[:4]}")


async def _blur(sim: Simulation) -> None:
    """The next pictures lack a part, or are of the session before, and say so or do not."""
    sim.broker.blur = sim.random.choice(("", "", "parts", "before"))


async def _strip(sim: Simulation) -> bool:
    """A human takes a stop away, or moves it, in the broker's own window."""
    return sim.broker.strip(sim.random)


async def _skew(sim: Simulation) -> None:
    """The broker's clock and ours drift apart, or agree again."""
    sim.broker.apart = timedelta(seconds=sim.random.choice((0, 0, 3, -8, 40)))


async def _strange(sim: Simulation) -> None:
    """The login shows another account, or one more; or again only ours."""
    sim.broker.logins = sim.random.choice(((ACCOUNT,), (ACCOUNT,), (STRANGER,), (STRANGER, ACCOUNT)))


async def _gone(sim: Simulation) -> None:
    """The engine's process is dead for minutes; a watchdog looks on, and the broker goes on."""
    sim.oracle.stands()
    held = sim.desk.positions.in_state(State.MANAGED)
    if held:  # somebody wants out while nobody is there to do it
        _ = sim.sign(Close(sim.random.choice(held).position_id, WORDS))
    for span in GONE_FOR:
        sim.clock.advance(span)
        await sim.watch(alive=False)
    sim.oracle.ledger.visited.add("engine gone")
    raise Crash("long ago")


async def _dog(sim: Simulation) -> None:
    """The watchdog looks at an engine that lives."""
    await sim.watch(alive=True)


async def _recrash(sim: Simulation) -> None:
    """The process dies, and dies again while it recovers."""
    sim.dies_again = sim.random.choice((1, 2, 3))
    raise Crash("and will again")


# What has nothing to strike at says so.
Act = Callable[[Simulation], Coroutine[object, object, bool | None]]
RARE_WORK: Final[tuple[tuple[Act, int], ...]] = (
    (_resolve_stalled, 2),
    (adopt, 1),
    (_protect, 1),
    (_cancel_orphans, 1),
    (_resume, 1),
    (_pocket, 3),
    (_lower, 4),
    (_dog, 1),
)
RARE_MISFORTUNE: Final[tuple[tuple[Act, int], ...]] = (
    (_latch, 1),
    (_between, 2),
    (_nightly, 1),
    (_blur, 2),
    (_strip, 2),
    (_skew, 1),
    (_strange, 1),
    (_gone, 1),
    (_recrash, 1),
)
