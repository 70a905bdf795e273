"""The state beside the log: what a run begins from, and what somebody else wrote there, who may write to the file."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from phoenix_adapters.engine.kept import TAG_BYTES, of_seal, under_seal
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import SECRET, soft_pen
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.chain import StateSnapshot
from phoenix_core.desk import SNAPSHOT_SCHEMA
from phoenix_core.refusals import Reason
from phoenix_core.values import CommandId, State
from tests.showing import shows
from tests.stage import Stage, restarted, stage

KEPT = StateSnapshot(3, b"r" * 32, "desk/1", b"state")


def forged(desk: Stage, tag: bytes) -> None:
    """Somebody who may write to the file, and has no key, writes a state of the same place in the log: the halt is left
    out of it, and a key of their own is in it. Its hash, its size and its root are right."""
    kept = desk.store.load_snapshot(SNAPSHOT_SCHEMA)
    assert kept is not None, "the run that ended kept its state"
    whole = json.loads(kept.data[TAG_BYTES:])
    slices, other = whole["slices"], soft_pen("somebody")
    assert slices["kill_flags"]["standing"]
    slices["kill_flags"]["standing"] = []
    keys = slices["approvals"]["keys"]
    made = json.dumps(keys[0]).replace(desk.pen.key, other.key).replace(keys[0][1]["public"], other.public.line)
    keys.append(json.loads(made))
    data = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    desk.store.save_snapshot(evolve(kept, data=tag + data))


@shows("I6")
@pytest.mark.parametrize("tag", ["none", "of before"])
async def test_a_state_that_somebody_else_wrote_lifts_no_halt_and_lets_no_key_in(tag: str) -> None:
    """The log says nothing of it, and its proof holds: only a seal tells whose it is. The run folds the log anew: the
    halt stands, the strange key is none, and nothing is sent."""
    desk = stage()
    await desk.start()
    _ = desk.act(RaiseKill(CommandId("halt"), "desk", "enough", "operator")).unwrap()
    await desk.tick(1)
    desk.engine.stop()
    before = desk.store.load_snapshot(SNAPSHOT_SCHEMA)
    assert before is not None
    forged(desk, b"" if tag == "none" else before.data[:TAG_BYTES])
    again = restarted(desk, "run-2")
    await again.start()
    assert [flag.reason for flag in again.desk.kill_flags.standing.values()] == ["enough"]
    intent = await again.propose()
    other = again.other()
    _ = other.wake()
    screen = screen_of(other.desk, intent, again.clock.now())
    assert isinstance(screen, Screen)
    statement = statement_of(other.desk, again.store, screen.says, again.clock.now())
    approval = signed(statement, soft_pen("somebody"), SshVerifier(), root_text(again.store, other.desk.head.size))
    assert isinstance(approval, Sign)
    assert Reason.KEY_UNKNOWN in other.act(approval).failure().reasons
    await again.tick(1)
    assert (again.state(intent), again.sent) == (State.PROPOSED, 0)


async def test_what_a_run_kept_is_where_the_next_one_begins() -> None:
    """The honest twin: nothing is folded again, and the state is the same. Without the secret nothing is kept, and what
    is there is not believed."""
    desk = stage()
    await desk.start()
    desk.engine.stop()
    mine, without = desk.other(), desk.other()
    assert mine.wake() == 0 and mine.desk == desk.desk
    without.key = b""
    assert without.wake() == desk.desk.head.size and without.desk == desk.desk
    kept = desk.store.load_snapshot(SNAPSHOT_SCHEMA)
    without.keep()
    assert desk.store.load_snapshot(SNAPSHOT_SCHEMA) == kept


def test_a_seal_is_over_all_of_a_state_and_its_place() -> None:
    """One bit of it, another place in the log, another layout, another desk's secret, or none: not this desk's."""
    kept = under_seal(SECRET, KEPT)
    assert of_seal(SECRET, kept) == KEPT.data and len(kept.data) == TAG_BYTES + len(KEPT.data)
    others = [evolve(kept, size=4), evolve(kept, root=b"s" * 32), evolve(kept, schema="desk/2"), KEPT]
    others += [
        evolve(kept, data=kept.data[:-1] + b"E"),
        evolve(kept, data=b"\0" + kept.data[1:]),
        evolve(kept, data=b""),
    ]
    assert [of_seal(SECRET, other) for other in others] == [None] * len(others)
    assert of_seal(b"\x08" * 32, kept) is of_seal(b"", kept) is of_seal(b"", under_seal(b"", KEPT)) is None
