"""One intent through every layer, on a clock that is told when to move: what `phoenix demo` shows and tests walk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from attrs import Factory, define
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import InProcess, SshVerifier
from phoenix_adapters.seams.files import FileSeam, write_whole
from phoenix_cli.home import Home, Settings
from phoenix_cli.wiring.founding import Keys, found, make_keys, operator_of
from phoenix_cli.wiring.outside import OutsideNote
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Alert, Autopsy, Bead, Body, Decision, Execution, Kind, Order, OrderEvent, Position
from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk
from phoenix_core.orders import Line
from phoenix_core.ports import Broker, Clock, DurableStore
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Mode, Moment, Named, Price, State, derived_id, plain, utc_text
from phoenix_core.world import Run, World

# A Wednesday, 14:00 in New York: both markets are open, no holiday is near.
START = datetime.fromisoformat("2026-11-18T14:00:00-05:00")


@define
class Tale:
    """What happened, for people and for programs."""

    lines: list[str] = Factory(list)
    positions: list[dict[str, str]] = Factory(list)
    beads: int = 0
    verified: bool = False
    autopsies: int = 0


Until = Callable[[], bool]


@define
class Stage:
    """A desk set up for one walk: `pass_time` lets the world go on until something holds, `move` moves the market."""

    home: Home
    clock: Clock
    store: DurableStore
    engine: Engine
    operator: InProcess
    tale: Tale
    move: Callable[[str, str], None]
    pass_time: Callable[[Engine, float, Until], Awaitable[None]]

    @property
    def desk(self) -> Desk:
        """The engine's desk."""
        return self.engine.recorder.desk

    async def until(self, seconds: float, true: Until) -> None:
        """Let so much time pass, or as much as it takes."""
        await self.pass_time(self.engine, seconds, true)

    def is_ready(self) -> bool:
        """Whether the session is synchronised, the first picture is in and there is a quote."""
        world = self.engine.world()
        return world.link.synchronised and world.snapshot is not None and "EURUSD" in world.quotes

    def displays(self, intent: str) -> bool:
        """Whether a human has something to look at."""
        return isinstance(screen_of(self.desk, intent, self.clock.now()), Screen)

    def is_managed(self) -> bool:
        """Whether the position's protection stands."""
        positions = self.desk.positions.open.values()
        return any(isinstance(one, Open) and one.state is State.MANAGED for one in positions)

    def is_over(self) -> bool:
        """Whether the position is closed and its autopsy written."""
        return bool(self.tale.autopsies) and not self.desk.positions.open


def mock_stage(folder: Path, seed: int) -> Stage:
    """A MOCK desk on a clock that is told when to move."""
    home = Home(folder)
    keys = make_keys(home, "MOCK")
    clock = manual_clock(START)
    broker = MockBroker(clock, keys.account, {"EURUSD": CARDS["EURUSD"]}, Random(seed))

    def move(bid: str, ask: str) -> None:
        broker.set_quote("EURUSD", Price(Decimal(bid)), Price(Decimal(ask)))

    async def pass_time(engine: Engine, seconds: float, true: Until) -> None:
        clock.advance(timedelta(seconds=seconds))
        quote = broker.quotes()["EURUSD"]
        broker.set_quote("EURUSD", quote.bid, quote.ask)
        for _ in range(3):
            await engine.step()
            await engine.settle()

    return set_stage(home, keys, Mode.MOCK, clock, broker, move, pass_time)


def set_stage(
    home: Home,
    keys: Keys,
    mode: Mode,
    clock: Clock,
    broker: Broker,
    move: Callable[[str, str], None],
    pass_time: Callable[[Engine, float, Until], Awaitable[None]],
) -> Stage:
    """A desk in a folder with its engine and its operator, before a broker, all on one clock."""
    folder = home.path
    store = SqliteStore(home.log)
    origin = found(store, keys, Settings(mode=mode.value.lower()), clock).unwrap().subject
    move("1.08495", "1.08505")
    tale = Tale()
    seam = FileSeam(
        folder / "intents/incoming", folder / "intents/archive", folder / "intents/quarantine", folder / "responses"
    )
    engine = Engine(
        store,
        broker,
        clock,
        Run(run="demo", mode=mode, version="demo"),
        SshVerifier(),
        seam=seam,
        checkpoint=lambda: OutsideNote("", origin, keys.log).put(store),
        on_bead=lambda bead: _tell(tale, bead),
    )
    return Stage(home, clock, store, engine, operator_of(home), tale, move, pass_time)


async def round_trip(folder: Path, broker: str, seed: int) -> Tale:
    """Signal, evidence, approval, token, guards, frames, fill, protection, target, close, autopsy, verified log."""
    if broker == "mock":
        return await walk(mock_stage(folder, seed))
    from phoenix_cli.wiring.gateway_stage import gateway, until
    from phoenix_cli.wiring.opening import client_for

    _ = client_for("broker", broker)
    home = Home(folder)
    async with gateway(home, START, seed) as live:
        return await walk(set_stage(home, live.keys, Mode.PAPER, live.clock, live.broker, live.move, until))


async def walk(stage: Stage) -> Tale:
    """The one story, whoever the broker is."""
    try:
        _ = (await stage.engine.start()).unwrap()
        await stage.until(1, stage.is_ready)
        intent = drop_signal(stage)
        await stage.until(1, lambda: stage.displays(intent))
        approve(stage, intent)
        await stage.until(1, stage.is_managed)
        await stage.until(5, stage.is_managed)
        stage.move("1.09105", "1.09115")
        await stage.until(1, lambda: not stage.desk.positions.open)
        await stage.until(10, stage.is_over)
        stage.engine.stop("the demo is over")
        return _finished(stage)
    finally:
        stage.store.close()


def drop_signal(stage: Stage) -> str:
    """The bot's part: an intent where the engine looks for one."""
    intent = derived_id("demo", "intent")
    text = SIGNAL.format(intent=intent, created=utc_text(stage.clock.now().wall))
    write_whole(stage.home.path / "intents/incoming/demo.yaml", text)
    return intent


SIGNAL = """\
schema: cse/1
signal_id: demo-1
intent_id: {intent}
signal: READY
pair: EURUSD
setup_type: FVG_ENTRY
confidence: 0.85
entry: 1.0850
stop: 1.0820
target: 1.0910
state_hash: 4f1d
strategy: demo
created_at: {created}
quality: 0.85
htf: up
ltf: up
red_checks: 0
"""


def approve(stage: Stage, intent: str) -> None:
    """The human's part: look at the facts, sign exactly what was seen."""
    with SqliteStore(stage.home.log) as store:
        now = stage.clock.now()
        recorder = Recorder(store, lambda desk: World(now, Run(mode=stage.engine.run.mode)))
        _ = recorder.catch_up()
        screen = sign_approval(recorder, store, stage.operator, intent, now)
        stage.tale.lines.extend(("", *screen.lines, ""))


def sign_approval(recorder: Recorder, store: DurableStore, operator: InProcess, intent: str, now: Moment) -> Screen:
    """Look at the screen, sign what it says, and record it; answers what was seen."""
    screen = screen_of(recorder.desk, intent, now)
    assert isinstance(screen, Screen), f"nothing to approve: {screen}"
    statement = statement_of(recorder.desk, store, screen.says, now)
    command = signed(statement, operator, SshVerifier(), root_text(store, recorder.desk.head.size))
    assert isinstance(command, Sign), f"not signed: {command}"
    said = recorder.act(command)
    assert is_successful(said), f"not approved: {said}"
    return screen


def _finished(stage: Stage) -> Tale:
    tale, desk = stage.tale, stage.desk
    for name, position in (*desk.positions.open.items(), *desk.positions.ended.items()):
        assert isinstance(position, Open | Ended), "positions are open or ended"
        tale.positions.append({"position": name, "intent": position.intent_id, "state": position.state.value})
    verified = verify_chain(record.data for record in stage.store.read(0))
    tale.beads = stage.store.head().size
    tale.verified = is_successful(verified) and verified.unwrap() == stage.store.head()
    return tale


def _tell(tale: Tale, bead: Bead) -> None:
    body = bead.body
    tale.autopsies += body.kind is Kind.AUTOPSY
    if body.kind is not Kind.OBSERVATION:
        line = f"{bead.ts:%H:%M:%S}  {bead.seq:>4}  {body.kind.value.lower():<12} {_words(body)}"
        tale.lines.append(line.rstrip())


def _words(body: Body) -> str:
    """What one bead says, in the words of whoever reads it."""
    match body:
        case Position():
            return f"{body.state.value:<12} {body.pair}" if body.event is not None else f"{'':<12} {_held(body)}"
        case Order(event=OrderEvent.RECORDED):
            return f"{body.event.value:<12} {', '.join(_line(frame.line) for frame in body.frames)}"
        case Order():
            return f"{body.event.value:<12} {body.role or ('all frames' if body.frames else '')}"
        case Execution(quantity=Decimal() as quantity, price=Decimal() as price):
            return f"{body.side} {plain(quantity)} @ {plain(price)}"
        case Execution(commission=Decimal() as commission):
            return f"costs {plain(commission)} {body.currency}"
        case Alert(text=str() as text) if text:
            return text
        case Decision():
            return f"{body.verdict.value if body.verdict is not None else body.type} signed"
        case Autopsy():
            return f"{body.outcome.value:<12} {plain(body.realized)} {body.currency}, costs {plain(body.commission)}"
        case _:
            event = getattr(body, "event", None)
            return event.value if isinstance(event, Named) else ""


def _held(body: Position) -> str:
    return f"{plain(body.filled_quantity)} in, {plain(body.exited_quantity)} out"


def _line(line: Line) -> str:
    price = line.limit or line.trigger
    return f"{line.role.value.lower()} {line.side} {plain(line.quantity)}" + (f" at {plain(price)}" if price else "")
