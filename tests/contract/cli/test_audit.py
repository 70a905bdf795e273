"""What an auditor asks of an export a year later: who, what they saw, the limits, and what stood before the market."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest
from attrs import evolve, frozen
from click.testing import CliRunner, Result

from phoenix_adapters.beads.export import export
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.keys import load_log_key, load_public, roots_of
from phoenix_cli import audit
from phoenix_cli.__main__ import cli
from phoenix_cli.audit import MISSING, audited, intents_named
from phoenix_cli.home import Home
from phoenix_cli.wiring.round_trip import round_trip
from phoenix_core.beads import Bead, Decision, Genesis, Limits, Order, OrderEvent, Policy, Position
from phoenix_core.facts import BrokerStatus, Snapshot
from phoenix_core.gate.statements import Close
from phoenix_core.kernel import bead_of
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import position_id_of
from phoenix_core.trade.protection import Protection
from phoenix_core.values import Quantity, Role
from tests.contract.cli.operator import fits
from tests.contract.cli.shapes import misshapen
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, ref_of, walked

WHOLE = MockBroker.snapshot


async def unfinished(broker: MockBroker) -> Snapshot:
    """A picture of which the orders never came."""
    return evolve(await WHOLE(broker), complete=False, missing=("orders",))


def walk_of_loss() -> tuple[list[Bead], str]:
    """Its beads, and the intent."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        intents.append(await desk.enter())
        await desk.tick(5)
        for role in (Role.STOP, Role.TARGET):
            working = desk.broker.truth.book[exit_ref(ref_of(desk, intents[0]), role, 1)]
            desk.broker._end(working, BrokerStatus.CANCELLED, "gone")
        with mock.patch.object(MockBroker, "snapshot", unfinished):  # nothing is placed before a whole picture
            for _ in range(20):
                await desk.tick(1)
        for _ in range(5):
            await desk.tick(10)
        desk.price("1.0910", "1.0912")
        await desk.tick(1)
        await desk.tick(10)

    return walked(walk).beads(), intents[0]


def is_exit(bead: Bead, event: OrderEvent) -> bool:
    """Whether a bead says this of a stop or a target."""
    body = bead.body
    return isinstance(body, Order) and body.event is event and body.role in (Role.STOP, Role.TARGET)


def lost_at(beads: list[Bead]) -> Bead:
    """The bead of the first exit that ended."""
    return next(bead for bead in beads if is_exit(bead, OrderEvent.ENDED))


def test_how_long_protection_was_missing_is_what_the_beads_say() -> None:
    """From the first end of an exit to the last echo of what was placed again, to the microsecond; and never before,
    nor once the position is closed."""
    beads, intent = walk_of_loss()
    found = audited(beads, intent)
    gone, placed = lost_at(beads), [b for b in beads if is_exit(b, OrderEvent.ACKNOWLEDGED)][-1]
    assert found.during(*MISSING) + found.during(Protection.PENDING) == placed.ts - gone.ts >= timedelta(seconds=9)
    assert found.during(*MISSING) > timedelta(0)
    assert [span.protection for span in found.spans if span.protection.covers] == [Protection.FULL] * 2
    assert found.spans[0].protection is Protection.FULL and not found.open_end
    filled = [b.ts for b in beads if isinstance(b.body, Position) and b.body.state.value in ("FILLED", "CLOSED")]
    assert (found.spans[0].since, found.spans[-1].until) == (filled[0], filled[-1])
    assert all(a.until == b.since for a, b in zip(found.spans, found.spans[1:], strict=False))


def test_a_log_that_ends_in_the_middle_says_so() -> None:
    """Cut after the loss: held, bare, and nobody knows how it went on."""
    beads, intent = walk_of_loss()
    gone = lost_at(beads)
    found = audited([bead for bead in beads if bead.ts <= gone.ts], intent)
    assert found.open_end and found.spans[-1].protection is Protection.NONE


def with_limits(beads: list[Bead], limits: Limits) -> list[Bead]:
    """The same history under another policy."""
    return [evolve(b, body=evolve(b.body, limits=limits)) if isinstance(b.body, Policy) else b for b in beads]


def test_the_limits_in_force_are_asked_again() -> None:
    """Each beside its figure; exactly at one is within it, one below is broken and named."""
    beads, intent = walk_of_loss()
    seen = audited(beads, intent).limited
    assert seen is not None and seen.obeyed
    quantity = seen.rows[0].amount
    assert isinstance(quantity, Decimal)
    for most, broken in ((quantity, ()), (quantity - 1, (Reason.ORDER_QUANTITY_LIMIT,))):
        limited = audited(with_limits(beads, Limits(order_quantity_max=Quantity(most))), intent).limited
        assert limited is not None
        assert (limited.no.reasons if limited.no is not None else ()) == broken
        assert [row.reason for row in limited.rows if not row.within] == list(broken)


def test_who_closed_it_is_told_too() -> None:
    """A close is signed like an approval; what was signed about another position is not this one's."""
    intents: list[str] = []

    async def walk(desk: Stage) -> None:
        intents.extend(
            [await desk.enter(), await desk.enter(pair="GBPUSD", entry="1.27", stop="1.2665", target="1.277")]
        )
        for intent in intents:
            _ = desk.sign(Close(position_id_of(intent), WORDS)).unwrap()
            await desk.tick(5)

    beads = walked(walk).beads()
    signed = [(b.seq, b.body) for b in beads if isinstance(b.body, Decision) and b.body.type == Close.type]
    assert len(signed) == 2
    assert [audited(beads, intent).commands for intent in intents] == [[signed[0]], [signed[1]]]


def test_an_order_is_named_by_any_beginning_that_is_one() -> None:
    """Its intent, its position, its reference; what nobody bears names nothing."""
    beads, intent = walk_of_loss()
    last = next(b.body for b in reversed(beads) if isinstance(b.body, Position))
    assert last.order_ref is not None
    for name in (intent, intent[:8], last.position_id[:8], last.order_ref):
        assert intents_named(beads, name) == (intent,)
    assert intents_named(beads, "zz") == ()


@frozen
class Papers:
    """What an auditor has: one export and the roots."""

    export: Path
    roots: Path
    intent: str

    def asks(self, order: str, *words: str) -> Result:
        """`beads audit`, without any home."""
        line = ["--home", str(self.export.parent / "nothing"), *words, "beads", "audit", str(self.export), order]
        return CliRunner().invoke(cli, [*line, "--roots", str(self.roots)])


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """The demo's walk, exported."""
    folder = tmp_path_factory.mktemp("desk")
    tale = asyncio.run(round_trip(folder, "mock", 1))
    home = Home(folder)
    key = load_log_key(home.log_key)
    with SqliteStore(home.log) as store:
        genesis = bead_of(next(store.read(0))).body
        assert isinstance(genesis, Genesis)
        export(store, folder / "log.jsonl", genesis.origin, key.public)
    founders = [(load_public(home.operator_key), "anna")]
    kept = roots_of(genesis.origin, genesis.mode.value, genesis.account, key.public, founders)
    _ = (folder / "roots.json").write_text(json.dumps(kept), "utf-8")
    return Papers(folder / "log.jsonl", folder / "roots.json", tale.positions[0]["intent"])


def test_one_order_from_an_export_alone(papers: Papers) -> None:
    """Who signed, over which screen, under which limits, and that protection was never missing."""
    told = papers.asks(papers.intent[:8])
    assert told.exit_code == 0
    for words in ("SIGNED approve by", "verifies, this screen", "LIMITS obeyed", "at most 5000000", "EXITS  stop SELL"):
        assert words in told.output
    assert "without protection never" in told.output and "TRUE" in told.output
    asked = papers.asks(papers.intent, "--json")
    assert not misshapen(("beads", "audit"), asked.stdout, fits)
    document = json.loads(asked.stdout)
    assert (document["unprotected_s"], document["held_at_the_end"], document["limits"]["obeyed"]) == (0, False, True)


@pytest.mark.parametrize(("order", "words"), [("zzzz", "no order of this log"), ("", "write something here")])
def test_an_order_that_is_none(papers: Papers, order: str, words: str) -> None:
    """Named, with what to do."""
    said = CliRunner().invoke(cli, ["beads", "audit", str(papers.export), order, "--roots", str(papers.roots)])
    assert words in str(said.exception)


def test_an_export_that_lies_is_not_read(papers: Papers, tmp_path: Path) -> None:
    """One figure changed: the verifier's word, exit 4, and nothing of the order."""
    forged = tmp_path / "log.jsonl"
    _ = forged.write_bytes(papers.export.read_bytes().replace(b'"166666"', b'"166667"', 1))
    told = evolve(papers, export=forged).asks(papers.intent)
    assert told.exit_code == 4 and "BAD_PREV" in told.output and "SIGNED" not in told.output


def test_an_order_beyond_a_limit_is_said_and_ends_with_one(papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same walk under a policy that had not let it through: every limit that it broke is named, exit 1."""
    folded = audit.audited

    def under_less(beads: list[Bead], intent: str) -> audit.Audit:
        return folded(with_limits(beads, Limits(order_quantity_max=Quantity(Decimal(1)), open_positions_max=0)), intent)

    monkeypatch.setattr(audit, "audited", under_less)
    told = papers.asks(papers.intent)
    assert told.exit_code == 1
    assert "LIMITS BROKEN: ORDER_QUANTITY_LIMIT, OPEN_POSITIONS_LIMIT" in told.output
    asked = json.loads(papers.asks(papers.intent, "--json").stdout)
    assert asked["limits"]["broken"] == ["ORDER_QUANTITY_LIMIT", "OPEN_POSITIONS_LIMIT"]
