"""A gateway without sockets on a clock that moves when it is told to, and clients that talk to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from attrs import define, evolve, field

from phoenix_adapters.gateway import Gateway, Setup
from phoenix_adapters.gateway.actions import perform
from phoenix_adapters.gateway.sessions import Close, Listen, Send
from phoenix_adapters.wire import hello, to_server
from tests.contract.gateway.reader import Said, read

# Every process has a loopback address of its own, so that two runs of the suite share the one allowed port.
HOST = f"127.{64 + os.getpid() // 250 % 128}.{1 + os.getpid() % 250}.4"
WEDNESDAY = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)  # 14:00 in New York
CALM = Setup(volatility=0.0, messages_per_second=None)
EURUSD = {"symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO"}
AAPL = {"symbol": "AAPL", "secType": "STK", "currency": "USD", "exchange": "SMART"}


@define
class Heard:
    """One message that a client got, and when."""

    at: datetime
    name: str
    said: Said


@define(eq=False)
class Client:
    """One connection."""

    stage: Stage
    client_id: int
    version: int
    number: int
    heard: list[Heard] = field(factory=list)
    closed: bool = False
    ids: Iterator[int] = field(factory=lambda: count(1))

    def say(self, fields: tuple[str, ...]) -> None:
        """Fields as they are."""
        self.stage.gateway.received(self.stage.now, self.number, fields)
        self.stage.deliver()

    def ask(self, name: str, **values: object) -> None:
        """One request."""
        self.say(to_server(name, self.version, **values))

    def place(self, contract: dict[str, str] = EURUSD, /, **terms: object) -> int:
        """A place frame; its order id. Whatever is not said is a market purchase of 20,000."""
        given: dict[str, object] = {"action": "BUY", "totalQuantity": 20_000, "orderType": "MKT", "tif": "DAY"}
        order_id = terms.pop("orderId", None) or next(self.ids)
        self.ask("placeOrder", **contract, **{**given, **terms}, orderId=order_id)
        assert isinstance(order_id, int)
        return order_id

    def got(self, *names: str, **wanted: object) -> list[Said]:
        """What was said under these names with these words."""
        words = {key: str(value) for key, value in wanted.items()}
        return [
            one.said
            for one in self.heard
            if (not names or one.name in names) and all(one.said.get(key) == said for key, said in words.items())
        ]

    def last(self, name: str, **wanted: object) -> Said:
        """The last of them."""
        found = self.got(name, **wanted)
        assert found, f"no {name} with {wanted}; heard {[one.name for one in self.heard]}"
        return found[-1]

    def story(self, order_id: int | None = None) -> list[str]:
        """The order's life as it was told: `openOrder`, a status, `execDetails`, an error's code."""
        told = []
        for one in self.heard:
            if order_id is not None and one.said.get("orderId", one.said.get("id")) != str(order_id):
                continue
            match one.name:
                case "orderStatus":
                    told.append(one.said["status"])
                case "error":
                    told.append(one.said["code"])
                case "openOrder" | "execDetails":
                    told.append(one.name)
        return told

    def status(self, order_id: int) -> str:
        """The last status told of an order."""
        return self.last("orderStatus", orderId=order_id)["status"]

    def forget(self) -> None:
        """Listen anew."""
        self.heard.clear()

    def position(self, symbol: str = "EUR") -> Decimal:
        """What a fresh positions request says."""
        self.forget()
        self.ask("reqPositions")
        assert self.got("positionEnd"), "a positions request ends"
        found = [one for one in self.got("position") if one["symbol"] == symbol]
        return Decimal(found[-1]["position"]) if found else Decimal(0)

    def net_liquidation(self) -> Decimal:
        """What a fresh account request says, in dollars."""
        self.forget()
        self.ask("reqAccountUpdatesMulti", reqId=9_000_000)
        self.ask("cancelAccountUpdatesMulti", reqId=9_000_000)
        return Decimal(self.last("accountUpdateMulti", key="NetLiquidation")["value"])


@define(eq=False)
class Stage:
    """The gateway, its clients and the time."""

    gateway: Gateway
    now: datetime
    clients: dict[int, Client] = field(factory=dict)
    listening: bool = True
    trace: list[tuple[datetime, int, tuple[str, ...]]] = field(factory=list)

    @classmethod
    def up(cls, setup: Setup = CALM, now: datetime = WEDNESDAY, faults: tuple[str, ...] = ()) -> Stage:
        """A new gateway."""
        return cls(Gateway(evolve(setup, faults=faults), now), now)

    def connect(self, client_id: int = 7, version: int = 176) -> Client:
        """A client that says who it is."""
        number = self.gateway.connected(self.now)
        client = Client(self, client_id, version, number)
        self.clients[number] = client
        client.say((hello(157, version),))
        client.ask("startApi", clientId=client_id)
        return client

    def wait(self, seconds: float = 0.1) -> None:
        """Let time go by."""
        self.until(self.now + timedelta(seconds=seconds))

    def until(self, moment: datetime) -> None:
        """Let time go by until then."""
        self.now = moment
        self.gateway.advance(moment)
        self.deliver()

    def do(self, act: str, **given: object) -> None:
        """An act on the gateway."""
        self.gateway.advance(self.now)
        perform(self.gateway, act, {word: str(value) for word, value in given.items()})
        self.deliver()

    def fault(self, name: str) -> None:
        """Switch a misfortune on."""
        self.do("fault", name=name)

    def quote(self, bid: str, ask: str, symbol: str = "EURUSD") -> None:
        """Put a quote somewhere, and let it be seen."""
        self.do("quote", symbol=symbol, bid=bid, ask=ask)
        self.wait(0.3)

    def deliver(self) -> None:
        """Hand what goes out to whom it is for, each message read by the other reader."""
        for output in self.gateway.take():
            match output:
                case Send(number, fields):
                    self.trace.append((self.now, number, fields))
                    client = self.clients[number]
                    if len(fields) == 2 and fields[0] == str(client.version):
                        continue
                    client.heard.append(Heard(self.now, *read(fields, client.version)))
                case Close(number):
                    self.clients[number].closed = True
                case Listen(opened):
                    self.listening = opened


def exactly(told: list[str], *wanted: str) -> None:
    """Compare a story, with both shown in full."""
    assert list(wanted) == told


Check = Callable[[Stage, Client], None]
