"""NOT SENT is a promise: an engine that answers nobody for two seconds sends nothing when it wakes up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.commands import approval
from phoenix_cli.streams import Ended
from tests.contract.cli.operator import Process, Seat, shaped, until
from tests.showing import shows


@contextmanager
def asleep(seat: Seat, engine: Process) -> Iterator[None]:
    """The engine stopped by the operating system, with the log left open for others."""
    with SqliteStore(seat.home / "beads.db") as log, log.hold():  # so that it is stopped in the middle of no commit
        engine.stands_still()
    try:
        yield
    finally:
        engine.signal(signal.SIGCONT)


@pytest.fixture
def seat(tmp_path_factory: pytest.TempPathFactory) -> Seat:
    """A desk that is founded."""
    made = Seat(tmp_path_factory.mktemp("silent") / "home")
    assert made.json("init").code == 0
    return made


@shows("I2", "X2")
def test_what_was_said_not_to_be_sent_is_not_sent(seat: Seat) -> None:
    """An approval, a close and a refresh at an engine that sleeps: exit 3 and NOT SENT each time. It wakes up and does
    none of them; asked again, it does all of them."""
    with seat.engine() as engine:
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        with asleep(seat, engine):
            said = seat.json("approve", intent, "--quantity", quantity, "--yes")
            assert (said.code, said.document["outcome"], said.document["refused"]) == (3, "NOT_SENT", [])
            assert "propose --again" in said.document["detail"]
            assert seat.json("positions", intent).document["state"] == "CANCELLED"
        again = str(seat.json("propose", "--again", intent).document["intent"])
        assert seat.json("approve", again, "--quantity", seat.quantity_of(again), "--yes").code == 0
        until(lambda: seat.json("positions", again).document["state"] == "MANAGED")
        assert [row["role"] for row in seat.json("executions").document["executions"]] == ["ENTRY"]
        with asleep(seat, engine):
            said = seat.json("close", again, "--reason", "why")
            assert (said.code, said.document["closed"][0]["outcome"]) == (3, "NOT_SENT")
            said = seat.json("anchor", "refresh")
            assert said.code == 3 and "taken back" in said.document["error"]
        assert seat.json("reconcile").code == 0, "it is awake, and has seen everything that was signed"
        assert seat.json("positions", again).document["state"] == "MANAGED"
        assert seat.json("close", again, "--reason", "why").code == 0
        assert seat.json("positions", again).document["state"] == "CLOSED"


@shows("I2")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_terminal_that_goes_away_leaves_no_entry_behind(
    seat: Seat, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """An approval at an engine that sleeps, and whoever signed is gone before two seconds are over: the engine wakes up
    and sends nothing. What an engine has taken up already stands, and that is said."""

    def gone(*_: object) -> bool:
        raise KeyboardInterrupt if number is signal.SIGINT else Ended(number)

    with seat.engine() as engine:
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        with asleep(seat, engine), monkeypatch.context() as hung_up:
            hung_up.setattr(SqliteStore, "wait", gone)
            said = seat.json("approve", intent, "--quantity", quantity, "--yes")
        assert said.code == (3 if number is signal.SIGINT else 128 + number)
        assert "NOT SENT" in said.document["error"] and "look before" not in said.out
        assert seat.json("reconcile").code == 0, "it is awake, and has seen everything that was signed"
        assert seat.json("positions", intent).document["state"] == "CANCELLED"
        assert seat.json("executions").document["executions"] == []
        again = str(seat.json("propose", "--again", intent).document["intent"])
        quantity = seat.quantity_of(again)
        with monkeypatch.context() as hung_up:
            hung_up.setattr(approval, "_watch", waited(seat, again, gone))
            said = seat.json("approve", again, "--quantity", quantity, "--yes")
        assert "look before you repeat" in said.document["error"] and "NOT SENT" not in said.out
        assert seat.json("positions", again).document["state"] == "MANAGED"


def waited(seat: Seat, intent: str, then: Callable[[], object]) -> Callable[..., object]:
    """Wait until the engine has done its part, and only then do something else."""

    def wait(*_: object) -> object:
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
        return then()

    return wait


def test_what_can_not_be_taken_back_is_not_called_not_sent(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log takes nothing more: nobody can promise anything, and the words are others: look before you repeat."""
    with seat.engine() as engine:
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        with asleep(seat, engine):
            monkeypatch.setattr("phoenix_cli.commands.approval.taken_back", lambda session, decided: "the log is full")
            said = seat.json("approve", intent, "--quantity", quantity, "--yes")
            assert said.code == 3
            shaped(said.document, {"error": str})
            assert "look before you repeat" in said.document["error"]
            assert "NOT SENT" not in said.out + said.err
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
        monkeypatch.setattr("phoenix_cli.commands.acting.taken_back", lambda session, decided: "the log is full")
        with asleep(seat, engine):
            said = seat.json("close", intent, "--reason", "why")
            assert (said.code, said.document["closed"][0]["outcome"]) == (3, "UNKNOWN")
            assert "look before you repeat" in said.document["detail"]
        until(lambda: seat.json("positions", intent).document["state"] == "CLOSED")
