"""The chaos mock fills the contract's hole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Partial, Reject
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import HostClock
from phoenix_core.facts import Fact
from phoenix_core.values import Account, Price, Quantity, Side
from tests.contract.broker.suite import ABILITIES, PATIENCE_S, SYMBOL, BrokerContract, Stage


class MockStage:
    """The mock, which does as it is told."""

    can = frozenset(ABILITIES)

    def __init__(self) -> None:
        self.account = Account("f" * 64, "MOCK")
        self.broker = MockBroker(HostClock(), self.account, {SYMBOL: CARDS[SYMBOL]}, Random(7))
        self.facts: list[Fact] = []

    def quote(self, bid: Price, ask: Price) -> None:
        """Move the market."""
        self.broker.set_quote(SYMBOL, bid, ask)

    def reject_next(self) -> None:
        """The next entry is refused."""
        self.broker.script(Reject())

    def fill_half(self) -> None:
        """The next entry fills by half."""
        self.broker.script(Partial())

    def cut(self) -> None:
        """Lose the session."""
        self.broker.cut()

    def mute(self, silent: bool) -> None:
        """Say nothing."""
        self.broker.mute(silent)

    def trade_by_hand(self, side: Side, quantity: Quantity) -> None:
        """Past Phoenix."""
        self.broker.trade_by_hand(SYMBOL, side, quantity)

    async def until(self, true: Callable[[], object]) -> None:
        """Take facts in until something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.facts.extend(self.broker.drain())
                if true():
                    return
                await asyncio.sleep(0.001)


class TestMock(BrokerContract):
    """The suite over the mock."""

    @pytest.fixture
    def stage(self) -> Stage:
        """A fresh mock."""
        return MockStage()
