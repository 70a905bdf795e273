"""What an operator reads all day: worth in the account's money, what calls for a human first, no figure cut."""

from __future__ import annotations

import io
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest
from rich.console import Console

from phoenix_cli.__main__ import cli
from phoenix_cli.commands.drawing import ago, countdown, dashboard, since, status_lines
from phoenix_cli.commands.positions import named, row_of, table
from phoenix_cli.commands.status import _open_pnl
from phoenix_cli.commands.worth import Worth, worth_of
from phoenix_cli.wiring.opening import Session
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import Close, Protect
from phoenix_core.orders import exit_ref
from phoenix_core.records import evolve
from phoenix_core.trade.positions import Open, position_id_of
from phoenix_core.values import OrderRef, Price, Quantity, Role, State
from tests.stage import Stage, stage
from tests.unit.desk.walks import WORDS, walked

YEN = {"pair": "USDJPY", "entry": "150.00", "stop": "149.60", "target": "150.80"}


def seen_by(desk: Stage) -> Session:
    """What a command has open, over the desk of a stage."""
    genesis = desk.desk.genesis
    return cast(Session, SimpleNamespace(desk=desk.desk, clock=desk.clock, genesis=genesis))


def with_yen(desk: Stage) -> Stage:
    """The same stage, where dollars are quoted in yen."""
    desk.price("149.995", "150.005", "USDJPY")
    return desk


def close(intent: str, quantity: Decimal) -> Close:
    """A close of a part."""
    return Close(intent, WORDS, Quantity(quantity))


def the_position(desk: Stage) -> Open:
    """The one that is open."""
    (position,) = desk.desk.positions.open.values()
    return position


def picture(**changes: Any) -> dict[str, Any]:
    """A quiet desk as `status --json` tells it, with changes."""
    quiet: dict[str, Any] = {
        "now": "2026-11-18T19:00:00Z",
        "mode": "PAPER",
        "account": "DU...567",
        "engine": {"running": True, "beads": 52, "owed": 0},
        "health": {"health": "HEALTHY", "detail": "last beat 9 s ago"},
        "link": {"state": "CONNECTED", "session": 1, "attempts": 0},
        "reconciliation": {"agreement": "AGREES", "age_s": 20},
        "halted": False,
        "kill_flags": [],
        "unsigned": [],
        "stalled": [],
        "positions": [],
        "waiting": [],
        "orders": 0,
        "drifts": [],
        "alerts": [],
        "today": {"entries": 0, "realized": "0", "open": "0", "currency": "USD"},
    }
    return quiet | changes


def row(**changes: Any) -> dict[str, Any]:
    """A position as it is shown, with changes."""
    held: dict[str, Any] = {
        "position": "983ce8f6-44b8-543a-84c3-f7183e66b860",
        "state": "MANAGED",
        "instrument": "EURUSD",
        "side": "BUY",
        "filled": "166666",
        "requested": "166666",
        "exited": "0",
        "average_entry": "1.085",
        "stop": "1.082",
        "target": "1.091",
        "protection": "FULL",
        "price": "1.0849",
        "price_age_s": 12,
        "pnl": "-16.67",
        "r": "-0.03",
    }
    return held | changes


class TestWorth:
    """Profit and loss are of the account, whatever the instrument is quoted in, and by a price whose age is known."""

    def test_a_position_in_yen_is_worth_dollars(self) -> None:
        """A dollar account that is long of USDJPY, twenty pips up: some 250 dollars and half an R, not 37,500 yen."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter(**YEN)
            desk.price("150.205", "150.215", "USDJPY")
            await desk.watch(40)
            position, worth = the_position(desk), worth_of(seen_by(desk), the_position(desk))
            assert position.average_entry is not None and worth.pnl is not None and worth.r is not None
            yen = (Decimal("150.205") - position.average_entry) * position.held
            assert abs(worth.pnl - yen / Decimal("150.21")) < 1
            assert Decimal("0.45") < worth.r < Decimal("0.55")
            assert worth.price == Decimal("150.205")

        _ = walked(walk, with_yen(stage()))

    def test_the_price_of_what_is_held_is_never_older_than_a_beat(self) -> None:
        """Nobody proposes anything for ten minutes: the position's price is of the last half minute all the same."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            for _ in range(20):
                desk.price("1.0860", "1.0861")
                await desk.tick(31)
                worth = worth_of(seen_by(desk), the_position(desk))
                assert worth.age_s is not None and worth.age_s <= 35
            assert worth.price == Decimal("1.0860")

        _ = walked(walk)

    def test_what_was_realised_counts(self) -> None:
        """Half of it is out with a gain: the rest and the gain are one figure."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = the_position(desk)
            desk.price("1.0880", "1.0881")
            await desk.watch(35)
            before = worth_of(seen_by(desk), position)
            half = position.held // 2
            _ = desk.sign(close(intent, half)).unwrap()
            await desk.tick(1)
            after = worth_of(seen_by(desk), the_position(desk))
            assert before.pnl is not None and after.pnl is not None
            assert the_position(desk).held == position.held - half
            assert abs(after.pnl - before.pnl) < 20
            assert before.open == before.pnl
            assert after.open is not None and abs(after.open - after.pnl / 2) < 20, "half of it is safe"

        _ = walked(walk)

    def test_what_nobody_can_tell_is_not_told(self) -> None:
        """Nothing held, or no rate to the account's money: no figure, rather than one in another currency."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose(**YEN)
            assert worth_of(seen_by(desk), the_position(desk)) == Worth()
            _ = desk.approve(intent).unwrap()
            await desk.tick()
            desk.desk.tenure.genesis = evolve(desk.desk.genesis, currency="CHF")
            session = seen_by(desk)
            worth = worth_of(session, the_position(desk))
            assert (worth.pnl, worth.r) == (None, None) and worth.price is not None
            shown = row_of(session, the_position(desk))
            assert (shown["pnl"], shown["r"], shown["state"]) == (None, None, State.MANAGED.value)
            assert _open_pnl(session, [the_position(desk)]) is None, "nor does it count as nothing in the sum"

        _ = walked(walk, with_yen(stage()))


def test_the_prices_shown_are_those_that_protect() -> None:
    """The mandate's while its orders work, and while none does; those that a human signed for once these work."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        ref = OrderRef(the_position(desk).order_ref or "")

        def shown() -> tuple[object, ...]:
            row = row_of(seen_by(desk), the_position(desk))
            return row["stop"], row["target"], row["protection"]

        assert shown() == ("1.082", "1.091", "FULL")
        for generation in (1, 2):
            for role in (Role.STOP, Role.TARGET):
                gone = desk.broker.truth.book[exit_ref(ref, role, generation)]
                desk.broker._end(gone, BrokerStatus.CANCELLED, "gone")
            for _ in range(3):
                await desk.tick(20)
        assert shown() == ("1.082", "1.091", "NONE")
        says = Protect(intent, stop=Price(Decimal("1.08")), target=Price(Decimal("1.093")))
        _ = desk.sign(says).unwrap()
        await desk.tick(1)
        assert shown() == ("1.08", "1.093", "FULL")

    _ = walked(walk)


class TestNames:
    """A position is named by its id, its intent, a beginning of either, or its instrument."""

    def test_an_instrument_names_the_one_position_that_is_held_there(self) -> None:
        """Also while another intent waits in it; two that wait are no name, and neither is an empty instrument."""

        async def walk(desk: Stage) -> None:
            ctx, session = click.Context(cli), seen_by(desk)
            only = await desk.propose()
            assert named(ctx, session, "EURUSD") == desk.position(only)
            _ = desk.approve(only).unwrap()
            await desk.tick()
            _ = await desk.propose()
            held = desk.position(only)
            for name in ("eurusd", only, only[:8], position_id_of(only), position_id_of(only)[:8]):
                assert named(ctx, session, name) == held
            _ = desk.sign(Close(only, WORDS)).unwrap()
            await desk.tick(2)
            _ = await desk.propose()
            for name in ("EURUSD", "GBPUSD", "0"):
                with pytest.raises(click.exceptions.Exit):
                    _ = named(ctx, session, name)

        _ = walked(walk)


class TestLines:
    """One screen, the loudest first."""

    def test_a_stalled_position_is_the_first_line_of_every_status(self) -> None:
        """Above the desk's head, with its runbook; then the halt, kills, drifts, alerts, what waits, what is held."""
        full = picture(
            stalled=[row(state="STALLED", protection="NONE")],
            halted=True,
            kill_flags=[{"flag": "f", "scope": "desk", "type": "ONE_WAY"}],
            drifts=[{"drift": "7d3b0000", "cause": "size", "severity": "CRITICAL", "subject": "EURUSD"}],
            alerts=[alert()],
            waiting=[waiting(125)],
            positions=[row()],
        )
        lines = status_lines(full)
        assert lines[0].startswith("STALLED") and lines[0].endswith("RB-003")
        words = [line.split()[0] for line in lines]
        assert words == ["STALLED", "PAPER", "link", "today", "HALTED", "KILL", "DRIFT", "ALERT", "WAITS", "HOLDS"]
        assert "T 02:05" in lines[8] and "phoenix approve 0b6c1d0e" in lines[8]

    def test_a_quiet_desk_says_so(self) -> None:
        """Three lines of head, and that nothing is open."""
        assert status_lines(picture())[3:] == ["nothing is open, nothing waits"]

    def test_an_engine_that_does_not_run_and_a_price_that_is_old_are_said(self) -> None:
        """Neither is left to be inferred."""
        dead = picture(engine={"running": False, "beads": 1, "owed": 0}, positions=[row(price_age_s=7300)])
        told = "\n".join(status_lines(dead))
        assert "ENGINE IS NOT RUNNING" in told
        assert "at a price 2 h old" in told

    def test_no_picture_yet_and_no_worth(self) -> None:
        """What is not known is not zero."""
        blind = picture(
            reconciliation={"agreement": None, "age_s": None},
            today={"entries": 1, "realized": "0", "open": None, "currency": "USD"},
            positions=[row(pnl=None, r=None, price=None, price_age_s=None)],
        )
        told = "\n".join(status_lines(blind))
        assert "reconciled never" in told and "open not known" in told and "P&L -" in told

    @pytest.mark.parametrize(
        ("left", "words"), [(125, "T 02:05"), (1, "T 00:01"), (0, "expired"), (-61, "expired"), (None, "expired")]
    )
    def test_a_countdown_never_runs_backwards(self, left: int | None, words: str) -> None:
        """What is over is expired, not minus two minutes."""
        assert countdown(left) == words

    @pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h")])
    def test_spans(self, seconds: int, words: str) -> None:
        """In the unit that a person would use."""
        assert ago(seconds) == words

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(9, "9 s ago"), (0, "0 s ago"), (-1, "0 s ago"), (-7315, "2 h AHEAD of this clock (phoenix doctor)")],
    )
    def test_what_is_later_than_the_clock_says_is_no_time_ago(self, seconds: int, words: str) -> None:
        """The host's clock fell behind its own log: that is said, not a negative age."""
        assert since(seconds) == words
        told = status_lines(picture(reconciliation={"agreement": "AGREES", "age_s": seconds}))
        assert f"reconciled AGREES {words}" in told[1]

    @pytest.mark.parametrize(
        ("changes", "size"),
        [
            ({}, "166666/166666"),
            ({"filled": "50000"}, "50000/166666"),
            ({"exited": "50000"}, "116666 left of 166666"),
            ({"exited": "0.5"}, "166665.5 left of 166666"),
        ],
    )
    def test_what_is_held_is_what_a_close_left(self, changes: dict[str, str], size: str) -> None:
        """After the close of a part nobody reads the size that was bought as the size that is held, on any screen."""
        (line,) = status_lines(picture(positions=[row(**changes)]))[3:]
        assert f"BUY {size}  P&L" in line
        assert size in table([row(**changes)], None)
        drawn = TestDashboard().drawn(picture(positions=[row(**changes)]))
        assert "left" in drawn if "exited" in changes else "left" not in drawn

    def test_a_position_takes_a_second_line_where_it_has_no_room_for_one(self) -> None:
        """To the column: a line that fits is one line, with the whole id. Of two, neither is wider than 80 columns,
        and each figure stands whole in one of them."""
        held = row(
            filled="166666.5", requested="5000000", exited="1000", pnl="-12345.67", r="-10.03", protection="UNKNOWN"
        )
        rows = [row(instrument="USDJPY", stop="149.605", target="150.805"), held]
        wide = table(rows, None)
        room = max(map(len, wide.splitlines()))
        assert len(wide.splitlines()) == 2 and all(one["position"] in wide for one in rows)
        assert table(rows, room) == wide
        stacked = table(rows, room - 1)
        assert len(stacked.splitlines()) == 4 and all(len(line) <= 80 for line in stacked.splitlines())
        assert stacked.split() == [word if word != held["position"] else word[:8] for word in wide.split()]

    def test_flags_of_one_kind_on_one_scope_are_one_line(self) -> None:
        """Three drifts of an instrument raise three flags, and a screen that says it thrice hides the next line."""
        flag = {"flag": "f", "scope": "instrument:EURUSD", "type": "DRIFT"}
        lines = status_lines(picture(kill_flags=[flag, flag, flag | {"scope": "desk"}]))
        assert [line for line in lines if line.startswith("KILL")] == [
            "KILL     DRIFT on instrument:EURUSD (2 flags)  RB-005",
            "KILL     DRIFT on desk  RB-005",
        ]

    def test_an_entry_that_is_out_is_not_held(self) -> None:
        """Nothing of it is filled: it is sent, it has no worth, and it calls for nobody."""
        out = row(state="SUBMITTED", filled="0", pnl=None, r=None, price=None, price_age_s=None)
        (line,) = status_lines(picture(positions=[out]))[3:]
        assert line.split()[:2] == ["SENT", "SUBMITTED"] and "0/166666  nothing filled yet  stop" in line
        assert "P&L" not in line and "nothing calls for you" in TestDashboard().drawn(picture(positions=[out]))


class TestDashboard:
    """The live screen, 80 columns wide."""

    def drawn(self, of: dict[str, Any]) -> str:
        """What stands on the terminal."""
        console = Console(width=80, file=io.StringIO(), force_terminal=False)
        console.print(dashboard(of))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def test_every_figure_of_a_position_stands_on_one_line(self) -> None:
        """Instrument, side, size, entry, price, P&L, R, stop, target, protection: none of them cut."""
        held = [row(), row(instrument="USDJPY", side="SELL", filled="50000", state="FILLED", protection="PENDING")]
        lines = self.drawn(picture(positions=held)).splitlines()
        (line,) = [line for line in lines if "EURUSD" in line]
        for figure in ("EURUSD BUY 166666", "1.085", "1.0849", "-16.67", "-0.03", "1.082", "1.091", "FULL"):
            assert figure in line
        assert any("USDJPY" in line and "-16.67" in line and "FILLED PENDING" in line for line in lines)
        assert any("50000/166666" in line for line in lines)
        assert all(len(line) <= 80 for line in lines)

    def test_what_calls_for_a_human_stands_above_what_is_held(self) -> None:
        """The page to open is within the width, however long the phrase is."""
        shown = self.drawn(picture(alerts=[alert(phrase="x" * 70)], positions=[row()], stalled=[row(state="STALLED")]))
        assert "CRITICAL RB-002" in shown
        assert shown.index("STALLED") < shown.index("CRITICAL") < shown.index("EURUSD BUY 166666 ")

    def test_a_quiet_desk(self) -> None:
        """Nothing calls, nothing is held: said in so many words."""
        shown = self.drawn(picture())
        assert "nothing calls for you" in shown and "nothing is held" in shown


def alert(**changes: Any) -> dict[str, Any]:
    """An open alert as it is shown, with changes."""
    one: dict[str, Any] = {
        "alert": "28b03b8c-0000",
        "code": "DRIFT_CRITICAL",
        "severity": "CRITICAL",
        "subject": "EURUSD",
        "phrase": "We and the broker disagree",
        "runbook": "RB-002",
        "age_s": 5,
    }
    return one | changes


def waiting(left_s: int) -> dict[str, Any]:
    """An intent that waits."""
    return {"intent": "0b6c1d0e-1", "state": "PROPOSED", "instrument": "AUDUSD", "side": "BUY", "left_s": left_s}
