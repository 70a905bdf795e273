"""What follows from a fact in the same append: ends that are asked for, and what an autopsy says of how it went."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve as changed

from phoenix_adapters.brokers.mock.chaos import Partial, Silence
from phoenix_core.beads import Alert, AlertEvent, Autopsy, Order, OrderEvent, Position
from phoenix_core.facts import BrokerStatus, CommissionSaid, LinkEvent, LinkSaid
from phoenix_core.gate.price import mid
from phoenix_core.gate.statements import Close
from phoenix_core.orders import exit_ref
from phoenix_core.trade.positions import Open
from phoenix_core.values import Money, Price, Role, Side, State
from phoenix_core.watch.codes import Code
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked


@pytest.mark.parametrize(
    ("bid", "by"), [("1.09105", "left by TARGET"), ("1.08150", "left by STOP"), ("", "left by CLOSE")]
)
@shows("S32-AUT-02")
def test_an_autopsy_names_the_exit_that_executed(bid: str, by: str) -> None:
    """Of three that stood there, the one that took it out."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        if bid:
            desk.price(bid, str(Decimal(bid) + Decimal("0.0001")))
        else:
            _ = desk.sign(Close(intent, WORDS)).unwrap()
        await desk.watch(6, 2)
        (autopsy,) = desk.bodies(Autopsy)
        assert [finding for finding in autopsy.findings if finding.startswith("left by")] == [by]

    _ = walked(walk)


@shows("S32-AUT-02")
def test_a_cost_in_another_currency_is_not_added_to_ours() -> None:
    """Two dollars and five francs are two dollars, in a desk that counts dollars."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        position = desk.position(intent)
        assert isinstance(position, Open)
        (bought,) = desk.desk.fills.of(position.position_id)
        await hear(desk, CommissionSaid("m-1", f"{bought.family}.99", Money(Decimal(5)), "CHF"))
        desk.price("1.09105", "1.09115")
        await desk.watch(6, 2)
        (autopsy,) = desk.bodies(Autopsy)
        costs = dict(desk.desk.fills.totals(autopsy.position_id).commissions)
        assert costs["CHF"] == 5 and autopsy.commission == costs.get("USD", Decimal(0))

    _ = walked(walk)


@shows("S32-AUT-01", "F48")
@pytest.mark.parametrize("logged", [True, False])
def test_what_was_executed_before_a_new_session_had_a_quote_is_worth_what_was_last_known(logged: bool) -> None:
    """The target filled while the link was down, and is told before the first tick: yen are not dollars for that. The
    log's last quote counts, and where it has none, what the entry was sized with."""
    yen = {"pair": "USDJPY", "entry": "150.00", "stop": "149.60", "target": "150.80"}

    async def walk(desk: Stage) -> None:
        desk.broker.set_quote("USDJPY", Price(Decimal("149.995")), Price(Decimal("150.005")))
        intent = await desk.enter(**yen)
        position = desk.position(intent)
        assert isinstance(position, Open) and position.average_entry is not None
        desk.broker.set_quote("USDJPY", Price(Decimal("150.495")), Price(Decimal("150.505")))
        await desk.tick(31)
        known = desk.desk.observations.quotes["USDJPY"]
        assert mid(known.bid, known.ask) == Decimal("150.5")
        rate = 1 / Decimal("150.5" if logged else "150")
        desk.broker._quotes.clear()  # as a gateway's client forgets them with its session
        if not logged:
            desk.desk.observations.quotes.clear()
        out = filled(desk, exit_ref(ref_of(desk, intent), Role.TARGET, 1), str(position.held), Side.SELL)
        await hear(desk, changed(out, symbol="USDJPY", price=Price(Decimal("150.80"))))
        gained = (Decimal("150.80") - position.average_entry) * position.held * rate
        told = desk.bodies(Position)[-1].realized
        assert told is not None and abs(told - gained) < (Decimal("0.01") if logged else 1)

    _ = walked(walk)


@shows("F34")
def test_the_first_exit_asks_for_the_end_of_an_entry_that_still_works() -> None:
    """Half of it is in, and a part of that is out again: nothing more is to be bought, although something is held."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.5")))
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        position = desk.position(intent)
        assert isinstance(position, Open) and position.entry_working
        await hear(desk, filled(desk, exit_ref(ref, Role.TARGET, 1), str(position.held // 2), Side.SELL))
        asked = [(body.ref, body.reason) for body in desk.bodies(Order) if body.event is OrderEvent.CANCEL_REQUESTED]
        assert (ref, "an exit executed") in asked

    _ = walked(walk)


@shows("I9")
def test_an_order_that_has_ended_is_not_doubted_with_its_link() -> None:
    """Cancelled by the broker's word, and then the link is gone: nothing of it is unknown, its proof is awaited."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Silence())
        intent = await desk.enter()
        lost = LinkSaid(LinkEvent.LOST, desk.broker.session(), (desk.broker.account,))
        desk.broker.tell(said_of(desk, ref_of(desk, intent), BrokerStatus.CANCELLED), lost)
        await desk.engine.step()
        assert desk.state(intent) is State.SUBMITTED
        raised = [alert for alert in desk.bodies(Alert) if alert.event is AlertEvent.RAISED]
        assert not [alert for alert in raised if alert.code == Code.POSITION_STALLED.value]

    _ = walked(walk)
