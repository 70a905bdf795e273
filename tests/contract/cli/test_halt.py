"""`halt` while something else is dead, and what it stops: every entry whose last look began after it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest
from attrs import Factory, define

from phoenix_adapters.beads.lease import Lease, take
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.commands import safety
from phoenix_cli.commands.safety import raise_latch
from phoenix_cli.wiring.opening import latch_of
from phoenix_core.acts.operate import RaiseKill, kill_flag
from phoenix_core.chain import Head
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.values import BadInput, CommandId, State, derived_id
from tests.contract.cli.operator import PATIENCE_S, Ran, Seat, founded, host_of_this_process, until
from tests.contract.notify.bot_server import bot_server
from tests.showing import shows
from tests.stage import Stage, stage

HOST: Final = host_of_this_process(13)
ACCOUNT: Final = "DU1234567"
ALL_HELD: Final = {"flag": True, "runtime_flag": True, "signal": True, "log": True}
LIVING: Final = (State.PROPOSED, State.APPROVED, State.SUBMITTED)
# What a person under stress forgives; a start of the interpreter is most of it.
AT_ONCE_S: Final = 10.0


def no_entry_goes(seat: Seat, pair: str = "EURUSD") -> None:
    """An approval is refused, and nothing is sent."""
    intent = seat.proposes(pair)
    said = seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
    assert said.code == 1, said
    assert "KILL_FLAG_ACTIVE" in said.document["refused"]
    assert seat.json("executions").document == {"executions": []}


def halted(seat: Seat) -> Ran:
    """`halt`, timed."""
    began = time.monotonic()
    said = seat.run("--json", "halt")
    assert time.monotonic() - began < AT_ONCE_S
    assert said.code == 0, said
    assert said.document["halted"] is True
    return said


class TestSomethingIsDead:
    """Each of engine, broker, notifier and disk may be dead: `halt` ends with 0 at once, and no entry goes."""

    def test_with_the_broker_dead(self, tmp_path: Path) -> None:
        """The gateway is stopped in the middle of a session; it is halted all the same, and stays so."""
        seat = Seat(tmp_path / "home", more={"IBKR_HOST": HOST})
        assert seat.json("init", "--mode", "paper", "--account", ACCOUNT).code == 0
        line = ("gateway", "--host", HOST, "--account", ACCOUNT)
        with seat.process(*line, ready="listening") as gateway, seat.engine():
            until(lambda: seat.json("status").document["reconciliation"]["agreement"] == "AGREES")
            gateway.signal(signal.SIGSTOP)
            assert halted(seat).document["held"] == ALL_HELD
            gateway.signal(signal.SIGCONT)
            no_entry_goes(seat)

    @shows("I14", "I18")
    def test_with_the_notifier_dead(self, tmp_path: Path) -> None:
        """Telegram hangs for ever: the halt does not wait for it; once it answers it hears of the halt first."""
        with bot_server() as server:
            server.always = "hang"
            seat = Seat(tmp_path / "home", more=server.environment())
            assert seat.json("init").code == 0
            with seat.engine():
                assert halted(seat).document["held"] == ALL_HELD
                until(lambda: server.asked > 0)
                no_entry_goes(seat)
                assert seat.json("alerts", "list").document["unsent"] > 0
                server.always = ""
                server.let_go.set()
                until(lambda: bool(server.texts), within_s=90)
                assert server.texts[0].startswith("CRITICAL Emergency halt")

    def test_with_the_disk_full(self, tmp_path: Path) -> None:
        """Not one byte can be written: the log does not take the halt, the empty flag files hold, and the engine that
        runs beside it sees them."""
        seat = Seat(tmp_path / "home")
        assert seat.json("init").code == 0
        with seat.engine():
            ran = subprocess.run(
                seat.words("--json", "halt"),
                env=seat.environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
            )
            said = Ran(ran.returncode, ran.stdout, ran.stderr)
            assert said.code == 0, said
            assert said.document["held"] == ALL_HELD | {"log": False}
            no_entry_goes(seat)


class TestTheLatch:
    """It stands in two places, and whoever asks is told what the engine sees: that either of them is up."""

    @pytest.fixture
    def seat(self, tmp_path: Path) -> Seat:
        """A desk that nobody runs."""
        return founded(tmp_path)

    @staticmethod
    def told(seat: Seat) -> set[bool]:
        """What everybody who shows the latch says of it."""
        levels = {row["name"]: row["level"] for row in seat.json("doctor").document["checks"]}
        numbers = seat.json("metrics", "--once").document["metrics"]
        return {
            seat.json("kill", "list").document["latch"],
            seat.json("status").document["halted"],
            levels["halt"] == "warn",
            "phoenix_halted 1" in numbers,
        }

    @pytest.mark.parametrize("place", ["HALT", "run/HALT"])
    @pytest.mark.parametrize("link", [False, True], ids=["a file", "a link that leads nowhere"])
    def test_either_place_is_seen_by_all_and_comes_down(self, seat: Seat, place: str, link: bool) -> None:
        """Also where the other place never took the file; and a human who clears the desk clears both."""
        assert self.told(seat) == {False}
        flag = seat.home / place
        flag.symlink_to(seat.home / "nowhere" / "HALT") if link else flag.touch()
        assert raise_latch(flag)
        assert self.told(seat) == {True}
        assert seat.json("kill", "clear", "--scope", "desk", "--reason", "looked at it").code == 0
        assert self.told(seat) == {False}

    def test_a_scope_is_cleared_and_no_other(self, seat: Seat) -> None:
        """The flag on the desk stands, and with it the latch, while the flag on an instrument comes down."""
        for scope in ("desk", "instrument:EURUSD"):
            assert seat.json("kill", "raise", "--scope", scope).code == 0
        assert raise_latch(seat.home / "HALT")
        assert seat.json("kill", "clear", "--scope", "instrument:EURUSD", "--reason", "it is calm").code == 0
        left = seat.json("kill", "list").document
        assert ([flag["scope"] for flag in left["flags"]], left["latch"]) == (["desk"], True)

    def test_the_last_flag_of_an_instrument_leaves_the_latch_up(self, seat: Seat) -> None:
        """Halted while the log took nothing: letting one pair go is no word about the desk."""
        assert seat.json("kill", "raise", "--scope", "instrument:EURUSD").code == 0
        assert raise_latch(seat.home / "HALT")
        said = seat.json("kill", "clear", "--scope", "instrument:EURUSD", "--reason", "it is calm")
        assert (said.code, len(said.document["cleared"])) == (0, 1)
        assert self.told(seat) == {True}

    @pytest.mark.parametrize("named", [("0b6c",), ("--scope", "instrument:EURUSD")], ids=["a flag", "a scope"])
    def test_a_name_that_names_nothing_leaves_the_latch_up(self, seat: Seat, named: tuple[str, ...]) -> None:
        """A typing error starts no entries."""
        assert raise_latch(seat.home / "HALT")
        with pytest.raises(BadInput, match="name a flag that stands"):
            _ = seat.json("kill", "clear", *named, "--reason", "why")
        assert self.told(seat) == {True}

    def test_a_flag_of_the_desk_takes_the_latch_along_once_it_is_the_last(self, seat: Seat) -> None:
        """Two of them stand beside one of an instrument: the latch waits for both, and not for the instrument's."""
        for scope in ("desk", "desk", "instrument:EURUSD"):
            assert seat.json("kill", "raise", "--scope", scope).code == 0
        assert raise_latch(seat.home / "HALT")
        first, second = (f["flag"] for f in seat.json("kill", "list").document["flags"] if f["scope"] == "desk")
        assert seat.json("kill", "clear", first, "--reason", "looked at it").code == 0
        assert self.told(seat) == {True}
        assert seat.json("kill", "clear", second, "--reason", "looked at it").code == 0
        assert seat.json("kill", "list").document["latch"] is False

    @pytest.mark.parametrize("named", [(), ("",), ("", "--scope", "instrument:EURUSD")], ids=["none", "empty", "all"])
    def test_a_kill_clear_that_names_no_flag_clears_none(self, seat: Seat, named: tuple[str, ...]) -> None:
        """A reason alone is no choice among the flags that stand, nor is a variable of a script that was never set."""
        for _ in range(2):
            assert seat.json("kill", "raise", "--scope", "instrument:EURUSD").code == 0
        with pytest.raises(BadInput, match=r"name a flag|variable that is not set"):
            _ = seat.json("kill", "clear", *named, "--reason", "why")
        assert len(seat.json("kill", "list").document["flags"]) == 2

    def test_what_fits_several_flags_is_no_name_of_one(self, seat: Seat) -> None:
        """A name may be cut, but not to what two of them begin with; none of them comes down."""
        flags: list[str] = []
        while len({flag[0] for flag in flags}) == len(flags):  # by the seventeenth, two share their first digit
            assert seat.json("kill", "raise", "--scope", "instrument:EURUSD").code == 0
            flags = [str(one["flag"]) for one in seat.json("kill", "list").document["flags"]]
        (shared,) = {flag[0] for flag in flags if sum(other[0] == flag[0] for other in flags) > 1}
        for more in ((), ("--scope", "instrument:EURUSD")):
            with pytest.raises(BadInput, match="name one flag, by more of its letters"):
                _ = seat.json("kill", "clear", shared, *more, "--reason", "why")
        assert len(seat.json("kill", "list").document["flags"]) == len(flags)

    def test_a_latch_that_its_place_does_not_take_does_not_stand(self, tmp_path: Path) -> None:
        """The folder is gone, or is none: nobody is told that entries stop."""
        (tmp_path / "file").touch()
        assert [raise_latch(tmp_path / folder / "HALT") for folder in ("gone", "file", ".")] == [False, False, True]

    def test_a_knock_at_the_engines_door_alone_holds_nothing(self, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
        """The engine that is woken reads the latch, and there is none: that is no halt, and is said in one document."""
        knocked: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, frame: knocked.append(number))
        monkeypatch.setattr(safety, "raise_latch", lambda flag: False)
        monkeypatch.setattr(safety, "raise_in_log", lambda *words: False)
        (seat.home / "run" / "engine.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        try:
            with held_by_an_engine(seat):
                said = seat.json("halt")
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert (said.code, knocked) == (3, [signal.SIGUSR1])
        assert (said.document["halted"], said.document["held"]["signal"]) == (False, True)
        assert "nothing held" in said.document["error"]


def held_by_an_engine(seat: Seat) -> Lease:
    """The lease of a desk, as its engine holds it."""
    lease = take(str(seat.home / "beads.db.lease"), "an engine's")
    assert lease is not None
    return lease


class TestTheKnock:
    """It wakes the engine that holds the lease, whatever that is about to do, and is for nobody else."""

    def test_nobody_knocks_at_a_stranger(self, tmp_path: Path) -> None:
        """A killed engine left its number, which is somebody else's now: a knock would end that process."""
        seat = founded(tmp_path)
        with subprocess.Popen(["sleep", "60"]) as stranger:
            (seat.home / "run" / "engine.pid").write_text(f"{stranger.pid}\n", encoding="ascii")
            said = seat.json("halt")
            stranger.terminate()
            assert stranger.wait(PATIENCE_S) == -signal.SIGTERM, "whoever ended it, it was not the halt"
        assert said.document["held"] == ALL_HELD | {"signal": False}

    def test_an_engine_listens_before_its_number_can_be_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Halted while it starts: it goes on starting, and sees the latch."""
        seat, heard = founded(tmp_path), list[object]()
        before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)

        def looks(store: SqliteStore) -> bool:
            """Between the number and the loop."""
            assert int((seat.home / "run" / "engine.pid").read_text("ascii")) == os.getpid()
            heard.append(signal.getsignal(signal.SIGUSR1))
            return False

        monkeypatch.setattr(SqliteStore, "make_room", looks)
        try:
            assert seat.json("run", "--once").code == 0
            heard.append(signal.getsignal(signal.SIGUSR1))
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert len(heard) == 2 and signal.SIG_DFL not in heard


# --- the last look ----------------------------------------------------------------------------------------------------


@define
class Looked:
    """What a hold saw when it began, and whether a frame of an entry left in it."""

    head: int
    at: float
    left: bool = False


class Watched(SqliteStore):
    """The store that says when a hold began, and on which head."""

    looks: list[Looked]
    sent: Callable[[], int]

    @contextmanager
    def hold(self) -> Iterator[Head]:
        """As the store does it."""
        with super().hold() as head:
            look, before = Looked(head.size, time.monotonic()), self.sent()
            self.looks.append(look)
            yield head
            look.left = self.sent() > before


@define
class Killer:
    """Another process's kill, from a thread of its own on a connection of its own."""

    path: Path
    flag: Path
    by_log: bool
    desk: Stage
    after_s: float
    seq: list[int] = Factory(list)
    at: list[float] = Factory(list)

    def __call__(self) -> None:
        """Wait a moment, then kill: durable, or the latch up, when this returns."""
        time.sleep(self.after_s)
        if not self.by_log:
            assert raise_latch(self.flag)
            self.at.append(time.monotonic())
            return
        with SqliteStore(self.path) as store:
            command = RaiseKill(CommandId(derived_id("kill", str(self.after_s))), "desk", "a race", "operator")
            ruling, now = granted("desk", kill_flag(command)), self.desk.clock.now().wall
            said = store.append_blind(lambda head: sealed(head, now, command.command_id, ruling))
            self.seq.append(said.size - 1)
            self.at.append(time.monotonic())


def watched_desk(folder: Path, flag: Path) -> tuple[Stage, Watched]:
    """A desk on a real log whose holds and hand-overs are written down."""
    store = Watched(folder / "beads.db")
    store.looks, store.sent = [], lambda: 0
    desk = stage(store, latch=latch_of(flag))
    store.sent = lambda: desk.sent
    return desk, store


@shows("I14", "F72", "INV-KILL-BLOCKS-ENTRY-1")
@pytest.mark.parametrize("by_log", [True, False], ids=["kill in the log", "halt's latch"])
async def test_no_entry_leaves_whose_last_look_began_after_the_kill(tmp_path: Path, by_log: bool) -> None:
    """An approval and a kill race, twenty times, of which the first is won by the kill and the second by the order:
    whichever comes first is obeyed. Each frame that left was looked at
    before the kill; each one that did not leave ended without a trace at the broker."""
    dice, ways = Random(7), set()
    for n in range(20):
        folder = tmp_path / str(n)
        folder.mkdir()
        desk, store = watched_desk(folder, folder / "HALT")
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        killer = Killer(folder / "beads.db", folder / "HALT", by_log, desk, dice.uniform(0, 0.012))
        thread = threading.Thread(target=killer)
        while n == 1 and not any(look.left for look in store.looks):
            await desk.engine.step()
        thread.start()
        if n == 0:
            thread.join()
        while thread.is_alive() or desk.state(intent) in LIVING:
            await desk.engine.step()
            await asyncio.sleep(0)
        thread.join()
        left = [look for look in store.looks if look.left]
        assert len(left) <= 1
        assert all(look.at <= killer.at[0] for look in left if not by_log)
        assert all(look.head <= killer.seq[0] for look in left if by_log)
        assert desk.sent == (3 if left else 0)
        assert (desk.state(intent) is State.CANCELLED) == (not left)
        ways.add(bool(left))
        store.close()
    assert ways == {True, False}, "the first two races have a winner each"
