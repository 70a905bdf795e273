"""`run`: the process that trades."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.commands.safety import raise_in_log, raise_latch
from phoenix_cli.output import BUG, INTEGRITY, UNREACHABLE, USAGE, emit, fail, refuse, tell
from phoenix_cli.streams import on_stop, shipped, wait_for_no_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

    from phoenix_adapters.engine.loop import Engine
    from phoenix_cli.home import Home
    from phoenix_core.beads import Bead
    from phoenix_core.facts import Snapshot
    from phoenix_core.ports import BeadStore, Broker

# The CLI writes, the engine sees it: a fiftieth of a second is below what a human notices and costs no core.
LOOP_EVERY_S = 0.02
# What a line says of a bead beside its time, place and kind: names and codes of ours, never words or accounts.
LINE_FIELDS: Final = {
    "event": "event",
    "position": "position_id",
    "intent": "intent_id",
    "code": "code",
    "severity": "severity",
}
# What SIGTERM leaves the engine for protection that it still owes.
OWED_WITHIN_S = 10.0


@click.command("run")
@click.option("--once", is_flag=True, help="Drain what is there, let it settle, and stop.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Append one JSON line per bead, to ship.")
@click.pass_context
def run_command(ctx: click.Context, once: bool, log: Path | None) -> None:
    """Run the engine in the foreground; SIGTERM stops it cleanly.

    Example: phoenix run --once
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import broker_of, engine_of, opened, version_of
    from phoenix_cli.wiring.startup import clock_trouble, start_problems
    from phoenix_core.chain import verify_chain

    wait_for_no_reader()
    with opened(home_of(ctx)) as session:
        if not is_successful(verify_chain(record.data for record in session.store.read(0))):
            fail(ctx, INTEGRITY, "the log does not verify: nothing is appended or sent; open runbook RB-004")
        if session.observe_only:
            tell(f"OBSERVE_ONLY: {session.observe_only}; nothing is appended or sent")
            asyncio.run(_observe(broker_of(session), once))
            fail(ctx, INTEGRITY, f"OBSERVE_ONLY: {session.observe_only}; open runbook RB-004")
        problems = start_problems(session, version_of())
        if problems:
            fail(ctx, USAGE, "this desk does not start: " + "; ".join(problems))
        last = next(session.store.read(session.store.head().size - 1))
        if trouble := clock_trouble(last.ts, session.clock.now().wall):
            tell(f"clock:  {trouble}")
        lease = session.store.lease(session.clock.now().boot)
        if lease is None:
            refuse(ctx, ("ENGINE_RUNS_ALREADY",), "another engine holds the lease of this desk")
        with lease:
            listen_for_knocks()
            _ = session.home.pid.write_text(f"{os.getpid()}\n", encoding="ascii")
            _ = session.store.make_room()
            engine = engine_of(session, lambda text: click.echo(text, err=True))
            if log is not None:
                engine.on_bead = line_writer(ctx.with_resource(shipped(log)))
            try:
                problem = asyncio.run(_live(engine, once))
            except Exception as error:  # noqa: BLE001 - whatever broke, it is a promise of ours, and no entry may follow it
                _fail_stop(ctx, session.home, error)
            finally:
                session.home.pid.unlink(missing_ok=True)
        if problem:
            fail(ctx, USAGE, f"this desk does not start: {problem}")
        if is_replaced(engine):
            where = f"bead {engine.recorder.desk.tenure.epoch}"
            refuse(ctx, ("ENGINE_RUNS_ALREADY",), f"another engine took this desk over ({where}): this one ended")
        if not engine.recorder.desk.tenure.released:
            _fail_unwritten(ctx, session.store)
        emit(
            ctx, {"beads": session.store.head().size, "stopped": True}, f"stopped at {session.store.head().size} beads"
        )


def listen_for_knocks() -> None:
    """`halt` knocks at whoever has the number of an engine; the latch that it raised is read at every last look anyway.
    From before that number can be read until the process ends: a knock that nobody listens for ends a process."""
    _ = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.siginterrupt(signal.SIGUSR1, False)


def is_replaced(engine: Engine) -> bool:
    """Whether another run took the desk over from this one, which can neither append nor send any more."""
    return engine.recorder.desk.tenure.epoch != engine.run.epoch


def _fail_stop(ctx: click.Context, home: Home, error: Exception) -> NoReturn:
    """Whatever broke the engine, no entry leaves before a human has looked: latch, kill flag, and an alert that the
    watchdog tells. What was going on is in the log, and the next start takes it up, exits too."""
    from phoenix_core.chain import Fault, StoreFault

    _ = raise_latch(home.halt_flag)
    _ = raise_in_log(home, "desk", "fail-stop", False, fail_stop=True)
    tell("".join(traceback.format_exception(error)).rstrip())
    words = f"fail-stop, nothing more is sent: {error}"
    if isinstance(error, StoreFault):
        fail(ctx, INTEGRITY if error.kind is Fault.CORRUPT else UNREACHABLE, f"{words}; open runbook RB-004")
    fail(ctx, BUG, words)


def _fail_unwritten(ctx: click.Context, store: BeadStore) -> NoReturn:
    """The log took no shutdown bead: a run that ends so was no success. Where it does not verify, reading says it."""
    from phoenix_core.chain import StoreFault

    try:
        for _ in store.read(0):
            pass
    except StoreFault as error:
        fail(ctx, INTEGRITY, f"the log does not verify: {error}; open runbook RB-004")
    fail(ctx, UNREACHABLE, "stopped, and the log took no shutdown bead: the next start asks the broker; see RB-004")


async def _observe(broker: Broker, once: bool) -> None:
    """What the broker says, for a human to compare; then wait to be told to stop. No lease, no bead, no frame."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    on_stop(loop, stop.set)
    try:
        seen = await broker.snapshot() if await broker.connect() else None
        for line in broker_report(seen):
            tell(line)
        if not once:
            _ = await stop.wait()
    finally:
        await broker.disconnect()


def broker_report(seen: Snapshot | None) -> list[str]:
    """The broker's picture in lines: positions, and orders that work."""
    if seen is None or not seen.complete:
        return ["broker: no whole picture; look at it in the broker's own program"]
    held = [f"broker: holds {p.quantity} {p.symbol}" for p in seen.positions if p.quantity]
    works = [f"broker: works {o.ref or o.perm_id} ({o.status})" for o in seen.orders]
    return held + works or ["broker: holds nothing, works nothing"]


def line_writer(file: FileIO) -> Callable[[Bead], None]:
    """What writes each bead as one JSON line for a log shipper: what happened to whom, on the desk's own clock. A disk
    that takes no lines, or a shipper that reads none, stops the lines and nothing else; the audit record is the log of
    beads."""
    from phoenix_core.values import utc_text

    def write(bead: Bead) -> None:
        body = bead.body
        told: dict[str, object] = {"ts": utc_text(bead.ts), "seq": bead.seq, "kind": body.kind.value}
        for name, field in LINE_FIELDS.items():
            value = getattr(body, field, None)
            if value is not None:
                told[name] = str(value)
        with suppress(OSError):
            _ = file.write(json.dumps(told).encode() + b"\n")

    return write


async def _live(engine: Engine, once: bool) -> str:
    """From start to stop; what the broker said in its first words that forbids going on, if anything does."""
    from phoenix_cli.wiring.startup import account_problem

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    on_stop(loop, stop.set)
    started = await engine.start()
    _ = started.unwrap()
    for _round in range(4):
        await engine.step()
        await engine.settle()
    problem = account_problem(engine)
    if problem:
        engine.stop(problem)
        await engine.broker.disconnect()
        return problem
    for line in start_report(engine):
        tell(line)
    # What was replayed stays. To look through it for garbage takes a tenth of a second, and an order may be under way.
    _ = gc.collect()
    gc.freeze()
    if once:
        await _quieten(engine)
    while not once and not stop.is_set() and not is_replaced(engine):
        await engine.step()
        try:
            _ = await asyncio.wait_for(stop.wait(), LOOP_EVERY_S)
        except TimeoutError:
            continue
    if is_replaced(engine):
        await engine.broker.disconnect()  # the session is for the other one to have
        return ""
    await _finish_protection(engine)
    engine.stop("SIGTERM" if not once else "once")
    await engine.broker.disconnect()
    for line in naked(engine):
        tell(line)
    return ""


async def _quieten(engine: Engine) -> None:
    """Steps until one leaves nothing behind."""
    for _round in range(200):
        before = engine.recorder.desk.head.size
        await engine.step()
        await engine.settle()
        if engine.recorder.desk.head.size == before:
            return
        await asyncio.sleep(LOOP_EVERY_S)


async def _finish_protection(engine: Engine) -> None:
    """What is held gets its protection, or the close for which that was asked to end, before nobody looks after it."""
    waited = 0.0
    while naked(engine) and waited < OWED_WITHIN_S:
        await engine.step()
        await asyncio.sleep(LOOP_EVERY_S)
        waited += LOOP_EVERY_S


def start_report(engine: Engine) -> list[str]:
    """After every start: what is known, what the broker says, what is owed, what is yours to decide, and how."""
    desk = engine.recorder.desk
    run = desk.observations.run
    tokens = len(desk.tokens.live)
    return [
        f"known:  {desk.head.size} beads, {len(desk.positions.open)} open positions, {tokens} live tokens",
        f"broker: session {desk.sessions.session}, {desk.sessions.state}, "
        + (f"reconciliation {run.agreement}" if run is not None else "no picture yet")
        + _shown(engine),
        f"owed:   {len(desk.owed)} effects, {len(desk.orders.open)} orders without an end",
        f"yours:  {'; '.join(_yours(engine)) or 'nothing to decide'}",
    ]


def _shown(engine: Engine) -> str:
    """What the broker's last whole picture holds and works."""
    seen = engine.link.snapshot
    if seen is None:
        return ""
    held = [f"{row.quantity} {row.symbol}" for row in seen.positions if row.quantity]
    return f", holds {', '.join(held) or 'nothing'}, works {len(seen.orders)} orders"


def _yours(engine: Engine) -> Iterator[str]:
    """Everything that waits for a human, each with the page or the command that it takes."""
    from phoenix_core.acts.vouching import unvouched
    from phoenix_core.trade.exits import stake_of
    from phoenix_core.trade.protection import protection_of
    from phoenix_core.values import State
    from phoenix_core.watch.drift import unanswered

    desk, now = engine.recorder.desk, engine.clock.now()
    for position in desk.positions.in_state(State.STALLED):
        yield f"STALLED {position.pair} {position.intent_id[:8]} (RB-003)"
    for position in (*desk.positions.in_state(State.FILLED), *desk.positions.in_state(State.MANAGED)):
        stands = protection_of(stake_of(position, desk.orders, desk.fills), now)
        if position.held > 0 and not stands.covers:
            yield f"{position.pair} is held, protection {stands} (phoenix protect {position.position_id[:8]})"
    for row in unvouched(desk, engine.world()):
        yield f"{row.subject}: bead {row.seq} counts for nothing, nobody signed it: {row.mend} (RB-004)"
    if engine.latch() is not False:
        yield "the halt latch is up (RB-004)"
    if desk.kill_flags.standing:
        yield f"{_so_many(len(desk.kill_flags.standing), 'kill flag')} (RB-005)"
    if drifts := unanswered(desk.drifts):
        yield f"{_so_many(len(drifts), 'drift')} (RB-002)"
    for position in desk.positions.in_state(State.PROPOSED):
        yield f"{position.pair} waits (phoenix approve {position.intent_id[:8]})"


def _so_many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def naked(engine: Engine) -> list[str]:
    """What is left without protection when the engine stops: none stands yet, or it was asked to end."""
    from phoenix_core.trade.exits import stake_of
    from phoenix_core.trade.protection import protection_of
    from phoenix_core.values import State

    desk, now, found = engine.recorder.desk, engine.clock.now(), list[str]()
    for position in (*desk.positions.in_state(State.FILLED), *desk.positions.in_state(State.MANAGED)):
        stake = stake_of(position, desk.orders, desk.fills)
        ends = any(order.cancel_requested is not None and not order.cancel_refused for order in stake.pair)
        if position.state is State.FILLED or (position.held > 0 and (ends or not protection_of(stake, now).covers)):
            what = f"{position.pair} {position.held} held without confirmed protection"
            found.append(f"NAKED: {what} ({position.position_id})")
    return found
