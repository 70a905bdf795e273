"""The one place that names concrete adapters: a home becomes a store, a desk, an engine."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.clock import HostClock, shift_to
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.engine.watching import Watchdog
from phoenix_adapters.keys import KeyTrouble, SshVerifier, load_log_key, load_secret
from phoenix_adapters.seams.files import FileSeam, write_whole
from phoenix_cli.home import Home, Settings, instruments_of, load_settings, mode_of, order_types_of, restart_window_of
from phoenix_cli.output import at_work, tell
from phoenix_cli.wiring.outside import OutsideNote
from phoenix_core.chain import Fault, StoreFault, verify_chain
from phoenix_core.desk import Desk
from phoenix_core.ports import Broker, Clock, DurableStore, Notifier
from phoenix_core.values import Account, BadInput, CommandId, Mode
from phoenix_core.world import Run, World

if TYPE_CHECKING:
    from phoenix_adapters.beads.export import Export
    from phoenix_core.beads import Genesis


def clock_of(settings: Settings, home: Home | None = None) -> HostClock:
    """The host's clock, shifted where PHOENIX_CLOCK says so and may.

    The desk's clock starts at that instant when the first process asks, and all processes of the home share the shift.
    """
    text = os.environ.get("PHOENIX_CLOCK", "")
    if not text:
        return HostClock()
    mode = mode_of(settings)
    loopback = settings.host.startswith("127.") or settings.host in ("localhost", "::1")
    if mode is Mode.LIVE or (mode is Mode.PAPER and not loopback):
        raise BadInput("PHOENIX_CLOCK", text, "a shifted clock is for MOCK and a gateway on loopback only; unset it")
    return HostClock(shift_to(text) if home is None else _shared_shift(home, text))


def _shared_shift(home: Home, text: str) -> timedelta:
    """The shift that the first process with this PHOENIX_CLOCK found, kept in the home for the others."""
    path = home.path / "run" / "clock"
    try:
        told, micros = path.read_text("utf-8").split("\n")[:2]
        if told == text:
            return timedelta(microseconds=int(micros))
    except (OSError, ValueError):
        pass  # nobody asked yet, or for another instant: this process is the first
    shift = shift_to(text)
    if path.parent.is_dir():
        write_whole(path, f"{text}\n{shift // timedelta(microseconds=1)}\n")
    return shift


# The key of the account hashes.
DESK_KEY_BYTES = 32


def account_of(number: str, desk_key: bytes) -> Account:
    """An account as beads carry it: a keyed hash and a mask. The number itself stays outside the log."""
    tag = hmac.new(desk_key, number.encode(), hashlib.sha256).hexdigest()
    letters = "".join(c for c in number if c.isalpha())
    digits = number[len(letters) :]
    mask = f"{letters}...{digits[-3:]}" if digits else number
    return Account(tag, mask)


def fresh_id() -> CommandId:
    """A command id that nobody used before."""
    import uuid

    return CommandId(str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))


def raise_flag(flag: Path) -> None:
    """Put a latch up; where even that fails, the latch cannot be read, which counts as up."""
    try:
        os.close(os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        tell(f"the halt latch could not be raised: {error}")


def latch_of(*flags: Path) -> Callable[[], bool | None]:
    """The kill latch: raised if any of the flag files stands; unreadable counts as raised."""

    def read() -> bool | None:
        try:
            return any(os.path.lexists(flag) or _broken(flag) for flag in flags)
        except OSError:
            return None

    return read


def _broken(flag: Path) -> bool:
    _ = os.stat(flag.parent)
    return False


def is_latched(home: Home) -> bool:
    """Whether the halt latch of a home is up, as its engine reads it; that it cannot be read counts as up."""
    return latch_of(*home.halt_flags)() is not False


@frozen
class Session:
    """A home opened by a command: its settings, clock, store and desk."""

    home: Home
    settings: Settings
    clock: Clock
    store: DurableStore
    recorder: Recorder

    @property
    def desk(self) -> Desk:
        """The desk as of the last look."""
        return self.recorder.desk

    @property
    def observe_only(self) -> str:
        """Why no engine may append or send; empty on a sound desk. A lie closes the log to every command as well."""
        if not self.settings.outside_checkpoint:
            return ""
        outside = outside_of(self.home, self.settings, self.genesis.origin)
        return self.recorder.closed or outside.absent(self.store)

    @property
    def genesis(self) -> Genesis:
        """Which desk this is."""
        return self.desk.genesis


# Whoever has a desk must not be sent to make a second one, in the place that a slip of the keyboard named.
ELSEWHERE: Final = "name its home with --home or PHOENIX_HOME; `phoenix init` makes a new desk"

CUT_SHORT: Final = "it has no bead: its `phoenix init` was cut short; run it again, with the same words"


@contextmanager
def opened(home: Home) -> Iterator[Session]:
    """Open a home for one command."""
    settings = load_settings(home)
    if not home.log.exists():
        raise BadInput("home", str(home.path), f"there is no desk here: {ELSEWHERE}")
    clock = clock_of(settings, home)
    latch = latch_of(*home.halt_flags)
    store = SqliteStore(home.log)
    try:
        mine = run_of(settings)
        recorder = Recorder(store, lambda desk: World(clock.now(), mine, latch=latch()), key=_state_key(home))
        with at_work("reading the log"):
            _wake(recorder)
        if not recorder.desk.head.size:
            raise BadInput("home", str(home.path), CUT_SHORT)
        if settings.outside_checkpoint:
            recorder.closed = outside_of(home, settings, recorder.desk.genesis.origin).trouble(store)
        yield Session(home, settings, clock, store, recorder)
    finally:
        store.close()


def _state_key(home: Home) -> bytes:
    """What seals the state beside the log; where it cannot be read, none is believed, and the log is folded anew."""
    try:
        return load_secret(home.desk_key, DESK_KEY_BYTES)
    except KeyTrouble:
        return b""


def outside_of(home: Home, settings: Settings, origin: str) -> OutsideNote:
    """The checkpoint outside this host, where the settings name a place for it."""
    return OutsideNote(settings.outside_checkpoint, origin, load_log_key(home.log_key))


def _wake(recorder: Recorder) -> None:
    """Replay. What does not fold is either a log that somebody changed, which is said so, or a bug of ours."""
    try:
        _ = recorder.wake()
    except (AssertionError, ValueError) as error:
        verified = verify_chain(record.data for record in recorder.store.read(0))
        if not is_successful(verified):
            raise StoreFault(Fault.CORRUPT, str(verified.failure())) from error
        raise


def engine_of(session: Session, say: Callable[[str], None]) -> Engine:
    """The engine of a home: its broker by the desk's mode, its seam, its notifiers, its checkpoints."""
    home, settings, clock, store = session.home, session.settings, session.clock, session.store
    outside = outside_of(home, settings, session.genesis.origin)
    return Engine(
        store,
        broker_of(session),
        clock,
        evolve(run_of(settings), run=str(fresh_id()), allow_live=settings.allow_live),
        SshVerifier(),
        notifiers=notifiers_of(say, settles=False),
        seam=FileSeam(
            home.path / "intents/incoming",
            home.path / "intents/archive",
            home.path / "intents/quarantine",
            home.path / "responses",
        ),
        latch=latch_of(*home.halt_flags),
        raise_latch=lambda: raise_flag(home.halt_flag),
        restart_window=restart_window_of(settings),
        reconcile_every=timedelta(seconds=settings.reconcile_interval_sec),
        checkpoint=lambda: outside.put(store),
        state_key=session.recorder.key,
        turn=turn_of(home),
    )


def run_of(settings: Settings) -> Run:
    """What a process of this desk lets in, by its settings."""
    types, symbols = order_types_of(settings), instruments_of(settings)
    return Run(mode=mode_of(settings), version=version_of(), order_types=types, instruments=symbols)


def turn_of(home: Home) -> Turn:
    """The turn to speak that engine and watchdog of a home share."""
    return Turn(home.path / "run" / "telling.lock")


def watchdog_of(session: Session, say: Callable[[str], None]) -> Watchdog:
    """The watchdog of a home: it asks the operating system who holds the lease, and has channels of its own."""
    store = session.store
    return Watchdog(
        session.recorder,
        session.clock,
        notifiers_of(say, settles=False),
        alive=lambda: store.leaseholder() is not None,
        run=str(fresh_id()),
        turn=turn_of(session.home),
    )


def checkpoint_log(session: Session) -> str:
    """The signed note of the log's head, kept in the log's own database too."""
    key, origin = load_log_key(session.home.log_key), session.genesis.origin
    return session.store.checkpoint(origin, key.signer(origin)).unwrap()


def export_log(session: Session, file: Path) -> int:
    """Write the export, the offline verifier inside it; answers how many beads it holds."""
    from importlib.resources import files

    from phoenix_adapters.beads.export import export

    verifier = files("phoenix_adapters").joinpath("phoenix_verify.py").read_text("utf-8")
    key = load_log_key(session.home.log_key)
    export(session.store, file, session.genesis.origin, key.public, {"phoenix_verify.py": verifier})
    return session.store.head().size


def verify_export(file: Path, roots: Path | None, checkpoint: Path | None) -> tuple[int, str]:
    """Run the offline verifier, as anybody would: a process of its own, standard library only."""
    import subprocess
    import sys

    from phoenix_adapters import phoenix_verify

    if roots is None:
        raise BadInput("--roots", "", "an export is checked against keys that you kept: give roots.json")
    words = [sys.executable, "-I", str(phoenix_verify.__file__), str(file), "--roots", str(roots)]
    if checkpoint is not None:
        words += ["--checkpoint", str(checkpoint)]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    return told.returncode, (told.stdout + told.stderr).strip()


def exported(file: Path) -> Export:
    """What an export that was verified holds."""
    from phoenix_adapters.beads.export import read_export

    with file.open("rb") as stream:
        return read_export(stream).unwrap()


def version_of() -> str:
    """Which build this is: what a paper validation is signed for."""
    from importlib.metadata import version

    return version("phoenix-desk")


def broker_of(session: Session) -> Broker:
    """The broker that the desk's mode names."""
    genesis = session.genesis
    account = Account(genesis.account, genesis.account_mask)
    if genesis.mode is Mode.MOCK:
        from random import Random

        from phoenix_adapters.brokers.mock.broker import MockBroker
        from phoenix_adapters.brokers.mock.chaos import ChaosMode
        from phoenix_adapters.brokers.mock.market import CARDS, MockMarket
        from phoenix_cli.wiring.mock_memory import MockMemory

        seed, odds = os.environ.get("PHOENIX_MOCK_SEED", ""), os.environ.get("PHOENIX_MOCK_CHAOS", "") or "INSTANT"
        if seed and not (seed.isascii() and seed.isdigit() and len(seed) < 19):
            raise BadInput("PHOENIX_MOCK_SEED", seed, "write a whole number of at most 18 digits")
        if odds.upper() not in ChaosMode.__members__:
            raise BadInput("PHOENIX_MOCK_CHAOS", odds, f"write {', '.join(ChaosMode.__members__)}")
        dice = Random(int(seed)) if seed else Random()
        chaos = ChaosMode(odds.upper())
        market = MockMarket(session.clock, Random(dice.random()))
        memory = MockMemory(session.home.path / "run" / "mock-broker.json")
        return MockBroker(
            session.clock,
            account,
            CARDS,
            dice,
            chaos,
            market,
            currency=genesis.currency,
            truth=memory.recalled(),
            remember=memory.keep,
        )
    return _ibkr_of(session)


def _ibkr_of(session: Session) -> Broker:
    """The real client, for PAPER and LIVE: the account's number comes from the settings and goes no further."""
    from phoenix_adapters.brokers.ibkr.broker import build

    settings, key = session.settings, load_secret(session.home.desk_key, DESK_KEY_BYTES)
    _ = client_for("mode", session.genesis.mode.value)
    if settings.client_id < 1:
        raise BadInput("client_id", str(settings.client_id), "write a number above 0: 0 takes over others' orders")
    return build(
        settings.host,
        settings.port,
        settings.client_id,
        settings.account,
        lambda number: account_of(number, key),
        session.clock,
        instruments_of(settings),
        settings.ask_margin,
    )


def client_for(field: str, value: str) -> str:
    """The name of the installed client library, for a setting that needs one; refused with the mend where none is."""
    from phoenix_adapters.brokers.ibkr.library import installed

    try:
        return installed()
    except ModuleNotFoundError as error:
        raise BadInput(field, value, str(error)) from error


def notifiers_of(say: Callable[[str], None], *, settles: bool = True) -> tuple[Notifier, ...]:
    """Every channel that the environment names, in order of preference, and always the console, last.

    For an engine (`settles=False`) the console does not count as delivery where another channel is named: an alert that
    nobody may have read stays in the outbox.
    """
    from phoenix_adapters.notify.console import ConsoleNotifier

    named = channels_of()
    return (*named, ConsoleNotifier(say, settles=settles or not named))


def channels_of() -> tuple[Notifier, ...]:
    """The channels of the extra `notify`; imported only where the environment asks for one."""
    asked = {name for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "APPRISE_URLS") if os.environ.get(name)}
    found: list[Notifier | None] = []
    try:
        if asked - {"APPRISE_URLS"}:
            from phoenix_adapters.notify.telegram import telegram_of

            found.append(telegram_of(os.environ))
        if "APPRISE_URLS" in asked:
            from phoenix_adapters.notify.apprise import apprise_of

            found.append(apprise_of(os.environ))
    except ImportError as error:
        words = f"it needs `{error.name}`: pip install 'phoenix-desk[notify]', or unset it"
        raise BadInput(min(asked), "...", words) from error
    return tuple(one for one in found if one is not None)
