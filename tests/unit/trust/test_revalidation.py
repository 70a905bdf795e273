"""Revalidation: a changed parameter restarts the shadow and is swept by five vectors, with a bead as its proof."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import About, ChangeType, ConfigChange, Kind, Shadow, ShadowEvent
from phoenix_core.trust import revalidation
from phoenix_core.trust.promotion import Promotions
from phoenix_core.trust.revalidation import SWEEPS, Change, Changes, SweepState
from phoenix_core.watch.observations import seen
from tests.showing import promises, shows
from tests.unit.watch.made import bead

COMPONENTS: Final = (*SWEEPS, "watch.drift", "weather")


def changed(
    seed: str = "command-1",
    change_type: ChangeType = ChangeType.CSO_PARAM,
    component: str = "cso",
    parameter: str = "min_quality",
    old: str = "0.6",
    new: str = "0.7",
    strategy: str = "meanrev",
) -> tuple[ConfigChange | Shadow, ...]:
    """A parameter was changed."""
    return revalidation.change(
        change_type=change_type,
        strategy=strategy,
        component=component,
        parameter=parameter,
        old_value=old,
        new_value=new,
        changed_by="ada",
        seed=seed,
    )


def proof(*bodies: ConfigChange | Shadow) -> ConfigChange:
    """The CONFIG_CHANGE among them."""
    (found,) = (body for body in bodies if isinstance(body, ConfigChange))
    return found


def followed(*bodies: ConfigChange | Shadow) -> tuple[Changes, Promotions]:
    """Both slices after these."""
    changes, promotions = Changes(), Promotions()
    for seq, body in enumerate(bodies, 1):
        changes.fold(bead(seq, body))
        promotions.fold(bead(seq, body))
    return changes, promotions


def results(promotions: Promotions) -> dict[str, tuple[list[str], list[str]]]:
    """The verdicts of all sweeps, as an act passes them on."""
    return {id: (sweep.passed, sweep.failed) for id, sweep in promotions.sweeps.items()}


@shows("INV-PHASE2-REVALIDATE-1", "CV_S33_15_PARAM_CHANGE_REVALIDATE", "S33-REV-01", "S33-REV-02", "S33-REV-03")
class TestPhase2Revalidate:
    """INV-PHASE2-REVALIDATE-1: Any parameter change triggers shadow restart and a BUNNY sweep, shown by a CONFIG_CHANGE
    bead."""

    @given(
        change_type=st.sampled_from(ChangeType),
        component=st.sampled_from(COMPONENTS),
        old=st.text(max_size=5),
        new=st.text(max_size=5),
    )
    def test_every_change_leaves_proof_restart_and_an_open_sweep(
        self, change_type: ChangeType, component: str, old: str, new: str
    ) -> None:
        """Of any type, in any component, to any other value; the same value again changes nothing."""
        bodies = changed(change_type=change_type, component=component, old=old, new=new)
        if old == new:
            assert bodies == ()
            return
        made, restart = bodies
        assert isinstance(made, ConfigChange)
        assert isinstance(restart, Shadow)
        assert made.kind is Kind.CONFIG_CHANGE
        assert (made.change_type, made.component, made.old_value, made.new_value, made.changed_by) == (
            change_type,
            component,
            old,
            new,
            "ada",
        )
        assert (restart.event, restart.strategy, restart.id) == (
            ShadowEvent.RESTARTED,
            "meanrev",
            made.shadow_restart_id,
        )
        assert len(set(made.vectors)) == 5
        changes, promotions = followed(*bodies)
        assert promotions.restarts == {"meanrev": made.shadow_restart_id}
        (open_one,) = revalidation.open_changes(changes, "meanrev", results(promotions))
        assert open_one.sweep_id == made.sweep_id
        assert revalidation.open_changes(changes, "breakout", {}) == ()

    def test_retry_makes_the_same_ids_and_another_command_others(self) -> None:
        """So that a change that is decided twice restarts once."""
        assert changed() == changed()
        ids = {
            (proof(*bodies).sweep_id, proof(*bodies).shadow_restart_id)
            for bodies in (changed(), changed("command-2"), changed(parameter="other"), changed(strategy="other"))
        }
        assert len(ids) == 4
        assert all(sweep != restart for sweep, restart in ids)

    @pytest.mark.parametrize("component", COMPONENTS)
    def test_five_vectors_of_our_own_suite(self, component: str) -> None:
        """Five different ones that the spec knows, for every component, also for one that nobody foresaw."""
        vectors = revalidation.vectors_for(component)
        assert len(set(vectors)) == revalidation.VECTORS_IN_SWEEP == 5
        assert all(vector in promises() for vector in vectors)
        assert revalidation.vectors_for(f"{component}.part") == vectors


@shows("S33-PRO-01", "S33-REV-07")
class TestSweep:
    """The sweep: five passed vectors close it, one that fails extends the validation."""

    @given(st.lists(st.dictionaries(st.integers(0, 4), st.booleans(), max_size=5), max_size=6))
    def test_any_row_of_runs(self, runs: list[dict[int, bool]]) -> None:
        """What counts is each vector's last verdict: one that stands failed extends, all five passed close."""
        bodies = changed()
        made = proof(*bodies)
        changes, promotions = followed(*bodies)
        (followed_change,) = changes.latest.values()
        last: dict[str, bool] = {}
        failures = 0
        for seq, run in enumerate(runs, 10):
            verdicts = {made.vectors[n]: passed for n, passed in run.items()} | {"CV_SOMEBODY_ELSES": False}
            promotions.fold(bead(seq, revalidation.sweep_result(followed_change, verdicts)))
            last |= {made.vectors[n]: passed for n, passed in run.items()}
            failures += not all(run.values())
        passed, failed = results(promotions).get(made.sweep_id, ([], []))
        state = revalidation.sweep_state(followed_change, passed, failed)
        expected = SweepState.RUNNING
        if not all(last.values()):
            expected = SweepState.EXTENDED
        elif len(last) == 5:
            expected = SweepState.PASSED
        assert state is expected
        still_open = revalidation.open_changes(changes, "meanrev", results(promotions))
        assert (still_open == ()) == (expected is SweepState.PASSED)
        assert promotions.sweeps.get(made.sweep_id) is None or promotions.sweeps[made.sweep_id].failures == failures

    def test_failed_sweep_extends_by_five_sessions(self) -> None:
        """And each further one by five more."""
        assert [revalidation.sessions_needed(20, n) for n in range(3)] == [20, 25, 30]

    def test_parameter_that_changes_again_is_swept_again(self) -> None:
        """The older sweep of it is moot, even if it passed; other parameters keep theirs, oldest first."""
        first, second = changed(), changed("command-2", old="0.7", new="0.8")
        beside = changed("command-3", parameter="max_age")
        changes, _ = followed(*first, *beside, *second)
        done = {proof(*first).sweep_id: (proof(*first).vectors, ())}
        still = [one.sweep_id for one in revalidation.open_changes(changes, "meanrev", done)]
        assert still == [proof(*beside).sweep_id, proof(*second).sweep_id]
        assert changes.total == 3

    def test_two_strategies_that_change_the_same_parameter_are_both_swept(self) -> None:
        """A later change of somebody else's moots nothing: both wait, each for its own sweep."""
        first, other = changed(), changed("command-2", strategy="breakout")
        changes, _ = followed(*first, *other)
        for strategy, bodies in (("meanrev", first), ("breakout", other)):
            (still,) = revalidation.open_changes(changes, strategy, {})
            assert still.sweep_id == proof(*bodies).sweep_id

    def test_what_is_followed_of_a_change(self) -> None:
        """Its place, its parts, its sweep."""
        made = proof(*changed())
        changes, _ = followed(*changed())
        assert list(changes.latest.values()) == [
            Change(1, "meanrev", "cso", "min_quality", made.sweep_id, made.shadow_restart_id, made.vectors)
        ]

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        changes = Changes()
        changes.fold(bead(1, seen(About.WARNING, "x")))
        assert changes == Changes()
