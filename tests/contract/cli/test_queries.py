"""Questions to the log: where heartbeats, health or the connection were missing, and which scars the vectors left."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve as changed
from click.testing import CliRunner

from phoenix_cli.__main__ import cli
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import fresh_id, opened
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import (
    About,
    Beat,
    Body,
    Checks,
    Health,
    Heartbeat,
    IbkrSession,
    Lease,
    LeaseEvent,
    Observation,
    ReconciliationResolution,
    Resolution,
    SessionEvent,
)
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.values import Mode
from phoenix_core.watch.drift import Cause, Divergence, drift_bead
from tests.contract.cli.operator import AFTERNOON, Seat, founded, until
from tests.showing import shows


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """A desk that nobody runs: the log says what the tests write into it."""
    monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
    return founded(tmp_path)


def write(seat: Seat, *told: tuple[int, Body]) -> None:
    """Beads as an engine would have written them, so many seconds before now."""
    with opened(Home(seat.home)) as session:
        now = session.clock.now().wall
        for ago, body in told:
            at, command, store = now - timedelta(seconds=ago), fresh_id(), session.store
            _ = store.append(store.head(), sealed(store.head(), at, command, granted("test", body))).unwrap()


def beat(health: Health) -> Heartbeat:
    """A beat that came."""
    status = Beat.HEALTHY if health is Health.HEALTHY else Beat.DEGRADED
    return Heartbeat(status, health, Checks(True, True, health is Health.HEALTHY))


def session(event: SessionEvent, outcome: str) -> IbkrSession:
    """A change of the link."""
    return IbkrSession(event, Mode.MOCK, "tag", "MOCK", 0, 1, outcome=outcome)


def lease(event: LeaseEvent) -> Lease:
    """An engine comes, or goes."""
    return Lease(event, "boot", "run", "1")


def gaps(seat: Seat, kind: str, *since: str) -> list[tuple[str, int]]:
    """What was missing, and for how many seconds."""
    found = seat.json("beads", "query", "--kind", kind, *since, "--gaps").document["gaps"]
    return [(gap["what"], gap["seconds"]) for gap in found]


def places(said: str) -> list[int]:
    """The numbers of the beads that were printed."""
    return [json.loads(line)["seq"] for line in said.splitlines()]


def test_the_tail_is_as_long_as_was_asked_for(seat: Seat) -> None:
    """The last beads and no others, in their order; the whole log where it is shorter than that."""
    size = seat.json("beads", "verify").document["beads"]
    assert places(seat.run("beads", "tail", "-n", "2").out) == [size - 2, size - 1]
    assert places(seat.run("beads", "tail", "-n", "0").out) == []
    assert places(seat.run("beads", "tail", "-n", "99").out) == list(range(size))


def test_who_follows_hears_each_bead_once(seat: Seat) -> None:
    """What stands is told, then what comes, and nothing a second time."""
    size = seat.json("beads", "verify").document["beads"]
    with seat.process("beads", "tail", "-n", "1", "--follow", ready='"seq"') as tail:
        for scope in ("desk", "instrument:EURUSD"):
            assert seat.json("kill", "raise", "--scope", scope).code == 0
        until(lambda: "instrument:EURUSD" in tail.said())
        assert places(tail.said()) == [size - 1, size, size + 1]


@shows("S33-QRY-02")
def test_gaps_of_heartbeats_and_of_health(seat: Seat) -> None:
    """Two beats ten minutes apart are a gap; three beats that were not healthy are another, told apart by its words."""
    ill = Health.DEGRADED
    beats = [(1000, Health.HEALTHY), (400, Health.HEALTHY), (370, ill), (340, ill), (310, Health.HEALTHY)]
    write(
        seat,
        *((ago, beat(health)) for ago, health in beats),
        *((ago, beat(Health.HEALTHY)) for ago in range(280, 0, -30)),
    )
    assert gaps(seat, "HEARTBEAT", "--since", "1h") == [("no heartbeat", 600), ("not healthy", 60)]
    assert gaps(seat, "HEARTBEAT", "--since", "5m") == []


@shows("S33-QRY-02")
def test_beats_that_stopped_are_missing_until_now(seat: Seat) -> None:
    """The engine died an hour ago, and nobody wrote anything since."""
    write(seat, *((ago, beat(Health.HEALTHY)) for ago in (3660, 3630, 3600)))
    ((what, seconds),) = gaps(seat, "HEARTBEAT")
    assert what == "no heartbeat" and 3600 <= seconds < 3660


@shows("S33-QRY-02")
def test_a_gap_of_heartbeats_that_reaches_into_the_span_is_told_whole(seat: Seat) -> None:
    """The engine died two hours ago and the desk is asked about the last one: silence is not "no gaps". So with health;
    what was over before the span began is not told."""
    write(seat, (9000, beat(Health.HEALTHY)), (8000, beat(Health.HEALTHY)))
    write(seat, *((ago, beat(Health.DEGRADED)) for ago in (7970, 7940)))
    ((what, seconds), ill) = gaps(seat, "HEARTBEAT", "--since", "1h")
    assert (what, ill[0]) == ("no heartbeat", "not healthy")
    assert 7940 <= seconds < 8000 and 7970 <= ill[1] < 8030
    assert [what for what, _ in gaps(seat, "HEARTBEAT")] == ["no heartbeat", "no heartbeat", "not healthy"]


@shows("S33-QRY-01")
def test_a_gap_of_the_connection_that_reaches_into_the_span_is_told_whole(seat: Seat) -> None:
    """Lost two hours ago and not back: asked about the last hour it is missing still."""
    write(seat, (9000, session(SessionEvent.CONNECT, "CONNECTED")), (7200, session(SessionEvent.DISCONNECT, "LOST")))
    ((what, seconds),) = gaps(seat, "IBKR_SESSION", "--since", "1h")
    assert what == "no connection" and 7200 <= seconds < 7260


@shows("S33-QRY-01")
def test_a_link_that_never_came_up_is_missing_since_the_first_attempt(seat: Seat) -> None:
    """A desk that was started before its gateway: nothing was lost, and nothing is there."""
    write(seat, (600, session(SessionEvent.RECONNECT, "FAILED")), (585, session(SessionEvent.RECONNECT, "FAILED")))
    ((what, seconds),) = gaps(seat, "IBKR_SESSION")
    assert what == "no connection" and 600 <= seconds < 660


@shows("S33-QRY-01")
def test_where_no_engine_ran_nothing_was_connected(seat: Seat) -> None:
    """Stopped, and killed: the next run finds its link gone in one instant, and the hours before it are told all the
    same. Nobody runs it now."""
    lost, back = session(SessionEvent.DISCONNECT, "LOST"), session(SessionEvent.RECONNECT, "CONNECTED")
    come, gone = lease(LeaseEvent.TAKEN), lease(LeaseEvent.RELEASED)
    write(
        seat,
        *((9000, come), (9000, session(SessionEvent.CONNECT, "CONNECTED")), (8000, gone)),
        *((6000, come), (6000, lost), (6000, back), (5000, beat(Health.HEALTHY))),
        *((4000, come), (4000, lost), (3999, session(SessionEvent.RECONNECT, "FAILED")), (3900, back)),
    )
    first, second, third, last = gaps(seat, "IBKR_SESSION")
    assert (first, second, third) == (("no engine", 2000), ("no engine", 1000), ("no connection", 99))
    assert last[0] == "no engine" and 3900 <= last[1] < 3960
    write(seat, (3000, come), (3000, lost), (3000, back), (2000, gone))
    assert [what for what, _ in gaps(seat, "IBKR_SESSION", "--since", "40m")] == ["no engine"]


@shows("S33-QRY-01")
def test_a_second_word_on_the_same_loss_begins_no_new_gap(seat: Seat) -> None:
    """Lost, and said to be lost once more before it came back: from the first word on."""
    told = ((600, "CONNECT", "CONNECTED"), (500, "DISCONNECT", "LOST"), (450, "DISCONNECT", "LOST"))
    write(seat, *((ago, session(SessionEvent(event), outcome)) for ago, event, outcome in told))
    write(seat, (400, session(SessionEvent.RECONNECT, "CONNECTED")))
    assert gaps(seat, "IBKR_SESSION") == [("no connection", 100)]


@shows("S33-QRY-01")
def test_gaps_of_the_connection(seat: Seat) -> None:
    """From the loss to the next connection; one that has not ended reaches until now."""
    write(
        seat,
        (7200, session(SessionEvent.CONNECT, "CONNECTED")),
        (3600, session(SessionEvent.DISCONNECT, "LOST")),
        (3595, session(SessionEvent.RECONNECT, "FAILED")),
        (3580, session(SessionEvent.RECONNECT, "CONNECTED")),
        (60, session(SessionEvent.DISCONNECT, "LOST")),
    )
    first, second = gaps(seat, "IBKR_SESSION", "--since", "7d")
    assert first == ("no connection", 20)
    assert second[0] == "no connection" and 60 <= second[1] < 120


@shows("S33-QRY-03")
def test_scars_of_the_chaos_vectors(seat: Seat) -> None:
    """The verdict of each vector, as it was recorded."""
    with opened(Home(seat.home)) as opened_desk:
        for vector, verdict in (("CV_S32_TOKEN_REPLAY", "pass"), ("CV_S32_TOKEN_RACE", "fail")):
            said = Observe(fresh_id(), About.BUNNY, vector, {"verdict": verdict})
            _ = opened_desk.recorder.act(said).unwrap()
        _ = opened_desk.recorder.act(Observe(fresh_id(), About.DEMAND, "reconciliation", {"by": "operator"})).unwrap()
    scars = seat.json("beads", "query", "--kind", "OBSERVATION", "--about", "BUNNY", "--since", "7d").document["beads"]
    told = [(scar["body"]["subject"], scar["body"]["facts"]["verdict"]) for scar in scars]
    assert told == [("CV_S32_TOKEN_REPLAY", "pass"), ("CV_S32_TOKEN_RACE", "fail")]


@shows("S33-QRY-01")
def test_what_is_asked_for_is_told_to_people_too(seat: Seat) -> None:
    """Which version of the gateway, what became of it, how long a drill took: on the line of the bead, without hashes,
    ids and signatures, and nothing that a terminal would obey."""

    def typed(*words: str) -> str:
        return CliRunner().invoke(cli, ["--home", str(seat.home), *words]).stdout

    lost = changed(session(SessionEvent.DISCONNECT, "LOST"), gateway_version="1042", detail="\x1b[2J" + "w" * 70)
    drill = Observation(About.DRILL, "RB-004", {"outcome": "resolved", "seconds": "4.2"})
    write(seat, (20, lost), (10, drill), (5, beat(Health.DEGRADED)))
    told = typed("beads", "query", "--kind", "IBKR_SESSION")
    assert "event DISCONNECT" in told and "gateway_version 1042" in told and "outcome LOST" in told
    assert "detail ?[2J" + "w" * 53 + "..., " in told and len(told.splitlines()) == 1
    drilled = typed("beads", "query", "--about", "DRILL")
    assert drilled.endswith("about DRILL, facts (outcome resolved, seconds 4.2), subject RB-004\n")
    assert "semantic_healthy False" in typed("beads", "query", "--kind", "HEARTBEAT")
    genesis = typed("beads", "query", "--kind", "GENESIS")
    assert "mode MOCK" in genesis and not re.search(r"[0-9a-f]{32}|bead_id", genesis)


@shows("S32-REC-06")
def test_a_drift_names_the_orders_that_a_signature_would_cancel(seat: Seat) -> None:
    """`--cancel-orphans` cancels exactly these, so they are on the screen before; the list says what has its answer."""

    def typed(*words: str) -> str:
        return CliRunner().invoke(cli, ["--home", str(seat.home), *words]).stdout

    refs = ("P1AAAABBBBCCCCDDDDEEEEFFFFGG.S1", "P1AAAABBBBCCCCDDDDEEEEFFFFGG.T1")
    orphan = Divergence(Cause.ORPHAN_EXIT, "EURUSD", {"quantity": "7"}, {"allowed": "0"}, "EURUSD", refs)
    write(seat, (9, drift_bead(orphan, 1)))
    (row,) = seat.json("drift", "list").document["drifts"]
    assert [line for line in typed("drift", "show", row["drift"]).splitlines() if line.startswith("  order")] == [
        f"  order   {ref}" for ref in refs
    ]
    assert typed("drift", "list").rstrip().endswith(row["drift"])
    for resolution, told in (
        (Resolution.BROKER_CORRECTED, "awaits the broker"),
        (Resolution.ACKNOWLEDGED, "acknowledged"),
    ):
        write(seat, (5, ReconciliationResolution(row["drift"], orphan.identity, resolution, "ada", "why", False)))
        assert typed("drift", "list").rstrip().endswith(f"{row['drift']}  {told}")
