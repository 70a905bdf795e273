"""nautilus_trader before a stub client: from a strategy's decision through its engines, or the engines alone.

Imported only where its wheel is installed.
"""

from __future__ import annotations

from collections.abc import Callable

from nautilus_trader import __version__
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.client import ExecutionClient
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.messages import SubmitOrderList
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import AccountId, ClientId, Venue
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import OrderList
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.risk.engine import RiskEngine
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.component import TestComponentStubs
from nautilus_trader.test_kit.stubs.data import TestDataStubs
from nautilus_trader.test_kit.stubs.events import TestEventStubs
from nautilus_trader.test_kit.stubs.identifiers import TestIdStubs
from nautilus_trader.trading.strategy import Strategy

VERSION = __version__
VENUE = Venue("SIM")


class Stub(ExecutionClient):
    """Counts what reaches the broker. A live client also says that the orders are on their way, by which the engine and
    its cache know it; this one does, if it `tells`."""

    reached = 0
    tells = False

    def submit_order_list(self, command: SubmitOrderList) -> None:
        """The broker's side of the call."""
        self.reached += 1
        for order in command.order_list.orders if self.tells else ():
            self.generate_order_submitted(command.strategy_id, order.instrument_id, order.client_order_id, 0)

    def bind(self, account: AccountId, tells: bool) -> None:
        """Which account it trades on, as a client learns it when it connects, and whether it tells."""
        self._set_account_id(account)
        self.tells = tells


class Engines:
    """Both engines over one account, one currency pair and one quote."""

    def __init__(self, tells: bool) -> None:
        self.clock, self.trader = TestClock(), TestIdStubs.trader_id()
        bus, self.cache = MessageBus(trader_id=self.trader, clock=self.clock), TestComponentStubs.cache()
        shared = {"msgbus": bus, "cache": self.cache, "clock": self.clock}
        portfolio = Portfolio(**shared)
        execution, self.risk = ExecutionEngine(**shared), RiskEngine(portfolio=portfolio, **shared)
        self.stub = Stub(
            client_id=ClientId("SIM"),
            venue=VENUE,
            oms_type=OmsType.HEDGING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            **shared,
        )
        self.pair = TestInstrumentProvider.default_fx_ccy("EUR/USD", VENUE)
        portfolio.update_account(TestEventStubs.margin_account_state())
        self.stub.bind(TestIdStubs.account_id(), tells)
        execution.register_client(self.stub)
        self.cache.add_instrument(self.pair)
        quote = TestDataStubs.quote_tick(instrument=self.pair, bid_price=1.08495, ask_price=1.08505)
        self.cache.add_quote_tick(quote)
        execution.start()
        self.risk.start()
        self.strategy = Strategy()
        self.strategy.register(trader_id=self.trader, portfolio=portfolio, **shared)

    def _bracket(self) -> OrderList:
        return self.strategy.order_factory.bracket(
            instrument_id=self.pair.id,
            order_side=OrderSide.BUY,
            quantity=Quantity.from_int(1000),
            sl_trigger_price=Price.from_str("1.08200"),
            tp_price=Price.from_str("1.09100"),
        )

    def decided(self) -> Callable[[], object]:
        """A strategy has decided: its bracket is made, submitted, judged, sent, and known to be on its way."""
        before = self.stub.reached

        def way() -> None:
            self.strategy.submit_order_list(self._bracket())
            assert self.stub.reached == before + 1, "the bracket reached the stub"

        return way

    def engines_alone(self) -> Callable[[], object]:
        """One bracket that was made before and that the cache knows: what is answered leads it through both engines."""
        orders = self._bracket()
        for order in orders.orders:
            self.cache.add_order(order)
        command = SubmitOrderList(
            trader_id=self.trader, strategy_id=self.strategy.id, order_list=orders, command_id=UUID4(), ts_init=0
        )
        before = self.stub.reached

        def way() -> None:
            self.risk.execute(command)
            assert self.stub.reached == before + 1, "the bracket reached the stub"

        return way
