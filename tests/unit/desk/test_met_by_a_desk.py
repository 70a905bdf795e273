"""Rules as they are met: by a whole desk, at the place where it asks for them, and not only by the rule's own tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts.operate import AnchorState, Observe, RaiseKill
from phoenix_core.beads import (
    About,
    Beat,
    Evidence,
    Health,
    Heartbeat,
    KillKind,
    Limits,
    Observation,
    Policy,
    Position,
    Signal,
    SignalEvent,
)
from phoenix_core.refusals import Reason
from phoenix_core.values import Account, Regime, State, utc_of, utc_text
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import walked

# The longest that a walk of these goes on without a look, so the least by which a time is known.
STEP = timedelta(seconds=1)


def at(instant: str) -> Stage:
    """A desk that is not yet started, at this instant of New York."""
    made = stage()
    made.clock.advance(datetime.fromisoformat(instant) - made.clock.now().wall)
    return made


@shows("S32-CON-08")
@pytest.mark.parametrize(
    ("instant", "reason"),
    [
        ("2026-11-20T16:54:00-05:00", None),  # a Friday: six minutes are enough
        ("2026-11-20T16:56:00-05:00", Reason.MARKET_CLOSES_SOON),
        ("2026-11-21T12:00:00-05:00", Reason.MARKET_CLOSED),
        ("2026-11-22T17:10:00-05:00", Reason.MARKET_CLOSED),
        ("2026-11-22T17:16:00-05:00", None),  # the week has begun
        ("2026-11-18T17:05:00-05:00", Reason.MARKET_CLOSED),  # a quarter of an hour each day
    ],
)
def test_an_approval_outside_the_week_of_the_market_sends_nothing(instant: str, reason: Reason | None) -> None:
    """Approved by a human all the same: the desk refuses it at the submit, by name, and no byte leaves."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
        if reason is None:
            assert (last.state, desk.sent) == (State.MANAGED, 3)
        else:
            assert (last.state, desk.sent) == (State.CANCELLED, 0)
            assert last.reasons == (reason.value,)

    _ = walked(walk, at(instant))


@shows("S32-CON-07", "S33-GRD-08", "INV-IBKR-ACCOUNT-CHECK-1")
@pytest.mark.parametrize(
    ("account", "port", "reason"),
    [(Account("b" * 64, "MOCK"), 0, Reason.ACCOUNT_MISMATCH), (None, 4002, Reason.PORT_MISMATCH)],
    ids=["account", "port"],
)
def test_every_submit_asks_for_account_and_port_again(
    account: Account | None, port: int, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were right when the desk started and when the human signed; the session under it is another one by now."""

    async def walk(desk: Stage) -> None:
        first = await desk.enter()
        assert desk.state(first) is State.MANAGED
        sent = desk.sent
        second = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
        _ = desk.approve(second).unwrap()
        monkeypatch.setattr(type(desk.broker), "port", lambda _: port)
        if account is not None:
            monkeypatch.setattr(type(desk.broker), "accounts", lambda _: (account,))
        await desk.tick()
        assert desk.sent == sent
        assert desk.bodies(Position)[-1].reasons[0] == reason.value

    _ = walked(walk)


@shows("S32-KIL-01", "S32-KIL-02")
@pytest.mark.parametrize("scope", ["desk", "strategy:trend", "instrument:EURUSD"])
@pytest.mark.parametrize("kind", [KillKind.ONE_WAY, KillKind.TEMPORARY, KillKind.SIGNALMAN])
def test_under_any_kill_an_approval_is_refused_and_nothing_is_sent(kind: KillKind, scope: str) -> None:
    """Before the broker is reached, and before a token exists."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        says = desk.screen(intent).says
        _ = desk.act(RaiseKill(desk.fresh(), scope, "drill", "test", kind)).unwrap()
        refused = desk.sign(says)
        assert not is_successful(refused) and Reason.KILL_FLAG_ACTIVE in refused.failure().reasons
        await desk.tick()
        assert (desk.state(intent), desk.sent) == (State.PROPOSED, 0)

    _ = walked(walk)


@shows("S32-STL-02")
@pytest.mark.parametrize(
    ("regime", "minutes"), [(Regime.DEFAULT, 30), (Regime.HIGH_VOLATILITY, 15), (Regime.NEWS, 10)], ids=str
)
def test_how_old_a_context_may_be_follows_the_weather(regime: Regime, minutes: int) -> None:
    """As a bot meets it: what is as old as that is refused when it comes in, what is a second younger is not."""

    async def walk(desk: Stage) -> None:
        anchor = AnchorState(desk.fresh(), "trend", "another context", regime, "operator")
        _ = desk.act(anchor).unwrap()
        oldest = desk.clock.now().wall - timedelta(minutes=minutes)
        for made in (oldest, oldest + STEP):
            _ = desk.act(proposal_of("", desk.signal(created_at=utc_text(made)), "bot"))
        refused, taken = desk.bodies(Signal)
        assert (refused.event, refused.reasons[0]) == (SignalEvent.REFUSED, Reason.STATE_CONFLICT.value)
        assert Reason.STATE_CONFLICT.value not in taken.reasons
        assert taken.event is SignalEvent.ACCEPTED or minutes > 15, (
            "a signal itself is a quarter of an hour old at most"
        )

    policy = Policy(limits=Limits(), stale_after=timedelta(minutes=60))
    _ = walked(walk, stage(policy=policy))


@shows("S32-EVD-01")
def test_the_human_sees_how_long_the_context_stays_fresh() -> None:
    """A signal that was made six minutes ago, in calm weather: nine are left when its evidence is assembled."""

    async def walk(desk: Stage) -> None:
        made = desk.clock.now().wall - timedelta(minutes=6)
        intent = await desk.propose(created_at=utc_text(made))
        shown = desk.desk.evidence.latest(intent)
        assert shown is not None
        (bead,) = [bead for bead in desk.beads() if isinstance(bead.body, Evidence)]
        age = bead.ts - made
        assert (shown.evidence.state_age, shown.evidence.state_limit) == (age, timedelta(minutes=15))
        left = int((timedelta(minutes=15) - age).total_seconds())
        screen = "\n".join(desk.screen(intent).lines)
        assert f"state {left // 60:02}:{left % 60:02} left of 15:00" in screen

    _ = walked(walk)


@shows("S32-STL-03")
@pytest.mark.parametrize("minutes", [None, 3], ids=["fifteen", "as-configured"])
def test_a_context_is_judged_again_when_the_order_would_leave(
    minutes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fresh when the human signed; the wire had no room for so long that it is not when the order could leave."""
    threshold = timedelta(minutes=minutes or 15)

    async def walk(desk: Stage, beyond: timedelta) -> None:
        signed = timedelta(minutes=2)
        made = desk.clock.now().wall - (threshold - signed)
        intent = await desk.propose(created_at=utc_text(made))
        monkeypatch.setattr(type(desk.broker), "room", lambda _: 0)
        _ = desk.approve(intent).unwrap()
        await desk.watch((threshold + beyond - (desk.clock.now().wall - made)).total_seconds(), 1)
        ended = desk.state(intent) is State.CANCELLED
        reasons = [p.reasons for p in desk.bodies(Position) if p.intent_id == intent][-1]
        assert ended is (beyond > timedelta(0)), (beyond, reasons)
        if ended:
            assert reasons[0] == Reason.STATE_CONFLICT.value
        assert desk.sent == 0

    policy = Policy(limits=Limits(), stale_after=threshold)
    for beyond in (timedelta(seconds=-2), timedelta(seconds=2)):
        _ = walked(lambda desk, beyond=beyond: walk(desk, beyond), stage(policy=policy))  # type: ignore[misc]  # one walk for each


@shows("S32-REC-05")
def test_however_often_it_is_asked_a_desk_looks_twelve_times_a_minute() -> None:
    """A demand every second for three minutes: never more than twelve looks begin in any minute, and none is lost."""

    async def walk(desk: Stage) -> None:
        for _ in range(180):
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {}))
            await desk.tick(1)
        looks = [utc_of(str(o.facts["began"]), "began") for o in desk.bodies(Observation) if o.about is About.SNAPSHOT]
        most = max(sum(one <= other < one + timedelta(minutes=1) for other in looks) for one in looks)
        assert most == 12
        assert len(looks) >= 3 * 12
        asked = desk.where(Observation, lambda o: o.about is About.DEMAND)[-1]
        await desk.watch(60, 5)
        assert max(desk.where(Observation, lambda o: o.about is About.SNAPSHOT)) > asked

    _ = walked(walk)


@shows("S32-LIF-19")
def test_what_is_filled_in_parts_is_one_position_that_counts_them() -> None:
    """Two fifths, then another fifth while it is MANAGED, then the rest: one position, its ratio after each."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.4")))
        intent = await desk.enter(quantity="100000")
        await desk.tick(1)
        entry = desk.broker.truth.book[str(desk.bodies(Position)[-1].order_ref)]
        for share in (Decimal(20_000), Decimal(40_000)):
            desk.broker._execute(entry, share)
            await desk.tick(1)
        told = [p for p in desk.bodies(Position) if p.filled_quantity]
        assert {p.intent_id for p in told} == {intent} and len({p.position_id for p in told}) == 1
        ratios = list(dict.fromkeys((p.partial_fill_ratio, p.filled_quantity, p.requested_quantity) for p in told))
        assert ratios == [
            (Decimal(ratio), Decimal(filled), Decimal(100_000))
            for ratio, filled in (("0.4", 40_000), ("0.6", 60_000), ("1", 100_000))
        ]
        assert desk.state(intent) is State.MANAGED

    _ = walked(walk)


@shows("S33-MON-03", "INV-OPS-HEARTBEAT-30S-1", "INV-OPS-HEARTBEAT-SEMANTIC-1", "S33-MON-10")
def test_a_desk_beats_every_thirty_seconds_and_says_how_it_is() -> None:
    """Ten quiet minutes HEALTHY; then a drift, DEGRADED and named while the process lives; then no link, CRITICAL."""

    async def walk(desk: Stage) -> None:
        await desk.watch(600, 1)
        beats = [bead for bead in desk.beads() if isinstance(bead.body, Heartbeat)]
        gaps = [after.ts - before.ts for before, after in pairwise(beats)]
        assert timedelta(seconds=25) <= min(gaps) and max(gaps) <= timedelta(seconds=35) + STEP
        assert len(set(gaps)) > 1, "they are moved by a jitter"
        assert {bead.body.status for bead in beats if isinstance(bead.body, Heartbeat)} == {Beat.HEALTHY}
        desk.broker.spoof("AAPL", Decimal(7))
        await desk.watch(400, 5)
        sick = desk.bodies(Heartbeat)[-1]
        assert (sick.status, sick.health_state) == (Beat.DEGRADED, Health.DEGRADED)
        assert (sick.checks.process_alive, sick.checks.semantic_healthy) == (True, False)
        assert "drift_unresolved" in sick.details
        desk.broker.refuse_connects(99)
        desk.broker.cut()
        await desk.watch(60, 5)
        down = desk.bodies(Heartbeat)[-1]
        assert (down.status, down.health_state, down.checks.ibkr_connected) == (Beat.DEGRADED, Health.CRITICAL, False)
        assert "ibkr_connected" in down.details

    _ = walked(walk)
