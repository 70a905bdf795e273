"""What an author outside may hand in wrongly: each door says which value it was, what it held and what would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve, fields
from returns.pipeline import is_successful

from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core import (
    BadInput,
    CommandId,
    Desk,
    Incoming,
    Moment,
    Propose,
    Reason,
    Ruling,
    Run,
    World,
    decide,
    read_signal,
    sealed,
)
from phoenix_core.acts.operate import SAYABLE, Observe
from phoenix_core.acts.propose import Quarantine
from phoenix_core.beads import About, Observation
from phoenix_core.chain import EMPTY
from phoenix_core.facts import ExecutionSaid, Held, LinkEvent, LinkSaid, Quote, Snapshot
from phoenix_core.records import flaw_of
from phoenix_core.rulings import granted
from phoenix_core.values import Account, Price, Quantity, Side
from tests.unit.gate.samples import document

AT = datetime(2026, 11, 18, 19, tzinfo=UTC)
NAIVE = AT.replace(tzinfo=None)
NOW = Moment(AT, timedelta(hours=1), "boot")
COMMAND = CommandId("command")


def incoming() -> Incoming:
    """A signal as a bot has it."""
    return read_signal(document())


def untyped(make: Callable[..., object], *given: object) -> object:
    """A call as somebody makes it whom no type checker warned."""
    return make(*given)


def refused(make: Callable[..., object], *given: object) -> BadInput:
    """The error that a call ends with."""
    with pytest.raises(BadInput) as found:
        _ = untyped(make, *given)
    return found.value


class TestClocks:
    """Only UTC gets in, and nothing is taken for it."""

    @pytest.mark.parametrize("wall", [NAIVE, AT.astimezone(ZoneInfo("UTC")), "2026-11-18", None])
    def test_a_moment_is_of_utc(self, wall: object) -> None:
        """A naive datetime is refused, another zone, and what is no datetime."""
        no = refused(Moment, wall, timedelta(0), "boot")
        assert (no.field, "datetime.UTC" in no.mend) == ("wall", True)
        assert str(wall)[:4] in no.value

    def test_a_manual_clock_does_not_guess_a_zone(self) -> None:
        """The zone of whoever's host it is would be a guess; any that is named will do."""
        assert refused(manual_clock, NAIVE).field == "start"
        assert manual_clock(datetime.fromisoformat("2026-11-18T14:00:00-05:00")).now().wall == AT


class TestProposals:
    """What a bot says beside its signal stands in the log, and before the human."""

    @pytest.mark.parametrize("wrong", ["", "x" * 81, "two\nlines", "\ud800", "\x1b[2J", None, 5])
    @pytest.mark.parametrize("field", ["command_id", "digest", "channel"])
    def test_a_word_is_short_and_can_be_printed(self, field: str, wrong: object) -> None:
        """No empty name, no page of one, nothing that moves a cursor."""
        given = {"command_id": COMMAND, "digest": "0" * 64, "channel": "bot", "incoming": incoming(), field: wrong}
        no = refused(Propose, *given.values())
        assert (no.field, no.mend) == (field, "write 1 to 80 printable characters")
        assert len(no.value) <= 120
        assert Propose(COMMAND, "x" * 80, "x", incoming()).name == ""

    def test_a_seam_that_does_not_say_who_it_was_breaks_no_engine(self) -> None:
        """What came through it is put aside like anything that cannot be read."""
        text = json.dumps(document()).encode()
        assert isinstance(proposal_of("one.json", text, "bot"), Propose)
        aside = proposal_of("one.json", text, "")
        assert isinstance(aside, Quarantine) and aside.refusal.headline is Reason.SIGNAL_MALFORMED

    def test_a_document_is_read_first(self) -> None:
        """The mistake that everybody makes once."""
        no = refused(Propose, COMMAND, "0" * 64, "bot", {"schema": "cse/1"})
        assert (no.field, no.value, "read_signal" in no.mend) == ("incoming", "dict", True)

    def test_a_log_without_a_genesis_takes_none(self) -> None:
        """A path that is wrong looks like a log that nobody has founded: said so, and nothing is written."""
        ruling = decide(Desk(), Propose(COMMAND, "0" * 64, "bot", incoming()), World(NOW, Run()))
        assert not is_successful(ruling.result) and ruling.drafts == ()
        assert ruling.result.failure().reasons == (Reason.DESK_NOT_INITIALISED,)
        with pytest.raises(BadInput, match="it has no genesis"):
            _ = Desk().genesis

    @pytest.mark.parametrize("wrong", [None, {"schema": "cse/1"}, "propose"])
    def test_what_is_no_command_is_not_decided(self, wrong: object) -> None:
        """By name, and not by a key that some table of ours has not."""
        no = refused(decide, Desk(), wrong, World(NOW))
        assert (no.field, no.value) == ("command", type(wrong).__name__)


class TestObservations:
    """Nobody but the engine says what proves something, and nothing is said that could not be read again."""

    @pytest.mark.parametrize("about", sorted(set(About) - set(SAYABLE), key=str))
    def test_what_proves_something_is_not_said_from_outside(self, about: About) -> None:
        """No picture, no quote and no late word comes from a command: they would reconcile a desk, or be cited."""
        no = refused(decide, Desk(), Observe(COMMAND, about, "it", {}), World(NOW))
        assert (no.field, no.value) == ("about", about.value)

    @pytest.mark.parametrize("facts", [{}, {"verdict": ""}, {"verdict": "PASS"}])
    def test_a_scar_has_a_verdict(self, facts: dict[str, str]) -> None:
        """What is kept of it is read off its bead at every start: one without it would be in the log for good."""
        assert refused(decide, Desk(), Observe(COMMAND, About.BUNNY, "CV", facts), World(NOW)).field == "facts.verdict"
        said = decide(Desk(), Observe(COMMAND, About.BUNNY, "CV", {"verdict": "fail"}), World(NOW))
        assert is_successful(said.result)


EXECUTION = ExecutionSaid(
    *("m", 1, "e", "ref", "tag", 5, "EURUSD", Side.BUY), Quantity(Decimal(20_000)), Price(Decimal("1.085")), AT
)
PICTURE = Snapshot(1, NOW, NOW, True, (Held("EURUSD", Decimal(1)),), equity=None)
QUOTE = Quote("EURUSD", EXECUTION.price, EXECUTION.price, NOW)
LINK = LinkSaid(LinkEvent.CONNECTED, 1, (Account("tag", "MOCK"),))


class TestFacts:
    """What an author's own broker says: every value is asked whether it is what its class says."""

    @pytest.mark.parametrize("sound", [EXECUTION, PICTURE, LINK, QUOTE])
    def test_what_is_sound_passes(self, sound: object) -> None:
        """Nothing is found in it."""
        assert flaw_of(sound, type(sound), "it") is None

    @pytest.mark.parametrize(
        ("fact", "field", "wrong", "mend"),
        [
            (EXECUTION, "quantity", 1.5, "finite Decimal"),
            (EXECUTION, "quantity", 20_000, "finite Decimal"),
            (EXECUTION, "price", Decimal("NaN"), "finite Decimal"),
            (EXECUTION, "price", Decimal("Infinity"), "finite Decimal"),
            (EXECUTION, "price", Decimal("1e60"), "at most 38 digits"),
            (EXECUTION, "at", NAIVE, "datetime.UTC"),
            (EXECUTION, "at", AT.isoformat(), "datetime.UTC"),
            (EXECUTION, "side", "BUY", "Side"),
            (EXECUTION, "session", True, "whole number"),
            (EXECUTION, "perm_id", 2**53, "whole number"),
            (EXECUTION, "symbol", None, "str"),
            (PICTURE, "equity", 100_000.0, "finite Decimal"),
            (PICTURE, "positions", [], "tuple"),
            (LINK, "accounts", ("DU1234567",), "Account"),
        ],
    )
    def test_what_is_not_is_named(self, fact: ExecutionSaid, field: str, wrong: object, mend: str) -> None:
        """The path of the value, what it held, what would do."""
        told = {each.name: getattr(fact, each.name) for each in fields(type(fact))} | {field: wrong}
        flaw = flaw_of(untyped(type(fact), *told.values()), type(fact), "said")
        assert flaw is not None and flaw.field.startswith(f"said.{field}") and mend in flaw.mend

    def test_it_is_looked_for_all_the_way_down(self) -> None:
        """In a row of a picture, under its number."""
        picture = evolve(PICTURE, positions=(*PICTURE.positions, Held("GBPUSD", Decimal("NaN"))))
        flaw = flaw_of(picture, Snapshot, "picture")
        assert flaw is not None and flaw.field == "picture.positions[1].quantity"


def observed(facts: object) -> Ruling:
    """A ruling whose one bead says this."""
    return granted("it", cast(Observation, untyped(Observation, About.WARNING, "it", facts)))


class TestBeads:
    """What cannot be written is said by its value; before, nothing of it is in any log."""

    @pytest.mark.parametrize(
        ("facts", "said"), [({"a": 1.5}, r"OBSERVATION\.facts\['a'\]: '1.5'"), (None, r"OBSERVATION\.facts: 'None'")]
    )
    def test_a_bead_that_has_no_spelling_names_the_value(self, facts: object, said: str) -> None:
        """A fact of its own that a broker made of a float."""
        with pytest.raises(AssertionError, match=said):
            _ = sealed(EMPTY, AT, COMMAND, observed(facts))

    def test_a_bug_of_ours_says_what_it_said(self) -> None:
        """Where every value is what it should be, the assertion itself is the message."""
        with pytest.raises(AssertionError, match="keys are ASCII"):
            _ = sealed(EMPTY, AT, COMMAND, observed({"é": "1"}))
