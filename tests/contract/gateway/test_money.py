"""Money is conserved: every figure that the gateway reports follows from the executions and commissions it told."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from random import Random

from attrs import define, evolve, field

from phoenix_adapters.gateway.accounts import Account, Holding
from phoenix_adapters.gateway.instruments import BY_NAME
from tests.contract.gateway.stage import AAPL, CALM, EURUSD, Client, Stage

USDJPY = {**EURUSD, "symbol": "USD", "currency": "JPY"}
GBPUSD = {**EURUSD, "symbol": "GBP"}
MSFT = {**AAPL, "symbol": "MSFT"}
TRADED = (EURUSD, GBPUSD, USDJPY, AAPL, MSFT)
CENT = Decimal("0.01")


@define
class Ledger:
    """An account kept from what was told on the wire alone."""

    cash: dict[str, Decimal] = field(factory=lambda: defaultdict(Decimal))
    held: dict[str, Decimal] = field(factory=lambda: defaultdict(Decimal))

    def take(self, client: Client) -> int:
        """Book every execution and commission heard, and listen anew; how many executions there were."""
        executions = client.got("execDetails")
        for one in executions:
            signed = Decimal(one["shares"]) * (1 if one["side"] == "BOT" else -1)
            self.cash[one["currency"]] -= signed * Decimal(one["price"])
            book = self.cash if one["secType"] == "CASH" else self.held
            book[one["symbol"]] += signed
        for one in client.got("commissionReport"):
            self.cash[one["currency"]] -= Decimal(one["commission"])
        client.forget()
        return len(executions)

    def worth(self, marks: dict[str, Decimal]) -> Decimal:
        """Cash and stocks at these prices, in dollars."""
        rates = {"USD": Decimal(1), "EUR": marks["EUR"], "GBP": marks["GBP"], "JPY": 1 / marks["USD"]}
        cash = sum(amount * rates[currency] for currency, amount in self.cash.items())
        return cash + sum((quantity * marks[symbol] for symbol, quantity in self.held.items()), Decimal(0))


def marks(client: Client) -> dict[str, Decimal]:
    """The middle of every quote, from snapshots."""
    found = {}
    for number, contract in enumerate(TRADED, 9_000_100):
        client.ask("reqMktData", **contract, reqId=number, snapshot=1)
        bid, ask = (
            Decimal(client.last("tickPrice", reqId=number, tickType=kind)["price"]) for kind in (1, 2)
        )  # fmt: skip
        found[contract["symbol"]] = (bid + ask) / 2
    return found


def test_net_liquidation_is_conserved_to_the_cent_over_a_thousand_random_trades() -> None:
    """After every tenth trade the reported worth is the one that an independent ledger has, to the cent."""
    stage = Stage.up(evolve(CALM, volatility=1.0, seed=11))
    client = stage.connect()
    choose = Random(5)
    ledger = Ledger()
    ledger.cash["USD"] = Decimal(1_000_000)
    trades = 0
    while trades < 1_000:
        for _ in range(10):
            contract = choose.choice(TRADED)
            size = choose.randint(1, 40) * 500 if contract["secType"] == "CASH" else choose.randint(1, 200)
            client.place(contract, action=choose.choice(("BUY", "SELL")), totalQuantity=size)
            stage.wait(choose.choice((0.3, 1.0, 5.0)))
        stage.wait(1)
        trades += ledger.take(client)
        at = marks(client)
        assert abs(client.net_liquidation() - ledger.worth(at)) <= CENT / 2
        client.forget()
    assert {symbol: held for symbol, held in ledger.held.items() if held} == {
        symbol: client.position(symbol) for symbol in ledger.held if client.position(symbol)
    }


def test_cash_is_told_per_currency_beside_the_virtual_position() -> None:
    """20,000 euros bought: plus 20,000 EUR, minus their price and the commission in USD, and a EUR.USD position."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    stage.wait()
    fill, fee = client.last("execDetails"), client.last("commissionReport")
    client.ask("reqAccountUpdates", subscribe=1, account="")
    cash = {one["currency"]: Decimal(one["value"]) for one in client.got("updateAccountValue", key="CashBalance")}
    assert cash["EUR"] == 20_000
    assert cash["USD"] == Decimal(1_000_000) - 20_000 * Decimal(fill["price"]) - Decimal(fee["commission"])
    assert client.position() == 20_000


def test_a_round_trip_realises_its_profit() -> None:
    """Bought, gone up, sold: the commission report says what was realised after both fees, and opening says nothing."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    stage.wait()
    stage.quote("1.18000", "1.18005")
    client.place(action="SELL")
    stage.wait()
    opened, closed = client.got("commissionReport")
    assert Decimal(opened["realizedPNL"]) > Decimal("1E308")
    gross = 20_000 * (Decimal("1.18000") - Decimal("1.17005"))
    fees = Decimal(opened["commission"]) + Decimal(closed["commission"])
    assert fees == 4 and Decimal(closed["realizedPNL"]) == gross - fees


def test_what_a_part_realises_bears_its_part_of_the_fees() -> None:
    """Opened for 4 and 2; a third sold for 3 bears 2 of them, and turning over by as much bears half of its own fee."""
    held = Holding()
    assert held.trade(Decimal(20), Decimal(10), Decimal(4)) is None
    assert held.trade(Decimal(10), Decimal(10), Decimal(2)) is None
    assert held.trade(Decimal(-10), Decimal(11), Decimal(3)) == 10 - 2 - 3
    assert held.trade(Decimal(-40), Decimal(11), Decimal(6)) == 20 - 4 - 3
    assert held == Holding(Decimal(-20), Decimal(11), Decimal(18), Decimal(3))
    assert held.trade(Decimal(20), Decimal(11), Decimal(1)) == -3 - 1
    assert held.fees == 0


def test_a_fee_is_borne_in_the_currency_of_the_trade() -> None:
    """Two dollars where a unit of the currency is worth half a dollar are four of them."""
    account, (_, listing) = Account("DU1", {}), sorted(BY_NAME.items())[0]
    assert account.book(listing, Decimal(10), Decimal(5), Decimal(2), Decimal("0.5")) is None
    assert account.book(listing, Decimal(-10), Decimal(6), Decimal(2), Decimal("0.5")) == 10 - 4 - 4


def test_a_position_that_turns_over_costs_what_the_new_side_cost() -> None:
    """Long 20,000, sold 50,000: short 30,000 at the price of the sale."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    stage.wait()
    stage.quote("1.18000", "1.18005")
    client.place(action="SELL", totalQuantity=50_000)
    stage.wait()
    assert client.position() == -30_000
    assert Decimal(client.last("position")["avgCost"]) == Decimal("1.18")


def test_positions_and_commissions_lag_the_execution() -> None:
    """At the moment of the fill the positions request still shows the old world."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    while not client.got("execDetails"):
        stage.wait(0.001)
    assert not client.got("commissionReport")
    assert client.position() == 0
    stage.wait(0.1)
    assert client.position() == 20_000


def test_what_is_claimed_is_told_until_it_is_withdrawn() -> None:
    """A lie about a holding stands in the reports and nowhere else; withdrawn, the truth is told again."""
    account, listing = Account("DU1", {"USD": Decimal(0)}), BY_NAME["EURUSD"]
    _ = account.book(listing, Decimal(10), Decimal(1), Decimal(0))
    for claimed, told in ((Decimal(7), 7), (Decimal(0), 0), (None, 10)):
        account.claim(listing, claimed)
        assert account.report(listing.con_id)[0] == told and account.position(listing) == 10


def test_a_new_day_mentions_nothing_that_was_flat() -> None:
    """What is held is told on; what was sold again is told once more, and not tomorrow; what was made is of its day."""
    account = Account("DU1", {"USD": Decimal(0)})
    for name, left in (("EURUSD", 0), ("GBPUSD", 5)):
        _ = account.book(BY_NAME[name], Decimal(5), Decimal(1), Decimal(0))
        _ = account.book(BY_NAME[name], Decimal(left - 5), Decimal(2), Decimal(0))
        _ = account.report(BY_NAME[name].con_id)
    assert set(account.reported) == {BY_NAME["EURUSD"].con_id, BY_NAME["GBPUSD"].con_id}
    assert [holding.realized > 0 for holding in account.holdings.values()] == [True, False]
    account.begin_day()
    assert not any(holding.realized for holding in account.holdings.values())
    assert set(account.reported) == {BY_NAME["GBPUSD"].con_id}
