"""The verifier on what beads mean: every attack by the owner of host and log key has its code; and no check is idle."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import CHECKS, Lie, Undecided
from tests.contract.verifier.byte_attacks import BYTE_ATTACKS, honest
from tests.contract.verifier.exit_attacks import EXIT_ATTACKS, EXIT_TWINS, traded
from tests.contract.verifier.meaning_attacks import (
    MEANING_ATTACKS,
    MeaningAttack,
    adopted,
    aged,
    answered,
    attributed,
    before,
    body,
    day,
    drifted,
    edit,
    later,
    paused,
    promotes,
    refreshed,
    refreshed_all,
    row_answers,
    say,
    stated_filled,
    undrifted,
    undrifted_signed,
    unpaused,
)
from tests.contract.verifier.story import Story, named
from tests.contract.verifier.whole import Record
from tests.keyring import hardware_pen
from tests.showing import REPOSITORY


@pytest.fixture(autouse=True, scope="module")
def remembered_signatures() -> Iterator[None]:
    """The honest signatures stand in every attack: each is verified once. (test_ed25519.py verifies them for real.)"""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(phoenix_verify, "ed25519", cache(phoenix_verify.ed25519))
        yield


def roots_of(story: Story) -> phoenix_verify.Roots:
    """The roots of a story, read."""
    found = story.roots()
    log = phoenix_verify.note_key(str(found["log"]))
    assert log is not None
    operators = frozenset({story.boss.public.fingerprint})
    return phoenix_verify.Roots(str(found["origin"]), story.mode, str(found["account"]), log, (), operators)


def verdict(export: bytes, roots: phoenix_verify.Roots) -> str:
    """TRUE, the code of the first lie, or the reason for no decision."""
    file = BytesIO(export)
    try:
        outline = phoenix_verify.check_bytes(file, roots)
        phoenix_verify.check_meaning(file, outline, roots)
    except (Lie, Undecided) as found:
        return found.code
    except Exception:  # noqa: BLE001 - with a check removed anything may happen, and none of it is TRUE
        return "STUMBLED"
    return "TRUE"


@cache
def told(attack: MeaningAttack) -> tuple[bytes, phoenix_verify.Roots]:
    """The export of an attack, and the honest roots it is held against."""
    story = attack.tell()
    return story.export(), roots_of(story)


@pytest.mark.parametrize("mode", ["MOCK", "PAPER", "LIVE"])
def test_the_honest_day_is_true(mode: str) -> None:
    """The twin of every attack."""
    story = Story(mode).told()
    assert verdict(story.export(), roots_of(story)) == "TRUE"


ATTACKS = [*MEANING_ATTACKS, *EXIT_ATTACKS]


@pytest.mark.parametrize("twin", EXIT_TWINS, ids=lambda twin: twin.name)
def test_exits_of_what_is_there_are_true(twin: MeaningAttack) -> None:
    """The twins of the attacks on exits: one figure smaller, one order less."""
    assert verdict(*told(twin)) == "TRUE"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_each_attack_on_meaning_has_its_code(attack: MeaningAttack) -> None:
    """The chain holds, the root fits, the checkpoints are signed; and yet."""
    assert verdict(*told(attack)) == attack.code


AT_THE_EDGE: Final = {
    "a close signed for a minute": later("close", exp=timedelta(seconds=60)),
    "an approval signed for five": later("approve four", exp=timedelta(seconds=300)),
    # each step takes a second
    "a signer whose clock is two seconds ahead": later("close", at=timedelta(seconds=3), exp=timedelta(seconds=60)),
    "an exit in the last instant of its command": day(waits={"exit": 57.999999}),
    "a price a second older than it was": aged(1000),
    "a price a second younger than it was": aged(-1000),
    "a price beside one of no instant": edit(
        "quote four", before(("OBSERVATION", {"about": "QUOTE", "subject": "EURUSD", "facts": {"bid": "1.085"}}))
    ),
    "a drift of nothing": say("approve four", drift_bps_max=0),
    "a token spent two seconds before it was there": day(waits={"submit one": -3}),
}


@pytest.mark.parametrize("tell", AT_THE_EDGE.values(), ids=AT_THE_EDGE)
def test_what_is_just_allowed_is_true(tell: Callable[[], Story]) -> None:
    """The twins of what is a microsecond too long, a little too old, or a little too wide."""
    story = tell()
    assert verdict(story.export(), roots_of(story)) == "TRUE"


@pytest.mark.parametrize("margin", [None, {}, {"before": "3100"}, {"after": "9100.25"}, {"before": "0", "after": "1"}])
def test_evidence_with_and_without_a_margin_is_true(margin: Record | None) -> None:
    """A log of a release that did not ask, and whatever a later one was told: both are read, and signed over."""

    def more(drafts: list[tuple[str, Record]]) -> list[tuple[str, Record]]:
        ((kind, body),) = drafts
        return [(kind, body if margin is None else body | {"margin": margin})]

    story = Story(edits={"evidence one": more}).told()
    assert ("margin" in story.beads[story.places["evidence one"]].body) == (margin is not None)
    assert verdict(story.export(), roots_of(story)) == "TRUE"


def test_a_lie_has_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of the bead, and a sentence that a person understands."""
    story = next(attack for attack in MEANING_ATTACKS if attack.code == "TOKEN_CHANGED").tell()
    (tmp_path / "export").write_bytes(story.export())
    (tmp_path / "roots").write_text(json.dumps(story.roots()))
    assert phoenix_verify.main([str(tmp_path / "export"), "--roots", str(tmp_path / "roots")]) == 1
    said = capsys.readouterr().out
    assert said == f"LIE  TOKEN_CHANGED  bead {story.places['submit one']}  not what it was when it was issued\n"


Tell = Callable[[], Story]


def honest_and(*more: Callable[[Story], None]) -> Tell:
    """The honest day, and more that is honest too."""

    def tell() -> Story:
        story = Story().told()
        for each in more:
            each(story)
        return story

    return tell


def resolved(story: Story) -> None:
    """A stalled position that a human ends, with a signature."""
    story.append("stall", story.position("four", "STALLED", "Stalled", "SUBMITTED"))
    subject = named("position four")
    statement = story.statement("resolve", "resolve-stalled", {"position": subject, "as": "cancelled"})
    story.append("resolve", story.decision("resolve", story.boss, statement, subject))
    proof: Record = {"type": "OPERATOR_DECISION", "id": str(story.places["resolve"])}
    story.append("resolved", story.position("four", "CANCELLED", "Cancelled", "STALLED", proof=proof))


def stalled(story: Story) -> None:
    """Silence, a late acknowledgement, a late fill."""
    story.append("stall", story.position("four", "STALLED", "Stalled", "SUBMITTED"))
    story.append("late", story.position("four", "SUBMITTED", "Acknowledged", "STALLED"))
    story.append("silence", story.position("four", "STALLED", "Stalled", "SUBMITTED"))
    story.append("fill", story.execution("four"), story.position("four", "FILLED", "Filled", "STALLED"))


def killed_elsewhere(story: Story) -> None:
    """A flag over another strategy stops nobody here; one that a rule raised comes down by a rule."""
    paused(1)(story)
    story.intent("five")
    story.approve("five", story.boss)
    story.submit("five")
    refreshed(story)
    unpaused(story)


def lifted_by_rules(story: Story) -> None:
    """A refresh of every context ends a pause; one that names no end needs the refresh alone."""
    for step in (paused(1), refreshed_all, unpaused):
        step(story)
    endless: Record = {"flag": "flag-8", "type": "TEMPORARY", "scope": "strategy:other"}
    story.append("endless", ("KILL_FLAG", endless | {"event": "RAISED"}))
    story.append("refresh again", ("STATE_ANCHOR", {"strategy": "other"}))
    story.append("end", ("KILL_FLAG", endless | {"event": "LIFTED"}))


def drift_ended(story: Story) -> None:
    """An attribution ends its drift, and the kill follows."""
    for step in (drifted, answered("phoenix-corrected", cleared=True), undrifted):
        step(story)


def drift_proven(story: Story) -> None:
    """The broker corrected it, and a picture shows so."""
    for step in (drifted, answered("broker-corrected", drift=named("drift 0")), row_answers("BROKER_CORRECTED", True)):
        step(story)
    undrifted(story)


def drift_known(story: Story) -> None:
    """What is known and stays keeps its kill until somebody signs."""
    for step in (drifted, answered("acknowledged"), undrifted_signed):
        step(story)


def withdrawn(story: Story) -> None:
    """An intent that nobody decided on."""
    story.intent("six")
    story.append("withdraw", story.position("six", "CANCELLED", "Withdrawn", "PROPOSED"))


def protected_again(story: Story) -> None:
    """Exits placed again in the name of the approved evidence."""
    seq = story.places["submit one"] + 2
    order = story.beads[seq].body
    frames = order["frames"]
    assert isinstance(frames, list)
    again: list[Record] = [frame | {"revision": 2} for frame in frames[1:] if isinstance(frame, dict)]
    fields: Record = {"bead_id": named("again"), "event": "RECORDED", "position_id": order["position_id"]}
    story.append("again", ("ORDER", fields | {"ref": again[0]["ref"], "frames": [*again], "mandate": order["mandate"]}))


def refused(story: Story) -> None:
    """A signal that did not come in, and something else seen than a price."""
    no: Record = {"event": "REFUSED", "digest": "0" * 64, "channel": "uid:bot"}
    seen: Record = {"about": "LINK", "subject": "link", "facts": {}}
    story.append("refused signal", ("SIGNAL", no), ("OBSERVATION", seen))


def resumed(story: Story) -> None:
    """A signed command that is about the link."""
    statement = story.statement("resume", "resume", {})
    story.append("resume", story.decision("resume", story.boss, statement, "link"))


def without_a_pin(story: Story) -> None:
    """Where no real money is, a touch of the security key is enough; and who proposed may approve, unless asked for."""
    pen = hardware_pen("otto")
    more: Record = {"public": pen.public.line, "name": "otto", "assurance": "hardware"}
    recorded = story.decision(
        "otto", story.boss, story.statement("otto", "operator-enrol", {"key": pen.key, **more}), pen.key
    )
    story.append("otto", recorded, story.operator(pen, "otto", signed=recorded[1]["signed"]))
    story.signs = {"approve seven": lambda pen, statement: pen.sign(statement, flags=1)}
    story.edits = {
        "approve seven": body("DECISION", signed={"verification": False}),
        "evidence seven": body("EVIDENCE", proposer="otto"),
    }
    story.intent("seven")
    story.approve("seven", pen)


def settling_rules(story: Story) -> None:
    """A policy whose bead says which obligation it settles: that is no part of what was signed."""
    story.edits = {"rules again": body("POLICY", settles=[{"seq": len(story.beads), "index": 0, "outcome": "done"}])}
    story.policy("rules again", 25)


def charged(story: Story) -> None:
    """What an execution cost: no role, no side, no quantity."""
    about: Record = {
        "event": "COMMISSION",
        "exec_id": "0001.01",
        "family": "0001",
        "commission": "2",
        "currency": "USD",
    }
    story.append("charged", ("EXECUTION", about | {"position_id": named("position one")}))


def lifted_again(story: Story) -> None:
    """A flag that stands no more is lowered once more: that opens nothing."""
    flag: Record = {"event": "LIFTED", "flag": "flag-1", "type": "ONE_WAY", "scope": "desk"}
    story.append("lifted again", ("KILL_FLAG", flag))


def paused_to_the_instant(story: Story) -> None:
    """A pause comes down in the very instant in which its time is over."""
    for step in (paused(2), refreshed, unpaused):  # each step takes a second
        step(story)


def heard_after_the_end(story: Story) -> None:
    """What was cancelled was executed after all: the position says so, and stays where it is."""
    story.append("cancelled", story.position("four", "CANCELLED", "Cancelled", "SUBMITTED"))
    story.append("late", story.execution("four"), story.position("four", "CANCELLED", None, "CANCELLED"))


def read_as_filled(story: Story) -> None:
    """A stalled position that a human reads as filled, with a signature."""
    stated_filled("four", of="four")(story)


OTHER_DAYS = [
    *(adopted, resolved, read_as_filled, stalled, killed_elsewhere, withdrawn),
    *(lifted_by_rules, drift_ended, drift_proven, drift_known, promotes({})),
    *(protected_again, refused, resumed, without_a_pin, attributed, settling_rules),
    *(charged, lifted_again, paused_to_the_instant, heard_after_the_end),
]


@pytest.mark.parametrize("more", OTHER_DAYS)
def test_other_honest_days_are_true(more: Callable[[Story], None]) -> None:
    """What looks unusual and is allowed is no lie."""
    story = honest_and(more)()
    assert verdict(story.export(), roots_of(story)) == "TRUE"


def counted(story: Story) -> dict[str, int]:
    """What is counted of a true story."""
    file = BytesIO(story.export())
    outline = phoenix_verify.check_bytes(file, roots_of(story))
    return phoenix_verify.check_meaning(file, outline, roots_of(story)).counts


@pytest.mark.parametrize(("seconds", "times"), [(-1.0, None), (-3.0, None), (-3.000001, 1), (-3600.0, 1)])
def test_a_clock_that_was_set_back_is_told(seconds: float, times: int | None) -> None:
    """No lie, for honest clocks are mended too; but what was signed and over may be recorded as young then."""
    story = honest_and(lambda story: story.append("beat again", ("HEARTBEAT", {})))
    told = story()
    assert "times the clock was set back" not in counted(told)
    told.waits = {"early beat": seconds}  # each step takes a second of its own
    told.append("early beat", ("HEARTBEAT", {}))
    assert counted(told).get("times the clock was set back") == times


@pytest.mark.parametrize(("quantity", "times"), [("1000", None), ("1000.5", 1)])
def test_an_execution_beyond_its_order_is_told(quantity: str, times: int | None) -> None:
    """The broker's word, or the host's: nobody can tell from the log."""
    story = honest_and(traded(quantity))()
    assert counted(story).get("executions beyond the order") == times


# What stops the attacks on a check that is not there: a later check, or a stumble, which is no yes either. A check that
# does not stand here is the last that stands between one of its attacks and the word TRUE.
BEHIND_IT: Final[dict[str, set[str]]] = {
    "BAD_CHECKPOINT": {"SHAPE", "STUMBLED"},
    "BAD_ENVELOPE": {"BAD_PREV", "BAD_ROOT", "SHAPE"},
    "BAD_PREV": {"BAD_ROOT"},
    "BAD_SEQ": {"BAD_PREV"},
    "BEHIND": {"STUMBLED"},
    "DECIDED_ALREADY": {"EVIDENCE_EXPIRED", "TOKEN_REVOKED", "TOKEN_TWICE"},
    "DUPLICATE_KEY": {"NOT_CANONICAL"},
    "EVIDENCE_MISSING": {"STUMBLED"},
    "EVIDENCE_ORDER": {"ORDER_OTHER_LINES"},
    "EVIDENCE_OTHER_DESK": {"STATEMENT_OTHER_ORDER"},
    "EVIDENCE_UNPROPOSED": {"STUMBLED"},
    "EXECUTION_SHAPE": {"SHAPE", "STUMBLED"},
    "FLOAT": {"NOT_CANONICAL"},
    "FRAME_HASH": {"ORDER_OTHER_LINES"},
    "FRAME_TWICE": {"MANDATE_OLD"},
    "INTENT_TWICE": {"EVIDENCE_OTHER_DESK"},
    "KEY_NOT_ASCII": {"BAD_ROOT"},
    "KEY_NOT_YET_VALID": {"STATEMENT_OTHER_HISTORY"},
    "KEY_UNKNOWN": {"STUMBLED"},
    "LONE_SURROGATE": {"NOT_CANONICAL"},
    "NOT_CANONICAL": {"BAD_ROOT"},
    "NOT_JSON": {"NOT_CANONICAL"},
    "NOT_UTF8": {"NOT_CANONICAL", "NOT_JSON"},
    "NO_GENESIS": {"BAD_BODY", "STATEMENT_OTHER_MODE"},
    "NUMBER_RANGE": {"NOT_CANONICAL"},
    "ORDER_WITHOUT_TOKEN": {"ORDER_TWICE"},
    "OTHER_MODE": {"STATEMENT_OTHER_MODE"},
    "SIG_APPLICATION": {"SIGNATURE_WRONG"},
    "SIG_HASH": {"SIGNATURE_WRONG"},
    "SIG_INNER_TYPE": {"SIG_TRAILING", "SIG_TRUNCATED"},
    "SIG_KEY_TYPE": {"SIG_APPLICATION"},
    "SIG_KEY_WEAK": {"SIGNATURE_WRONG", "STUMBLED"},
    "SIG_LENGTH": {"SIGNATURE_WRONG"},
    "SIG_TRUNCATED": {"SIG_TRAILING"},
    "STATEMENT_EXPIRED": {"MANDATE_OLD"},
    "STATEMENT_OTHER_ORDER": {"TOKEN_OTHER_ORDER"},
    "SUBMITTED_WITHOUT_TOKEN": {"ORDER_WITHOUT_TOKEN"},
    "TOKEN_EXPIRED": {"TOKEN_TOO_OLD"},
    "TOKEN_LIFE": {"TOKEN_CHANGED"},
    "TOKEN_OTHER_DESK": {"TOKEN_CHANGED"},
    "TOKEN_OTHER_EVIDENCE": {"TOKEN_CHANGED"},
    "TOKEN_OTHER_ORDER": {"TOKEN_CHANGED"},
    "TOKEN_OTHER_REF": {"TOKEN_CHANGED"},
    "TOKEN_REVOKED": {"TOKEN_TOO_OLD"},
    "TOKEN_UNKNOWN": {"STUMBLED"},
    "TOKEN_USED": {"TOKEN_TOO_OLD"},
    "TOKEN_WITHOUT_DECISION": {"STUMBLED", "TOKEN_TWICE"},
    "TOO_DEEP": {"BAD_ROOT", "NOT_CANONICAL"},
    "TOO_LARGE": {"BAD_ROOT"},
    "TRUNCATED": {"BAD_LINE"},
}


class TestNoCheckIsIdle:
    """Each single check, removed, is missed: a lie is taken for the truth, or falls to what stands behind."""

    @pytest.fixture(params=sorted(CHECKS))
    def removed(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """The table without one of its rows."""
        monkeypatch.setitem(CHECKS, request.param, (lambda *_: True, ""))
        return str(request.param)

    def test_a_check_removed_is_noticed(self, removed: str) -> None:
        """Some attack on it is TRUE now, unless every one falls to what is known to stand behind it."""
        roots = roots_of(honest())
        bytes_of = {attack.name: attack.export for attack in BYTE_ATTACKS if attack.code == removed}
        meant = [attack for attack in ATTACKS if attack.code == removed]
        verdicts = {name: verdict(export(), roots) for name, export in bytes_of.items()}
        verdicts |= {attack.name: verdict(*told(attack)) for attack in meant}
        if removed == "BEHIND":
            verdicts["an old backup"] = outside_verdict("99:00000000")
        assert verdicts, f"no attack shows {removed}"
        if removed in BEHIND_IT:
            assert set(verdicts.values()) == BEHIND_IT[removed]
        else:
            assert "TRUE" in verdicts.values(), verdicts

    def test_the_others_still_stand(self, removed: str) -> None:
        """The honest day is true with any check removed: what is missed is only ever what lies."""
        assert verdict(honest().export(), roots_of(honest())) == "TRUE"

    def test_only_the_table_says_lie(self) -> None:
        """`judge` alone raises a Lie, asks exactly one row, and every row is asked somewhere.

        So a check that is removed cannot change the verdict of an attack that another check names: up to that point
        the removed one had found nothing.
        """
        tree = ast.parse(Path(phoenix_verify.__file__).read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        liars = [f.name for f in functions for node in ast.walk(f) if _calls(node, "Lie")]
        assert liars == ["judge"]
        asked = {
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _calls(node, "judge") and isinstance(node.args[0], ast.Constant)
        }
        flaws = {"TOO_DEEP", "NOT_JSON", "DUPLICATE_KEY", "FLOAT", "NUMBER_RANGE", "KEY_NOT_ASCII"}  # asked in a loop
        assert asked | flaws == set(CHECKS)


def outside_verdict(seen: str) -> str:
    """What is said of the honest day against what a notification showed."""
    tree = phoenix_verify.check_bytes(BytesIO(honest().export()), roots_of(honest())).tree
    try:
        phoenix_verify.check_outside(tree, roots_of(honest()), [], [seen])
    except Lie as lie:
        return lie.code
    except IndexError:
        return "STUMBLED"
    return "TRUE"


def test_an_old_backup_is_behind() -> None:
    """The one check that needs something from outside: an older log than was seen."""
    assert outside_verdict("99:00000000") == "BEHIND"


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def test_it_imports_nothing_but_the_standard_library() -> None:
    """One file, on its own: that is what makes it a second opinion."""
    tree = ast.parse(Path(phoenix_verify.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {
        *("__future__", "argparse", "base64", "collections.abc", "contextlib", "dataclasses", "datetime", "fractions"),
        *("functools", "hashlib", "json", "re", "sys", "typing"),
    }


def test_the_page_names_every_check() -> None:
    """docs/spec/verifier.md has one row for each check, with its code and its sentence, and no other."""
    page = (REPOSITORY / "docs" / "spec" / "verifier.md").read_text("utf-8")
    section = page.split("## Every check")[1].split("## What it does not check")[0]
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in section.splitlines() if "|" in row]
    found = {(row[0], row[1]) for row in rows} - {("code", "the lie"), ("---", "---")}
    assert found == {(code, said) for code, (_, said) in CHECKS.items()}
