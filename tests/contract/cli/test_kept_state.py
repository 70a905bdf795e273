"""The state that an engine leaves beside the log of a home: sealed with the desk's secret, and read by nothing else."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.kept import TAG_BYTES, of_seal
from phoenix_adapters.keys import load_secret
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import DESK_KEY_BYTES, opened
from phoenix_core.desk import SNAPSHOT_SCHEMA
from tests.contract.cli.operator import Seat
from tests.showing import shows


@shows("I6")
def test_a_home_begins_from_what_its_engine_kept_and_from_nothing_else(tmp_path: Path) -> None:
    """Kept under the secret that every command of the home reads. A state without the seal is passed over, by commands
    and engine; and where the secret cannot be read, the log is folded anew."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    with seat.engine():
        pass
    home = Home(seat.home)
    key = load_secret(home.desk_key, DESK_KEY_BYTES)
    with SqliteStore(home.log) as log:
        kept = log.load_snapshot(SNAPSHOT_SCHEMA)
        assert kept is not None and of_seal(key, kept) is not None
    with opened(home) as session:
        assert session.recorder.key == key and session.desk.head.size >= kept.size
    with SqliteStore(home.log) as log:
        log.save_snapshot(evolve(kept, data=kept.data[TAG_BYTES:].replace(b"operator", b"somebody")))
    assert "somebody" not in seat.json("operator", "list").out
    with seat.engine():
        pass
    home.desk_key.rename(home.desk_key.with_name("away"))
    assert seat.json("status").code == 0
