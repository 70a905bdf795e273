"""Signals are read at once where they are plain, and mean what YAML says they mean."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
import yaml

from phoenix_adapters import codec
from phoenix_adapters.codec import read_document
from phoenix_cli.wiring.round_trip import SIGNAL
from phoenix_core.values import BadInput

# Everything that a scalar may begin, end or go on with, and what YAML makes something of.
PIECES = (*"abz019AZ.+-_:/#,[]{}&*!|>%@`'\"~ \\\t", "null", "Null", "no", "0x1f", "1e5", ": ", " #", "---", "...", "é")
TAME = tuple("abz019.+-_:/")
KEYS = ("pair", "entry", "no", "null", "y", "a1", "1a", "<<", "=", "Pair", "a b", "'q'", "? k", "- x", "k_")


def _read(data: bytes, monkeypatch: pytest.MonkeyPatch, plainly: bool) -> Mapping[str, object] | str:
    """What a document says; where it is refused, nothing more is compared."""
    with monkeypatch.context() as patch:
        if not plainly:
            patch.setattr(codec, "_plain", lambda text: None)
        try:
            return read_document(data)
        except BadInput:
            return "refused"


def test_a_plain_document_says_what_yaml_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand documents of words and of what is no word: with the short way and without it the same."""
    dice, plain = Random(7), 0
    for _ in range(2000):
        lines = []
        for _ in range(dice.randrange(1, 4)):
            pieces = PIECES if dice.random() < 0.4 else TAME
            value = "".join(dice.choice(pieces) for _ in range(dice.randrange(4)))
            if dice.random() < 0.7:
                value = f"a{value}z"
            keys = KEYS if dice.random() < 0.2 else KEYS[:3]
            lines.append(f"{dice.choice(keys)}:{dice.choice((' ', ' ', ' ', '  ', ''))}{value}")
        text = "\n".join(lines) + dice.choice(("\n", "\n", "\n", "", "\n\n", "\r\n"))
        plain += codec._plain(text) is not None
        data = text.encode()
        assert _read(data, monkeypatch, True) == _read(data, monkeypatch, False), text
    assert plain > 100


def test_a_signal_as_bots_write_it_is_plain() -> None:
    """The short way is the one that is taken, and keys stand once."""
    text = SIGNAL.format(intent="i-1", created="2026-11-18T19:00:00.000000Z")
    assert codec._plain(text) == yaml.load(text, yaml.BaseLoader)
    with pytest.raises(BadInput):
        _ = read_document((text + "pair: EURUSD\n").encode())
