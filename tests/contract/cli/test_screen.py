"""The approve screen at a real pseudo-terminal: what is shown, and what each key does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from attrs import define, field
from attrs import evolve as changed

from phoenix_cli.wiring.opening import Session
from phoenix_core.values import Mode
from tests.contract.cli.operator import PATIENCE_S, Seat, founded, until
from tests.showing import shows

PROMPT = "To approve type the quantity"


@define
class Terminal:
    """A terminal of some size with a command in it."""

    seat: Seat
    words: tuple[str, ...]
    columns: int = 80
    rows: int = 24
    colour: bool = False
    shown: str = ""
    _master: int = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        environment = {k: v for k, v in self.seat.environment.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        environment |= {"TERM": "xterm"} | ({} if self.colour else {"NO_COLOR": "1"})
        self._process = subprocess.Popen(
            self.seat.words(*self.words), stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True
        )
        os.close(slave)

    def types(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def waits_for(self, text: str, times: int = 1) -> None:
        """Read until something stands on the screen, so often."""
        deadline = time.monotonic() + PATIENCE_S
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.shown}"
            assert self._reads(), f"{text!r} did not come: {self.shown}"

    def ends(self) -> int:
        """Read to the end; the exit code."""
        while self._reads():
            pass
        os.close(self._master)
        return self._process.wait(PATIENCE_S)

    def _reads(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE_S)
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # what a pty says when the other end is gone
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.fixture(scope="module")
def seat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    """One engine for all screens."""
    sits = Seat(tmp_path_factory.mktemp("screen") / "home")
    assert sits.json("init").code == 0
    with sits.engine():
        yield sits


@pytest.fixture(scope="module")
def intent(seat: Seat) -> str:
    """An intent that waits, until the last test of this file decides on it."""
    name = seat.proposes("EURUSD")
    until(lambda: seat.json("show", name).code == 0)
    return name


def test_positions_fit_the_terminal_that_they_are_read_on(seat: Seat, intent: str) -> None:
    """Two lines of 80 columns; on one line, with the whole id, where the terminal is wide, and where nobody reads."""
    narrow, wide = Terminal(seat, ("positions",)), Terminal(seat, ("positions",), columns=200)
    assert (narrow.ends(), wide.ends()) == (0, 0)
    lines = narrow.shown.splitlines()
    assert len(lines) == 2 and all(len(line) <= 80 for line in lines), narrow.shown
    assert wide.shown == seat.run("positions").out and len(wide.shown.splitlines()) == 1
    assert wide.shown.split()[-1].startswith(lines[1].split()[-1])


def state_of(seat: Seat, intent: str) -> str:
    """Where an intent stands."""
    return str(seat.json("positions", intent).document["state"])


def is_in(seat: Seat, intent: str, state: str) -> bool:
    """Whether an intent stands there."""
    return state_of(seat, intent) == state


class TestScreen:
    """Enter declines, the typed quantity approves, and nothing else does."""

    def test_the_screen_is_the_fact_block(self, seat: Seat, intent: str) -> None:
        """What `show` prints, then match words, countdown and keys, within 80 x 24; `?`, `d`, `n` add below it."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        page = terminal.shown[: terminal.shown.index(PROMPT)].split("\n")
        assert len(page) <= 24 and all(len(line) <= 80 for line in page)
        facts = [
            line for line in seat.json("show", intent).document["lines"] if "quote" not in line and "age" not in line
        ]
        assert [line for line in facts if line not in page] == []
        code = re.search(r"code:  ([a-z]+-[a-z]+-[a-z]+-[a-z]+)   T \d\d:\d\d", terminal.shown)
        assert code is not None
        told = [bead["body"] for bead in seat.json("beads", "query", "--kind", "ALERT").document["beads"]]
        shown = [alert for alert in told if (alert["event"], alert["code"]) == ("RAISED", "SIGNAL_SHOWN")]
        of_this = [alert["text"] for alert in shown if intent in alert["subject"]]
        assert f"words {code[1]})" in of_this[-1], "the same words as in the notification"
        assert "r reject  d diff  n note  ? why  K kill" in terminal.shown
        for asked, (key, words) in enumerate((("?", "Enter declines"), ("d", "stated"), ("n", "there is no note")), 2):
            terminal.types(key + "\n")
            terminal.waits_for(PROMPT, asked)
            assert words in terminal.shown[terminal.shown.index(PROMPT) :]
        terminal.types("\n")
        assert terminal.ends() == 1

    def test_enter_declines(self, seat: Seat, intent: str) -> None:
        """Nothing is signed, the intent goes on waiting."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        terminal.types("\n")
        assert terminal.ends() == 1
        assert "declined: nothing was signed" in terminal.shown
        assert state_of(seat, intent) == "PROPOSED"

    @pytest.mark.parametrize("typed", ["yes", "y", " ", "1", "approve"])
    def test_another_word_declines(self, seat: Seat, intent: str, typed: str) -> None:
        """Only the quantity approves: no yes, no other number."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        terminal.types(typed + "\n")
        assert terminal.ends() == 1
        assert f"nothing was signed: {typed!r} is not {seat.quantity_of(intent)}" in terminal.shown
        assert state_of(seat, intent) == "PROPOSED"

    def test_keys_typed_ahead_are_discarded(self, seat: Seat, intent: str) -> None:
        """The quantity, pressed before the screen stands, does not count when it does."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.types(seat.quantity_of(intent) + "\n")
        terminal.waits_for(PROMPT)
        terminal.types("\n")
        assert terminal.ends() == 1
        assert state_of(seat, intent) == "PROPOSED"

    @pytest.mark.parametrize("key", ["?", "d", "n"])
    def test_of_a_paste_the_first_line_counts(self, seat: Seat, intent: str, key: str) -> None:
        """A key that shows more, with the quantity pasted behind it: the question stands again, and nothing answers."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        terminal.types(f"{key}\n{seat.quantity_of(intent)}\n")
        terminal.waits_for(PROMPT, 2)
        terminal.types("\n")
        assert terminal.ends() == 1
        assert state_of(seat, intent) == "PROPOSED"

    @pytest.mark.parametrize(("columns", "rows"), [(40, 10), (79, 24), (80, 23)])
    def test_a_small_terminal_is_refused(self, seat: Seat, intent: str, columns: int, rows: int) -> None:
        """Where the facts do not fit, nobody can approve: usage, before any fact is shown."""
        terminal = Terminal(seat, ("approve", intent), columns, rows)
        assert terminal.ends() == 2
        assert "80 x 24" in " ".join(terminal.shown.split())
        assert "RISK" not in terminal.shown

    def test_a_pipe_is_refused(self, seat: Seat, intent: str) -> None:
        """`yes |` and a paste from nowhere approve nothing."""
        said = seat.run("approve", intent, given=f"{seat.quantity_of(intent)}\n" * 50)
        assert said.code == 2
        assert "typed at a terminal" in said.err
        assert state_of(seat, intent) == "PROPOSED"

    def test_the_side_is_coloured_on_a_terminal(self, seat: Seat, intent: str) -> None:
        """BUY is green where colour is wanted; the text is the same."""
        terminal = Terminal(seat, ("approve", intent), colour=True)
        terminal.waits_for(PROMPT)
        terminal.types("\n")
        assert terminal.ends() == 1
        assert re.search(r"\x1b\[32m\x1b\[1m \^ BUY", terminal.shown)

    def test_r_rejects(self, seat: Seat) -> None:
        """One key says no, signed; the intent is over."""
        other = seat.proposes("USDJPY")
        terminal = Terminal(seat, ("approve", other))
        terminal.waits_for(PROMPT)
        terminal.types("r\n")
        assert terminal.ends() == 0
        assert state_of(seat, other) == "CANCELLED"

    def test_one_key_proposes_an_intent_that_is_over_again(self, seat: Seat) -> None:
        """`p` at the terminal: the same setup under a new intent, with a screen of its own; Enter leaves it."""
        missed = seat.proposes("USDCAD")
        assert seat.json("pass", missed, "--reason", "too late").code == 0
        left = Terminal(seat, ("approve", missed))
        left.waits_for("p proposes it again")
        left.types("\n")
        assert left.ends() == 1
        terminal = Terminal(seat, ("approve", missed[:8]))
        terminal.waits_for("p proposes it again")
        terminal.types("p\n")
        terminal.waits_for(PROMPT)
        assert "USDCAD" in terminal.shown
        terminal.types("\n")
        assert terminal.ends() == 1
        waiting = [row["intent"] for row in seat.json("inbox").document["intents"] if row["instrument"] == "USDCAD"]
        assert len(waiting) == 1 and waiting != [missed]
        assert state_of(seat, missed) == "CANCELLED"

    def test_a_script_proposes_again_what_is_over_and_nothing_else(self, seat: Seat) -> None:
        """`propose --again`: the levels are the old ones, names and time are new; what still waits is refused."""
        old = seat.proposes("NZDUSD")
        assert seat.json("propose", "--again", old).document["refused"] == ["UNKNOWN_INTENT"]
        assert seat.json("pass", old, "--reason", "too late").code == 0
        again = seat.json("propose", "--again", old[:8])
        assert (again.code, again.document["state"]) == (0, "PROPOSED")
        signals = [b["body"]["signal"] for b in seat.json("beads", "query", "--kind", "SIGNAL").document["beads"]]
        told = {signal["intent_id"]: signal for signal in signals}
        first, second = told[old], told[again.document["intent"]]
        differs = {name for name in first if first[name] != second[name]}
        assert differs == {"intent_id", "signal_id", "created_at"}
        assert seat.json("pass", again.document["intent"], "--reason", "only a test").code == 0

    def test_amber_lights_want_the_instrument_typed_too(self, seat: Seat) -> None:
        """The same trade was proposed a moment ago: the quantity alone is not enough, nor is another instrument."""
        first, second = seat.proposes("GBPUSD"), seat.proposes("GBPUSD")
        quantity = seat.quantity_of(second)
        for typed, code, state in (("", 1, "PROPOSED"), ("EURUSD", 1, "PROPOSED"), ("GBPUSD", 0, "MANAGED")):
            terminal = Terminal(seat, ("approve", second))
            terminal.waits_for(PROMPT)
            assert "[!] same trade as" in terminal.shown
            terminal.types(quantity + "\n")
            terminal.waits_for("type the instrument too")
            terminal.types(typed + "\n")
            assert terminal.ends() == code, terminal.shown
            until(partial(is_in, seat, second, state))
            if typed == "EURUSD":
                self._pastes_both(seat, second, quantity)
        assert seat.json("pass", first, "--reason", "once is enough").code == 0

    @staticmethod
    def _pastes_both(seat: Seat, intent: str, quantity: str) -> None:
        """Both answers at once: the second was typed before its question stood there, and is none."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        terminal.types(f"{quantity}\nGBPUSD\n")
        terminal.waits_for("type the instrument too")
        terminal.types("\n")
        assert terminal.ends() == 1
        assert state_of(seat, intent) == "PROPOSED"

    def test_a_live_approval_is_typed_by_a_person_or_is_none(
        self, seat: Seat, intent: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a desk that is LIVE: what is piped is refused, and so are the options that scripts have elsewhere."""
        quantity = seat.quantity_of(intent)
        live = property(lambda session: changed(session.desk.genesis, mode=Mode.LIVE))
        monkeypatch.setattr(Session, "genesis", live)
        piped = seat.json("approve", intent, given=f"{quantity}\n" * 50)
        assert (piped.code, "typed at a terminal" in piped.err) == (2, True)
        scripted = seat.json("approve", intent, "--quantity", quantity, "--yes")
        assert scripted.code == 1
        assert scripted.document["refused"] == ["STATEMENT_WRONG_TYPE"]
        assert "typed by a human" in scripted.document["detail"]
        monkeypatch.undo()
        assert state_of(seat, intent) == "PROPOSED"

    @shows("S32-TOK-02")
    def test_the_typed_quantity_approves(self, seat: Seat, intent: str) -> None:
        """The one way: the quantity that stands on the screen, typed."""
        terminal = Terminal(seat, ("approve", intent))
        terminal.waits_for(PROMPT)
        terminal.types(seat.quantity_of(intent) + "\n")
        assert terminal.ends() == 0
        assert "FILLED" in terminal.shown or "SENT" in terminal.shown
        assert state_of(seat, intent) in ("FILLED", "MANAGED", "SUBMITTED")

    def test_k_halts(self, seat: Seat) -> None:
        """One key stops the desk from within the screen; afterwards a red light leaves no quantity to type."""
        other = seat.proposes("AUDUSD")
        until(lambda: seat.json("show", other).code == 0)
        terminal = Terminal(seat, ("approve", other))
        terminal.waits_for(PROMPT)
        terminal.types("K\n")
        assert terminal.ends() == 0
        assert "HALTED" in terminal.shown
        assert seat.json("status").document["halted"] is True

    def test_red_lights_leave_nothing_to_approve(self, seat: Seat) -> None:
        """On a halted desk the screen shows the kill in red, and typing the quantity declines."""
        other = seat.proposes("NZDUSD")
        quantity = seat.quantity_of(other)
        terminal = Terminal(seat, ("approve", other), colour=True)
        terminal.waits_for("Red lights: no approval")
        assert re.search(r"\x1b\[31m FLAGS  kill ONE_WAY", terminal.shown)
        terminal.types(quantity + "\n")
        assert terminal.ends() == 1
        assert "declined: nothing was signed, and nothing can be while a light" in terminal.shown
        assert state_of(seat, other) == "PROPOSED"


def test_orders_and_executions_fit_it_too(tmp_path: Path) -> None:
    """A reference is never cut: where a line has no room for it, it stands whole on the next."""
    seat = founded(tmp_path)
    with seat.engine():
        intent = seat.proposes("EURUSD")
        until(lambda: seat.json("show", intent).code == 0)
        assert seat.run("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: is_in(seat, intent, "MANAGED"))
    for command, names in (("orders", "ref"), ("executions", "execution")):
        rows = seat.json(command).document[command]
        narrow = Terminal(seat, (command,))
        assert narrow.ends() == 0 and rows
        lines = narrow.shown.splitlines()
        assert len(lines) == 2 * len(rows) and all(len(line) <= 80 for line in lines), narrow.shown
        assert [line.split()[-1] for line in lines[1::2]] == [row[names] for row in rows]
        assert len(seat.run(command).out.splitlines()) == len(rows)
