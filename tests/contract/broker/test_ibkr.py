"""The real client, whichever of the two is installed, over a real socket to our gateway, fills the contract's hole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.contract.broker.suite import BrokerContract
from tests.contract.ibkr.scene import Scene, played


class TestIbkrOverGateway(BrokerContract):
    """The suite over the adapter and the gateway."""

    @pytest_asyncio.fixture
    async def stage(self) -> AsyncIterator[Scene]:
        """A fresh gateway and a fresh adapter."""
        async with played() as scene:
            yield scene
