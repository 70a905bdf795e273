"""Operators sign with what they have: a key that an agent holds, one with a passphrase, a security key."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import termios
from pathlib import Path

import pytest

from phoenix_adapters.keys import create, load_public
from tests.contract.agents import fido_answers, pretended_agent, running_agent
from tests.contract.cli.operator import PATIENCE_S, Ran, Seat, founded, until
from tests.keyring import TOUCHED, Pen, hardware_pen
from tests.showing import shows

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None or shutil.which("ssh-agent") is None, reason="OpenSSH's tools are not installed"
)


@pytest.fixture(autouse=True)
def _without_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have an agent of their own."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def approved(seat: Seat, **environment: str) -> tuple[Ran, str]:
    """Propose and approve as a process with this environment; what it answered, and the intent."""
    with seat.engine():
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        answer = seat.run("approve", intent, "--quantity", quantity, "--yes", **environment)
        if answer.code == 0:
            until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
    return answer, intent


def signed(seat: Seat) -> dict[str, object]:
    """What the log says of the last signature."""
    found = seat.json("beads", "query", "--kind", "DECISION").document["beads"][-1]["body"]["signed"]
    assert isinstance(found, dict)
    return found


def test_a_key_that_only_an_agent_holds(tmp_path: Path) -> None:
    """Its public half is enrolled at `init`; the private file is gone; the agent signs, and without it nobody does."""
    seat, path = Seat(tmp_path / "home"), tmp_path / "anna"
    key = create(path, "anna")
    with running_agent(path) as agent:
        path.unlink()
        assert seat.json("init", "--key", f"{path}.pub").code == 0
        answer, _ = approved(seat, SSH_AUTH_SOCK=str(agent))
        assert answer.code == 0, answer.err
        assert signed(seat)["key"] == key.public.fingerprint
        looked = seat.run("doctor", SSH_AUTH_SOCK=str(agent))
        assert "through the agent" in looked.out + looked.err
    refused, _ = approved(seat)
    assert refused.code == 2
    assert "ssh-agent" in refused.err
    assert seat.json("beads", "verify").code == 0


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    """ssh-keygen asks for it, here a program in a person's place; Phoenix never sees it."""
    seat, path, asks = Seat(tmp_path / "home"), tmp_path / "anna", tmp_path / "asks"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(path)]
    _ = subprocess.run(made, check=True, timeout=30)
    _ = asks.write_text("#!/bin/sh\necho open sesame\n", "utf-8")
    asks.chmod(0o700)
    assert seat.json("init", "--key", str(path)).code == 0
    answer, _ = approved(seat, SSH_ASKPASS=str(asks), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    assert answer.code == 0, answer.err
    assert signed(seat)["key"] == load_public(path).fingerprint
    _ = asks.write_text("#!/bin/sh\necho wrong\n", "utf-8")
    refused, _ = approved(seat, SSH_ASKPASS=str(asks), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    assert refused.code == 2
    assert "passphrase" in refused.err or "KEYGEN_FAILED" in refused.err


@pytest.fixture
def bruno(tmp_path: Path) -> tuple[Pen, Path]:
    """A security key, and the file of its public half."""
    pen = hardware_pen("bruno")
    path = tmp_path / "id_ed25519_sk.pub"
    _ = path.write_text(f"{pen.public.line} bruno\n", "utf-8")
    return pen, path


@shows("S32-TOK-01")
def test_a_security_key(tmp_path: Path, bruno: tuple[Pen, Path]) -> None:
    """Touched, with its PIN: the bead says hardware, presence, verification and the counter; the export verifies."""
    pen, path = bruno
    seat = Seat(tmp_path / "home")
    assert seat.json("init", "--key", str(path)).code == 0
    with pretended_agent(fido_answers(pen)) as agent:
        answer, _ = approved(seat, SSH_AUTH_SOCK=str(agent))
    assert answer.code == 0, answer.err
    assert "touch the security key" in answer.err
    found = signed(seat)
    assert (found["assurance"], found["presence"], found["verification"]) == ("hardware", True, True)
    file = tmp_path / "log.jsonl"
    assert seat.json("beads", "export", str(file)).code == 0
    verified = seat.json("beads", "verify", str(file), "--roots", str(seat.home / "roots.json"))
    assert verified.code == 0, verified


def test_a_security_key_that_nobody_touched(tmp_path: Path, bruno: tuple[Pen, Path]) -> None:
    """An agent that signs without a touch: refused, and nothing is sent."""
    pen, path = bruno
    seat = Seat(tmp_path / "home")
    assert seat.json("init", "--key", str(path)).code == 0
    with pretended_agent(fido_answers(pen, flags=0)) as agent:
        answer, _ = approved(seat, SSH_AUTH_SOCK=str(agent))
    assert answer.code != 0
    assert "PRESENCE_MISSING" in answer.err
    assert seat.json("orders").document["orders"] == []


def test_each_operator_has_a_key(tmp_path: Path, bruno: tuple[Pen, Path]) -> None:
    """A stranger's key is refused; enrolled by the first operator it signs, under its own name."""
    pen, path = bruno
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    with pretended_agent(fido_answers(pen, flags=TOUCHED)) as agent:
        his = {"PHOENIX_OPERATOR_KEY": str(path), "SSH_AUTH_SOCK": str(agent)}
        refused, _ = approved(seat, **his)
        assert refused.code == 1
        assert "KEY_UNKNOWN" in refused.err
        assert seat.json("operator", "enrol", str(path), "--name", "bruno").code == 0
        answer, _ = approved(seat, **his)
        assert answer.code == 0, answer.err
        assert signed(seat)["key"] == pen.public.fingerprint


@pytest.mark.parametrize("spoil", ["missing", "open", "garbage"])
def test_a_key_that_cannot_sign(tmp_path: Path, spoil: str) -> None:
    """Said with its mend, by the command and by `doctor`; exit 2 and no bead."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    path = next((seat.home / "keys").glob("operator*"))
    key = path.with_suffix("") if path.suffix == ".pub" else path
    if spoil == "missing":
        key.unlink()
    elif spoil == "open":
        os.chmod(key, 0o644)
    else:
        _ = key.write_text("no key\n", "utf-8")
    refused, _ = approved(seat)
    assert refused.code == 2
    assert "operator's key cannot be used" in refused.err
    rows = seat.json("doctor").document["checks"]
    assert [row["level"] for row in rows if row["name"] == "key"] == ["fail"]


@pytest.mark.parametrize("words", [("status",), ("positions",), ("halt",), ("run", "--once"), ("beads", "checkpoint")])
def test_a_log_key_that_is_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Looking and halting need no key; what signs checkpoints says which file is missing, and is no bug of ours."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    for file in (seat.home / "keys").glob("log*"):
        file.unlink()
    ran = seat.run(*words)
    if words[0] in ("run", "beads"):
        assert ran.code == 2, ran
        assert "KEY_MISSING" in ran.err
    else:
        assert ran.code == 0, ran


def has_echo(terminal: int) -> bool:
    """Whether what is typed there can be seen."""
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_terminal_that_was_asked_for_a_passphrase_gets_its_echo_back(tmp_path: Path, number: signal.Signals) -> None:
    """Told to end while ssh-keygen waits for it: nothing is signed, and what is typed is seen again."""
    seat = founded(tmp_path)
    assert seat.json("kill", "raise", "--scope", "instrument:EURUSD").code == 0
    key = str(seat.home / "keys" / "operator")
    _ = subprocess.run(
        ["ssh-keygen", "-p", "-q", "-f", key, "-P", "", "-N", "a secret"], check=True, capture_output=True
    )
    master, slave = pty.openpty()
    line = ["setsid", "--ctty", *seat.words("kill", "clear", "--scope", "instrument:EURUSD", "--reason", "why")]
    with subprocess.Popen(line, env=seat.environment, stdin=slave, stdout=slave, stderr=slave) as process:
        shown = b""
        while b"assphrase" not in shown:
            shown += os.read(master, 4096)
        until(lambda: not has_echo(slave))
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == (1 if number is signal.SIGINT else -number)
    assert has_echo(slave)
    assert seat.json("kill", "list").document["flags"]
    os.close(master)
    os.close(slave)
