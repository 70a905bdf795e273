"""What an order would do to the margin: asked before the human sees the order, waited for a moment, in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import Factory, define
from attrs import evolve as changed
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.margins import AT_ONCE_MAX, PATIENCE
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Alert, Evidence, KillFlag, Observation, Policy
from phoenix_core.facts import Margin
from phoenix_core.gate.evidence import EVIDENCE_LIFE
from phoenix_core.gate.statements import ClearKill, Close
from phoenix_core.orders import Line
from phoenix_core.values import Money, Quantity, State, derived_id
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import WORDS, walked

NOTHING = "margin not known, after it: not known"


def money(text: str) -> Money:
    """An amount."""
    return Money(Decimal(text))


SAID = Margin(money("3100"), money("9100"))


@define
class Scales:
    """What the broker is asked about margin, and what it says: at once, or when it is told to."""

    says: Margin | None = SAID
    silent: bool = False
    asked: list[Line] = Factory(list)
    waiting: list[asyncio.Future[Margin | None]] = Factory(list)

    async def margin(self, line: Line) -> Margin | None:
        """One question."""
        self.asked.append(line)
        if not self.silent:
            return self.says
        self.waiting.append(asyncio.get_running_loop().create_future())
        return await self.waiting[-1]

    def answer(self) -> None:
        """Say it to everybody who waits."""
        for one in self.waiting:
            one.set_result(self.says)
        self.waiting.clear()


@pytest.fixture
def scales(monkeypatch: pytest.MonkeyPatch) -> Scales:
    """A mock broker that tells of margin."""
    made = Scales()
    monkeypatch.setattr(MockBroker, "margin", made.margin)
    return made


def telling(walk: Callable[[Stage], Coroutine[object, object, None]], policy: Policy | None = None) -> Stage:
    """A walk of a desk whose broker tells of margin."""
    made = stage(policy=policy)
    made.broker.tells_margin = True
    return walked(walk, made)


async def turns(desk: Stage, seconds: float = 0, times: int = 3) -> None:
    """Time passes, and the engine takes its turns; what is asked in the background may stay without an answer."""
    desk.clock.advance(timedelta(seconds=seconds))
    for symbol, last in desk.broker.quotes().items():
        desk.broker.set_quote(symbol, last.bid, last.ask)
    for _ in range(times):
        await desk.engine.step()
        for _ in range(3):
            await asyncio.sleep(0)


def hand_in(desk: Stage, **overrides: str) -> str:
    """A signal comes in; answers its intent."""
    _ = desk.act(proposal_of("", desk.signal(**overrides), "bot")).unwrap()
    return derived_id("test-intent", str(desk.count))


def margins(desk: Stage) -> list[Margin | None]:
    """What every version of every evidence says of it, in order."""
    return [shown.margin for shown in desk.bodies(Evidence)]


def held(desk: Stage, intent: str) -> str:
    """The position of an intent, by its name."""
    return next(one.position_id for one in desk.desk.positions.open.values() if one.intent_id == intent)


def text(desk: Stage, intent: str) -> str:
    """The fact block that the operator sees, on one line."""
    return "  ".join(line.strip() for line in desk.screen(intent).lines)


class TestShown:
    """The figure is on the first screen that anybody sees, and under the signature."""

    def test_the_answer_is_on_the_first_screen_and_signed(self, scales: Scales) -> None:
        """One question, about the very entry that is shown, one version of the evidence; what is approved is sent."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            (shown,) = desk.bodies(Evidence)
            assert scales.asked == [shown.lines[0]] and shown.margin == SAID
            assert "margin 3,100 -> 9,100 = 9.1 %" in text(desk, intent)
            assert not [flag for flag in shown.flags if "margin" in flag]
            _ = desk.approve(intent).unwrap()
            await desk.tick()
            assert desk.state(intent) is State.MANAGED and len(scales.asked) == 1

        _ = telling(walk)

    def test_a_margin_that_the_equity_does_not_exceed_asks_for_care(self, scales: Scales) -> None:
        """Amber: the broker would refuse it, and has the last word; a cent below, nothing is said."""

        async def walk(desk: Stage) -> None:
            for after, warned in (("99999.99", False), ("100000", True), ("100000.01", True)):
                scales.says = Margin(money("3100"), money(after))
                intent = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.26")
                words = "[!] equity not above the margin after it"
                assert (words in text(desk, intent)) is warned
                _ = desk.approve(intent).unwrap()
                await desk.tick()
                _ = desk.sign(Close(held(desk, intent), WORDS)).unwrap()
                for _ in range(6):
                    await desk.tick(1)
                assert desk.state(intent) is State.CLOSED

        _ = telling(walk)

    @pytest.mark.parametrize("said", [None, Margin(), Margin(money("3100"), None)])
    def test_what_the_broker_does_not_say_is_said_to_be_unknown_and_blocks_nothing(
        self, scales: Scales, said: Margin | None
    ) -> None:
        """No answer, an answer without a figure, one that knows only what is bound already."""
        scales.says = said

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            used = "used 3,100" if said is not None and said.before is not None else "not known"
            assert f"margin {used}, after it: not known" in text(desk, intent)
            assert margins(desk) == [said or Margin()] and len(scales.asked) == 1
            _ = desk.approve(intent).unwrap()
            await desk.tick()
            assert desk.state(intent) is State.MANAGED

        _ = telling(walk)

    def test_a_broker_that_does_not_tell_is_not_asked(self, scales: Scales) -> None:
        """The evidence comes in the very turn in which the signal is met, and says so."""

        async def walk(desk: Stage) -> None:
            intent = hand_in(desk)
            await desk.engine.step()
            assert margins(desk) == [Margin()] and not scales.asked
            assert NOTHING in text(desk, intent)

        _ = walked(walk)


class TestBounds:
    """The evidence waits for two seconds at most, and nothing else waits at all."""

    @shows("S33-EVD-01")
    def test_without_an_answer_the_evidence_comes_after_two_seconds(self, scales: Scales) -> None:
        """Not before, and then in the next turn; the late answer changes no screen, and the next version has it."""
        scales.silent = True

        async def walk(desk: Stage) -> None:
            intent = hand_in(desk)
            await turns(desk)
            await turns(desk, PATIENCE.total_seconds() - 0.001)
            assert not desk.bodies(Evidence) and len(scales.asked) == 1
            await turns(desk, 0.001)
            assert margins(desk) == [Margin()]
            assert NOTHING in text(desk, intent)
            _ = desk.approve(intent).unwrap()
            scales.answer()
            await turns(desk)
            assert desk.state(intent) is State.MANAGED and margins(desk) == [Margin()]

        _ = telling(walk)

    def test_exits_cancels_and_kills_do_not_wait(self, scales: Scales) -> None:
        """While the broker is silent about one order, a position is closed, and a flag is raised."""

        async def walk(desk: Stage) -> None:
            first = await desk.enter()
            scales.silent = True
            intent = hand_in(desk, pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            await turns(desk)
            assert len(scales.waiting) == 1 and desk.state(intent) is State.PROPOSED
            _ = desk.sign(Close(held(desk, first), WORDS)).unwrap()
            _ = desk.act(RaiseKill(desk.fresh(), "instrument:AAPL", "now", "operator")).unwrap()
            await turns(desk, 1)
            assert desk.state(first) is State.CLOSED
            assert len(desk.bodies(KillFlag)) == 1 and len(desk.bodies(Evidence)) == 1

        _ = telling(walk)

    def test_a_flood_asks_four_at_once_and_everybody_is_shown(self, scales: Scales) -> None:
        """Twenty intents, a broker that is silent: four questions, and after two seconds twenty screens."""
        scales.silent = True

        async def walk(desk: Stage) -> None:
            for n in range(20):
                _ = hand_in(desk, entry=f"1.08{50 + n}", stop="1.0810", target="1.0999")
            await turns(desk)
            assert len(scales.asked) == AT_ONCE_MAX and not desk.bodies(Evidence)
            await turns(desk, PATIENCE.total_seconds())
            assert margins(desk) == [Margin()] * 20
            assert len(scales.asked) == AT_ONCE_MAX
            scales.answer()
            await turns(desk)
            scales.silent = False
            later = hand_in(desk, entry="1.0849", stop="1.0810", target="1.0999")
            await turns(desk)
            assert margins(desk)[-1] == SAID and "-> 9,100 = 9.1 %" in text(desk, later)

        _ = telling(walk)

    def test_a_proposal_that_is_gone_leaves_nothing_behind(self, scales: Scales) -> None:
        """What was asked for it is forgotten with the next question, and what waited for it is forgotten too."""
        scales.silent = True

        async def walk(desk: Stage) -> None:
            _ = hand_in(desk)
            await turns(desk)
            scales.answer()
            await turns(desk)
            _ = hand_in(desk, pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            await turns(desk, 31)
            scales.answer()
            await turns(desk)
            assert len(desk.engine.margins.told) == 1
            assert not desk.engine.margins._since and not desk.engine.margins._asking

        _ = telling(walk)


class TestUse:
    """Asked where it helps somebody, of what they would see, and again when it is no longer so."""

    def test_a_new_version_has_a_new_answer(self, scales: Scales) -> None:
        """The evidence runs out, and what it showed of the margin with it."""

        async def walk(desk: Stage) -> None:
            _ = await desk.propose()
            scales.says = Margin(money("3200"), money("9200"))
            await desk.tick(EVIDENCE_LIFE.total_seconds())
            assert margins(desk) == [SAID, scales.says] and len(scales.asked) == 2

        _ = telling(walk)

    def test_under_a_kill_nobody_asks_and_when_it_is_gone_somebody_does(self, scales: Scales) -> None:
        """What may not be approved as it stands is shown at once; the screen that may is asked for anew."""

        async def walk(desk: Stage) -> None:
            _ = desk.act(RaiseKill(desk.fresh(), "desk", "now", "operator")).unwrap()
            intent = hand_in(desk)
            await desk.engine.step()
            assert margins(desk) == [Margin()] and not scales.asked
            (raised,) = desk.desk.kill_flags.standing.values()
            _ = desk.sign(ClearKill(raised.flag, WORDS)).unwrap()
            for _ in range(4):
                await desk.tick(1)
            assert margins(desk)[-1] == SAID and len(scales.asked) == 1
            assert "kill NONE" in text(desk, intent)

        _ = telling(walk)

    def test_a_size_that_moved_is_asked_about_again(self, scales: Scales) -> None:
        """While nobody has seen it yet: by more than a hundredth the answer is about another order."""
        scales.silent = True

        async def walk(desk: Stage) -> None:
            _ = hand_in(desk)
            await turns(desk)
            desk.broker.equity = money("98000")
            desk.engine.link.snapshot = await desk.broker.snapshot()
            scales.answer()
            await turns(desk)
            assert [line.quantity for line in scales.asked] == [Quantity(Decimal(166_666)), Quantity(Decimal(163_333))]
            scales.answer()
            await turns(desk)
            (shown,) = desk.bodies(Evidence)
            assert shown.lines[0].quantity == 163_333 and shown.margin == SAID

        _ = telling(walk)

    @pytest.mark.parametrize("why", ["exits only", "not synchronised", "no size"])
    def test_nobody_asks_where_nothing_could_be_sent(self, scales: Scales, why: str) -> None:
        """A run that may only leave, a session that is not looked through, an order that has no size."""

        async def walk(desk: Stage) -> None:
            if why == "exits only":
                desk.engine.run = changed(desk.engine.run, exits_only=True)
            elif why == "not synchronised":
                desk.engine.link.synchronised = False
            else:
                desk.engine.link.snapshot = None
            _ = hand_in(desk)
            await desk.engine.step()
            assert not scales.asked
            assert margins(desk) == ([] if why == "no size" else [Margin()])

        _ = telling(walk)

    def test_what_can_never_be_sized_is_taken_back_unasked(self, scales: Scales) -> None:
        """An order that rounds down to nothing: its proposer hears of it at once, and the broker of nothing."""

        async def walk(desk: Stage) -> None:
            desk.broker.equity = money("1")
            desk.engine.link.snapshot = await desk.broker.snapshot()
            intent = hand_in(desk)
            await turns(desk)
            assert desk.state(intent) is State.CANCELLED and not scales.asked and not desk.bodies(Evidence)

        _ = telling(walk)

    def test_what_breaks_behind_a_question_is_not_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A promise of ours that breaks while it is asked breaks the engine, as anything in the background does."""

        async def margin(self: MockBroker, line: Line) -> Margin | None:
            raise AssertionError("a question became an order")

        monkeypatch.setattr(MockBroker, "margin", margin)

        async def walk(desk: Stage) -> None:
            _ = hand_in(desk)
            with pytest.raises(AssertionError, match="became an order"):
                await turns(desk)

        _ = telling(walk)

    def test_what_is_asked_leaves_no_bead(self, scales: Scales) -> None:
        """Of all that was asked and answered the log holds the evidence alone."""

        async def walk(desk: Stage) -> None:
            before = desk.store.head().size
            _ = hand_in(desk)
            await turns(desk)
            new = [bead.body for bead in desk.beads()[before:]]
            assert len([body for body in new if isinstance(body, Evidence)]) == 1
            assert not [body for body in new if isinstance(body, Observation) and "margin" in str(body)]
            assert all("margin" not in body.text for body in new if isinstance(body, Alert))

        _ = telling(walk)


MOVES = st.lists(st.tuples(st.sampled_from(["hand in", "answer", "nothing"]), st.sampled_from([0, 0.4, 1, 1.9, 7, 31])))


@given(moves=MOVES, says=st.sampled_from([SAID, Margin(), None]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_answered_and_when_nobody_waits_for_longer(
    moves: list[tuple[str, float]], says: Margin | None
) -> None:
    """Any intents, answers and silences, in any order: no more than four questions are open, each intent has its screen
    two seconds after it came in, a screen says what was answered or nothing, and nothing is sent."""
    scales, came = Scales(says, silent=True), dict[str, timedelta]()

    async def walk(desk: Stage) -> None:
        for n, (move, seconds) in enumerate([*moves, ("nothing", PATIENCE.total_seconds())]):
            if move == "hand in":
                came[hand_in(desk, entry=f"1.08{10 + n:02}", stop="1.0800", target="1.0999")] = desk.clock.now().ticks
                await turns(desk)
            elif move == "answer":
                scales.answer()
            await turns(desk, seconds)
            shown = {one.intent_id: one for one in desk.bodies(Evidence)}
            now = desk.clock.now().ticks
            assert {intent for intent, since in came.items() if now - since >= PATIENCE} <= set(shown)
            assert {one.margin for one in shown.values()} <= {Margin(), says or Margin()}
            assert len(scales.waiting) <= AT_ONCE_MAX and desk.sent == 0
        scales.answer()
        await turns(desk)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MockBroker, "margin", scales.margin)
        _ = telling(walk)
