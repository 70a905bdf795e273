"""The production desk's own log, from signal to autopsy, judged by a file that shares no line with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO

import pytest
from attrs import frozen
from returns.pipeline import is_successful

from phoenix_adapters import phoenix_verify
from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import LogKey, load_log_key, load_public, roots_of
from phoenix_adapters.phoenix_verify import Lie, Roots
from phoenix_cli.home import Home
from phoenix_cli.wiring.round_trip import round_trip
from phoenix_core.canonical import Json
from phoenix_core.chain import seal
from tests.unit.desk.seen import WatchedStore
from tests.unit.desk.test_judges import STORIES, Story, told

Row = tuple[str, str, dict[str, Json]]


@frozen
class Walk:
    """One intent that walked through every layer: its beads, and what the founder kept."""

    rows: tuple[Row, ...]
    origin: str
    key: LogKey
    roots: Roots

    def export(self, rows: tuple[Row, ...]) -> bytes:
        """These beads sealed, with a checkpoint of the log's key, as the store exports them."""
        store = MemoryStore()
        for ts, kind, body in rows:
            assert is_successful(store.append(store.head(), seal(store.head(), ts, [(kind, body)])))
        assert is_successful(store.checkpoint(self.origin, self.key.signer(self.origin)))
        return b"".join(export_lines(store, self.origin, self.key.public))

    def verdict(self, rows: tuple[Row, ...]) -> str:
        """TRUE, or the code of the first lie."""
        file = BytesIO(self.export(rows))
        try:
            phoenix_verify.check_meaning(file, phoenix_verify.check_bytes(file, self.roots), self.roots)
        except Lie as lie:
            return lie.code
        return "TRUE"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The demo's round trip on a MOCK desk, real store and engine."""
    folder = tmp_path_factory.mktemp("desk")
    asyncio.run(round_trip(folder, "mock", 1))
    home = Home(folder)
    with SqliteStore(home.log) as store:
        rows = tuple((bead.ts, bead.kind, bead.body) for bead in store.read(0))
    genesis, key = rows[0][2], load_log_key(home.log_key)
    names = [str(genesis[name]) for name in ("origin", "mode", "account")]
    kept = roots_of(names[0], names[1], names[2], key.public, [(load_public(home.operator_key), "founder")])
    log = phoenix_verify.note_key(str(kept["log"]))
    assert log is not None
    founders = frozenset({load_public(home.operator_key).fingerprint})
    return Walk(rows, names[0], key, Roots(names[0], names[1], names[2], log, (), founders))


def test_the_whole_walk_is_true(walk: Walk) -> None:
    """Signal, evidence, signature, token, order, fill, protection, close: all of it follows from what was before."""
    assert walk.verdict(walk.rows) == "TRUE"
    kinds = {kind for _, kind, _ in walk.rows}
    assert {"SIGNAL", "EVIDENCE", "DECISION", "T2_TOKEN", "ORDER", "EXECUTION", "POSITION", "AUTOPSY"} <= kinds


def changed(kind: str, event: str | None, change: Callable[[dict[str, Json]], None]) -> Callable[[Walk], str]:
    """The verdict after one bead was changed and everything after it sealed anew."""

    def verdict(walk: Walk) -> str:
        rows = list(walk.rows)
        number = next(n for n, (_, k, b) in enumerate(rows) if k == kind and (event is None or b.get("event") == event))
        ts, _, body = rows[number]
        forged = dict(body)
        change(forged)
        rows[number] = (ts, kind, forged)
        return walk.verdict(tuple(rows))

    return verdict


def first_line(body: dict[str, Json], **terms: Json) -> None:
    """Other terms in the first frame, without hashing it anew."""
    frames = body["frames"]
    assert isinstance(frames, list)
    first = frames[0]
    assert isinstance(first, dict)
    old = first["line"]
    assert isinstance(old, dict)
    body["frames"] = [first | {"line": old | terms}, *frames[1:]]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (changed("EVIDENCE", None, lambda body: body.update(order_hash="0" * 64)), "EVIDENCE_ORDER"),
        (changed("EVIDENCE", None, lambda body: body.update(version=2)), "STATEMENT_OTHER_HISTORY"),
        (changed("EVIDENCE", None, lambda body: body.update(margin={"after": "1"})), "STATEMENT_OTHER_HISTORY"),
        (changed("EVIDENCE", None, lambda body: body.update(margin={"after": "1.0"})), "BAD_BODY"),
        (changed("EVIDENCE", None, lambda body: body.__delitem__("margin")), "STATEMENT_OTHER_HISTORY"),
        (changed("SIGNAL", None, lambda body: body.update(channel="uid:root")), "STATEMENT_OTHER_HISTORY"),
        (changed("DECISION", None, lambda body: body.update(verdict="reject")), "DECISION_OTHERWISE"),
        (changed("T2_TOKEN", "ISSUED", lambda body: body.update(order_hash="0" * 64)), "TOKEN_OTHER_ORDER"),
        (changed("T2_TOKEN", "USED", lambda body: body.update(epoch=0)), "TOKEN_CHANGED"),
        (changed("POSITION", "Submitted", lambda body: body.update(state="FILLED")), "POSITION_MOVE"),
        (changed("ORDER", "RECORDED", lambda body: first_line(body, quantity="1")), "FRAME_HASH"),
        (changed("ORDER", "RECORDED", lambda body: body.update(token_id="none")), "TOKEN_SPENT_FOR_NOTHING"),
        (changed("POSITION", "Closed", lambda body: body.update(event="Passed")), "POSITION_MOVE"),
    ],
)  # fmt: skip
def test_a_changed_walk_is_a_lie(walk: Walk, verdict: Callable[[Walk], str], code: str) -> None:
    """One bead changed by who owns host and log key: found, by its code."""
    assert verdict(walk) == code


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_story_of_a_desk_is_true(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a desk lives through that keeps its rules is no lie: corrections, drift that is answered in each way,
    ends that are proven, executions that a human states."""
    monkeypatch.setitem(phoenix_verify.CHECKS, "OTHER_LOG_KEY", (lambda *_: True, "a stage's log has no key"))
    store = WatchedStore()
    day = asyncio.run(told(story, store))
    beads = tuple(store.read(0))
    tree, file = phoenix_verify.Tree(), BytesIO(b"{}\n" + b"".join(bead.data + b"\n" for bead in beads))
    for bead in beads:
        tree.append(bead.leaf)
    names = [str(beads[0].body[name]) for name in ("origin", "mode", "account")]
    founders = frozenset({day.desk.pen.key})
    no_key = phoenix_verify.NoteKey("", b"", 1, b"")
    roots = Roots(names[0], names[1], names[2], no_key, (), founders)
    outline = phoenix_verify.Outline(tree, frozenset(), (), "", "")
    assert phoenix_verify.check_meaning(file, outline, roots).mode == "MOCK"
