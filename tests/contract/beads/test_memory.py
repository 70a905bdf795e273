"""The log in memory fills the contract's one hole."""

from __future__ import annotations

from functools import partial

import pytest

from phoenix_adapters.beads.memory import MemoryLog, MemoryStore
from tests.contract.beads.suite import BeadStoreContract, Opener


class TestMemory(BeadStoreContract):
    """The suite over the log in memory."""

    @pytest.fixture
    def log(self) -> MemoryLog:
        """One log for one test."""
        return MemoryLog()

    @pytest.fixture
    def open_log(self, log: MemoryLog) -> Opener:
        """One more handle on it."""
        return partial(MemoryStore, log)

    @pytest.fixture
    def open_impatient(self, log: MemoryLog) -> Opener:
        """A handle that does not wait for long."""
        return partial(MemoryStore, log, patience_s=0.02)
