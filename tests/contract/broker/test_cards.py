"""The deck of cards and its skips, pinned: a card that goes missing, or is skipped somewhere new, is noticed."""

from __future__ import annotations

import itertools

import pytest

from phoenix_core.facts import Snapshot
from tests.contract.broker import suite
from tests.contract.broker.suite import ABILITIES, NEEDS, BrokerContract
from tests.contract.broker.test_mock import MockStage
from tests.contract.ibkr.scene import Scene

# On a real paper gateway nobody moves the market or mutes the broker: these cards are skipped there, and only there.
SKIPPED_ON_PAPER = {
    "b06": ("cut",),
    "b09": ("by hand",),
    "b10": ("mute",),
    "b13": ("market",),
    "b18": ("market",),
    "b19": ("market",),
    "b22": ("fates",),
    "b23": ("fates",),
    "b26": ("cut",),
    "b32": ("market",),
    "b33": ("market", "fates"),
    "b34": ("cut", "market"),
}


def _id(card: str) -> str:
    return card.split("_")[1]


def test_the_deck_is_whole() -> None:
    """Thirty-four cards, numbered without a gap."""
    cards = [_id(name) for name in vars(BrokerContract) if name.startswith("test_")]
    assert cards == [f"b{n:02d}" for n in range(1, 35)]


def test_the_skips_are_these() -> None:
    """What a card needs of its stage beyond a broker that works."""
    assert {_id(card): needed for card, needed in NEEDS.items()} == SKIPPED_ON_PAPER


async def test_a_broker_that_never_waits_does_not_outlast_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker in memory answers without a pause; a picture of it that never comes right ends its card all the same."""
    made, asked = MockStage(), itertools.count()
    assert await made.broker.connect()
    monkeypatch.setattr(suite, "PATIENCE_S", 0)

    def never(picture: Snapshot) -> bool:
        assert next(asked) < 100, "it goes on without an end"
        return False

    with pytest.raises(TimeoutError):
        _ = await suite.picture_of(made, never)


def test_mock_and_gateway_skip_nothing() -> None:
    """Both can do all that any card asks for."""
    assert frozenset(ABILITIES) == MockStage.can == Scene.can
