"""What a command that waits for the engine makes of the log: its own answer, a late one, an order that is in doubt."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from attrs import frozen

from phoenix_adapters.brokers.mock.chaos import Fill, Partial, Reject, Silence
from phoenix_adapters.engine.recorder import Recorder
from phoenix_cli.commands import acting, approval
from phoenix_cli.commands import became as became_command
from phoenix_cli.commands.acting import _answer, taken_back
from phoenix_cli.commands.alerts import _text_of
from phoenix_cli.commands.approval import _decide, _watch
from phoenix_cli.commands.became import became
from phoenix_cli.commands.past import heard
from phoenix_cli.commands.positions import _what_ends_an_entry
from phoenix_cli.wiring import founding
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Alert, Decision, Order, OrderEvent
from phoenix_core.gate.statements import Close, Protect, RefreshAnchor, Resume
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.trade.exits import exit_mandate, stake_of
from phoenix_core.trade.positions import Open
from phoenix_core.trade.protection import sized
from phoenix_core.values import CommandId, Quantity, Regime, Role, State, plain, text_hash, utc_of, utc_text
from phoenix_core.watch.observations import LastQuote
from tests.contract.cli.operator import Seat, founded, until
from tests.contract.cli.test_silent_engine import asleep
from tests.showing import shows
from tests.stage import PAIR, Stage
from tests.unit.desk.test_signed_commands import stuck
from tests.unit.desk.walks import WORDS, walked


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A desk that is founded."""
    return founded(tmp_path)


def session_of(made: Stage) -> Any:
    """What a command opens, over the log of a stage."""
    return SimpleNamespace(recorder=made.engine.recorder, store=made.store, desk=made.desk)


def test_the_answer_to_another_decision_is_none_to_this_one() -> None:
    """Two people sign in one moment; the first is refused, the second is done, and each hears what became of theirs."""
    decisions: list[int] = []

    async def walk(desk: Stage) -> None:
        for says in (Resume(), RefreshAnchor("*", "*", Regime.DEFAULT)):
            _ = desk.sign(says).unwrap()
            _ = desk.engine.recorder.catch_up()
            decisions.append(max(desk.desk.approvals.recent))
        assert [_answer(session_of(desk), seq) for seq in decisions] == [None, None]
        await desk.tick()

    made = walked(walk)
    refused, done = (_answer(session_of(made), seq) for seq in decisions)
    assert refused is not None and done is not None
    assert (refused.decided, refused.code, bool(refused.reasons)) == (decisions[0], 1, True)
    assert (done.decided, done.code, done.reasons) == (decisions[1], 0, ())


@pytest.mark.parametrize("says", [Close, Protect])
def test_a_new_size_of_its_protection_answers_a_close_alone(says: type[Close] | type[Protect]) -> None:
    """Where a close waits, its protection makes room for it; of a `protect` that waits a new size says nothing."""

    async def walk(desk: Stage) -> None:
        position = desk.position(await desk.enter())
        assert isinstance(position, Open)
        name, recorder = position.position_id, desk.engine.recorder
        _ = desk.sign(Close(name, WORDS) if says is Close else Protect(name)).unwrap()
        _ = recorder.catch_up()
        decided = max(desk.desk.approvals.recent)
        frames = sized(stake_of(position, desk.desk.orders, desk.desk.fills), Quantity(Decimal(1000)))
        order = Order(OrderEvent.RECORDED, name, frames[0].ref, frames, mandate=exit_mandate(position))
        made = sealed(desk.desk.head, desk.clock.now().wall, CommandId("size"), granted(name, order))
        _ = desk.store.append(desk.desk.head, made).unwrap()
        assert (_answer(session_of(desk), decided) is not None) is (says is Close)

    _ = walked(walk)


@shows("X1", "I2")
@pytest.mark.parametrize("second", ["60000", ""], ids=lambda size: f"60000-{size or 'all'}")
def test_of_two_closes_each_hears_of_its_own(second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is signed, and a moment later another one, or all: protection makes room for the first, the second is
    refused, and is not told that it was sent because the first one was."""
    monkeypatch.setattr(became_command, "FILLED_WITHIN_S", -1.0)
    decisions: list[int] = []

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        position = desk.position(await desk.enter())
        assert isinstance(position, Open)
        for size in ("60000", second):
            _ = desk.sign(Close(position.position_id, WORDS, Quantity(Decimal(size)) if size else None)).unwrap()
            _ = desk.engine.recorder.catch_up()
            decisions.append(max(desk.desk.approvals.recent))
        await desk.tick()

    made = walked(walk)
    first, later = (_answer(session_of(made), seq) for seq in decisions)
    assert first is not None and later is not None
    assert (first.code, later.code, later.reasons) == (0, 1, ("CLOSE_ALREADY_WORKING",))
    (position,) = made.desk.positions.open.values()
    told = [became(session_of(made), position.position_id, decisions[0], seq) for seq in decisions]
    assert [(one.outcome, one.code) for one in told] == [("SENT", 0), ("NOT_SENT", 1)]
    assert (told[1].reasons, told[1].detail) == (later.reasons, "what is held is held still")
    assert sum(o.event is OrderEvent.SENT and o.role is Role.CLOSE for o in made.bodies(Order)) == 1


@shows("I2")
def test_an_order_in_doubt_was_sent() -> None:
    """STALLED means that it left and nobody knows more: SENT is said of it, and never that it was taken back."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        intents.append(await stuck(desk))

    made = walked(walk)
    context = click.Context(click.Command("approve"))
    assert _watch(context, session_of(made), intents[0]) == ("SENT", "SENT, STALLED", ())


@pytest.mark.parametrize("ends", [False, True])
def test_a_fill_of_a_part_is_said_as_a_part(ends: bool) -> None:
    """Whoever reads FILLED and a size takes it for all: beside a part stands the whole, and whether more may come.
    The message on the telephone says it the same way."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.5")))
        intents.append(await desk.propose(quantity="100000"))
        _ = desk.approve(intents[0]).unwrap()
        await desk.tick()
        if ends:
            position = desk.position(intents[0])
            assert isinstance(position, Open)
            desk.broker.cancel(position.order_ref)
            await desk.watch(5)

    made = walked(walk)
    context = click.Context(click.Command("approve"))
    _, words, _ = _watch(context, session_of(made), intents[0])
    assert words.startswith("FILLED 50000 of 100000 @ 1.08")
    assert words.endswith(", the rest works") is not ends
    (told,) = (a.text for a in made.bodies(Alert) if a.code == "ORDER_FILLED")
    assert told == "An entry was filled: EURUSD (quantity 50000 of 100000)"


@shows("I2")
def test_what_was_answered_while_it_was_taken_back_is_what_is_said(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine wakes up a moment before the command gives up: the close was carried out, and nothing else is said."""
    with seat.engine() as engine:
        intent = seat.proposes("EURUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")

        def late(session: Any, decided: int) -> str:
            engine.signal(signal.SIGCONT)
            until(lambda: _answer(session, decided) is not None)
            return taken_back(session, decided)

        monkeypatch.setattr(acting, "taken_back", late)
        with asleep(seat, engine):
            said = seat.json("close", intent, "--reason", "why")
        assert (said.code, said.document["closed"][0]["outcome"]) == (0, "CLOSED"), said


@shows("I2")
def test_an_approval_that_a_rule_stopped_says_which() -> None:
    """Signed, and a kill came before the engine's turn: NOT SENT, with the reason of the last word on it."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        intents.append(intent)
        _ = desk.approve(intent).unwrap()
        _ = desk.act(RaiseKill(CommandId("k"), "desk", "test", "operator")).unwrap()
        await desk.tick()

    made = walked(walk)
    context = click.Context(click.Command("approve"))
    outcome, words, reasons = _watch(context, session_of(made), intents[0])
    assert (outcome, reasons) == ("NOT_SENT", ("KILL_FLAG_ACTIVE",))
    assert "KILL_FLAG_ACTIVE" in words


@shows("I2")
def test_an_order_that_the_broker_refused_was_not_kept_back_here() -> None:
    """It left, and is over: "not sent" would be a lie. The alert says by which code, on the console and in the list;
    whoever approved reads the broker's own words, from beside the log and only as far as they print."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        desk.broker.script(Reject(code=201, text="no margin\x1b[2J here"))
        intents.append(await desk.enter())

    made = walked(walk)
    context = click.Context(click.Command("approve"))
    outcome, words, reasons = _watch(context, session_of(made), intents[0])
    told = "REJECTED at the broker: code 201 no margin?[2J here"
    assert (outcome, words, reasons) == ("NOT_SENT", told, ("code 201",))
    assert all("no margin" not in record.data.decode() for record in made.store.read(0))
    (over,) = made.desk.positions.ended.values()
    assert heard(session_of(made), over.reasons) == ("code 201 no margin?[2J here",)
    assert heard(session_of(made), ("PASSED", text_hash("of nobody"))) == ("PASSED", text_hash("of nobody"))
    (alarm,) = (a for a in made.bodies(Alert) if a.code == "ORDER_REJECTED")
    assert alarm.text.endswith("(reason code 201)")
    open_alert = next(iter(made.desk.alerts.open.values()))
    assert _text_of(session_of(made), open_alert.seq) == alarm.text


@pytest.mark.parametrize(("fate", "is_out"), [(Silence(), True), (Fill(), False)])
def test_what_ends_an_entry_that_works_is_said_where_nothing_is_held(fate: Silence | Fill, is_out: bool) -> None:
    """A close has nothing to close there, and whoever wants the entry gone learns what ends it."""
    found: list[Open] = []

    async def walk(desk: Stage) -> None:
        desk.broker.script(fate)
        position = desk.position(await desk.enter())
        assert isinstance(position, Open)
        found.append(position)

    _ = walked(walk)
    assert ("--scope instrument:EURUSD --cancel-working" in _what_ends_an_entry(found)) is is_out


@frozen
class Desk:
    """What a command opens beside the engine of a stage: a fold of its own, and the operator's key."""

    made: Stage
    recorder: Recorder
    home: None = None
    settings: None = None

    @property
    def desk(self) -> Any:
        """As far as this process has read."""
        return self.recorder.desk

    @property
    def store(self) -> Any:
        """The one log."""
        return self.made.store

    @property
    def clock(self) -> Any:
        """The one clock."""
        return self.made.clock


@shows("S32-TOK-02")
@pytest.mark.parametrize("seconds", [0, 1, 2, 13, 20, 200])
def test_a_person_may_read_the_screen_before_approving(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is signed is the screen as it stood there, with the quote and its age: the market moves on while a human
    reads, within what the signature allows, and what was read is approved all the same."""
    monkeypatch.setattr(approval, "_watch", lambda ctx, session, intent: ("SENT", "SENT", ()))
    context = click.Context(click.Command("approve"))

    async def walk(desk: Stage) -> None:
        monkeypatch.setattr(founding, "signer_of", lambda home, settings: desk.pen)
        intent = await desk.propose()
        await desk.watch(11, every=1)
        session: Any = Desk(desk, desk.other())
        _ = session.recorder.catch_up()
        screen = screen_of(session.desk, intent, desk.clock.now())
        assert isinstance(screen, Screen)
        for n in range(1, seconds + 1):
            desk.price(f"1.08{490 + n % 7}", f"1.08{510 + n % 7}")
            await desk.tick(1)
        _decide(context, session, screen)
        await desk.tick(2)
        assert desk.state(intent) is State.MANAGED

    made = walked(walk)
    (decision,) = made.bodies(Decision)
    said = json.loads(decision.signed.statement)
    (shown,) = (quote for quote in quotes_of(made) if utc_text(quote.at) == seen_at(said))
    assert (plain(shown.bid), plain(shown.ask)) == (said["live"]["bid"], said["live"]["ask"])


def quotes_of(made: Stage) -> list[LastQuote]:
    """Every quote that can be cited."""
    return made.desk.observations.recent[PAIR]


def seen_at(said: dict[str, Any]) -> str:
    """When the quote was seen that a statement cites: its age before the moment that it names."""
    at = utc_of(said["at"], "at")
    return utc_text(at - timedelta(milliseconds=said["live"]["age_ms"]))
