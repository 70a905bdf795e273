"""The invariants of S32 that only a whole desk can show: drawn walks over the production engine, the log read after.

What each wing judges is shown beside the wing. Here somebody proposes, approves, forges, waits and kills in any order,
the broker does what it likes, and the log is held against the invariant bead by bead.
"""

from __future__ import annotations

import ast
import asyncio
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from attrs import Factory, define
from attrs import evolve as changed_in
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest_socket import SocketConnectBlockedError
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Dawdle, Fate, Fill, Lose, Partial, Reject, Silence
from phoenix_cli.wiring.bunny.s32_life import STRATEGY, earned
from phoenix_core.acts.earn import standing_of
from phoenix_core.acts.operate import Observe, RaiseKill, kill_flag
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Bead,
    KillFlag,
    KillKind,
    Kind,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Promotion,
    ReconciliationDrift,
    StateConflict,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import Promote
from phoenix_core.gate.tokens import LIFE
from phoenix_core.kernel import evolve, sealed
from phoenix_core.refusals import Reason
from phoenix_core.rulings import granted
from phoenix_core.trust.promotion import bundle, record_of
from phoenix_core.values import Role, State
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.codes import Code
from tests.keyring import software_pen
from tests.showing import REPOSITORY, shows
from tests.stage import PAIR, Stage, stage

few: Final = settings(max_examples=20)
OTHER: Final = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}

# --- drawn walks ------------------------------------------------------------------------------------------------------

Act = tuple[str, int]
fates: Final[st.SearchStrategy[Fate]] = st.sampled_from(
    [Fill(), Fill(timedelta(seconds=20)), Partial(), Reject(), Silence(), Silence(fills=True), Lose(), Dawdle()]
)
acts: Final = st.lists(
    st.tuples(
        st.sampled_from(["propose", "approve", "approve", "tick", "wait", "present", "forge", "kill", "cut"]),
        st.integers(0, 30),
    ),
    min_size=4,
    max_size=14,
)


@define
class Channel:
    """A way to reach a human that takes everything."""

    name: str = "channel"
    taken: list[Message] = Factory(list)

    async def send(self, message: Message) -> bool:
        """Take a message."""
        self.taken.append(message)
        return True


def play(moves: list[Act], fate: Fate) -> Stage:
    """Do all of it on a fresh desk, and let it come to rest."""

    async def walk() -> Stage:
        desk = stage()
        await desk.start()
        desk.broker.script(*[fate] * 8)
        intents = [await desk.propose()]
        for what, much in moves:
            await _do(desk, intents, what, much)
        await desk.tick(1)
        return desk

    return asyncio.run(walk())


async def _do(desk: Stage, intents: list[str], what: str, much: int) -> None:
    intent = intents[much % len(intents)]
    if what == "propose":
        intents.append(await desk.propose(**(OTHER if much % 2 else {})))
    elif what in ("approve", "forge"):
        waiting = [one for one in intents if desk.state(one) is State.PROPOSED and desk.desk.evidence.latest(one)]
        if waiting:
            _ = desk.approve(waiting[0], software_pen("a stranger") if what == "forge" else None)
    elif what == "tick":
        await desk.tick(much / 10)
    elif what == "wait":
        await desk.watch(much * 12, 30)
    elif what == "present":
        issued = [t.id for t in desk.bodies(T2Token) if t.event is TokenEvent.ISSUED] or ["none"]
        _ = desk.present(issued[much % len(issued)], intent)
    elif what == "kill" and much > 20:
        _ = desk.act(RaiseKill(desk.fresh(), f"instrument:{PAIR}", "drawn", "signalman", KillKind.SIGNALMAN)).unwrap()
    elif what == "cut" and much > 20:
        desk.broker.cut()


def each_bead(desk: Stage, look: Callable[[Desk], dict[str, str]]) -> list[tuple[Bead, dict[str, str], dict[str, str]]]:
    """Fold the log again: every bead with what `look` sees before and after it."""
    fold, steps = Desk(), []
    for bead in desk.beads():
        before = look(fold)
        fold = evolve(fold, bead)
        steps.append((bead, before, look(fold)))
    return steps


# --- tokens and positions ---------------------------------------------------------------------------------------------

SENDS: Final[list[Act]] = [("approve", 0), ("tick", 5), ("present", 0), ("propose", 1), ("approve", 0), ("tick", 5)]


@shows("INV-T2-GATE-1", "I1")
class TestNoOrderWithoutToken:
    """INV-T2-GATE-1: No order is submitted without a valid T2 token."""

    @few
    @given(moves=acts, fate=fates)
    @example(moves=SENDS, fate=Fill())
    @example(moves=[("forge", 0), ("tick", 5), ("present", 1)], fate=Fill())
    def test_every_entry_at_the_broker_has_its_own_spent_token(self, moves: list[Act], fate: Fate) -> None:
        """An entry that reached the broker names a token, issued before, alive then, and spent on it alone."""
        desk = play(moves, fate)
        entries = [w.frame.ref for w in desk.broker.truth.book.values() if w.frame.line.role is Role.ENTRY]
        spent = {t.order_ref: t for t in desk.bodies(T2Token) if t.event is TokenEvent.USED}
        recorded = {b.body.ref: b for b in desk.beads() if isinstance(b.body, Order) and b.body.token_id}
        issued = {t.id for t in desk.bodies(T2Token) if t.event is TokenEvent.ISSUED}
        for ref in entries:
            token, order = spent[ref], recorded[ref]
            assert isinstance(order.body, Order)
            assert token.id in issued
            assert order.body.token_id == token.id
            assert order.ts - token.timestamp < LIFE
        assert len({spent[ref].id for ref in entries}) == len(entries)

    def test_the_walks_do_reach_the_broker(self) -> None:
        """The honest twin: approved intents are sent."""
        desk = play(SENDS, Fill())
        assert sum(w.frame.line.role is Role.ENTRY for w in desk.broker.truth.book.values()) == 2


@shows("INV-T2-TOKEN-AUDIT-1")
class TestTokenAudit:
    """INV-T2-TOKEN-AUDIT-1: Each token state change emits a T2_TOKEN bead."""

    @few
    @given(moves=acts, fate=fates)
    @example(moves=SENDS, fate=Fill())
    @example(moves=[("approve", 0), ("present", 0), ("cut", 21)], fate=Fill())
    def test_a_token_changes_by_its_bead_and_by_nothing_else(self, moves: list[Act], fate: Fate) -> None:
        """Folded bead by bead: what is known of a token's state changes exactly at a T2_TOKEN bead about it."""

        def states(fold: Desk) -> dict[str, str]:
            known = (*fold.tokens.live, *fold.tokens.ended)
            return {token: str(fold.tokens.state(token)) for token in known}

        for bead, before, after in each_bead(play(moves, fate), states):
            different = {token for token in after if before.get(token) != after[token]}
            named = {bead.body.id} if isinstance(bead.body, T2Token) else set()
            assert different <= named, f"{bead.body.kind} at {bead.seq} changed a token"
            if isinstance(bead.body, T2Token) and (bead.body.event is not TokenEvent.REJECTED or bead.body.final):
                assert different == named


@shows("INV-POSITION-AUDIT-1", "S32-LIF-18")
class TestPositionAudit:
    """INV-POSITION-AUDIT-1: Each state transition emits a POSITION bead."""

    @few
    @given(moves=acts, fate=fates)
    @example(moves=SENDS, fate=Fill())
    @example(moves=SENDS, fate=Reject())
    @example(moves=[*SENDS, ("wait", 20)], fate=Silence())
    def test_a_position_moves_by_its_bead_and_by_nothing_else(self, moves: list[Act], fate: Fate) -> None:
        """Folded bead by bead: each move is one bead that names its event, where it came from and where it went."""

        def states(fold: Desk) -> dict[str, str]:
            positions = fold.positions
            still = {name: one.state.value for name, one in positions.open.items()}
            return still | {name: one.state.value for name, one in positions.ended.items()}

        for bead, before, after in each_bead(play(moves, fate), states):
            moved = {name for name in after if before.get(name) != after[name]}
            if not moved:
                continue
            assert isinstance(bead.body, Position), f"{bead.body.kind} at {bead.seq} moved a position"
            assert bead.body.event is not None
            assert moved == {bead.body.position_id}
            was = bead.body.from_.value if bead.body.from_ is not None else None
            assert (was, bead.body.state.value) == (before.get(bead.body.position_id), after[bead.body.position_id])


@shows("INV-POSITION-SUBMITTED-TTL-1", "S32-LIF-09")
class TestSubmittedLife:
    """INV-POSITION-SUBMITTED-TTL-1: SUBMITTED over 60 s without ACK becomes STALLED with an alert."""

    @few
    @given(waited=st.integers(1, 88), step=st.sampled_from([1, 3, 7]))
    @example(waited=60, step=60)
    @example(waited=61, step=61)
    def test_it_stalls_after_a_minute_and_not_before(self, waited: int, step: int) -> None:
        """However the time is cut into steps; the alert stands in the same append, and nothing is sent again."""

        async def walk() -> None:
            desk = stage()
            await desk.start()
            desk.broker.script(Silence())
            intent = await desk.enter()
            assert desk.state(intent) is State.SUBMITTED
            await desk.watch(waited, step)
            stalls = [b for b in desk.beads() if isinstance(b.body, Position) and b.body.event is PositionEvent.STALLED]
            assert len(stalls) == (1 if waited > 60 else 0)
            for stall in stalls:
                told = desk.beads()[stall.seq + 1]
                assert isinstance(told.body, Alert)
                assert (told.body.code, told.ts) == (Code.POSITION_STALLED.value, stall.ts)
            assert desk.sent == 3

        asyncio.run(walk())


# --- kills and stale contexts -----------------------------------------------------------------------------------------

MOMENTS: Final = ("before the proposal", "before the approval", "before the submit", "before the last look")


@shows("INV-KILL-BLOCKS-ENTRY-1", "I2")
class TestKillBlocksEntry:
    """INV-KILL-BLOCKS-ENTRY-1: An active kill flag stops new entries."""

    @pytest.mark.parametrize("moment", MOMENTS)
    @few
    @given(
        scope=st.sampled_from(["desk", f"strategy:{STRATEGY}", f"instrument:{PAIR}", "strategy:other"]),
        kind=st.sampled_from([KillKind.ONE_WAY, KillKind.SIGNALMAN]),
    )
    @example(scope="desk", kind=KillKind.ONE_WAY)
    @example(scope="strategy:other", kind=KillKind.ONE_WAY)
    def test_a_kill_is_seen_wherever_the_entry_is(self, moment: str, scope: str, kind: KillKind) -> None:
        """Of any kind and in any scope of the entry nothing reaches the broker; out of its scope the entry goes."""

        async def walk() -> None:
            desk = stage()
            await desk.start()

            def kill(at: str) -> None:
                if at == moment:
                    _blind(desk, scope, kind)

            def last_look(bead: Bead) -> None:
                if isinstance(bead.body, Order) and bead.body.event is OrderEvent.RECORDED:
                    kill("before the last look")

            desk.engine.on_bead = last_look
            kill("before the proposal")
            intent = await desk.propose()
            kill("before the approval")
            said = desk.approve(intent)
            kill("before the submit")
            await desk.tick()
            await desk.watch(10)
            if scope == "strategy:other":
                assert desk.state(intent) is State.MANAGED
                return
            assert desk.sent == 0
            if is_successful(said):
                assert desk.state(intent) is State.CANCELLED
            else:
                assert Reason.KILL_FLAG_ACTIVE in said.failure().reasons

        asyncio.run(walk())


def _blind(desk: Stage, scope: str, kind: KillKind) -> None:
    """As another process raises it: on whatever head there is."""
    command = RaiseKill(desk.fresh(), scope, "drawn", "somebody", kind)
    ruling, now = granted(scope, kill_flag(command)), desk.clock.now().wall
    _ = desk.store.append_blind(lambda head: sealed(head, now, command.command_id, ruling))


@shows("INV-STALE-KILL-1")
class TestStaleKill:
    """INV-STALE-KILL-1: State anchor over 15 min stale gives STATE_CONFLICT and a temporary kill."""

    @pytest.mark.parametrize("stage_of_life", ["approval", "submit"])
    @few
    @given(age=st.integers(0, 29 * 60))
    @example(age=15 * 60 - 2)
    @example(age=15 * 60 + 1)
    def test_an_old_context_stops_the_entry_and_its_strategy(self, stage_of_life: str, age: int) -> None:
        """At approval and at submit alike: below the limit nothing of it, above it the conflict, the kill, no order."""

        async def walk() -> None:
            desk = stage()
            await desk.start()
            intent = await desk.propose()
            if stage_of_life == "submit":
                _ = desk.approve(intent).unwrap()
                desk.clock.advance(timedelta(seconds=age))
            else:
                desk.clock.advance(timedelta(seconds=max(0, age - 1)))
                await desk.tick(1)
                _ = desk.approve(intent)
            await desk.tick(0.1)
            stale = age >= 15 * 60
            kills = [k for k in desk.bodies(KillFlag) if k.type is KillKind.TEMPORARY]
            assert [k.scope for k in kills] == ([f"strategy:{STRATEGY}"] if stale else [])
            assert [c.stage for c in desk.bodies(StateConflict)] == ([stage_of_life] if stale else [])
            if stale:
                assert desk.sent == 0
            elif stage_of_life == "approval":
                assert desk.sent == 3

        asyncio.run(walk())


# --- reconciliation ---------------------------------------------------------------------------------------------------

lies: Final = st.integers(-300_000, 300_000).filter(lambda n: abs(n - 100_000) > 1_000)


async def _held(desk: Stage) -> None:
    await desk.start()
    _ = await desk.enter(quantity="100000")
    await desk.watch(15)


async def _look(desk: Stage) -> None:
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
    await desk.watch(15, 1)


@shows("INV-RECONCILE-ALERT-1", "S32-REC-07")
class TestDriftAlerts:
    """INV-RECONCILE-ALERT-1: Drift alerts at once."""

    @few
    @given(lie=lies)
    @example(lie=0)
    @example(lie=-100_000)
    @shows("INV-RECONCILE-AUDIT-1")
    def test_the_alert_stands_in_the_same_append_and_leaves_at_once(self, lie: int) -> None:
        """Whatever the broker reports instead: behind each drift bead its alert, at the same instant, and told."""

        async def walk() -> None:
            channel = Channel()
            desk = stage(notifiers=(channel,))
            await _held(desk)
            desk.broker.spoof(PAIR, Decimal(lie))
            await _look(desk)
            beads = desk.beads()
            drifts = [bead for bead in beads if isinstance(bead.body, ReconciliationDrift)]
            assert drifts
            told = {alert for message in channel.taken for alert in message.alerts}
            for drift in drifts:
                behind = beads[drift.seq + 1]
                assert isinstance(behind.body, Alert)
                assert (behind.body.event, behind.ts) == (AlertEvent.RAISED, drift.ts)
                assert behind.body.alert in told

        asyncio.run(walk())


# What a look may leave; the kill and the beat are the desk's own answer, and change neither side.
READ_ONLY: Final = {Kind.OBSERVATION, Kind.RECONCILIATION_DRIFT, Kind.ALERT, Kind.KILL_FLAG, Kind.HEARTBEAT}


@shows("INV-RECONCILE-READONLY-1", "S32-REC-06", "I12")
class TestReadOnly:
    """INV-RECONCILE-READONLY-1: Reconciliation detects and never auto-corrects."""

    @few
    @given(lie=lies, foreign=st.sampled_from([0, 5, -7]))
    @example(lie=0, foreign=0)
    def test_neither_side_is_touched(self, lie: int, foreign: int) -> None:
        """Another size, none, the other sign, somebody else's shares: found, told; no order, no position, no fill."""

        async def walk() -> None:
            desk = stage()
            await _held(desk)
            before, truth = len(desk.beads()), (desk.sent, dict(desk.broker.truth.held))
            desk.broker.spoof(PAIR, Decimal(lie))
            desk.broker.spoof("AAPL", Decimal(foreign))
            await _look(desk)
            left = desk.beads()[before:]
            assert any(isinstance(bead.body, ReconciliationDrift) for bead in left)
            assert {bead.body.kind for bead in left} <= READ_ONLY
            assert (desk.sent, dict(desk.broker.truth.held)) == truth

        asyncio.run(walk())


# --- trust ------------------------------------------------------------------------------------------------------------


@shows("INV-PROMOTION-T2-1")
class TestPromotionIsApproved:
    """INV-PROMOTION-T2-1: Promotion needs T2 human approval."""

    @settings(max_examples=6)
    @given(other=st.text("0123456789abcdef", min_size=64, max_size=64))
    @example(other="0" * 64)
    def test_only_an_enrolled_human_who_signed_this_bundle_promotes(self, other: str) -> None:
        """With all the evidence there: a stranger's signature and one over other evidence promote nothing."""

        async def walk() -> None:
            desk = stage()
            await desk.start()
            await earned(desk)
            right = _bundle_hash(desk)
            strange = desk.sign(Promote(STRATEGY, right), software_pen("a stranger"))
            assert Reason.KEY_UNKNOWN in strange.failure().reasons
            elsewhere = desk.sign(Promote(STRATEGY, other))
            assert Reason.PROMOTION_NOT_APPROVED in elsewhere.failure().reasons
            unsigned = desk.signature(Promote(STRATEGY, right))
            swapped = changed_in(unsigned.checked, key=software_pen("a stranger").key)
            assert not is_successful(desk.act(changed_in(unsigned, checked=swapped)))
            assert not desk.bodies(Promotion)
            _ = desk.sign(Promote(STRATEGY, right)).unwrap()
            (promoted,) = desk.bodies(Promotion)
            assert promoted.evidence_hash == right
            assert promoted.token_id

        asyncio.run(walk())


def _bundle_hash(desk: Stage) -> str:
    recorder = desk.other()
    _ = recorder.catch_up()
    world = recorder.world(recorder.desk)
    standing = standing_of(recorder.desk, STRATEGY, world)
    return bundle(STRATEGY, record_of(recorder.desk.promotions, STRATEGY), standing).unwrap().hash


# --- the tests themselves ---------------------------------------------------------------------------------------------

LOOSENED: Final = re.compile(r"enable_socket|socket_enabled|socket_allow_hosts|allow_hosts")


def loosens(text: str) -> int:
    """How often a file of tests asks for more than loopback, outside tests that a default run leaves out."""
    apart = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            marks = [ast.unparse(decorator) for decorator in node.decorator_list]
            apart += sum(bool(LOOSENED.search(m)) for m in marks) if "pytest.mark.paper" in marks else 0
    return len(LOOSENED.findall(text)) - apart


@shows("INV-IBKR-MOCK-1")
class TestNoRealBroker:
    """INV-IBKR-MOCK-1: No test opens a socket beyond loopback."""

    @pytest.mark.parametrize("port", [4001, 4002, 7497, 443])
    def test_a_way_out_is_shut_before_a_byte_leaves(self, port: int) -> None:
        """An address for documentation: the attempt is refused in this process, not by a network."""
        with socket.socket() as way_out, pytest.raises(SocketConnectBlockedError):
            way_out.connect(("192.0.2.1", port))

    def test_loopback_is_open(self) -> None:
        """The honest twin: a listener on 127.0.0.0/8 is reached."""
        with socket.create_server(("127.0.0.2", 0)) as server, socket.socket() as client:
            client.connect(server.getsockname())
            assert client.getpeername()[0] == "127.0.0.2"

    def test_no_test_loosens_it(self) -> None:
        """Only pyproject.toml says which hosts are allowed, loopback alone; who asks for more runs in `paper` alone."""
        mine = Path(__file__).resolve()
        files = [path for path in sorted((REPOSITORY / "tests").rglob("*.py")) if path.resolve() != mine]
        assert [path for path in files if loosens(path.read_text("utf-8"))] == []
        assert loosens("@pytest.mark.enable_socket\ndef test_it(): ...")
        assert loosens("@pytest.mark.paper\ndef test_it(): pytest_socket.enable_socket()")
        assert not loosens("@pytest.mark.paper\n@pytest.mark.enable_socket\ndef test_it(): ...")
        allowed = re.findall(r'--allow-hosts=([^"]*)"', (REPOSITORY / "pyproject.toml").read_text("utf-8"))
        assert allowed == ["127.0.0.0/8,::1"]
