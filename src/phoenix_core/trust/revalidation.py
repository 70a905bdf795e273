"""A changed parameter is a new strategy: its shadow period starts again and five chaos vectors must pass.

CONFIG_CHANGE is the proof: one bead that names the restart and the sweep which it obliges. A vector that fails
extends the validation; nothing is promoted meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, ChangeType, ConfigChange, Shadow
from phoenix_core.values import Named

VECTORS_IN_SWEEP: Final = 5
EXTENSION_SESSIONS: Final = 5


class SweepState(Named):
    """Where the sweep of a change stands."""

    RUNNING = "RUNNING"
    PASSED = "PASSED"
    EXTENDED = "EXTENDED"


@define
class Change:
    """A change whose revalidation the desk follows."""

    seq: int
    strategy: str
    component: str
    parameter: str
    sweep_id: str
    restart_id: str
    vectors: tuple[str, ...]


@define
class Changes:
    """The slice of CONFIG_CHANGE: the last change of each parameter."""

    by_sweep: dict[str, Change] = Factory(dict)
    by_strategy: dict[str, list[str]] = Factory(dict)  # strategy -> sweep ids, oldest first

    def fold(self, bead: Bead) -> None:
        """Take in a change; other kinds are somebody else's."""
        raise NotImplementedError


@frozen
class Revalidation:
    """What a change obliges, in one append: the proof and the restart of the shadow period."""

    change: ConfigChange
    restart: Shadow


def vectors_for(component: str) -> tuple[str, ...]:
    """The five chaos vectors that sweep a component."""
    raise NotImplementedError


def revalidation(
    key: str,
    strategy: str,
    change_type: ChangeType,
    component: str,
    parameter: str,
    old_value: str,
    new_value: str,
    changed_by: str,
) -> Revalidation:
    """The beads of a change; `key` (the command's id) makes the ids of restart and sweep."""
    raise NotImplementedError


def sweep_state(change: Change, passed: Collection[str], failed: Collection[str]) -> SweepState:
    """EXTENDED while a vector stands failed, PASSED when all five passed, else RUNNING."""
    raise NotImplementedError


def open_changes(
    changes: Changes, strategy: str, results: Mapping[str, tuple[Collection[str], Collection[str]]]
) -> tuple[Change, ...]:
    """Changes of a strategy that are not revalidated; `results` is sweep id -> (passed, failed)."""
    raise NotImplementedError


def sessions_needed(minimum: int, failures: int) -> int:
    """How many shadow sessions validation takes once vectors failed: five more for every failed sweep."""
    raise NotImplementedError
