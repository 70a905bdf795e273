"""Whatever a simulated desk lives through, its log is no lie: the offline verifier reads what storms and scenes left.

Each rule of the verifier that is too strict for an honest desk is found here: faults of brokers, clocks and hosts, and
people who answer them.
"""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import Lie, Undecided
from phoenix_cli.wiring.sim import play as sim
from phoenix_cli.wiring.sim.play import Story
from phoenix_cli.wiring.sim.scenes import CORNER_SCENES, MEETINGS
from tests.chaos.journal import Listener

SEEDS: Final = (1, 2, 3)
APART: Final = 9  # of the scenes in which a fault meets a state, each of so many


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """Somebody who keeps what a run exported. A simulated log has no key of its own."""
    found = Listener()
    found.put(monkeypatch)
    monkeypatch.setitem(phoenix_verify.CHECKS, "OTHER_LOG_KEY", (lambda *_: True, ""))
    return found


def verdict(export: list[bytes]) -> str:
    """TRUE, or what is told instead and where. The founders are those whom the first append enrols."""
    data = [line.rstrip(b"\n") for line in export[1 : 1 + json.loads(export[0])["size"]]]
    told = [json.loads(line) for line in data]
    first = told[0]["body"]
    founders = {b["body"]["key"] for b in told if b["kind"] == "OPERATOR" and b["ts"] == told[0]["ts"]}
    no_key = phoenix_verify.NoteKey("", b"", 1, b"")
    roots = phoenix_verify.Roots(
        first["origin"], first["mode"], first["account"], no_key, (), frozenset(map(str, founders))
    )
    tree = phoenix_verify.Tree()
    for line in data:
        tree.append(phoenix_verify.leaf_hash(line))
    file = BytesIO(b"{}\n" + b"".join(line + b"\n" for line in data))
    try:
        _ = phoenix_verify.check_meaning(file, phoenix_verify.Outline(tree, frozenset(), (), "", ""), roots)
    except (Lie, Undecided) as found:
        return f"{found.code} {found.place}: {found.said}"
    return "TRUE"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_is_no_lie(seed: int, listener: Listener) -> None:
    """Three hundred acts of a storm, and the calm after it."""
    outcome = asyncio.run(sim.run_seed(seed, Story(300)))
    assert (outcome.violation, verdict(listener.export())) == (None, "TRUE")


@pytest.mark.parametrize("scenes", [CORNER_SCENES, tuple(MEETINGS)[::APART]], ids=["corners", "meetings"])
def test_no_scene_is_a_lie(scenes: tuple[str, ...], listener: Listener) -> None:
    """The corners that dice rarely find, and faults that meet a position in each of its states."""
    for scene in scenes:
        _ = asyncio.run(sim.run_seed(1, Story(0, scene=scene)))
        assert verdict(listener.export()) == "TRUE", scene
    assert len(scenes) > 15
