"""A second opinion on every run: a checker that shares no code with Phoenix agrees with the oracle inside it."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.gateway.recorder import Recorder
from phoenix_cli.home import Home
from phoenix_cli.wiring import gateway_stage
from phoenix_cli.wiring.round_trip import round_trip
from tests.chaos import opinion
from tests.chaos.journal import Listener, of_gateway
from tests.chaos.opinion import Json, second_opinion
from tests.chaos.plants import PLANTS, Plant
from tests.chaos.second import both
from tests.showing import shows

TICKS: Final = 150
WITHIN: Final = 8
# What each planted bug looks like from outside: by the codes of which at least one is found.
FROM_OUTSIDE: Final = {
    "M1": {"PERMISSION", "WRITE_AHEAD"},
    "M3": {"PERMISSION"},
    "M4": {"BYTES"},
    "M9": {"EVIDENCE_OF_END"},
    "M10": {"EVIDENCE_OF_END"},
    "M12": {"QUANTITY"},
    "M14": {"STATE"},
    "M28": {"LOST"},
}
# What breaks in a process's memory alone: the log and the broker's record tell the truth all the same.
INSIDE: Final = ("M24", "M29")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """Somebody at the simulated broker's door."""
    made = Listener()
    made.put(monkeypatch)
    return made


def test_the_second_opinion_shares_no_code_with_phoenix() -> None:
    """It imports the standard library and nothing else: no mistake can be in both for the same reason."""
    tree = ast.parse(Path(opinion.__file__).read_text("utf-8"))
    named = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert named <= sys.stdlib_module_names | {"__future__"}


@pytest.mark.parametrize(
    "plant", [plant for plant in PLANTS if plant.id in (*FROM_OUTSIDE, *INSIDE)], ids=lambda plant: plant.id
)
def test_both_opinions_agree_on_a_planted_bug(
    plant: Plant, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What shows outside is found outside, on the same seed; and nothing is found where the oracle finds nothing."""
    plant.put(monkeypatch)
    for seed in (plant.first, *range(1, WITHIN + 1)):
        outcome, found = both(listener, seed, TICKS)
        assert outcome.violation is not None or found == []
        if outcome.violation is None:
            continue
        if plant.id in FROM_OUTSIDE:
            assert {one.code for one in found} & FROM_OUTSIDE[plant.id], (outcome.violation, found)
        if plant.id in INSIDE:
            assert found == []
        return
    assert plant.id not in FROM_OUTSIDE, "the oracle inside did not notice it either"


# --- the checker itself bites -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[list[Json], list[bytes]]]:
    """A run without a violation: its journal and its export."""
    with pytest.MonkeyPatch.context() as patch:
        listener = Listener()
        listener.put(patch)
        for seed in range(1, 50):
            _, found = both(listener, seed, TICKS)
            journal, export = listener.journal(), list(listener.export())
            executed = any(line["what"] == "execution" for line in journal)
            if executed and found == [] and _stopped(journal, export) is not None:
                break
        yield journal, export


def _is_entry(line: Json) -> bool:
    return line["what"] == "frame" and len(str(line["ref"])) == opinion.ENTRY


def _entry(journal: list[Json]) -> Json:
    return next(filter(_is_entry, journal))


def _twice(journal: list[Json], export: list[bytes]) -> None:
    journal.append(dict(_entry(journal)))


def _early(journal: list[Json], export: list[bytes]) -> None:
    _entry(journal)["log"] = 0


def _late(journal: list[Json], export: list[bytes]) -> None:
    _entry(journal)["t"] = "2030-01-01T00:00:00.000000Z"


def _larger(journal: list[Json], export: list[bytes]) -> None:
    _entry(journal)["quantity"] = "999999"


def _other_side(journal: list[Json], export: list[bytes]) -> None:
    _entry(journal)["side"] = {"BUY": "SELL", "SELL": "BUY"}[str(_entry(journal)["side"])]


def _other_account(journal: list[Json], export: list[bytes]) -> None:
    _entry(journal)["account"] = "f" * 64


def _unheard(journal: list[Json], export: list[bytes]) -> None:
    said = next(line for line in journal if line["what"] == "execution")
    journal.append(said | {"exec_id": "never.heard.01"})


def _holds_more(journal: list[Json], export: list[bytes]) -> None:
    journal.append({"what": "held", "symbol": "NZDUSD", "quantity": "5"})


def _foreign(journal: list[Json], export: list[bytes]) -> None:
    journal.append(_entry(journal) | {"ref": "P1" + "A" * 26})


def _cut(journal: list[Json], export: list[bytes]) -> None:
    del export[5]


def _edited(journal: list[Json], export: list[bytes]) -> None:
    place = next(n for n, line in enumerate(export) if b'"kind":"EVIDENCE"' in line)
    export[place] = export[place].replace(b'"confidence":"0.85"', b'"confidence":"0.95"')


def _stopped(journal: list[Json], export: list[bytes]) -> tuple[Json, int] | None:
    """An entry frame, and the place of a kill that would have stopped it: of the whole desk, or of what it trades."""
    flags = [json.loads(line)["seq"] for line in export[1:] if b'"kind":"KILL_FLAG"' in line and b"RAISED" in line]
    frames = [line for line in journal if _is_entry(line)]
    raised = {json.loads(export[seq + 1])["body"]["scope"]: seq for seq in flags}
    for scope, seq in raised.items():
        for line in frames:
            if scope in ("desk", f"instrument:{line['symbol']}", "strategy:demo"):
                return line, seq
    return None


def _killed(journal: list[Json], export: list[bytes]) -> None:
    """An entry frame moved behind a kill."""
    stopped = _stopped(journal, export)
    assert stopped is not None, "the run was looked for by it"
    stopped[0]["log"] = stopped[1] + 1


TAMPERED: Final[dict[str, Callable[[list[Json], list[bytes]], None]]] = {
    "TWICE": _twice,
    "WRITE_AHEAD PERMISSION": _early,
    "EXPIRED": _late,
    "BYTES quantity": _larger,
    "BYTES side": _other_side,
    "BYTES account": _other_account,
    "LOST": _unheard,
    "HOLDING": _holds_more,
    "PERMISSION": _foreign,
    "CHAIN cut": _cut,
    "CHAIN edited": _edited,
    "KILL": _killed,
}


@shows("F83")
@pytest.mark.parametrize("code", TAMPERED)
def test_the_second_opinion_bites(code: str, told: tuple[list[Json], list[bytes]]) -> None:
    """One thing changed in a true story, and the checker says which promise that breaks."""
    journal, export = [dict(line) for line in told[0]], list(told[1])
    assert second_opinion(journal, export, True) == []
    TAMPERED[code](journal, export)
    assert code.split()[0] in {one.code for one in second_opinion(journal, export, True)}


# --- the real client and the gateway ----------------------------------------------------------------------------------


@shows("I1", "I2", "I4")
def test_the_gateways_own_record_agrees_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way over the real client and a socket: what the gateway wrote down is what the log allows and books."""
    record = tmp_path / "frames.jsonl"
    with record.open("w", encoding="utf-8") as file:
        monkeypatch.setattr(gateway_stage, "started", partial(gateway_stage.started, record=Recorder(file)))
        tale = asyncio.run(round_trip(tmp_path / "home", "gateway", 7))
    assert tale.verified
    journal = list(of_gateway(record.read_text("utf-8").splitlines()))
    assert [line["what"] for line in journal].count("frame") == 3
    assert [line["what"] for line in journal].count("execution") == 2
    with SqliteStore(Home(tmp_path / "home").log) as store:
        export = list(export_lines(store, "demo", None))
    assert second_opinion(journal, export, True) == []
    entry = next(line for line in journal if line["what"] == "frame")
    assert "TWICE" in {one.code for one in second_opinion([*journal, dict(entry)], export, True)}
