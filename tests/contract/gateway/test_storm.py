"""Random orders under random misfortunes: nothing breaks, every frame can be read, and the book stays consistent."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from attrs import define, field

from phoenix_adapters.gateway import MENU, Setup
from phoenix_adapters.gateway.faults import OF_ORDERS
from phoenix_adapters.gateway.orders import Stage as Life
from tests.contract.gateway.stage import Client, Stage

ACTS: dict[str, dict[str, object]] = {
    "manual_place": {"symbol": "EURUSD", "action": "SELL", "quantity": 5_000},
    "manual_close": {"symbol": "EURUSD"},
    "manual_cancel": {},
    "gap": {"symbol": "EURUSD", "ticks": 30},
    "sides": {"symbol": "EURUSD", "show": "bid"},
    "link_lost": {},
    "link_restored": {},
    "restart": {"seconds": 3},
    "drop": {},
    "log_out": {},
}


@define
class Storm:
    """One gateway and whoever is connected to it at the moment."""

    draw: Random
    stage: Stage
    client: Client
    ids: list[int] = field(factory=list)

    def reconnect(self) -> None:
        """Calm down, log in, wait for the port, and connect again, as any of two clients."""
        for act in ("calm", "log_in", "drop"):
            self.stage.do(act)
        self.stage.wait(120)
        self.client = self.stage.connect(self.draw.choice((0, 7)))

    def place(self) -> None:
        """Some order; sometimes a child, sometimes not transmitted, sometimes the modification of an earlier one."""
        draw = self.draw
        price = str(Decimal("1.17") + draw.randint(-40, 40) * Decimal("0.00005"))
        known = self.ids or [0]
        self.client.ask("reqIds")
        free = int(self.client.got("nextValidId")[-1]["orderId"]) if self.client.got("nextValidId") else 1
        self.ids.append(
            self.client.place(
                orderId=draw.choice((free, free, free, draw.choice(known) or free)),
                orderType=draw.choice(("MKT", "LMT", "STP", "STP LMT")), lmtPrice=price, auxPrice=price,
                action=draw.choice(("BUY", "SELL")), tif=draw.choice(("DAY", "GTC", "IOC", "FOK")),
                totalQuantity=draw.choice((1_000, 20_000, 6_000_000)),
                transmit=draw.choice((0, 1, 1, 1)),
                ocaGroup=draw.choice(("", "g")), ocaType=draw.choice((1, 2, 3)),
                parentId=draw.choice((0, 0, known[-1])),
                whatIf=int(draw.random() < 0.1),
            )
        )  # fmt: skip

    def ask(self) -> None:
        """Every snapshot there is."""
        for name in ("reqPositions", "reqOpenOrders", "reqAllOpenOrders"):
            self.client.ask(name)
        self.client.ask("reqExecutions", reqId=3)
        self.client.ask("reqCompletedOrders", apiOnly=0)
        self.client.ask("reqAccountUpdates", subscribe=1, account="")

    def step(self) -> None:
        """Something happens."""
        draw, chance = self.draw, self.draw.random()
        if self.client.closed:
            self.reconnect()
        elif chance < 0.25:
            name = draw.choice(list(MENU))
            self.stage.fault(name + draw.choice(("", "*1", "@child" if name in OF_ORDERS else "")))
        elif chance < 0.35:
            self.stage.do("clear", name=draw.choice((*self.stage.gateway.faults.on(), "mute")))
        elif chance < 0.65:
            self.place()
        elif chance < 0.75:
            self.client.ask("cancelOrder", orderId=draw.choice(self.ids or [1]))
        elif chance < 0.80:
            self.ask()
        elif chance < 0.86:
            act = draw.choice(list(ACTS))
            self.stage.do(act, **ACTS[act])
        else:
            self.stage.wait(draw.choice((0.001, 0.1, 1, 10, 300, 40_000)))

    def consistent(self) -> None:
        """What works can be found, what is over cannot, and nothing is filled beyond itself but by `overfill`."""
        book = self.stage.gateway.venue.book
        for order in book.live.values():
            listed = order.perm_id in book.working.get(order.listing.con_id, {})
            assert listed == (order.stage is Life.WORKING)
            assert 0 <= order.filled <= order.quantity
        assert not {one.perm_id for one in book.done} & book.live.keys()
        assert all(members.keys() <= book.live.keys() for members in book.groups.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_storm_breaks_nothing_and_the_calm_after_it_is_truthful(seed: int) -> None:
    """A hundred and twenty random steps; after the storm positions are what the account holds, and orders fill."""
    stage = Stage.up(Setup(seed=seed, messages_per_second=None))
    storm = Storm(Random(seed), stage, stage.connect())
    for _ in range(120):
        storm.step()
        storm.consistent()
    stage.do("link_restored")
    stage.do("sides", symbol="EURUSD", show="both")
    stage.do("manual_cancel")
    storm.reconnect()
    stage.wait(4 * 86_400)
    held = next(iter(stage.gateway.venue.accounts.values())).holdings
    assert storm.client.position() == sum(one.quantity for one in held.values())
    storm.client.forget()
    stage.do("deposit", currency="USD", amount=100_000_000)
    order = storm.client.place(
        orderId=stage.gateway.venue.book.next_id(storm.client.client_id), tif="GTC", action="SELL", totalQuantity=1_000
    )
    stage.wait(4 * 86_400)
    assert storm.client.status(order) == "Filled"
