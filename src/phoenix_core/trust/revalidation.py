"""A changed parameter is a new strategy: its shadow period starts again and five chaos vectors must pass.

CONFIG_CHANGE is the proof: one bead that names the restart and the sweep which it obliges. A vector that fails
extends the validation; nothing is promoted meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from attrs import Factory, define

from phoenix_core.beads import Bead, ChangeType, ConfigChange, Shadow, ShadowEvent
from phoenix_core.values import Named, derived_id

VECTORS_IN_SWEEP: Final = 5
EXTENSION_SESSIONS: Final = 5

# What each part of the desk is shaken with when it changes. Components are named after the rooms of the core and the
# strategy's own context (`cso`); what nobody foresaw is swept where a change would hurt most.
SWEEPS: Final[dict[str, tuple[str, ...]]] = {
    "cso": (
        "CV_S32_STALE_APPROVAL",
        "CV_S33_9_STALE_DURING_APPROVAL",
        "CV_S32_TOKEN_WRONG_INTENT",
        "CV_S32_KILL_ENTRY_ATTEMPT",
        "CV_S33_15_PARAM_CHANGE_REVALIDATE",
    ),
    "gate": (
        "CV_S32_TOKEN_REPLAY",
        "CV_S32_TOKEN_EXPIRED",
        "CV_S32_ORDER_WITHOUT_TOKEN",
        "CV_S32_KILL_ENTRY_ATTEMPT",
        "CV_S33_13_ACCOUNT_MISMATCH",
    ),
    "trade": (
        "CV_S32_IBKR_TIMEOUT",
        "CV_S32_IBKR_REJECTION",
        "CV_S32_FILL_PARTIAL",
        "CV_S32_ORDER_RACE",
        "CV_S32_LIFECYCLE_INVALID",
    ),
    "watch": (
        "CV_S32_RECONCILIATION_DRIFT",
        "CV_S32_PARTIAL_DRIFT",
        "CV_S33_1_IBKR_DISCONNECT",
        "CV_S33_2_IBKR_RECONNECT",
        "CV_S33_5_SEMANTIC_HEALTH_DEGRADE",
    ),
    "trust": (
        "CV_S32_PROMOTION_BYPASS",
        "CV_S32_PROMOTION_PARTIAL",
        "CV_S32_PROMOTION_VETO",
        "CV_S33_12_RECON_DRIFT_LIVE",
        "CV_S33_15_PARAM_CHANGE_REVALIDATE",
    ),
}
_ANYTHING_ELSE: Final = (
    "CV_S32_TOKEN_REPLAY",
    "CV_S32_KILL_ENTRY_ATTEMPT",
    "CV_S32_RECONCILIATION_DRIFT",
    "CV_S33_2_IBKR_RECONNECT",
    "CV_S33_14_PACING_VIOLATION",
)


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
    """The slice of CONFIG_CHANGE: the last change of each parameter of each strategy."""

    latest: dict[str, Change] = Factory(dict)  # `strategy|component|parameter` -> its last change, oldest first
    total: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in a change; other kinds are somebody else's."""
        body = bead.body
        if not isinstance(body, ConfigChange):
            return
        name = f"{body.strategy}|{body.component}|{body.parameter}"
        _ = self.latest.pop(name, None)  # the same parameter changed again is swept again: the older sweep is moot
        self.latest[name] = Change(
            bead.seq,
            body.strategy,
            body.component,
            body.parameter,
            body.sweep_id,
            body.shadow_restart_id,
            body.vectors,
        )
        self.total += 1


def vectors_for(component: str) -> tuple[str, ...]:
    """The five chaos vectors that sweep a component: `watch` for `watch.drift`, too."""
    return SWEEPS.get(component.partition(".")[0], _ANYTHING_ELSE)


def change(
    *,
    change_type: ChangeType,
    strategy: str,
    component: str,
    parameter: str,
    old_value: str,
    new_value: str,
    changed_by: str,
    seed: str,
) -> tuple[ConfigChange | Shadow, ...]:
    """The beads of a change, in one append: the proof, and the restart of the shadow period that it obliges. None where
    nothing changes. `seed` (the command's id) makes the ids of restart and sweep, so that a retry makes the same."""
    if old_value == new_value:
        return ()
    restart_id = derived_id("shadow-restart", seed, strategy, component, parameter)
    proof = ConfigChange(
        change_type=change_type,
        component=component,
        parameter=parameter,
        old_value=old_value,
        new_value=new_value,
        changed_by=changed_by,
        shadow_restart_id=restart_id,
        sweep_id=derived_id("sweep", seed, strategy, component, parameter),
        vectors=vectors_for(component),
        strategy=strategy,
    )
    return proof, Shadow(ShadowEvent.RESTARTED, strategy, restart_id)


def sweep_result(made: Change, verdicts: Mapping[str, bool]) -> Shadow:
    """The SWEEP body of a run of a change's vectors; verdicts on other vectors are not its business."""
    ran = tuple(vector for vector in made.vectors if vector in verdicts)
    return Shadow(
        ShadowEvent.SWEEP,
        made.strategy,
        made.sweep_id,
        passed=tuple(vector for vector in ran if verdicts[vector]),
        failed=tuple(vector for vector in ran if not verdicts[vector]),
    )


def sweep_state(made: Change, passed: Collection[str], failed: Collection[str]) -> SweepState:
    """EXTENDED while a vector stands failed, PASSED when all five passed, else RUNNING."""
    if any(vector in failed for vector in made.vectors):
        return SweepState.EXTENDED
    return SweepState.PASSED if all(vector in passed for vector in made.vectors) else SweepState.RUNNING


Results = Mapping[str, tuple[Collection[str], Collection[str]]]  # sweep id -> (passed, failed)


def open_changes(changes: Changes, strategy: str, results: Results) -> tuple[Change, ...]:
    """The changes of a strategy, oldest first, that are not revalidated: nothing is promoted while there is one."""
    return tuple(
        made
        for made in changes.latest.values()
        if made.strategy == strategy
        and sweep_state(made, *results.get(made.sweep_id, ((), ()))) is not SweepState.PASSED
    )


def sessions_needed(minimum: int, failures: int) -> int:
    """How many shadow sessions a validation takes: five more for every report of a vector that failed."""
    return minimum + failures * EXTENSION_SESSIONS
