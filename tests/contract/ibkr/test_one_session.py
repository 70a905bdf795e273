"""What belongs to one session, and to no other: pictures, numbers, callbacks, subscriptions. Without a socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from decimal import Decimal
from typing import ClassVar, cast

import pytest

from phoenix_adapters.brokers.ibkr import broker as broker_module
from phoenix_adapters.brokers.ibkr.broker import IbkrBroker
from phoenix_adapters.brokers.ibkr.picture import Picture, picture_of
from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.wire import Message
from tests.contract.ibkr.single import NOON, OURS, REF, said, translator
from tests.showing import shows


class Asked:
    """A session that answers every question at once, and remembers what it was told besides."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.told: list[tuple[str, object]] = []
        self.asked: dict[str, dict[str, object]] = {}
        self.up = True

    async def ask(
        self,
        name: str,
        rows: tuple[str, ...],
        end: str,
        within_s: float,
        numbered: bool = False,
        cancel: str = "",
        /,
        **values: object,
    ) -> list[dict[str, str]]:
        """One row of figures; of all else there is nothing."""
        self.asked[name] = values
        if cancel:
            self.told.append((cancel, "its number"))
        return [said(reqId=9, key="NetLiquidation", currency="USD", value=1)] if "AccountUpdates" in name else []

    async def tell(self, name: str, /, **values: object) -> bool:
        """A request that has no end."""
        self.told.append((name, values.get("reqId")))
        return True


async def test_what_a_picture_subscribed_to_is_given_back() -> None:
    """Positions and figures are streams at the gateway: one that is left open goes on talking for ever."""
    session = Asked()
    picture = await picture_of(cast("Session", session), translator(), "DU1234567", 1, NOON)
    assert picture.missing == () and picture.equity == 1
    assert session.told == [("cancelPositions", None), ("cancelAccountUpdatesMulti", "its number")]
    assert session.asked["reqExecutions"] == {"account": "DU1234567"}


class Figured(Asked):
    """A login whose account trades in two currencies, told as newer gateways tell it."""

    async def ask(
        self,
        name: str,
        rows: tuple[str, ...],
        end: str,
        within_s: float,
        numbered: bool = False,
        cancel: str = "",
        /,
        **values: object,
    ) -> list[dict[str, str]]:
        """Profit in each currency, and all of it in the account's own."""
        figures = [("NetLiquidation", "USD", 1), ("InitMarginReq", "USD", 2)]
        figures += [("RealizedPnL", "USD", 3), ("RealizedPnL", "BASE", 7)]
        figures += [("$LEDGER-UnrealizedPnL", "EUR", 4), ("$LEDGER-UnrealizedPnL", "BASE", 5)]
        told = [said(reqId=9, key=key, currency=currency, value=value) for key, currency, value in figures]
        return told if "AccountUpdates" in name else []


async def test_profit_is_that_of_the_whole_account() -> None:
    """Not of the one currency in which its worth is told, and also where the key has a prefix."""
    picture = await picture_of(cast("Session", Figured()), translator(), "DU1234567", 1, NOON)
    assert picture.currency == "USD"
    assert [picture.equity, picture.margin_used] == [Decimal(1), Decimal(2)]
    assert [picture.realized, picture.unrealized] == [Decimal(7), Decimal(5)]


class Shared(Asked):
    """A login with two accounts, which hold the same instrument."""

    async def ask(
        self,
        name: str,
        rows: tuple[str, ...],
        end: str,
        within_s: float,
        numbered: bool = False,
        cancel: str = "",
        /,
        **values: object,
    ) -> list[dict[str, str]]:
        """A position of each; the second one of ours is the later word on it."""
        held = (("DU1234567", 4), ("DU7654321", 9), ("DU1234567", 5))
        row = {"symbol": "AAPL", "currency": "USD", "secType": "STK", "conId": 1}
        return [said(**row, account=one, position=many) for one, many in held] if name == "reqPositions" else []


async def test_what_two_accounts_hold_are_two_positions() -> None:
    """The last word on each counts, and neither stands for the other."""
    made = translator()
    picture = await picture_of(cast("Session", Shared()), made, "DU1234567", 1, NOON)
    assert {(one.account, one.quantity) for one in picture.positions} == {
        (made.accounts.tag("DU1234567"), Decimal(5)),
        (made.accounts.tag("DU7654321"), Decimal(9)),
    }


@pytest.fixture
def broker() -> IbkrBroker:
    """A broker with a session that stands, and is none."""
    accounts = translator().accounts
    made = IbkrBroker("127.0.0.1", 4002, OURS, "DU1234567", accounts.of, manual_clock(NOON))
    made.line = cast("Session", Asked())
    return made


@shows("I13")
async def test_a_picture_that_spans_two_sessions_is_none(broker: IbkrBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost and back while it was gathered: every end came, and nobody knows of which session; nor is it in step."""

    async def gathered(*words: object) -> Picture:
        broker.line = cast("Session", Asked())
        return Picture(missing=())

    async def told(*words: object) -> bool:
        broker.line = cast("Session", Asked())
        return True

    monkeypatch.setattr(broker_module, "picture_of", gathered)
    monkeypatch.setattr(broker_module, "resynchronised", told)
    assert (await broker.snapshot()).complete is False
    assert await broker.resynchronise() is False
    assert broker.drain() == ()


class Standing(Asked):
    """A session of which the broker's callbacks are kept, whose transport takes everything."""

    made: ClassVar[list[Standing]] = []
    version, first_id, id_taken, zone, writable, accounts = 176, 1, False, UTC, True, ("DU1234567",)

    def __init__(self, *where: object, **back: Callable[..., None]) -> None:
        """Opened by `connect`."""
        super().__init__()
        self.back, self.written = back, list[bytes]()
        Standing.made.append(self)

    async def open(self, within_s: float) -> bool:
        """At once."""
        return True

    def close(self) -> None:
        """Hang up."""
        self.up = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)


@pytest.fixture
def connected(broker: IbkrBroker, monkeypatch: pytest.MonkeyPatch) -> IbkrBroker:
    """The same broker, before its first session."""
    broker.line = None
    Standing.made.clear()
    monkeypatch.setattr(broker_module, "Session", Standing)
    return broker


@shows("F20")
async def test_a_session_that_is_over_says_nothing_any_more(connected: IbkrBroker) -> None:
    """What its socket still brings belongs to order ids of another time; that it was lost is no loss of the new one."""
    assert await connected.connect() and await connected.connect()
    old, new = Standing.made
    connected.drain()
    error = Message("error", said(id=-1, code=1100, message="gone"))
    old.back["hear"](error)
    old.back["lost"]("late")
    assert connected.drain() == () and connected.accounts() != ()
    new.back["hear"](error)
    assert len(connected.drain()) == 2


async def test_a_sessions_number_is_higher_than_that_of_any_run_before(connected: IbkrBroker) -> None:
    """Two in one second, and the first of the next run: what was said in one is never taken for another's."""
    numbers = []
    for _ in range(3):
        assert await connected.connect()
        numbers.append(connected.session())
    later = manual_clock(NOON + timedelta(hours=1))
    again = IbkrBroker("127.0.0.1", 4002, OURS, "DU1234567", connected.account_of, later)
    assert await again.connect()
    assert numbers == sorted(set(numbers)) and again.session() > numbers[-1]


@shows("S33-CON-07")
async def test_a_cancel_counts_against_the_limit_of_messages(connected: IbkrBroker) -> None:
    """It goes in front of everything, and takes its place on the wire like everything."""
    assert await connected.connect()
    connected.names.bind(5, REF)
    connected.cancel(REF)
    assert len(Standing.made[0].written) == 1
    assert (len(connected.pacer.wire.messages), len(connected.pacer.wire.orders)) == (1, 1)
