"""What a home is opened with: its latch, its clock, and the account as beads carry it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.home import PAIRS, Home, Settings, instruments_of
from phoenix_cli.wiring.opening import account_of, broker_of, clock_of, latch_of, opened, run_of
from phoenix_core.values import BadInput
from tests.contract.cli.operator import founded
from tests.showing import shows

LATER = "2026-11-18T14:00:00-05:00"


@shows("I14")
def test_a_latch_that_cannot_be_read_is_not_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that is gone, or a folder that is nobody's to look into: nobody knows, which is not a no."""
    latch = latch_of(tmp_path / "HALT", tmp_path / "run" / "HALT")
    assert latch() is None, "the second folder is not there"
    (tmp_path / "run").mkdir()
    assert latch() is False

    def denied(path: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os.path, "lexists", denied)
    assert latch() is None


@pytest.mark.parametrize(
    ("mode", "host", "may"),
    [
        ("mock", "10.0.0.5", True),
        ("paper", "127.0.0.1", True),
        ("paper", "10.0.0.5", False),
        ("live", "127.0.0.1", False),
        ("live", "10.0.0.5", False),
    ],
)
@shows("I17")
def test_a_shifted_clock_is_for_play(mode: str, host: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never where money is, and on paper only before a gateway of this machine."""
    monkeypatch.setenv("PHOENIX_CLOCK", LATER)
    settings = Settings(mode=mode, host=host)
    if may:
        assert clock_of(settings).shift != timedelta(0)
    else:
        with pytest.raises(BadInput, match="PHOENIX_CLOCK"):
            _ = clock_of(settings)


@pytest.mark.parametrize(
    ("mode", "named", "watched"),
    [
        ("mock", "", ()),
        ("paper", "", PAIRS),
        ("live", "", ("EURUSD",)),
        *((mode, " aapl,EURUSD aapl", ("AAPL", "EURUSD")) for mode in ("mock", "paper", "live")),
    ],
)
def test_what_a_desk_watches(mode: str, named: str, watched: tuple[str, ...]) -> None:
    """What its settings name; where they name nothing, live begins with one pair, paper with the generator's."""
    settings = Settings(mode=mode, instruments=named)
    assert instruments_of(settings) == run_of(settings).instruments == watched


@pytest.mark.parametrize("named", ["*", "EURUSD;GBPUSD", "EUR/USD", "A" * 13])
def test_a_symbol_that_is_none_refuses_to_start(named: str) -> None:
    """Rather than a desk that watches nothing that anybody trades."""
    with pytest.raises(BadInput, match="instruments"):
        _ = instruments_of(Settings(instruments=named))


@shows("I24")
def test_an_account_is_hashed_under_the_desks_own_key_and_masked() -> None:
    """Account numbers are few enough to try them all: a hash that anybody can make hides nothing."""
    one, two = account_of("DU1234567", b"1" * 32), account_of("DU1234567", b"2" * 32)
    assert one.tag != two.tag and len(one.tag) == 64
    assert one.mask == "DU...567" and "1234" not in one.tag
    assert account_of("DU1234567", b"1" * 32) == one


@shows("S32-MOCK-04", "S32-MOCK-05")
def test_the_dice_of_a_desk_are_those_that_its_seed_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed, one course of fates and prices, at the odds that were named; without one, no desk is like another."""
    home = founded(tmp_path).home

    def course(seed: str) -> tuple[ChaosMode, float, float]:
        monkeypatch.setenv("PHOENIX_MOCK_SEED", seed)
        with opened(Home(home)) as session:
            broker = broker_of(session)
            assert isinstance(broker, MockBroker) and broker.market is not None
            return broker.mode, broker.random.random(), broker.market.random.random()

    monkeypatch.setenv("PHOENIX_CLOCK", LATER)
    assert course("")[0] is ChaosMode.INSTANT
    monkeypatch.setenv("PHOENIX_MOCK_CHAOS", "adversarial")
    assert course("7")[0] is ChaosMode.ADVERSARIAL
    assert course("7") == course("7") != course("8")
    assert len({course("") for _ in range(3)}) == 3
