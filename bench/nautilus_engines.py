"""nautilus_trader's RiskEngine and ExecutionEngine before a stub client: imported only where its wheel is installed."""

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
from nautilus_trader.model.identifiers import ClientId, Venue
from nautilus_trader.model.objects import Price, Quantity
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
    """Counts what reaches the broker."""

    reached = 0

    def submit_order_list(self, command: object) -> None:
        """The broker's side of the call."""
        Stub.reached += 1


class Engines:
    """Both engines over one account, one currency pair and one quote."""

    def __init__(self) -> None:
        self.clock, self.trader = TestClock(), TestIdStubs.trader_id()
        bus, self.cache = MessageBus(trader_id=self.trader, clock=self.clock), TestComponentStubs.cache()
        shared = {"msgbus": bus, "cache": self.cache, "clock": self.clock}
        portfolio = Portfolio(**shared)
        execution, self.risk = ExecutionEngine(**shared), RiskEngine(portfolio=portfolio, **shared)
        client = Stub(
            client_id=ClientId("SIM"),
            venue=VENUE,
            oms_type=OmsType.HEDGING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            **shared,
        )
        self.pair = TestInstrumentProvider.default_fx_ccy("EUR/USD", VENUE)
        portfolio.update_account(TestEventStubs.margin_account_state())
        execution.register_client(client)
        self.cache.add_instrument(self.pair)
        quote = TestDataStubs.quote_tick(instrument=self.pair, bid_price=1.08495, ask_price=1.08505)
        self.cache.add_quote_tick(quote)
        execution.start()
        self.risk.start()
        self.strategy = Strategy()
        self.strategy.register(trader_id=self.trader, portfolio=portfolio, **shared)

    def place(self) -> Callable[[], object]:
        """One bracket, known to the cache; what is answered leads it through both engines to the stub."""
        orders = self.strategy.order_factory.bracket(
            instrument_id=self.pair.id,
            order_side=OrderSide.BUY,
            quantity=Quantity.from_int(1000),
            sl_trigger_price=Price.from_str("1.08200"),
            tp_price=Price.from_str("1.09100"),
        )
        for order in orders.orders:
            self.cache.add_order(order)
        command = SubmitOrderList(
            trader_id=self.trader, strategy_id=self.strategy.id, order_list=orders, command_id=UUID4(), ts_init=0
        )
        before = Stub.reached

        def way() -> None:
            self.risk.execute(command)
            assert Stub.reached == before + 1, "the bracket reached the stub"

        return way
