"""The deck of cards and its skips, pinned: a card that goes missing, or is skipped somewhere new, is noticed."""

from __future__ import annotations

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
}


def _id(card: str) -> str:
    return card.split("_")[1]


def test_the_deck_is_whole() -> None:
    """Thirty cards, numbered without a gap."""
    cards = [_id(name) for name in vars(BrokerContract) if name.startswith("test_")]
    assert cards == [f"b{n:02d}" for n in range(1, 31)]


def test_the_skips_are_these() -> None:
    """What a card needs of its stage beyond a broker that works."""
    assert {_id(card): needed for card, needed in NEEDS.items()} == SKIPPED_ON_PAPER


def test_mock_and_gateway_skip_nothing() -> None:
    """Both can do all that any card asks for."""
    assert frozenset(ABILITIES) == MockStage.can == Scene.can
