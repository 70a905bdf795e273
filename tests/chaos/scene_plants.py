"""Planted bugs that were looked for where nobody had planted any, most of which storms alone did not catch.

Each is a line of a guard, of protection or of drift, left out or turned round; each has its directed story.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_cli.wiring import outside
from phoenix_core import values
from phoenix_core.acts import due, last_look, lights
from phoenix_core.chain import StateSnapshot
from phoenix_core.checkpoint import Standing
from phoenix_core.gate import guards, stale_gate, tokens
from phoenix_core.trade import protection
from phoenix_core.values import Moment, State
from phoenix_core.watch import drift
from tests.chaos.more_plants import _nothing
from tests.chaos.plants import Plant

Patch = pytest.MonkeyPatch


def _unreconciled(patch: Patch) -> None:
    """Nobody waits for the first whole picture of a session."""
    whole = guards.drift_light
    patch.setattr(guards, "drift_light", lambda reconciled, drifts: whole(True, drifts))


def _silent_link(patch: Patch) -> None:
    """A link that stands counts as one that answers."""
    whole = guards.link_light
    patch.setattr(guards, "link_light", lambda ready, age, window, skew: whole(ready, timedelta(0), window, skew))


def _stalled_free(patch: Patch) -> None:
    """What nothing certain is known of reserves nothing."""
    patch.setattr(lights, "RESERVED", tuple(state for state in lights.RESERVED if state is not State.STALLED))


def _other_run(patch: Patch) -> None:
    """A token outlives the run that it was made for."""
    over = tokens.life_over
    patch.setattr(tokens, "life_over", lambda token, now, epoch: over(token, now, token.epoch))


def _wall_back(patch: Patch) -> None:
    """A wall that was set back says nothing of a life."""
    whole = values.elapsed

    def spent(since: Moment, now: Moment) -> timedelta | None:
        return whole(since, now) if now.wall >= since.wall else now.ticks - since.ticks

    for module in (values, stale_gate):
        patch.setattr(module, "elapsed", spent)


def _answered(patch: Patch) -> None:
    """A drift that a human answered is never told again, however it grows."""
    patch.setattr(drift, "is_news", lambda drifts, found, seq: found.identity not in drifts.open)


def _written_anyway(act: Callable[..., Any]) -> Callable[..., Any]:
    def acts(self: Recorder, command: object) -> Any:
        self.closed = ""
        return act(self, command)

    return acts


def _any_layout(self: MemoryStore, schema: str) -> StateSnapshot | None:
    """Whatever lies there."""
    return next(iter(self._open().snapshots.values()), None)


SCENE_PLANTS: Final = (
    Plant(
        "unreconciled", "a session's first picture is not awaited", ("I16",), _unreconciled, scene="no whole picture"
    ),
    Plant("silent-link", "nobody asks when the link last answered", ("I16",), _silent_link, scene="a silent link"),
    Plant("stalled-free", "a STALLED entry reserves nothing", ("C5",), _stalled_free, scene="a second owner"),
    Plant("other-run", "a token outlives its run", ("I17",), _other_run, scene="another run"),
    Plant("wall-back", "a wall that went back is no doubt", ("I17",), _wall_back, scene="an hour back by the wall"),
    Plant("answered-for-ever", "an answered drift may grow", ("I12",), _answered, scene="an answered drift grows"),
    Plant(
        "no-last-look",
        "the last look sees no light",
        ("I14",),
        lambda patch: patch.setattr(last_look, "verdict", _nothing),
        scene="between while APPROVED",
    ),
    Plant(
        "moved-stop",
        "a stop elsewhere is protection too",
        ("D4",),
        lambda patch: patch.setattr(protection, "_is_mandate", lambda order: True),
        scene="a stop moves",
    ),
    Plant(
        "placed-for-ever",
        "protection is placed again and again",
        ("X2",),
        lambda patch: patch.setattr(protection, "PLACED_MAX", 99),
        scene="lost again",
    ),
    Plant(
        "works-for-ever",
        "an entry works for longer than was approved",
        ("LIFE",),
        lambda patch: patch.setattr(due, "WORKING_LIFE", timedelta(days=9)),
        scene="works too long",
    ),
    Plant(
        "never-stale",
        "nobody asks how old a context is",
        ("STL",),
        lambda patch: patch.setattr(lights, "_stale", _nothing),
        scene="an old context",
    ),
    Plant(
        "no-room",
        "a bracket leaves where only a part of it fits",
        ("I16",),
        lambda patch: patch.setattr(guards, "pacing_light", _nothing),
        scene="no room",
    ),
    Plant(
        "any-log",
        "nobody holds a log against what its witness saw",
        ("BUG",),
        lambda patch: patch.setattr(outside.OutsideNote, "trouble", lambda self, store: ""),
        scene="an old backup",
    ),
    Plant(
        "shorter-log",
        "a log that lacks what its witness saw agrees with it",
        ("BUG",),
        lambda patch: patch.setattr(outside, "behind", lambda store, seen, origin: Standing.AGREES),
        scene="an old backup",
    ),
    Plant(
        "written-anyway",
        "a log that is behind its witness is written to",
        ("BUG",),
        lambda patch: patch.setattr(Recorder, "act", _written_anyway(Recorder.act)),
        scene="an old backup",
    ),
    Plant(
        "any-layout",
        "a state that another build kept is taken for one's own",
        ("BUG",),
        lambda patch: patch.setattr(MemoryStore, "load_snapshot", _any_layout),
        scene="another build",
    ),
)
