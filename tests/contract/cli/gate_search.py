"""A search for a way past the human: every setting, variable and option, and a desk on which one intent waits.

The desk has its evidence, a market and a broker that takes whatever it is handed; what it lacks is a signature. `play`
lets its engine go on for a while and answers what left. The tables name everything that the code reads; what is new is
missing in them, and the test that compares them with the code says so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.keys.verifier import SshVerifier
from phoenix_cli.home import Home, load_settings
from phoenix_cli.wiring import opening
from phoenix_cli.wiring.founding import operator_of
from phoenix_cli.wiring.opening import Session, opened
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Order, OrderEvent, T2Token
from phoenix_core.kernel import bead_of
from phoenix_core.orders import Frame
from tests.contract.cli.operator import AFTERNOON

ROUNDS: Final = 6
OURS: Final = ("PHOENIX_", "IBKR_", "TELEGRAM_", "RECONCILE_", "APPRISE_", "SSH_", "XDG_")

# What `phoenix.toml` may say, at the ends of what it may be and beyond them. {home} is the desk's folder.
SETTINGS: Final[dict[str, tuple[object, ...]]] = {
    "mode": ("mock", "paper", "live", "LIVE", ""),
    "account": ("", "DU1234567", "U1234567", "x" * 500),
    "host": ("127.0.0.1", "0.0.0.0", "gateway.invalid", ""),
    "port": (0, 1, 4001, 7496, 65535, -1),
    "client_id": (0, 1, 17, 2**31 - 1),
    "currency": ("USD", "EUR", "XXX", ""),
    "reconcile_interval_sec": (0, 1, 10**9, -1),
    "order_types": ("MARKET", "LIMIT", "MARKET,LIMIT", "ANY", ""),
    "restart_at": ("", "00:00", "14:00", "24:00"),
    "restart_zone": ("America/New_York", "UTC", "Nowhere/At_All"),
    "instruments": ("", "EURUSD", "EURUSD,GBPUSD", "*"),
    "allow_live": (False, True),
    "ask_margin": (True, False),
    "operator_key": ("", "/dev/null", "{home}/keys/log", "{home}/keys/nobody", "{home}/keys/operator"),
    "outside_checkpoint": ("", "{home}/note", "/dev/full", "{home}"),
}
# What else the environment may say. The names of settings take their values from the table above.
VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "PHOENIX_HOME": ("", "/nowhere", "{home}"),
    "PHOENIX_CLOCK": (AFTERNOON, "2026-11-18T03:00:00-05:00", "2030-01-01T12:00:00+00:00", "noon"),
    "PHOENIX_MOCK_SEED": ("", "0", "7", "-1", "seven"),
    "PHOENIX_MOCK_CHAOS": ("INSTANT", "REALISTIC", "ADVERSARIAL", "NONE", ""),
    "PHOENIX_DEADMAN_URL": ("", "http://127.0.0.1:9/", "file:///dev/null"),
    "TELEGRAM_BOT_TOKEN": ("", "1:a", "approve"),
    "TELEGRAM_CHAT_ID": ("", "1", "-1"),
    "TELEGRAM_API_URL": ("", "http://127.0.0.1:9", "https://telegram.invalid"),
    "APPRISE_URLS": ("", "json://127.0.0.1:9", "yes"),
    "SSH_AUTH_SOCK": ("", "/nowhere", "{home}/run"),
    "XDG_DATA_HOME": ("", "/nowhere", "{home}"),
    "NO_COLOR": ("", "1"),
}


@frozen
class Played:
    """What became of a desk that was left alone: what left, whether something waited for a human, what stopped it."""

    frames: tuple[Frame, ...]
    recorded: int  # tokens and recorded orders in the log
    waits: bool
    stopped: str = ""

    @property
    def nothing_left(self) -> bool:
        """No frame, no order, no token."""
        return not self.frames and not self.recorded


def play(home: Path, environment: dict[str, str], *, approves: bool = False, stops: bool = True) -> Played:
    """Let the engine of a home go on for a while, even one that `run` would refuse to start. A human may approve; an
    engine that does not stop leaves a desk behind on which commands believe that one lives."""
    taken: list[Frame] = []
    with pytest.MonkeyPatch.context() as patch:
        _put(patch, environment)
        handed = MockBroker._take

        def take(broker: MockBroker, frame: Frame, group: str) -> None:
            taken.append(frame)
            handed(broker, frame, group)

        patch.setattr(MockBroker, "_take", take)
        waits, stopped = False, ""
        try:
            with opened(Home(home)) as session:
                waits = asyncio.run(_scene(session, approves, stops))
        except Exception as error:  # noqa: BLE001 - whatever stops a desk that is told nonsense: it stopped
            stopped = repr(error)
    return Played(tuple(taken), _recorded(home), waits, stopped)


async def _scene(session: Session, approves: bool, stops: bool) -> bool:
    engine = opening.engine_of(session, lambda _: None)
    _ = (await engine.start()).unwrap()
    await _rounds(engine.step, engine.settle)
    waiting = list(engine.recorder.desk.signals.open)
    screens = [screen_of(engine.recorder.desk, intent, session.clock.now()) for intent in waiting]
    waits = any(isinstance(screen, Screen) for screen in screens)
    if approves:
        _ = session.recorder.catch_up()
        for screen in screens:
            assert isinstance(screen, Screen), screen
            approve(session, screen)
        await _rounds(engine.step, engine.settle)
    if stops:
        engine.stop("the search is over")
    await engine.broker.disconnect()
    return waits


async def _rounds(*steps: Callable[[], object]) -> None:
    for _ in range(ROUNDS):
        for step in steps:
            await step()  # type: ignore[misc]  # the engine's own coroutines
        await asyncio.sleep(0.01)


def approve(session: Session, screen: Screen) -> None:
    """What a human does, with the home's own key."""
    desk, store = session.desk, session.store
    fresh = screen_of(desk, screen.intent_id, session.clock.now())
    assert isinstance(fresh, Screen)
    statement = statement_of(desk, store, fresh.says, session.clock.now())
    command = signed(statement, operator_of(session.home), SshVerifier(), root_text(store, desk.head.size))
    assert isinstance(command, Sign), command
    assert is_successful(said := session.recorder.act(command)), said


def _put(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        patch.delenv(name)
    for name, value in ({"PHOENIX_CLOCK": AFTERNOON} | environment).items():
        patch.setenv(name, value)


def _recorded(home: Path) -> int:
    with SqliteStore(home / "beads.db") as store:
        bodies = [bead_of(sealed).body for sealed in store.read(0)]
    recorded = [body for body in bodies if isinstance(body, Order) and body.event is OrderEvent.RECORDED]
    return len(recorded) + sum(isinstance(body, T2Token) for body in bodies)


def copy_of(template: Path, folder: Path) -> Path:
    """The desk of the template, somewhere else."""
    home = folder / "home"
    shutil.copytree(template, home)
    return home


def setting(home: Path, name: str, value: object) -> None:
    """One line of the configuration, everything else as it was."""
    from phoenix_cli.home import settings_text

    text = settings_text(load_settings(Home(home), {}))
    shown = value.replace("{home}", str(home)) if isinstance(value, str) else value
    literal = {True: "true", False: "false"}.get(shown) if isinstance(shown, bool) else None
    line = f"{name} = {literal or (repr(shown) if isinstance(shown, int) else chr(34) + str(shown) + chr(34))}"
    kept = [row for row in text.splitlines() if row.split(" = ")[0].strip() != name]
    (home / "phoenix.toml").write_text("\n".join([line, *kept, ""]), "utf-8")


def values() -> Iterator[tuple[str, object]]:
    """Every setting at each of its values."""
    return ((name, value) for name, row in SETTINGS.items() for value in row)
