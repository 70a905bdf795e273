"""Another store may stand behind the command line: it asks of its log what the port names, and nothing else."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import ClassVar, Final

import pytest

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.wiring import opening
from phoenix_core.ports import BeadStore, DurableStore
from tests.contract.cli.operator import Seat

PORT: Final = {name for port in (BeadStore, DurableStore) for name in vars(port) if not name.startswith("_")}


class OtherStore:
    """A log that has what the port names and not one thing more; it remembers what it was asked for."""

    asked: ClassVar[set[str]] = set()

    def __init__(self, path: str | PathLike[str]) -> None:
        """Keep the log in a file after all: where is nobody's business."""
        self._kept = SqliteStore(path)

    def __getattr__(self, name: str) -> object:
        """Only what the port names."""
        assert name in PORT, f"the command line asks its log for {name}, which no port names"
        self.asked.add(name)
        return getattr(self._kept, name)


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """A desk whose log is another store."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    monkeypatch.setattr(opening, "SqliteStore", OtherStore)
    monkeypatch.setattr(OtherStore, "asked", set())
    return seat


def test_the_command_line_asks_for_what_the_port_names(seat: Seat) -> None:
    """A signal, a look, an engine, a proof, an export, a backup: all of it through the port."""
    seat.proposes("EURUSD")
    copy, proof, export = (str(seat.home.parent / name) for name in ("copy.db", "proof", "export.jsonl"))
    for words in (
        ("status",),
        ("inbox",),
        ("run", "--once"),
        ("beads", "verify"),
        ("beads", "query", "--kind", "GENESIS"),
        ("beads", "proof", "0", "--out", proof),
        ("beads", "export", export),
        ("beads", "backup", copy),
        ("doctor",),
    ):
        assert seat.json(*words).code in (0, 1), words
    assert {"head", "read", "append", "lease", "leaseholder", "view", "texts"} <= OtherStore.asked
    assert {"checkpoint", "checkpoints", "leaves", "root", "make_room", "backup", "close"} <= OtherStore.asked


def test_what_no_port_names_is_refused(tmp_path: Path) -> None:
    """The store of this test does bite."""
    with pytest.raises(AssertionError, match="which no port names"):
        _ = OtherStore(tmp_path / "log").frontier
