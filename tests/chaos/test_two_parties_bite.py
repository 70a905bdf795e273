"""The promises of the two-party scripts bite: for each script one rule is broken, and its promise is seen red."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from returns.primitives.exceptions import UnwrapFailedError

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.engine.watching import Watchdog
from phoenix_core import kernel
from phoenix_core.acts import exits
from phoenix_core.checkpoint import Checkpoint, Signer, sign_note
from phoenix_core.desk import Desk
from phoenix_core.gate import kill_flags
from phoenix_core.kernel import Command
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied
from phoenix_core.world import World
from tests.chaos.parties.room import Line, Prepared, prepare, room_of
from tests.chaos.parties.scripts import SCRIPTS, Script
from tests.chaos.test_two_parties import WORDS, meet
from tests.showing import shows

SAMPLED: Final = WORDS[::40]


def _stale(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """Each process makes its first decision on the log as it was when it came: no append is conditional any more."""
    done = set[threading.Thread]()

    def decide(desk: Desk, command: Command, world: World) -> Ruling:
        me, before = threading.current_thread(), pickle.loads(prepared.desk)
        if me is threading.main_thread() or me in done or desk.head == before.head:
            return kernel.decide(desk, command, world)
        done.add(me)
        return kernel.decide(before, command, world)

    patch.setattr("phoenix_adapters.engine.recorder.decide", decide)


def _unkillable(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """A kill is recorded, and nobody reads it."""
    patch.setattr(kill_flags, "kill_refusal", lambda *_: None)
    patch.setattr(kill_flags, "active", lambda *_: ())


def _ungrouped(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """What has executed cancels nothing of its group, nobody clears away what is left, and no cancel arrives."""
    patch.setattr(MockBroker, "cancel", lambda broker, ref: None)
    honest = MockBroker._end
    patch.setitem(exits.HANDLERS, exits.ClearAway, _nothing)
    patch.setitem(kernel._HANDLERS, exits.ClearAway, _nothing)

    def end(broker: MockBroker, *said: object) -> None:
        if said[-1] != "one cancels all":
            honest(broker, *said)  # type: ignore[arg-type]  # handed through as it came

    patch.setattr(MockBroker, "_end", end)


def _deaf(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """What the broker says reaches no engine."""
    patch.setattr(Line, "drain", lambda line: ())


def _nothing(desk: Desk, command: Command, world: World) -> Ruling:
    return denied(refusal(Reason.NOTHING_TO_DO))


def _everybodys(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """Both have the turn to speak, and nobody looks whether the other one spoke."""
    patch.setattr(Turn, "take", lambda turn: True)
    patch.setattr(Watchdog, "_is_current", lambda watchdog: True)


def _of_another_log(patch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """A checkpoint is signed of a root that is not the log's."""

    def sign(checkpoint: Checkpoint, *signers: Signer) -> str:
        return sign_note(Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)), *signers)

    patch.setattr("phoenix_adapters.beads.memory.sign_note", sign)


Break = Callable[[pytest.MonkeyPatch, Prepared], None]
BROKEN: Final[dict[str, Break]] = {
    "approve_and_approve": _stale,
    "approve_and_pass": _stale,
    "approve_and_kill": _unkillable,
    "submit_and_kill": _unkillable,
    "submit_and_halt": _unkillable,
    "submit_and_pass": _stale,
    "submit_and_take_over": _stale,
    "fill_and_take_over": _stale,
    "close_and_stop": _deaf,
    "close_and_close": _ungrouped,
    "propose_and_propose": _stale,
    "use_and_present": _stale,
    "tell_and_watchdog": _everybodys,
    "checkpoint_and_append": _of_another_log,
}


def test_every_script_has_a_rule_to_break() -> None:
    """None is left out."""
    assert set(BROKEN) == {script.name for script in SCRIPTS}


@shows("F83")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_broken_rule_is_seen_in_some_order(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Among a few of the 924 orders there is one in which the promise does not hold."""
    prepared = asyncio.run(prepare(script.setup))
    BROKEN[script.name](monkeypatch, prepared)
    with pytest.raises((AssertionError, UnwrapFailedError)):
        _meet_in_each(script, prepared, tmp_path)


def _meet_in_each(script: Script, prepared: Prepared, folder: Path) -> None:
    for word in SAMPLED:
        meet(script, room_of(prepared, folder, None), word)
