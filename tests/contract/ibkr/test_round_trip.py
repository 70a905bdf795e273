"""The whole way with nothing mocked: engine, store, keys, the real client, a socket, the gateway."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from phoenix_cli.wiring.round_trip import round_trip
from tests.showing import shows


@pytest.mark.parametrize("broker", ["mock", "gateway"])
@shows("GATE_S32_1", "S33-CON-05")
async def test_an_intent_goes_the_whole_way(broker: str, tmp_path: Path) -> None:
    """Signal, approval, bracket, fill, protection, target, close, autopsy: one closed position, a log that verifies,
    and no disagreement with the broker on the way."""
    began = time.monotonic()
    tale = await round_trip(tmp_path, broker, 7)
    assert [one["state"] for one in tale.positions] == ["CLOSED"]
    assert tale.verified and tale.autopsies == 1
    story = "\n".join(tale.lines)
    assert "disagree" not in story and "Kill flag" not in story
    assert story.index("MANAGED") < story.index("CLOSED")
    assert time.monotonic() - began < 10
