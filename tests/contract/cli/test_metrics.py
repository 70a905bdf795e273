"""The numbers for a dashboard and the lines for a log shipper: local, read-only, and made of what the log says."""

from __future__ import annotations

import json
import re
import socket
import struct
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from phoenix_core.values import BadInput
from tests.contract.cli.operator import Seat, founded, until

LINE = re.compile(r'phoenix_[a-z_]+(\{[a-z]+="[A-Z]+"\})? -?[0-9.e+-]+')


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A desk that nobody runs."""
    return founded(tmp_path)


def numbers(text: str) -> dict[str, float]:
    """The samples of a text, each line of which must be one, or a comment."""
    rows = [line for line in text.splitlines() if not line.startswith("# ")]
    assert all(LINE.fullmatch(row) for row in rows), rows
    return {row.rsplit(" ", 1)[0]: float(row.rsplit(" ", 1)[1]) for row in rows}


def test_the_text_is_what_the_desk_is(seat: Seat) -> None:
    """Every sample has its help and its type; they move with the log."""
    before = "\n".join(seat.json("metrics", "--once").document["metrics"])
    named = {row.split("{")[0] for row in numbers(before)}
    assert {line.split()[2] for line in before.splitlines() if line.startswith("# TYPE")} == named
    assert {line.split()[2] for line in before.splitlines() if line.startswith("# HELP")} == named
    _ = seat.proposes("EURUSD")
    assert seat.json("halt").code == 0
    was, now = numbers(before), numbers("\n".join(seat.json("metrics", "--once").document["metrics"]))
    assert (was["phoenix_up"], was["phoenix_halted"], was["phoenix_kill_flags"]) == (0, 0, 0)
    assert (now["phoenix_halted"], now["phoenix_kill_flags"], now['phoenix_positions{state="PROPOSED"}']) == (1, 1, 1)
    assert now["phoenix_beads_total"] > was["phoenix_beads_total"]


def test_they_are_served_on_this_machine_only(seat: Seat) -> None:
    """GET /metrics over a real socket, 404 elsewhere; another address is refused."""
    with seat.process("--json", "metrics", "--port", "0", ready='"port"') as server:
        port = json.loads(server.said().splitlines()[0])["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert numbers(answer.read().decode())["phoenix_up"] == 0
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _ = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
    with pytest.raises(BadInput, match=r"127\.x\.y\.z"):
        _ = seat.json("metrics", "--host", "0.0.0.0")


def test_a_client_that_hangs_up_or_says_nothing_stops_nobody(seat: Seat) -> None:
    """The next one is answered, and nothing of it is on the terminal."""
    with seat.process("--json", "metrics", "--port", "0", ready='"port"') as server:
        address = ("127.0.0.1", json.loads(server.said().splitlines()[0])["port"])
        with socket.create_connection(address, timeout=10) as gone:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
            gone.sendall(b"GET /met")
        url = f"http://127.0.0.1:{address[1]}/metrics"
        with socket.create_connection(address, timeout=10), urllib.request.urlopen(url, timeout=10) as answer:
            assert numbers(answer.read().decode())["phoenix_up"] == 0
        assert len(server.said().splitlines()) == 1


def test_the_engine_writes_what_it_does_as_lines(seat: Seat, tmp_path: Path) -> None:
    """`run --log FILE`: one JSON object a line for each bead, on the desk's clock, with no free text and no secret."""
    file = tmp_path / "engine.jsonl"
    with seat.process("run", "--log", str(file), ready="yours:"):
        _ = seat.proposes("EURUSD")
        until(lambda: "EVIDENCE" in file.read_text("utf-8"))
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    beads = seat.json("beads", "query").document["beads"]
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    known = {bead["seq"]: (bead["kind"], bead["ts"]) for bead in beads}
    assert all(known[line["seq"]] == (line["kind"], line["ts"]) for line in lines)
    assert {"LEASE", "POSITION", "EVIDENCE"} <= {line["kind"] for line in lines}
    assert all(set(line) <= {"ts", "seq", "kind", "event", "position", "intent", "code", "severity"} for line in lines)
