"""The closed set of beads: one body class and one owner for each kind, and pages drawn from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import attrs
import pytest

from phoenix_core import beads
from phoenix_core.beads import BODIES, Body, Kind, bead_id_of, body_of, said_in
from phoenix_core.desk import OWNERS, SLICES
from phoenix_core.orders import entry_ref, exit_ref, group_of, parsed_ref
from phoenix_core.records import Json
from phoenix_core.values import BadInput, CommandId, Role
from tests import schemas
from tests.showing import shows


def test_every_kind_has_exactly_one_body_class_and_one_owner() -> None:
    """No kind without a class, no class without a kind, no slice without a kind."""
    assert set(BODIES) == set(OWNERS) == set(Kind)
    assert len(set(BODIES.values())) == len(Kind) == len(get_args(Body))
    assert all(cls.kind is kind for kind, cls in BODIES.items())
    assert set(OWNERS.values()) == set(SLICES)


def test_bodies_are_frozen_and_say_what_they_are() -> None:
    """A fact does not change; every class explains itself on one line."""
    for cls in BODIES.values():
        assert cls.__doc__ and attrs.has(cls)
        assert cls.__setattr__ is not object.__setattr__, "frozen"
        assert "__slots__" in vars(cls), "slotted"


def test_the_exports_are_there() -> None:
    """Every name that is exported exists, once."""
    assert len(set(beads.__all__)) == len(beads.__all__)
    assert all(hasattr(beads, name) for name in beads.__all__)


@pytest.mark.parametrize("path", sorted(schemas.files()), ids=lambda path: path.name)
def test_the_published_page_and_schemas_are_the_code(path: Path) -> None:
    """Run `python -m tests.schemas` after changing a bead."""
    assert path.read_text("utf-8") == schemas.files()[path]


def test_no_schema_is_left_over() -> None:
    """A kind that went away takes its schema with it."""
    assert set(schemas.FOLDER.iterdir()) == set(schemas.files()) - {schemas.PAGE}


# Written by hand from the documents: each field that they name, as it stands in the log, with the values it may have.
# A bead's `kind` and `ts` are their `bead_type` and `timestamp`. In parentheses: what may be left out.
NAMED: Final[dict[Kind, str]] = {
    Kind.T2_TOKEN: "id intent_id timestamp expires_at used:boolean evidence_hash event=ISSUED,USED,EXPIRED,REJECTED",
    Kind.POSITION: "position_id state=PROPOSED,APPROVED,SUBMITTED,STALLED,FILLED,MANAGED,CLOSED,CANCELLED,REJECTED "
    "signal_id pair side=BUY,SELL entry_price stop_price target_price "
    "partial_fill_ratio filled_quantity requested_quantity",
    Kind.RECONCILIATION_DRIFT: "bead_id drift_type=POSITION_COUNT,POSITION_SIZE,PNL,ORDER_STATUS phoenix_state:object "
    "broker_state:object severity=INFO,WARNING,CRITICAL",
    Kind.RECONCILIATION_RESOLUTION: "bead_id drift_bead_id "
    "resolution=PHOENIX_CORRECTED,BROKER_CORRECTED,ACKNOWLEDGED resolved_by notes",
    Kind.PROMOTION: "strategy from to kill_flag:boolean unresolved_drift_count:integer sessions:integer regimes:array "
    "max_drawdown worst_day sharpe signalman_kills:integer override_frequency autopsy_summary evidence_hash token_id",
    Kind.IBKR_SESSION: "event=CONNECT,DISCONNECT,RECONNECT mode=MOCK,PAPER,LIVE account port:integer "
    "(gateway_version) reconnect_attempt:integer escalated:boolean",
    Kind.HEARTBEAT: "status=HEALTHY,DEGRADED,MISSED checks:object details:object miss_count:integer",
    Kind.AUTOPSY: "position_id outcome=WIN,LOSS,BREAKEVEN,BUSTED (entry_evidence_hash) findings:array",
    Kind.CONFIG_CHANGE: "change_type=CSO_PARAM,CONFIG_FLIP,STRATEGY_TUNE component parameter old_value new_value "
    "changed_by shadow_restart_id sweep_id",
}


@shows("S32-TOK-04", "S32-TOK-05", "S32-TOK-07", "S32-LIF-16", "S32-LIF-17", "S32-LIF-20", "S32-REC-09", "S32-REC-10")
@shows("S32-REC-11", "S32-PRO-08", "S33-SES-01", "S33-SES-09", "S33-MON-04", "S33-MON-10", "S32-AUT-02", "S33-REV-03")
@pytest.mark.parametrize("kind", NAMED)
def test_the_fields_that_the_documents_name_stand_in_the_log(kind: Kind) -> None:
    """Under their names, with their types and the whole of their values; required, but for the few that are not."""
    written: Any = schemas.schema(kind)  # Any: a JSON document
    for field in NAMED[kind].split():
        name, _, values = field.strip("()").partition("=")
        name, _, type_ = name.partition(":")
        found = written["properties"][name]
        assert found["type"] == (type_ or "string"), name
        assert found.get("enum", []) == (values.split(",") if values else []), name
        assert (name in written["required"]) == (not field.startswith("(")), name


@shows("S33-MON-04")
def test_a_beat_names_its_three_checks() -> None:
    """Whether the process lives, the broker answers and the desk means it: always there, and yes or no."""
    written: Any = schemas.schema(Kind.HEARTBEAT)  # Any: a JSON document
    checks = written["properties"]["checks"]
    for name in ("process_alive", "ibkr_connected", "semantic_healthy"):
        assert checks["properties"][name] == {"type": "boolean"}
        assert name in checks["required"]


def test_a_retry_makes_the_same_bead_ids() -> None:
    """And no two beads of a command, nor of two commands, share one."""
    ids = [bead_id_of(CommandId(command), n) for command in ("a", "b") for n in range(3)]
    assert ids == [bead_id_of(CommandId(command), n) for command in ("a", "b") for n in range(3)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("GHOST", {"bead_id": "x"}, "kind"),
        ("LEASE", {"boot": "b"}, "LEASE.bead_id"),
        ("LEASE", {"bead_id": 5}, "LEASE.bead_id"),
        ("LEASE", {"bead_id": "x", "settles": "none"}, "LEASE.settles"),
        ("LEASE", {"bead_id": "x", "settles": None}, "LEASE.settles"),
        ("LEASE", {"bead_id": "x", "settles": []}, "LEASE.settles"),
        ("LEASE", {"bead_id": "x"}, "LEASE.event"),
        ("LEASE", {"bead_id": "x", "settles": [1]}, "LEASE.settles[0]"),
    ],
)
@shows("I20")
def test_a_body_that_is_none_is_refused_by_name(kind: str, body: dict[str, Json], field: str) -> None:
    """An unknown kind, a body without an id, settlements of another shape."""
    with pytest.raises(BadInput) as refused:
        _ = body_of(kind, body)
    assert refused.value.field == field


class TestReferences:
    """28 characters from the signed statement, a letter and a generation for every other order of the position."""

    def test_an_entry_is_the_fingerprint_of_its_statement(self) -> None:
        """Deterministic, 28 characters, and of our grammar."""
        ref = entry_ref(b"statement")
        assert len(ref) == 28 and ref == entry_ref(b"statement") != entry_ref(b"statemenT")
        assert parsed_ref(ref) == (ref, Role.ENTRY, 0)

    def test_exits_carry_role_and_generation(self) -> None:
        """And resolve to the entry, from an exit's own reference too; short enough for the broker's reports."""
        ref = entry_ref(b"statement")
        for role, letter in ((Role.STOP, "S"), (Role.TARGET, "T"), (Role.CLOSE, "C")):
            for generation in (1, 7, 999_999):
                made = exit_ref(ref, role, generation)
                assert made == f"{ref}.{letter}{generation}" and len(made) <= 40
                assert parsed_ref(made) == (ref, role, generation)
                assert exit_ref(made, role, generation) == made
        assert group_of(exit_ref(ref, Role.STOP, 1), 3) == f"{ref}.G3"

    @pytest.mark.parametrize("prefix", ["", "P1", "P1" + "A" * 25, "P1" + "A" * 27, "P1" + "a" * 26, "P2" + "A" * 26])
    @pytest.mark.parametrize("suffix", ["", ".S1", "\n"])
    @shows("F50")
    def test_everybody_elses_are_not_ours(self, prefix: str, suffix: str) -> None:
        """Empty ones, manual ones, ones of another length or case."""
        assert parsed_ref(prefix + suffix) is None

    @pytest.mark.parametrize("suffix", [".S0", ".X1", ".S", ".S01", ".S1000000", ".S1 ", ".s1", "\n", " ", ".S1.S1"])
    def test_a_suffix_is_a_letter_and_a_generation(self, suffix: str) -> None:
        """Anything else behind our 28 characters is not ours; neither is a look-alike among them."""
        assert parsed_ref("P1" + "A" * 26 + suffix) is None
        assert parsed_ref("P1" + "А" * 26) is None

    def test_an_exit_has_a_role_and_a_generation(self) -> None:
        """An entry's reference is only ever made from a statement."""
        ref = entry_ref(b"statement")
        for role, generation in ((Role.ENTRY, 1), (Role.STOP, 0)):
            with pytest.raises(AssertionError, match="an exit has"):
                _ = exit_ref(ref, role, generation)


def test_what_stands_under_a_kind_of_another_version_is_not_read() -> None:
    """Of a kind that nobody here knows the quick way says nothing; the slow one names it."""
    assert said_in("GHOST", "{}") is None
