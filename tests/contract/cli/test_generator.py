"""The mock signal generator: schema-valid files or nothing, and a human between it and any order."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from phoenix_adapters.codec import read_document
from phoenix_core.gate.cse import read_signal
from tests.contract.cli.operator import Seat, founded, until
from tests.showing import shows

SIGNALS = ("READY", "FORMING", "NONE")
PAIRS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "NZDUSD")


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A mock desk."""
    return founded(tmp_path)


def incoming(seat: Seat) -> list[Path]:
    """What lies in the inbox."""
    return sorted((seat.home / "intents/incoming").iterdir())


@pytest.mark.parametrize(("signal", "pair"), list(product(SIGNALS, PAIRS)))
@shows("S33-CSE-02", "S33-CSE-03")
def test_every_signal_and_pair_is_valid(seat: Seat, signal: str, pair: str) -> None:
    """Written into the inbox, in one piece, and read back by the very schema that intake uses."""
    assert seat.json("cse", "--signal", signal, "--pair", pair).code == 0
    (file,) = incoming(seat)
    document = read_document(file.read_bytes(), file.name)
    _ = read_signal(document)
    assert (document["signal"], document["pair"]) == (signal, pair)


@shows("S33-CSE-02")
def test_what_is_said_is_what_is_written(seat: Seat) -> None:
    """Every option is in the file, to the digit."""
    said = {"confidence": "0.91", "entry": "1.0850", "stop": "1.0830", "target": "1.0900", "setup-type": "OTE_ENTRY"}
    words = [word for name, value in said.items() for word in (f"--{name}", value)]
    made = seat.json("cse", "--signal", "READY", "--pair", "EURUSD", *words, "--out", "-")
    document = read_document(made.out.encode(), "x.yaml")
    assert {name: document[name.replace("-", "_")] for name in said} == said


@pytest.mark.parametrize(
    "words",
    [
        ("--entry", "1.0850", "--stop", "1.0900", "--target", "1.0950"),
        ("--entry", "1.0850", "--stop", "1.0850"),
        ("--stop", "1.0820", "--target", "1.0800"),
        ("--confidence", "1.5"),
        ("--confidence", "NaN"),
        ("--entry", "1e3"),
        ("--entry", "-1.0850"),
        ("--quantity", "0"),
    ],
)
@shows("S33-CSE-03")
def test_an_invalid_combination_writes_nothing(seat: Seat, words: tuple[str, ...]) -> None:
    """A stop on the wrong side, a target behind the entry, a number that is none: refused with exit 2."""
    refused = seat.run("cse", "--signal", "READY", "--pair", "EURUSD", *words)
    assert refused.code == 2, refused
    assert incoming(seat) == []


@shows("S33-CSE-01", "S33-CSE-04")
def test_a_file_is_processed_as_usual_and_waits_for_a_human(seat: Seat) -> None:
    """The engine takes the generator's file in like any other, and without a signature nothing leaves."""
    assert seat.run("cse", "--signal", "READY", "--pair", "EURUSD").code == 0
    with seat.engine():
        until(lambda: seat.json("inbox").document["intents"] != [])
        (intent,) = seat.json("inbox").document["intents"]
        assert (intent["instrument"], intent["state"]) == ("EURUSD", "PROPOSED")
        until(lambda: incoming(seat) == [])
        assert seat.json("orders").document["orders"] == []
    assert len(list((seat.home / "intents/archive").iterdir())) == 1
