"""What a human signs and the desk carries out: adopt, resolve, protect, cancel, resume, refresh, policy, keys."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.acts.adoption import protect_refusal
from phoenix_core.acts.carry import ABSENT_FOR
from phoenix_core.acts.exits import Carry
from phoenix_core.acts.operate import RaiseKill, ReleaseLease
from phoenix_core.beads import (
    About,
    Execution,
    ExecutionEvent,
    Limits,
    Observation,
    Operator,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ProofKind,
    StateAnchor,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus, LinkEvent, LinkSaid, Snapshot
from phoenix_core.gate.statements import (
    Adopt,
    CancelOrphans,
    ClearKill,
    Close,
    Decide,
    Enrol,
    Protect,
    RefreshAnchor,
    ResolveStalled,
    Resume,
    Revoke,
    Says,
    SetPolicy,
    StalledEnd,
    policy_hash,
)
from phoenix_core.kernel import decide
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Price, Quantity, Regime, Role, Side, State
from phoenix_core.watch.codes import Code
from phoenix_core.world import World
from tests.keyring import hardware_pen
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, ref_of, walked

ADOPT = Adopt(
    symbol="AAPL",
    side=Side.BUY,
    quantity=Quantity(Decimal(10)),
    price=Price(Decimal("190")),
    stop=Price(Decimal("188")),
    target=Price(Decimal("195")),
    strategy="trend",
    reason=WORDS,
)


async def answered(desk: Stage, says: Says) -> tuple[Reason, ...]:
    """Sign, let the engine carry it out, and read the answer: the reasons of a no, nothing for a yes."""
    before = len(desk.bodies(Observation))
    result = desk.sign(says)
    if not is_successful(result):
        return result.failure().reasons
    await desk.tick()
    refused = [o for o in desk.bodies(Observation)[before:] if o.about in (About.REFUSED_COMMAND, About.REFUSED_EVENT)]
    return tuple(Reason(name) for o in refused for name in o.facts["reasons"].split())


async def stuck(desk: Stage) -> str:
    """A STALLED intent that the broker never heard of."""
    desk.broker.script(Silence())
    intent = await desk.enter()
    desk.broker.truth.book.clear()
    await desk.tick(62)
    assert desk.state(intent) is State.STALLED
    return intent


def carried(desk: Stage, says: Says) -> Carry:
    """Sign it, and name the command that would carry it out."""
    _ = desk.sign(says).unwrap()
    _ = desk.engine.recorder.catch_up()
    (key,) = (key for key, effect in desk.desk.owed.items() if isinstance(effect, CarryOut))
    return Carry(CommandId("carry"), *key)


class TestAdopt:
    """B6: `adopt` gives the exposure an owner: a FILLED position with an exit mandate of its own."""

    @shows("X2", "X4")
    def test_exposure_gets_an_owner_and_protection(self) -> None:
        """FILLED by the statement, its execution stated, stop and target placed for all of it, then MANAGED."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            assert await answered(desk, ADOPT) == ()
            await desk.tick(2)
            born = next(p for p in desk.bodies(Position) if p.event is PositionEvent.ADOPTED)
            assert (born.state, born.proof.type) == (State.FILLED, ProofKind.OPERATOR_DECISION)
            assert [e.event for e in desk.bodies(Execution)] == [ExecutionEvent.STATED]
            assert desk.state(born.intent_id) is State.MANAGED
            assert {f.line.quantity for o in desk.bodies(Order) for f in o.frames} == {Decimal(10)}

        _ = walked(walk)

    @shows("X4")
    def test_what_the_broker_does_not_hold_gets_no_exits(self) -> None:
        """Adopted, and the next whole picture shows nothing: its protection would open a position the other way, so
        none of it leaves, and a human hears of it."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            carry = carried(desk, ADOPT)
            assert is_successful(desk.engine.recorder.act(carry))
            desk.broker.spoof("AAPL", Decimal(0))
            shown = desk.engine.link.snapshot
            assert shown is not None
            desk.engine.link.snapshot = changed(shown, positions=())
            await desk.tick(2)
            exits = [o for o in desk.bodies(Order) if o.position_id and o.event is OrderEvent.SENT]
            assert exits == [] and desk.sent == 0
            dropped = [o for o in desk.bodies(Order) if o.event is OrderEvent.DROPPED]
            assert {o.reason for o in dropped} == {Reason.EXIT_WRONG_SIZE.value}

        _ = walked(walk)

    @shows("X1")
    @pytest.mark.parametrize(
        ("there", "says"),
        [
            (Decimal(0), ADOPT),
            (Decimal(-10), ADOPT),
            (Decimal(9), ADOPT),
            (
                Decimal(-9),
                changed(ADOPT, side=Side.SELL, stop=Price(Decimal("195")), target=Price(Decimal("188"))),
            ),
        ],
    )
    def test_only_what_is_there_is_adopted(self, there: Decimal, says: Adopt) -> None:
        """Nothing, the other side, less than it says: exits for it would open a position."""

        async def walk(desk: Stage) -> None:
            desk.broker.truth.held["AAPL"] = there
            await desk.tick(301)
            assert await answered(desk, says) == (Reason.EXIT_TOO_LARGE,)
            assert desk.bodies(Position) == [] and desk.sent == 0

        _ = walked(walk)

    @shows("F53", "X1")
    @pytest.mark.parametrize(("account", "reasons"), [("b" * 64, (Reason.EXIT_TOO_LARGE,)), ("", ())])
    def test_what_another_account_of_the_login_holds_is_not_adopted(
        self, account: str, reasons: tuple[Reason, ...]
    ) -> None:
        """Its exits would be ours: what the picture shows of another account is nobody's to give an owner here."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            shown = desk.engine.link.snapshot
            assert shown is not None and shown.held("AAPL") == 10
            rows = tuple(changed(row, account=account) for row in shown.positions)
            desk.engine.link.snapshot = changed(shown, positions=rows, account=desk.desk.genesis.account)
            carry = carried(desk, ADOPT)
            result = desk.engine.recorder.act(carry)
            assert (() if is_successful(result) else result.failure().reasons) == reasons

        _ = walked(walk)

    @shows("X1", "X4")
    def test_what_has_an_owner_is_not_adopted_again(self) -> None:
        """Signed twice, since the first window died with its answer: one owner, and one pair of exits."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            assert await answered(desk, ADOPT) == ()
            assert await answered(desk, ADOPT) == (Reason.EXIT_TOO_LARGE,)
            await desk.tick(301)
            assert [p.event for p in desk.bodies(Position)].count(PositionEvent.ADOPTED) == 1
            assert desk.sent == 2

        _ = walked(walk)

    def test_nothing_is_adopted_without_a_picture(self) -> None:
        """Where no whole picture was ever had, nobody knows what there is to adopt."""

        async def walk(desk: Stage) -> None:
            carry = carried(desk, ADOPT)
            blind = changed(desk.engine.world(), snapshot=None)
            said = decide(desk.desk, carry, blind).result
            assert said.failure().reasons == (Reason.SNAPSHOTS_MISSING,)

        _ = walked(walk)

    @pytest.mark.parametrize(
        ("says", "reason"),
        [
            (changed(ADOPT, symbol="GHOST"), Reason.INSTRUMENT_NOT_ALLOWED),
            (changed(ADOPT, stop=Price(Decimal("191"))), Reason.SIGNAL_GEOMETRY),
            (changed(ADOPT, side=Side.SELL), Reason.SIGNAL_GEOMETRY),
            (changed(ADOPT, linked_to="ghost"), Reason.UNKNOWN_POSITION),
            (changed(ADOPT, quantity=Quantity(Decimal("10.5"))), Reason.QUANTITY_OFF_GRID),
            (changed(ADOPT, stop=Price(Decimal("188.005"))), Reason.PRICE_OFF_GRID),
            (changed(ADOPT, target=Price(Decimal("195.005"))), Reason.PRICE_OFF_GRID),
        ],
    )
    def test_what_cannot_be_protected_is_not_adopted(self, says: Adopt, reason: Reason) -> None:
        """No card, prices out of order or between the steps, a part of a share, a predecessor that never was."""

        async def walk(desk: Stage) -> None:
            assert reason in await answered(desk, says)
            assert desk.bodies(Position) == []

        _ = walked(walk)


class TestResolveStalled:
    """B5: a human ends a STALLED position; `cancelled` and `rejected` need two pictures that show nothing."""

    @pytest.mark.parametrize("end", [StalledEnd.CANCELLED, StalledEnd.REJECTED])
    @shows("I9")
    def test_two_pictures_and_a_signature_end_it(self, end: StalledEnd) -> None:
        """Too early it is refused; thirty seconds of whole pictures later it is done, and its orders with it."""

        async def walk(desk: Stage) -> None:
            intent = await stuck(desk)
            says = ResolveStalled(intent, end, WORDS)
            if await answered(desk, says) == ():
                pytest.fail("without two pictures nothing is proven")
            assert timedelta(seconds=30) == ABSENT_FOR
            for _ in range(3):
                await desk.tick(301)
            doubted = Code.EXIT_UNKNOWN, Code.POSITION_STALLED
            assert {a.code for a in desk.desk.alerts.open.values()} >= set(doubted)
            assert await answered(desk, says) == ()
            assert not [a for a in desk.desk.alerts.open.values() if a.code in doubted]  # nobody is called any more
            assert desk.state(intent).value == end.value.upper()
            last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
            assert last.proof.type is ProofKind.OPERATOR_DECISION
            assert all(o.end is not None for o in desk.desk.orders.of(last.position_id))

        _ = walked(walk)

    @shows("I9")
    def test_filled_states_what_was_filled(self) -> None:
        """Quantity, price and the broker's paper; without them it is refused."""

        async def walk(desk: Stage) -> None:
            intent = await stuck(desk)
            assert Reason.RESOLUTION_NOT_PROVEN in await answered(
                desk, ResolveStalled(intent, StalledEnd.FILLED, WORDS)
            )
            position = desk.position(intent)
            assert isinstance(position, Open)
            price = Price(Decimal("1.085"))
            says = ResolveStalled(intent, StalledEnd.FILLED, WORDS, position.requested_quantity, price, "paper 1")
            assert await answered(desk, says) == ()
            assert desk.state(intent) is State.FILLED
            assert Reason.WRONG_STATE in await answered(desk, says)

        _ = walked(walk)


class TestProtect:
    """D4: after what may be done without a human, only a human decides."""

    def test_a_signature_places_protection_where_none_works(self) -> None:
        """While it works it is refused; once it is gone, it is placed as signed."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            assert await answered(desk, Protect(intent)) == (Reason.PROTECTION_STILL_WORKS,)
            assert await answered(desk, Protect("ghost")) == (Reason.UNKNOWN_POSITION,)
            ref = ref_of(desk, intent)
            for generation in (1, 2):
                for role in (Role.STOP, Role.TARGET):
                    working = desk.broker.truth.book[exit_ref(ref, role, generation)]
                    desk.broker._end(working, BrokerStatus.CANCELLED, "gone")
                for _ in range(3):
                    await desk.tick(20)
            assert await answered(desk, Protect(intent, stop=Price(Decimal("1.08")))) == ()
            stops = [f.line.trigger for o in desk.bodies(Order) for f in o.frames if f.line.role is Role.STOP]
            assert stops[-1] == Decimal("1.08") and len(stops) == 3

        _ = walked(walk)

    @pytest.mark.parametrize("side", Side)
    def test_prices_at_which_nothing_would_stand_are_not_placed(self, side: Side) -> None:
        """EUR.USD goes by half pips, and people type five decimals: the broker would refuse both orders, and what is
        held would stay bare. A stop beyond the market, or beyond the target, is a slip, or a close that nobody signed.
        What the mandate says itself is placed as it stands, and where nobody knows card or quote nobody judges."""

        async def walk(desk: Stage) -> None:
            long = side is Side.BUY
            intent = await (desk.enter() if long else desk.enter(side="SELL", stop="1.0880", target="1.0790"))
            ref = ref_of(desk, intent)
            for generation in (1, 2):
                for role in (Role.STOP, Role.TARGET):
                    desk.broker._end(
                        desk.broker.truth.book[exit_ref(ref, role, generation)], BrokerStatus.CANCELLED, ""
                    )
                for _ in range(3):
                    await desk.tick(20)
            world, decided = desk.engine.world(), len(desk.bodies(Order))

            def refused(stop: str = "", target: str = "", world: World = world) -> tuple[Reason, ...]:
                prices = [Price(Decimal(text)) if text else None for text in (stop, target)]
                said, held = Protect(intent, *prices), desk.desk.positions.find(intent)
                assert isinstance(held, Open)
                no = protect_refusal(said, held, stake_of(held, desk.desk.orders, desk.desk.fills), world)
                return () if no is None else no.reasons

            off, good, past = ("1.08203", "1.0820", "1.0860") if long else ("1.08803", "1.0880", "1.0840")
            over, beyond = ("1.0920", "1.09103") if long else ("1.0780", "1.07903")
            assert refused() == refused(good) == ()
            assert refused(off) == refused(target=beyond) == (Reason.PRICE_OFF_GRID,)
            assert refused(over) == (Reason.SIGNAL_GEOMETRY,)
            assert refused(past) == (Reason.STOP_ON_WRONG_SIDE,)
            assert refused(past[:-1] + "01") == (Reason.STOP_ON_WRONG_SIDE, Reason.PRICE_OFF_GRID)
            blind = changed(world, instruments={}, quotes={})
            assert refused(past, world=blind) == refused(off, world=blind) == ()
            assert await answered(desk, Protect(intent, stop=Price(Decimal(off)))) == (Reason.PRICE_OFF_GRID,)
            assert len(desk.bodies(Order)) == decided
            assert await answered(desk, Protect(intent, stop=Price(Decimal(good)))) == ()

        _ = walked(walk)


class TestClose:
    """D6: one live close per position, of no more than is held."""

    def test_what_cannot_be_closed_is_answered(self) -> None:
        """Nobody's position, one that holds nothing, more than there is."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            waiting = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            assert await answered(desk, Close("ghost", WORDS)) == (Reason.UNKNOWN_POSITION,)
            assert Reason.NOTHING_TO_CLOSE in await answered(desk, Close(waiting, WORDS))
            assert await answered(desk, Close(intent, WORDS, Quantity(Decimal(10**9)))) == (Reason.EXIT_TOO_LARGE,)

        _ = walked(walk)

    def test_a_part_is_a_multiple_of_the_instruments_step(self) -> None:
        """Half a unit would lie at the broker for ever, and no other close could follow it: it is never sent."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            assert await answered(desk, Close(intent, WORDS, Quantity(Decimal("0.5")))) == (Reason.QUANTITY_OFF_GRID,)
            assert await answered(desk, Close(intent, WORDS, Quantity(Decimal(5)))) == ()

        _ = walked(walk)


class TestDeskWide:
    """Commands about the desk as a whole."""

    def test_anchor_resume_and_orphans(self) -> None:
        """Refreshed after a reconciliation; a link that is up needs no resuming; an unknown drift has no orphans."""

        async def walk(desk: Stage) -> None:
            assert await answered(desk, RefreshAnchor("trend", "4f1d", Regime.NEWS)) == ()
            assert desk.bodies(StateAnchor)[-1].regime is Regime.NEWS
            assert await answered(desk, Resume()) == (Reason.NOTHING_TO_DO,)
            assert await answered(desk, CancelOrphans("ghost", ("x",))) == (Reason.UNKNOWN_DRIFT,)
            desk.broker.cut()
            await desk.tick(0.5)
            desk.broker.mute()
            await desk.tick(6)
            assert await answered(desk, RefreshAnchor("trend", "4f1d", Regime.NEWS)) == (Reason.NOT_RECONCILED,)

        _ = walked(walk)

    def test_no_anchor_is_refreshed_on_a_picture_of_before_the_link_was_lost(self) -> None:
        """The session is the same one: the broker behind the gateway was away, and no picture was taken since."""

        async def walk(desk: Stage) -> None:
            degraded = LinkSaid(LinkEvent.DEGRADED, desk.broker.session(), (desk.broker.account,))
            real = MockBroker.snapshot

            async def torn(broker: MockBroker) -> Snapshot:
                return changed(await real(broker), complete=False, missing=("positions",))

            with mock.patch.object(MockBroker, "snapshot", torn):
                desk.broker.tell(degraded, changed(degraded, event=LinkEvent.RESTORED))
                await desk.tick(1)
                assert await answered(desk, RefreshAnchor("trend", "4f1d", Regime.NEWS)) == (Reason.NOT_RECONCILED,)
            await desk.tick(301)
            assert await answered(desk, RefreshAnchor("trend", "4f1d", Regime.NEWS)) == ()

        _ = walked(walk)

    @shows("I3")
    def test_a_new_policy_takes_back_what_was_approved(self) -> None:
        """The token is revoked, the intent withdrawn; a policy that is not the one that was signed is refused."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            policy = Policy(limits=Limits(open_positions_max=1))
            for other in (None, Policy(limits=Limits(open_positions_max=100))):
                signed = desk.signature(SetPolicy(policy_hash(policy)))
                assert desk.act(changed(signed, policy=other)).failure().headline is Reason.STATEMENT_OTHER_ORDER
            assert [known.signed for known in desk.bodies(Policy)] == [None]
            assert is_successful(desk.act(changed(desk.signature(SetPolicy(policy_hash(policy))), policy=policy)))
            await desk.tick(0.5)
            assert desk.state(intent) is State.CANCELLED
            assert [t.event for t in desk.bodies(T2Token)][-1] is TokenEvent.REJECTED
            assert desk.desk.policies.policy is not None and desk.desk.policies.policy.signed is not None

        _ = walked(walk)

    def test_a_policy_that_nobody_means_is_no_policy(self) -> None:
        """A percent where a share is meant: signed as it is, it stays without force, and what was approved stands."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            before = desk.desk.policies.policy
            policy = Policy(limits=Limits(), risk_per_trade=Decimal("0.5"))
            said = desk.act(changed(desk.signature(SetPolicy(policy_hash(policy))), policy=policy))
            assert said.failure().headline is Reason.POLICY_OUT_OF_BOUNDS
            assert "policy.risk_per_trade" in said.failure().detail
            await desk.tick(0.2)
            assert desk.desk.policies.policy is before and desk.state(intent) is State.APPROVED

        _ = walked(walk)

    def test_keys_come_and_go_by_signature(self) -> None:
        """Enrolled once, revoked once; a revoked key does not come back."""

        async def walk(desk: Stage) -> None:
            pen = soft_pen("other")
            enrol = Enrol(pen.key, pen.public.line, "other", "software")
            assert await answered(desk, enrol) == ()
            assert await answered(desk, enrol) == (Reason.NOTHING_TO_DO,)
            assert await answered(desk, Revoke(pen.key, WORDS)) == ()
            assert await answered(desk, enrol) == (Reason.KEY_REVOKED,)
            assert [o.event.value for o in desk.bodies(Operator)] == ["ENROLLED", "ENROLLED", "REVOKED"]

        _ = walked(walk)

    def test_a_key_that_is_two_keys_is_not_enrolled(self) -> None:
        """The fingerprint of one beside the public half of another, or beside what is none; another assurance."""
        pen, other = soft_pen("other"), soft_pen("eve")
        hard = hardware_pen("hana", "ssh:").public  # of a length that leaves letters of its base64 bits to spare
        letters = hard.line.rstrip("=")
        loose = letters[:-1] + chr(ord(letters[-1]) + 1) + hard.line[len(letters) :]
        odd = [
            Enrol(pen.key, other.public.line, "other", "software"),
            Enrol(pen.key, pen.public.line, "other", "hardware"),
            Enrol(pen.key, pen.public.line + " other", "other", "software"),
            Enrol(pen.key, pen.public.line.replace("ssh-ed25519", "sk-ssh-ed25519@openssh.com"), "other", "hardware"),
            Enrol(pen.key, "ssh-ed25519 !", "other", "software"),
            Enrol(hard.fingerprint, loose, "hana", "hardware"),
        ]

        async def walk(desk: Stage) -> None:
            for says in odd:
                assert await answered(desk, says) == (Reason.STATEMENT_MALFORMED,)
            assert len(desk.bodies(Operator)) == 1
            assert await answered(desk, Enrol(hard.fingerprint, hard.line, "hana", "hardware")) == ()

        _ = walked(walk)

    @shows("I14")
    def test_a_kill_is_cleared_by_a_signature_with_a_reason(self) -> None:
        """An unknown flag and an empty reason are refused and kept."""

        async def walk(desk: Stage) -> None:
            flag = desk.act(RaiseKill(CommandId("k"), "desk", "test", "operator")).unwrap().subject
            assert await answered(desk, ClearKill("ghost", WORDS)) == (Reason.UNKNOWN_KILL_FLAG,)
            assert await answered(desk, ClearKill(flag, "")) == (Reason.REASON_REQUIRED,)
            assert await answered(desk, ClearKill(flag, WORDS)) == ()
            await desk.tick()
            assert not desk.desk.kill_flags.standing

        _ = walked(walk)

    @shows("I22")
    def test_a_pass_after_an_approval_takes_it_back_until_it_is_too_late(self) -> None:
        """Any reject wins while nothing was sent; afterwards it is refused."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            assert await answered(desk, Decide(Verdict.REJECT, intent, 0)) == ()
            assert desk.state(intent) is State.CANCELLED
            for _ in range(4):
                await desk.tick(5)
            sent = await desk.enter()
            assert await answered(desk, Decide(Verdict.REJECT, sent, 0)) == (Reason.DECIDED_ALREADY,)
            assert await answered(desk, Decide(Verdict.REJECT, "ghost", 0)) == (Reason.UNKNOWN_INTENT,)

        _ = walked(walk)

    def test_without_an_engine_nothing_is_approved_or_asked(self) -> None:
        """A2: refused by name; a pass and a kill still work."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.engine.stop()
            assert desk.approve(intent).failure().reasons == (Reason.ENGINE_NOT_RUNNING,)
            assert desk.sign(Resume()).failure().reasons == (Reason.ENGINE_NOT_RUNNING,)
            assert is_successful(desk.sign(Decide(Verdict.REJECT, intent, 0)))
            assert is_successful(desk.act(RaiseKill(CommandId("k"), "desk", "test", "operator")))
            assert not is_successful(desk.act(ReleaseLease(CommandId("r"))))

        _ = walked(walk)

    def test_bytes_that_are_no_statement_are_kept_as_refused(self) -> None:
        """Who asked, and why not."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            signed = desk.signature(desk.screen(intent).says)
            forged = changed(signed, checked=changed(signed.checked, statement=b"{}"))
            assert desk.act(forged).failure().reasons == (Reason.STATEMENT_MALFORMED,)
            assert desk.bodies(Observation)[-1].facts["reasons"] == "STATEMENT_MALFORMED"
            assert desk.state(intent) is State.PROPOSED

        _ = walked(walk)


def test_a_life_of_a_signature_is_a_minute_for_what_touches_the_market() -> None:
    """And five for the rest."""
    assert Close.life == Protect.life == CancelOrphans.life == timedelta(seconds=60)
    assert Decide.life == Adopt.life == ResolveStalled.life == timedelta(minutes=5)
