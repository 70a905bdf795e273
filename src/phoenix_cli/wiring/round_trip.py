"""One intent through every layer, on a clock that is told when to move: what `phoenix demo` shows and tests walk."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from attrs import Factory, define
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import InProcess, LogKey, SshVerifier
from phoenix_adapters.seams.files import FileSeam, write_whole
from phoenix_cli.home import Home
from phoenix_cli.wiring.founding import found, make_keys, operator_of
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Alert, Bead, Execution, Kind, Position
from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Mode, Price, derived_id, plain, utc_text
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


@define
class Stage:
    """A desk set up for one walk."""

    home: Home
    clock: ManualClock
    store: SqliteStore
    engine: Engine
    broker: MockBroker
    operator: InProcess
    log_key: LogKey
    tale: Tale

    @property
    def desk(self) -> Desk:
        """The engine's desk."""
        return self.engine.recorder.desk

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, the market tick, and the engine take its turns."""
        self.clock.advance(timedelta(seconds=seconds))
        quote = self.broker.quotes()["EURUSD"]
        self.broker.set_quote("EURUSD", quote.bid, quote.ask)
        for _ in range(3):
            await self.engine.step()
            await self.engine.settle()


def set_stage(folder: Path, seed: int) -> Stage:
    """A MOCK desk in a folder, its engine, its broker and its operator, all on one clock."""
    home = Home(folder)
    keys = make_keys(home, "MOCK")
    clock = manual_clock(START)
    store = SqliteStore(home.log)
    origin = found(store, keys, Mode.MOCK, clock, "USD").unwrap().subject
    broker = MockBroker(clock, keys.account, {"EURUSD": CARDS["EURUSD"]}, Random(seed))
    broker.set_quote("EURUSD", Price(Decimal("1.08495")), Price(Decimal("1.08505")))
    tale = Tale()
    seam = FileSeam(
        folder / "intents/incoming", folder / "intents/archive", folder / "intents/quarantine", folder / "responses"
    )
    engine = Engine(
        store,
        broker,
        clock,
        Run(run="demo", mode=Mode.MOCK, version="demo"),
        SshVerifier(),
        seam=seam,
        checkpoint=lambda size: _checkpoint(store, origin, keys.log),
        on_bead=lambda bead: _tell(tale, bead),
    )
    return Stage(home, clock, store, engine, broker, operator_of(home), keys.log, tale)


def _checkpoint(store: SqliteStore, origin: str, key: LogKey) -> None:
    _ = store.checkpoint(origin, key.signer(origin))


async def round_trip(folder: Path, broker: str, seed: int) -> Tale:
    """Signal, evidence, approval, token, guards, frames, fill, protection, target, close, autopsy, verified log."""
    stage = set_stage(folder, seed)
    try:
        _ = (await stage.engine.start()).unwrap()
        await stage.pass_time(1)
        intent = _drop_signal(stage)
        await stage.pass_time(1)
        _approve(stage, intent)
        await stage.pass_time(1)
        await stage.pass_time(5)
        stage.broker.set_quote("EURUSD", Price(Decimal("1.09105")), Price(Decimal("1.09115")))
        await stage.pass_time(1)
        await stage.pass_time(10)
        stage.engine.stop("the demo is over")
        return _finished(stage)
    finally:
        stage.store.close()


def _drop_signal(stage: Stage) -> str:
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


def _approve(stage: Stage, intent: str) -> None:
    """The human's part: look at the facts, sign exactly what was seen."""
    with SqliteStore(stage.home.log) as store:
        now = stage.clock.now()
        recorder = Recorder(store, lambda desk: World(now, Run(mode=Mode.MOCK)))
        _ = recorder.catch_up()
        screen = screen_of(recorder.desk, intent, now)
        assert isinstance(screen, Screen), f"nothing to approve: {screen}"
        stage.tale.lines.extend(("", *screen.lines, ""))
        statement = statement_of(recorder.desk, store, screen.says, now)
        command = signed(statement, stage.operator, SshVerifier(), root_text(store, recorder.desk.head.size))
        assert isinstance(command, Sign), f"not signed: {command}"
        said = recorder.act(command)
        assert is_successful(said), f"not approved: {said}"


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
    at = bead.ts.strftime("%H:%M:%S")
    if isinstance(body, Position) and body.event is not None:
        tale.lines.append(f"{at}  {bead.seq:>4}  position   {body.state.value:<10} {body.pair}")
    elif isinstance(body, Execution) and body.quantity is not None and body.price is not None:
        tale.lines.append(f"{at}  {bead.seq:>4}  execution  {body.side} {plain(body.quantity)} @ {plain(body.price)}")
    elif isinstance(body, Alert) and body.text:
        tale.lines.append(f"{at}  {bead.seq:>4}  alert      {body.text}")
    elif body.kind is not Kind.OBSERVATION:
        tale.lines.append(f"{at}  {bead.seq:>4}  {body.kind.value.lower()}")
