"""A desk on which a human attributed an execution: its log is judged true by the file that shares no line with it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters import phoenix_verify
from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.keys import create_log_key, roots_of
from phoenix_adapters.phoenix_verify import Lie, Roots
from phoenix_cli.wiring.bunny import stage as staging
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_attribution import missing, states
from tests.unit.desk.test_signed_commands import answered
from tests.unit.desk.walks import walked


@shows("S32-REC-06")
def test_an_attribution_is_no_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an execution that the books lacked, stated under the broker's own id, and of one that is told afterwards."""
    key, founded = create_log_key(tmp_path / "key"), staging.first

    def first(*given: object, **more: object) -> object:
        made = founded(*given, **more)  # type: ignore[arg-type]  # handed on as it came
        return evolve(made, genesis=evolve(made.genesis, log_key=key.public_text))

    async def walk(desk: Stage) -> None:
        drift = await missing(desk)
        assert await answered(desk, states(drift, "7", "lost.1.01")) == ()

    monkeypatch.setattr(staging, "first", first)
    desk = walked(walk)
    store, genesis = desk.store, desk.desk.genesis
    assert isinstance(store, MemoryStore) and is_successful(
        store.checkpoint(genesis.origin, key.signer(genesis.origin))
    )
    who = (genesis.origin, genesis.mode.value, genesis.account)
    log = phoenix_verify.note_key(str(roots_of(*who, key.public, [(desk.pen.public, "operator")])["log"]))
    assert log is not None
    roots = Roots(*who, log, (), frozenset({desk.pen.key}))
    file = BytesIO(b"".join(export_lines(store, genesis.origin, key.public)))
    try:
        phoenix_verify.check_meaning(file, phoenix_verify.check_bytes(file, roots), roots)
    except Lie as lie:
        pytest.fail(f"{lie.code} of an honest log")
