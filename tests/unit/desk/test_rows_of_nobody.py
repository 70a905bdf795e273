"""Rows that loosen, written into the log past every rule: they open nothing, and a human is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
from attrs import evolve
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.acts.operate import AnchorState, RaiseKill
from phoenix_core.acts.vouching import Disown
from phoenix_core.beads import (
    Alert,
    Body,
    Decision,
    Draft,
    DriftType,
    KillEvent,
    KillFlag,
    KillKind,
    Limits,
    Observation,
    Operator,
    OperatorEvent,
    Policy,
    Position,
    PositionEvent,
    Promotion,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    Settlement,
    Settles,
    Shadow,
    ShadowEvent,
    T2Token,
)
from phoenix_core.facts import Checked
from phoenix_core.gate.approvals import signed_of
from phoenix_core.gate.kill_flags import TEMPORARY_FOR, lift_flag
from phoenix_core.gate.statements import (
    ClearKill,
    Close,
    Enrol,
    Promote,
    ResolveDrift,
    Revoke,
    Says,
    SetPolicy,
    ValidatePaper,
    policy_hash,
)
from phoenix_core.kernel import decide, sealed
from phoenix_core.orders import entry_ref
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import granted
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Money, Quantity, Regime, Severity, State
from phoenix_core.watch.codes import Code
from tests.showing import shows
from tests.stage import Pen, Stage, restarted, stage
from tests.unit.desk.test_live import POLICY, live_stage, permitted, promoted, shadowed
from tests.unit.desk.walks import WORDS, walked

TIGHT: Final = Policy(limits=Limits(order_quantity_max=Quantity(Decimal(1000))))
LOOSE: Final = Policy(limits=Limits())
OTHER: Final = Policy(limits=Limits(open_positions_max=7))
EVE: Final = soft_pen("eve")
SECOND: Final = soft_pen("second")
PROMOTION: Final = Promotion(
    strategy="trend",
    from_="SHADOW",
    to="LIVE",
    kill_flag=False,
    unresolved_drift_count=0,
    sessions=20,
    regimes=("range", "trend"),
    max_drawdown=Decimal("0.01"),
    worst_day=Money(Decimal(20)),
    sharpe=Decimal(1),
    signalman_kills=0,
    override_frequency=Decimal(0),
    autopsy_summary="none",
    evidence_hash="0" * 64,
    token_id="token",
    bunny_vectors_fail=0,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteStore]:
    """A real log, in a file."""
    with SqliteStore(tmp_path / "beads.db", ballast_bytes=0) as store:
        yield store


def by_hand(desk: Stage, *rows: Body | Draft) -> None:
    """Rows are written past every rule, each linked to the one before it as it should be."""
    _ = desk.engine.recorder.catch_up()
    head = desk.desk.head
    records = sealed(head, desk.clock.now().wall, desk.fresh(), granted("by hand", *rows))
    assert is_successful(desk.store.append(head, records))


def decided(desk: Stage, says: Says, pen: Pen | None = None) -> Decision:
    """A decision as its bead has it."""
    signed, now = signed_of(desk.signature(says, pen).checked), desk.clock.now()
    return Decision(says.type, says.subject, signed, ticks=now.ticks, boot=now.boot)


def set_policy(desk: Stage, policy: Policy, pen: Pen | None = None) -> None:
    """A human puts a policy in force."""
    command = desk.signature(SetPolicy(policy_hash(policy)), pen)
    _ = desk.act(evolve(command, policy=policy)).unwrap()


async def is_sent(desk: Stage) -> bool:
    """Whether an order leaves that a human approves now; one that does not is taken back, whole."""
    before = desk.sent
    intent = await desk.propose()
    if is_successful(desk.approve(intent)):
        await desk.tick()
    assert (desk.state(intent) in (State.FILLED, State.MANAGED)) is (desk.sent > before)
    return desk.sent > before


def told_of(desk: Stage) -> list[str]:
    """What people were told of rows that count for nothing."""
    return [a.subject for a in desk.bodies(Alert) if a.code == Code.ROW_UNSIGNED.value and a.event.value == "RAISED"]


# --- a policy ---------------------------------------------------------------------------------------------------------


def policy_alone(desk: Stage) -> None:
    """It names no signature at all."""
    by_hand(desk, LOOSE)


def policy_with_another(desk: Stage) -> None:
    """A human signed another one."""
    said = decided(desk, SetPolicy(policy_hash(OTHER)))
    by_hand(desk, said, evolve(LOOSE, signed=said.signed))


def policy_again(desk: Stage) -> None:
    """A human did sign it, and another one since: the same decision is written once more."""
    set_policy(desk, LOOSE)
    (said,) = [b for b in desk.bodies(Decision) if b.type == "policy"]
    set_policy(desk, TIGHT)
    by_hand(desk, said, evolve(LOOSE, signed=said.signed))


def policy_without_its_decision(desk: Stage) -> None:
    """The row alone is written once more, with the signature that it had."""
    set_policy(desk, LOOSE)
    (row,) = [b for b in desk.bodies(Policy) if b.signed is not None]
    set_policy(desk, TIGHT)
    by_hand(desk, row)


def policy_of_a_row(desk: Stage) -> None:
    """Whoever signed it was enrolled by a row."""
    by_hand(desk, Operator(OperatorEvent.ENROLLED, EVE.key, EVE.public.line, "eve", "software"))
    said = decided(desk, SetPolicy(policy_hash(LOOSE)), EVE)
    by_hand(desk, said, evolve(LOOSE, signed=said.signed))


def policy_of_a_revoked_key(desk: Stage) -> None:
    """Whoever signed it may sign no more."""
    assert is_successful(desk.sign(Enrol(SECOND.key, SECOND.public.line, "second", "software")))
    said = decided(desk, SetPolicy(policy_hash(LOOSE)), SECOND)
    assert is_successful(desk.sign(Revoke(SECOND.key, WORDS)))
    by_hand(desk, said, evolve(LOOSE, signed=said.signed))


def policy_of_no_true_signature(desk: Stage) -> None:
    """The signature is one over other bytes."""
    said = decided(desk, SetPolicy(policy_hash(LOOSE)))
    false = evolve(said.signed, signature=desk.pen.sign(b"other bytes"))
    by_hand(desk, evolve(said, signed=false), evolve(LOOSE, signed=false))


def policy_of_another_desk(desk: Stage) -> None:
    """It was signed for another desk."""
    said = decided(desk, SetPolicy(policy_hash(LOOSE)))
    elsewhere = said.signed.statement.replace("phoenix.test/1", "phoenix.test/2")
    false = evolve(said.signed, statement=elsewhere, signature=desk.pen.sign(elsewhere.encode()))
    by_hand(desk, evolve(said, signed=false), evolve(LOOSE, signed=false))


def policy_behind_an_enrolment(desk: Stage) -> None:
    """An old signature stands where keys are enrolled, which remembers no nonces."""
    set_policy(desk, LOOSE)
    (said,) = [b for b in desk.bodies(Decision) if b.type == "policy"]
    set_policy(desk, TIGHT)
    by_hand(desk, Operator(OperatorEvent.ENROLLED, EVE.key, EVE.public.line, "eve", "software", said.signed), LOOSE)


def policy_behind_a_revocation(desk: Stage) -> None:
    """An old signature stands where keys are revoked."""
    set_policy(desk, LOOSE)
    (said,) = [b for b in desk.bodies(Decision) if b.type == "policy"]
    set_policy(desk, TIGHT)
    assert is_successful(desk.sign(Enrol(SECOND.key, SECOND.public.line, "second", "software")))
    by_hand(
        desk, Operator(OperatorEvent.REVOKED, SECOND.key, SECOND.public.line, "second", "software", said.signed), LOOSE
    )


def policy_behind_no_statement(desk: Stage) -> None:
    """What was signed reads as nothing that Phoenix knows."""
    kept = signed_of(desk.signature(SetPolicy(policy_hash(LOOSE))).checked)
    odd = evolve(kept, statement="{}", signature=desk.pen.sign(b"{}"))
    by_hand(desk, Operator(OperatorEvent.ENROLLED, EVE.key, EVE.public.line, "eve", "software", odd), LOOSE)


def policy_of_a_key_revoked_twice(desk: Stage) -> None:
    """A row revokes it once more, behind what it signed."""
    assert is_successful(desk.sign(Enrol(SECOND.key, SECOND.public.line, "second", "software")))
    assert is_successful(desk.sign(Revoke(SECOND.key, WORDS)))
    said = decided(desk, SetPolicy(policy_hash(LOOSE)), SECOND)
    again = Operator(OperatorEvent.REVOKED, SECOND.key, SECOND.public.line, "second", "software")
    by_hand(desk, said, evolve(LOOSE, signed=said.signed), again)


POLICIES: Final[dict[str, Callable[[Stage], None]]] = {
    "alone": policy_alone,
    "with another": policy_with_another,
    "again": policy_again,
    "without its decision": policy_without_its_decision,
    "of a row": policy_of_a_row,
    "of a revoked key": policy_of_a_revoked_key,
    "behind an enrolment": policy_behind_an_enrolment,
    "behind a revocation": policy_behind_a_revocation,
    "behind no statement": policy_behind_no_statement,
    "of a key that is revoked twice": policy_of_a_key_revoked_twice,
    "of no true signature": policy_of_no_true_signature,
    "of another desk": policy_of_another_desk,
}


class TestPolicies:
    """Limits are loosened by a signature over exactly the looser ones."""

    @pytest.mark.parametrize("row", sorted(POLICIES))
    @shows("I2", "I22")
    def test_a_row_loosens_no_limit(self, row: str, log: SqliteStore) -> None:
        """What the tight policy refused stays unsent, in this run and in the next one; the human hears it once."""

        async def walk(desk: Stage) -> None:
            assert not await is_sent(desk)
            POLICIES[row](desk)
            assert not await is_sent(desk)
            desk.engine.recorder.keep()  # the next run begins from here, and folds none of it
            again = restarted(desk, "run-2")
            await again.start()
            assert not await is_sent(again)
            assert told_of(again) == ["policy"]
            set_policy(again, LOOSE)
            assert await is_sent(again), "a signature mends it"

        _ = walked(walk, stage(log, policy=TIGHT))

    @shows("I2")
    @pytest.mark.parametrize("old", [False, True])
    def test_a_signature_loosens_them(self, old: bool, log: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """The honest twin; also where the desk has long forgotten the decision, and in a run that folds none of it."""
        monkeypatch.setattr("phoenix_core.gate.approvals.REMEMBERED", 2 if old else 256)

        async def walk(desk: Stage) -> None:
            set_policy(desk, LOOSE)
            for n in range(3):
                pen = soft_pen(str(n))
                _ = desk.sign(Enrol(pen.key, pen.public.line, str(n), "software")).unwrap()
            await desk.tick()
            desk.engine.recorder.keep()
            again = restarted(desk, "run-2")
            await again.start()
            assert await is_sent(again) and told_of(again) == []

        _ = walked(walk, stage(log, policy=TIGHT))

    @shows("I2")
    def test_no_desk_is_founded_with_a_signature(self) -> None:
        """Nobody is enrolled before the founder: what claims to be signed there is of nobody, and opens nothing."""
        signed = decided(stage(), SetPolicy(policy_hash(LOOSE))).signed

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            shown = desk.desk.evidence.latest(intent)
            assert shown is not None and f"RED {Reason.POLICY_MISSING.value}" in shown.evidence.flags
            assert not await is_sent(desk) and told_of(desk) == ["policy"]
            set_policy(desk, LOOSE)
            assert await is_sent(desk), "a signature mends it"

        _ = walked(walk, stage(policy=evolve(LOOSE, signed=signed)))

    @shows("I2")
    def test_no_real_money_is_entered_by_what_a_desk_is_founded_with(self) -> None:
        """Where it says so itself, too."""

        async def walk(desk: Stage) -> None:
            await desk.tick()
            assert told_of(desk) == ["policy"]

        signed = decided(stage(), SetPolicy(policy_hash(POLICY))).signed
        _ = walked(walk, live_stage(evolve(POLICY, signed=signed)))

    def test_a_start_checks_what_still_matters_and_no_more(
        self, log: SqliteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of thirty policies one is in force; with or without a snapshot the others' signatures are not asked again."""
        monkeypatch.setattr("phoenix_core.gate.approvals.REMEMBERED", 2)
        counted: list[bytes] = []
        honest = SshVerifier.check

        def counting(verifier: SshVerifier, statement: bytes, signature: str) -> Result[Checked, Refusal]:
            counted.append(statement)
            return honest(verifier, statement, signature)

        async def walk(desk: Stage) -> None:
            for n in range(30):
                set_policy(desk, evolve(OTHER, drift_bps_max=n))
            await desk.tick()
            for kept in (False, True):
                if kept:
                    desk.engine.recorder.keep()
                with mock.patch.object(SshVerifier, "check", counting):
                    again = restarted(desk, f"run-{kept}")
                    await again.start()
                assert told_of(again) == [] and 1 <= len(counted) <= 3
                counted.clear()

        _ = walked(walk, stage(log))

    def test_only_the_engine_disowns_and_only_such_rows(self) -> None:
        """Another process saw no signature; and of a row that loosens nothing there is nothing to say."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, LOOSE)
            place = desk.desk.head.size
            assert desk.act(Disown(desk.fresh(), place)).failure().headline is Reason.LEASE_LOST
            said = desk.engine.recorder.act(Disown(desk.fresh(), 0))
            assert said.failure().reasons == (Reason.NOTHING_TO_DO,)

        assert told_of(walked(walk)) == []

    def test_it_is_red_on_the_screen(self) -> None:
        """Whoever would approve meanwhile sees it before they sign."""

        async def walk(desk: Stage) -> None:
            policy_alone(desk)
            await desk.tick()
            intent = await desk.propose()
            shown = desk.desk.evidence.latest(intent)
            assert shown is not None and f"RED {Reason.POLICY_MISSING.value}" in shown.evidence.flags
            assert not is_successful(desk.approve(intent))

        assert walked(walk).sent == 0

    def test_what_was_approved_before_the_row_is_taken_back(self) -> None:
        """The row comes between the approval and the submit; the reason says whose fault it was."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            by_hand(desk, LOOSE)
            await desk.tick()
            last = desk.bodies(Position)[-1]
            assert last.state is State.CANCELLED and Reason.POLICY_MISSING.value in last.reasons

        assert walked(walk).sent == 0


# --- a kill -----------------------------------------------------------------------------------------------------------


DRIFTS: Final = ReconciliationDrift(
    DriftType.POSITION_SIZE, {"size": "1"}, {"size": "0"}, Severity.CRITICAL, "d", "desk", "size", 1
)


async def raised(desk: Stage, kind: KillKind) -> str:
    """A flag of this kind stands, and nothing beside it keeps an entry away."""
    scope = "strategy:trend" if kind is KillKind.TEMPORARY else "instrument:EURUSD"
    until = desk.clock.now().wall + TEMPORARY_FOR if kind is KillKind.TEMPORARY else None
    row = DRIFTS if kind is KillKind.DRIFT else KillFlag(KillEvent.RAISED, "flag", kind, scope, "why", "who", until)
    by_hand(desk, row)
    await desk.tick()
    if kind is KillKind.DRIFT:
        _ = desk.sign(ResolveDrift("d", Resolution.ACKNOWLEDGED, WORDS)).unwrap()
        await desk.tick()
    return standing(desk, kind)


def standing(desk: Stage, kind: KillKind) -> str:
    """The one flag that stands."""
    (flag,) = desk.desk.kill_flags.standing.values()
    assert flag.type is kind
    return flag.flag


def lifted(desk: Stage, flag: str, kind: KillKind | None = None) -> KillFlag:
    """The row that says that a flag came down."""
    row = lift_flag(desk.desk.kill_flags.standing[flag], "operator", WORDS)
    return row if kind is None else evolve(row, type=kind)


async def comes_down(desk: Stage, kind: KillKind, flag: str) -> None:
    """What brings a flag of this kind down for good."""
    if kind is not KillKind.TEMPORARY:
        _ = desk.sign(ClearKill(flag, WORDS)).unwrap()
        return
    _ = desk.act(AnchorState(desk.fresh(), "trend", "*", Regime.DEFAULT, "operator")).unwrap()
    await desk.watch(301)


def lift_alone(desk: Stage, flag: str) -> None:
    """Nobody signed anything."""
    by_hand(desk, lifted(desk, flag))


def lift_as_another_kind(desk: Stage, flag: str) -> None:
    """The row calls the flag one that comes down by itself."""
    by_hand(desk, lifted(desk, flag, KillKind.TEMPORARY))


def lift_of_another(desk: Stage, flag: str) -> None:
    """A human cleared another flag."""
    by_hand(desk, decided(desk, ClearKill("another", WORDS)), lifted(desk, flag))


def lift_again(desk: Stage, flag: str) -> None:
    """A human cleared this flag, it went up once more, and the old decision is written again."""
    _ = desk.sign(ClearKill(flag, WORDS)).unwrap()
    said = desk.bodies(Decision)[-1]
    by_hand(desk, KillFlag(KillEvent.RAISED, flag, KillKind.ONE_WAY, "instrument:EURUSD", "why", "who"))
    _ = desk.engine.recorder.catch_up()
    by_hand(desk, said, lifted(desk, flag))


def lift_of_a_row(desk: Stage, flag: str) -> None:
    """Whoever cleared it was enrolled by a row."""
    by_hand(desk, Operator(OperatorEvent.ENROLLED, EVE.key, EVE.public.line, "eve", "software"))
    by_hand(desk, decided(desk, ClearKill(flag, WORDS), EVE), lifted(desk, flag))


LIFTS: Final[dict[str, Callable[[Stage, str], None]]] = {
    "alone": lift_alone,
    "as another kind": lift_as_another_kind,
    "of another flag": lift_of_another,
    "again": lift_again,
    "of a row": lift_of_a_row,
}


class TestKills:
    """A flag comes down by what brings its kind down, and by no row that says so."""

    @pytest.mark.parametrize("kind", list(KillKind))
    @shows("I2", "I22")
    def test_a_row_lifts_no_flag(self, kind: KillKind, log: SqliteStore) -> None:
        """Nothing is sent, in this run and in the next one; the flag stands again, in the log, for whoever mends it."""

        async def walk(desk: Stage) -> None:
            flag = await raised(desk, kind)
            assert not await is_sent(desk)
            lift_alone(desk, flag)
            assert not await is_sent(desk)
            assert standing(desk, kind) == flag and told_of(desk) == [desk.desk.kill_flags.standing[flag].scope]
            lift_alone(desk, flag)
            again = restarted(desk, "run-2")
            await again.start()
            assert not await is_sent(again) and len(told_of(again)) == 2
            await comes_down(again, kind, flag)
            again.engine.recorder.keep()
            last = restarted(again, "run-3")
            await last.start()
            assert last.desk.kill_flags.standing == {}
            assert await is_sent(last) and len(told_of(last)) == 2

        _ = walked(walk, stage(log))

    @pytest.mark.parametrize("row", sorted(LIFTS))
    @shows("I2", "I22")
    def test_a_signature_lifts_the_flag_that_it_names(self, row: str, log: SqliteStore) -> None:
        """Not another one, not twice, and not by whoever a row enrolled."""

        async def walk(desk: Stage) -> None:
            flag = await raised(desk, KillKind.ONE_WAY)
            LIFTS[row](desk, flag)
            assert not await is_sent(desk)
            assert standing(desk, KillKind.ONE_WAY) == flag

        assert walked(walk, stage(log)).sent == 0

    def test_a_drift_that_a_human_did_not_answer_keeps_its_flag(self) -> None:
        """The row comes before anybody acknowledged it."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, DRIFTS)
            await desk.tick()
            flag = standing(desk, KillKind.DRIFT)
            lift_alone(desk, flag)
            await desk.tick()
            assert standing(desk, KillKind.DRIFT) == flag

        _ = walked(walk)

    def test_the_last_look_takes_no_such_row_for_true(self) -> None:
        """A kill and a row that lifts it, written between the record and the hand-over: no byte leaves."""
        made, honest = stage(), MemoryStore.hold
        kill = RaiseKill(CommandId("kill"), "desk", "why", "operator")

        def interrupted(store: MemoryStore) -> object:
            if made.desk.positions.in_state(State.SUBMITTED) and not made.bodies(KillFlag):
                _ = made.act(kill).unwrap()
                flag = made.bodies(KillFlag)[-1]
                records = sealed(
                    made.store.head(),
                    made.clock.now().wall,
                    made.fresh(),
                    granted("by hand", evolve(flag, event=KillEvent.LIFTED)),
                )
                assert is_successful(made.store.append(made.store.head(), records))
            return honest(store)

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()

        with mock.patch.object(MemoryStore, "hold", interrupted):
            assert walked(walk, made).sent == 0
        last = made.bodies(Position)[-1]
        assert (last.event, last.reasons) == (PositionEvent.WITHHELD, (Reason.KILL_FLAG_ACTIVE.value,))

    def test_what_rules_lift_stays_down(self) -> None:
        """The honest twin of time: nothing is told, also where the wall is set back behind it."""

        async def walk(desk: Stage) -> None:
            flag = await raised(desk, KillKind.TEMPORARY)
            await comes_down(desk, KillKind.TEMPORARY, flag)
            assert desk.desk.kill_flags.standing == {} and told_of(desk) == []
            desk.clock.step_wall(timedelta(minutes=-4))
            await desk.tick()
            again = restarted(desk, "run-2")
            await again.start()
            assert await is_sent(again) and told_of(again) == []

        _ = walked(walk)


# --- a drift ----------------------------------------------------------------------------------------------------------


def answer_of(desk: Stage, way: Resolution, cleared: bool) -> ReconciliationResolution:
    """The row that answers the open drift."""
    drift = desk.desk.drifts.open["d"]
    return ReconciliationResolution(drift.bead_id, "d", way, "operator", WORDS, cleared)


def known_by_a_row(desk: Stage) -> None:
    """It says that a human knows of it."""
    by_hand(desk, answer_of(desk, Resolution.ACKNOWLEDGED, cleared=False))


def ended_by_a_row(desk: Stage) -> None:
    """It says that a human has corrected the books."""
    by_hand(desk, answer_of(desk, Resolution.PHOENIX_CORRECTED, cleared=True))


def ended_by_no_place(desk: Stage) -> None:
    """It says that it carries out what stands nowhere."""
    answers(desk, Resolution.PHOENIX_CORRECTED, 10**6)


def ended_by_another_answer(desk: Stage) -> None:
    """A human said that it is known: the row that it is over."""
    said = decided(desk, ResolveDrift("d", Resolution.ACKNOWLEDGED, WORDS))
    place = desk.store.head().size
    by_hand(desk, said)
    answers(desk, Resolution.PHOENIX_CORRECTED, place)


def ended_by_an_answer_to_another(desk: Stage) -> None:
    """A human said so of another drift."""
    said = decided(desk, ResolveDrift("another", Resolution.PHOENIX_CORRECTED, WORDS))
    place = desk.store.head().size
    by_hand(desk, said)
    answers(desk, Resolution.PHOENIX_CORRECTED, place)


def known_by_an_older_answer(desk: Stage) -> None:
    """A human knew of what it was; then it opened anew."""
    said = decided(desk, ResolveDrift("d", Resolution.ACKNOWLEDGED, WORDS))
    place = desk.store.head().size
    by_hand(desk, said)
    answers(desk, Resolution.ACKNOWLEDGED, place)
    _ = desk.engine.recorder.catch_up()
    by_hand(desk, desk.desk.drifts.open["d"].told)
    _ = desk.engine.recorder.catch_up()
    answers(desk, Resolution.ACKNOWLEDGED, place)


def answers(desk: Stage, way: Resolution, place: int) -> None:
    """The row, with the decision that it says it carries out."""
    _ = desk.engine.recorder.catch_up()
    row = Draft(answer_of(desk, way, way is not Resolution.ACKNOWLEDGED), (Settles(place, 0, Settlement.DONE),))
    by_hand(desk, row)


ANSWERS: Final[dict[str, Callable[[Stage], None]]] = {
    "known by a row": known_by_a_row,
    "ended by a row": ended_by_a_row,
    "ended by no place": ended_by_no_place,
    "ended by another answer": ended_by_another_answer,
    "ended by an answer to another": ended_by_an_answer_to_another,
    "known by an older answer": known_by_an_older_answer,
}


class TestDrifts:
    """A drift is answered by a signature over exactly the answer."""

    @pytest.mark.parametrize("row", sorted(ANSWERS))
    @shows("I2", "I22")
    def test_a_row_answers_no_drift(self, row: str, log: SqliteStore) -> None:
        """It is open again and blocks, in this run and in the next one; a human answers it, and then it does not."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, DRIFTS)
            await desk.tick()
            ANSWERS[row](desk)
            assert not await is_sent(desk)
            assert told_of(desk) == ["drift desk size"]
            (drift,) = desk.desk.drifts.open.values()
            assert not drift.acknowledged and drift.told == evolve(DRIFTS, session=desk.desk.sessions.session)
            desk.engine.recorder.keep()
            again = restarted(desk, "run-2")
            await again.start()
            assert not await is_sent(again) and len(told_of(again)) == 1
            _ = again.sign(ResolveDrift("d", Resolution.ACKNOWLEDGED, WORDS)).unwrap()
            await again.tick()
            _ = again.sign(ClearKill(standing(again, KillKind.DRIFT), WORDS)).unwrap()
            assert await is_sent(again) and len(told_of(again)) == 1

        _ = walked(walk, stage(log))

    @pytest.mark.parametrize("place", [10**6, -1, 0])
    def test_places_are_of_this_log(self, place: int) -> None:
        """A run that starts reads no place that the row made up."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, DRIFTS)
            answers(desk, Resolution.PHOENIX_CORRECTED, place)
            again = restarted(desk, "run-2")
            await again.start()
            assert told_of(again) == ["drift desk size"]

        _ = walked(walk)

    @pytest.mark.parametrize("where", ["EURUSD", "GBPUSD", None])
    @pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.WARNING])
    def test_the_last_look_takes_no_answer_for_true(self, where: str | None, severity: Severity) -> None:
        """A drift and a row that ends it, between the record and the hand-over: withheld where it would block."""
        made, honest = stage(), MemoryStore.hold
        row = evolve(DRIFTS, instrument=where, severity=severity)
        blocks = where == "EURUSD" or (where is None and severity is Severity.CRITICAL)

        def interrupted(store: MemoryStore) -> object:
            if made.desk.positions.in_state(State.SUBMITTED) and not made.bodies(ReconciliationDrift):
                by_hand(made, row)
                _ = made.engine.recorder.catch_up()
                ended_by_a_row(made)
            return honest(store)

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()

        with mock.patch.object(MemoryStore, "hold", interrupted):
            assert (walked(walk, made).sent == 0) is blocks
        withheld = [p.reasons for p in made.bodies(Position) if p.event is PositionEvent.WITHHELD]
        assert withheld == ([(Reason.DRIFT_OPEN.value,)] if blocks else [])

    @shows("I2")
    def test_what_a_human_said_and_a_picture_proved_is_over(self, log: SqliteStore) -> None:
        """The honest twin: answered, proven by the next whole picture, and over for the next run too."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, DRIFTS)
            await desk.tick()
            _ = desk.sign(ResolveDrift("d", Resolution.BROKER_CORRECTED, WORDS)).unwrap()
            await desk.watch(310, 30)
            assert desk.desk.drifts.open == {} and told_of(desk) == []
            desk.engine.recorder.keep()
            again = restarted(desk, "run-2")
            await again.start()
            assert await is_sent(again) and told_of(again) == []

        _ = walked(walk, stage(log))


# --- what only a LIVE desk asks for -----------------------------------------------------------------------------------


class TestPromotions:
    """Real money moves for a strategy that a human promoted, on a build that a human declared good."""

    @shows("INV-PROMOTION-T2-1", "I2")
    def test_a_row_promotes_nothing(self) -> None:
        """The strategy has its whole shadow; the row takes the place of the human's signature."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            by_hand(desk, PROMOTION)
            assert not await is_sent(desk)
            again = restarted(desk, "run-2")
            await again.start()
            assert not await is_sent(again) and told_of(again) == ["promotion of trend"]
            assert promoted(again)
            assert await is_sent(again), "a signature mends it"

        _ = walked(walk, live_stage())

    @shows("I2")
    def test_a_decision_about_another_strategy_promotes_nothing(self) -> None:
        """A human promoted another one."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            by_hand(desk, decided(desk, Promote("another", "0" * 64)), PROMOTION)
            assert not await is_sent(desk)

        _ = walked(walk, live_stage())

    @pytest.mark.parametrize("says", ["another build", "nothing true"])
    @shows("I2")
    def test_a_row_declares_no_build_good(self, says: str) -> None:
        """A LIVE desk whose paper validation is a row: it says this build, and what was signed does not."""

        async def walk(desk: Stage) -> None:
            set_policy(desk, POLICY)
            said = decided(desk, ValidatePaper("another", WORDS))
            if says == "nothing true":
                said = decided(desk, ValidatePaper("build-1", WORDS))
                said = evolve(said, signed=evolve(said.signed, signature=desk.pen.sign(b"other bytes")))
            by_hand(desk, evolve(said, subject="build-1"))
            shadowed(desk)
            assert promoted(desk)
            assert not await is_sent(desk)
            assert told_of(desk) == ["build build-1"]
            shown = desk.desk.evidence.latest(await desk.propose())
            assert shown is not None, "the screen says it before anybody signs"
            assert f"RED {Reason.PAPER_VALIDATION_MISSING.value}" in shown.evidence.flags
            permitted(desk)
            assert promoted(desk) and await is_sent(desk), "a signature mends it"

        _ = walked(walk, live_stage())

    def test_elsewhere_no_promotion_is_asked_for(self) -> None:
        """On a MOCK desk such a row opens nothing that was closed: it is told, and entries go on."""

        async def walk(desk: Stage) -> None:
            by_hand(desk, PROMOTION)
            assert await is_sent(desk) and told_of(desk) == ["promotion of trend"]

        _ = walked(walk)

    def test_the_last_lights_ask_for_it_too(self) -> None:
        """Approved while it was promoted; then rows begin its shadow anew, and promote it again."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            by_hand(desk, Shadow(ShadowEvent.RESTARTED, "trend", "again"), PROMOTION)
            await desk.tick()
            assert desk.bodies(Position)[-1].reasons == (Reason.STRATEGY_NOT_PROMOTED.value,)

        assert walked(walk, live_stage()).sent == 0

    def test_the_last_lights_ask_for_the_build_too(self) -> None:
        """Approved while a signature stood behind the build; then a row says in its place that it is good."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            by_hand(desk, evolve(decided(desk, ValidatePaper("another", WORDS)), subject="build-1"))
            await desk.tick()
            assert desk.bodies(Position)[-1].reasons == (Reason.PAPER_VALIDATION_MISSING.value,)

        assert walked(walk, live_stage()).sent == 0


def held_of(desk: Stage, intent: str) -> Decimal:
    """What is held of a position that is open."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position.held


class TestApprovals:
    """An approval is of the intent that was signed."""

    @shows("I2", "CV_S32_TOKEN_REPLAY")
    @pytest.mark.parametrize("what", ["another intent", "another thing"])
    def test_a_signature_does_not_move_to_another_intent(self, what: str) -> None:
        """A human signed something else; the row says that it was this intent, and its token fits the row."""

        async def walk(desk: Stage) -> None:
            one = await desk.propose()
            other = await desk.propose(target="1.0920")
            says = desk.screen(other).says if what == "another intent" else ClearKill("flag", WORDS)
            moved = decided(desk, says)
            good = desk.signature(desk.screen(one).says)
            recorder = desk.other()
            _ = recorder.catch_up()
            ruling = decide(recorder.desk, good, recorder.world(recorder.desk))
            said, token, position = (draft.body for draft in ruling.drafts)
            assert isinstance(said, Decision) and isinstance(token, T2Token) and isinstance(position, Position)
            ref = entry_ref(moved.signed.statement.encode())
            by_hand(
                desk,
                evolve(said, signed=moved.signed),
                evolve(token, order_ref=ref),
                evolve(position, order_ref=ref),
            )
            await desk.tick()
            assert desk.state(one) is State.CANCELLED

        desk = walked(walk)
        assert desk.sent == 0
        assert desk.bodies(Position)[-1].reasons == (Reason.TOKEN_SIGNATURE.value,)

    @shows("I2")
    def test_a_close_of_a_part_is_carried_out_once(self) -> None:
        """Its decision is written again within its minute: the desk says that it was recorded before."""

        async def walk(desk: Stage) -> None:
            held = await desk.enter()
            _ = desk.sign(Close(held, WORDS, Quantity(Decimal(1000)))).unwrap()
            said = desk.bodies(Decision)[-1]
            for _ in range(6):
                await desk.tick(1)
            left = held_of(desk, held)
            by_hand(desk, said)
            for _ in range(6):
                await desk.tick(1)
            assert held_of(desk, held) == left
            refused = [b.facts["reasons"] for b in desk.bodies(Observation) if "reasons" in b.facts]
            assert refused == [Reason.STATEMENT_REPLAYED.value]

        _ = walked(walk)
