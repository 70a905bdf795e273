"""One contract for every way to sign, and OpenSSH's own tools as the judge of what Phoenix makes and reads."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from returns.pipeline import is_successful

from phoenix_adapters.keys import (
    InProcess,
    KeyTrouble,
    PublicKey,
    Signs,
    SshVerifier,
    ThroughAgent,
    ThroughKeygen,
    Trouble,
    agent,
    create,
    identities,
    load,
    load_public,
    parse_public_line,
    public_path,
)
from phoenix_adapters.keys.openssh import private_file, string
from phoenix_adapters.keys.sshsig import NAMESPACE
from phoenix_core.refusals import Reason
from tests.contract.agents import fido_answers, pretended_agent, running_agent
from tests.keyring import TOUCHED, TOUCHED_AND_KNOWN, Pen, hardware_pen, software_pen

STATEMENT: Final = b'{"v":1,"type":"decision","verdict":"approve"}'
pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None or shutil.which("ssh-agent") is None, reason="OpenSSH's tools are not installed"
)


def keygen(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen."""
    return subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False, timeout=30)


def openssh_believes(folder: Path, public: PublicKey, signature: str, statement: bytes = STATEMENT) -> bool:
    """Whether stock `ssh-keygen -Y verify` accepts a signature."""
    (folder / "allowed").write_text(f'anna namespaces="{NAMESPACE}" {public.line}\n')
    (folder / "signature").write_text(signature)
    allowed, found = str(folder / "allowed"), str(folder / "signature")
    done = keygen("-Y", "verify", "-f", allowed, "-I", "anna", "-n", NAMESPACE, "-s", found, stdin=statement)
    return done.returncode == 0


@pytest.fixture(params=["in process", "through ssh-keygen", "through an agent", "ssh-keygen with an agent"])
def signs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signs]:
    """Each way to sign, with a key that Phoenix made."""
    path = tmp_path / "anna"
    key = create(path, "anna")
    if request.param == "in process":
        yield InProcess(load(path))
    elif request.param == "through ssh-keygen":
        yield ThroughKeygen(key.public, path)
    else:
        with running_agent(path) as agent_socket:
            path.unlink()
            monkeypatch.setenv("SSH_AUTH_SOCK", str(agent_socket))
            through_agent = request.param == "through an agent"
            yield (
                ThroughAgent(key.public, agent_socket)
                if through_agent
                else ThroughKeygen(key.public, public_path(path))
            )


class TestEveryWayToSign:
    """However a statement was signed, Phoenix and OpenSSH both believe it, and only it."""

    def test_both_believe_it(self, signs: Signs, tmp_path: Path) -> None:
        """A signature over a statement, checked by the port and by `ssh-keygen -Y verify`."""
        signature = signs.sign(STATEMENT)
        checked = SshVerifier().check(STATEMENT, signature).unwrap()
        assert (checked.key, checked.assurance) == (signs.public.fingerprint, "software")
        assert openssh_believes(tmp_path, signs.public, signature)

    def test_neither_believes_it_of_another_statement(self, signs: Signs, tmp_path: Path) -> None:
        """One byte more, and it is no signature."""
        signature = signs.sign(STATEMENT)
        assert SshVerifier().check(STATEMENT + b" ", signature).failure().headline is Reason.SIGNATURE_WRONG
        assert not openssh_believes(tmp_path, signs.public, signature, STATEMENT + b" ")

    def test_another_namespace_is_another_purpose(self, signs: Signs, tmp_path: Path) -> None:
        """A signature made for git, mail or another Phoenix command does not approve an order."""
        signature = signs.sign(STATEMENT, "git")
        assert SshVerifier("git").check(STATEMENT, signature).unwrap().key == signs.public.fingerprint
        assert SshVerifier().check(STATEMENT, signature).failure().headline is Reason.SIGNATURE_NAMESPACE
        assert not openssh_believes(tmp_path, signs.public, signature)


class TestSecurityKeys:
    """FIDO keys, in software: what OpenSSH and Phoenix agree on, and the one thing they do not."""

    @pytest.mark.parametrize("flags", [TOUCHED, TOUCHED_AND_KNOWN])
    def test_both_believe_a_touched_key(self, tmp_path: Path, flags: int) -> None:
        """Presence, with and without verification."""
        pen = hardware_pen("bruno")
        signature = pen.sign(STATEMENT, flags=flags)
        checked = SshVerifier().check(STATEMENT, signature).unwrap()
        assert (checked.presence, checked.verification) == (True, flags == TOUCHED_AND_KNOWN)
        assert openssh_believes(tmp_path, pen.public, signature)

    def test_only_phoenix_asks_for_the_touch(self, tmp_path: Path) -> None:
        """Stock ssh-keygen accepts a signature that nobody touched the key for: that is why Phoenix reads its own."""
        pen = hardware_pen("bruno")
        signature = pen.sign(STATEMENT, flags=0)
        assert openssh_believes(tmp_path, pen.public, signature)
        assert SshVerifier().check(STATEMENT, signature).failure().headline is Reason.PRESENCE_MISSING

    def test_an_agent_that_holds_one(self, tmp_path: Path) -> None:
        """A FIDO key behind an agent signs like any other; the request carries the key and the bytes to sign."""
        pen = hardware_pen("bruno")

        with pretended_agent(fido_answers(pen)) as path:
            signature = ThroughAgent(pen.public, path, timeout_s=10).sign(STATEMENT)
        assert SshVerifier().check(STATEMENT, signature).unwrap().assurance == "hardware"
        assert openssh_believes(tmp_path, pen.public, signature)

    def test_fingerprints_are_those_of_ssh_keygen(self, tmp_path: Path) -> None:
        """The name that beads give to a key is what `ssh-keygen -l` prints."""
        for pen in (software_pen("anna"), hardware_pen("bruno")):
            (tmp_path / "key.pub").write_text(pen.public.line + "\n")
            assert pen.key == keygen("-l", "-f", str(tmp_path / "key.pub")).stdout.decode().split()[1]


class TestFiles:
    """Key files go both ways between OpenSSH and Phoenix."""

    def test_openssh_reads_ours(self, tmp_path: Path) -> None:
        """The public half that ssh-keygen derives from our private file is ours."""
        key = create(tmp_path / "anna", "anna on desk 1")
        derived = keygen("-y", "-f", str(tmp_path / "anna")).stdout.decode()
        assert parse_public_line(derived) == key.public
        assert derived == public_path(tmp_path / "anna").read_text()

    def test_we_read_theirs(self, tmp_path: Path) -> None:
        """A key by ssh-keygen loads; written again with its own check bytes it is the same file."""
        path = tmp_path / "anna"
        assert keygen("-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", str(path)).returncode == 0
        key = load(path)
        assert (key.public, key.comment) == (load_public(public_path(path)), "a key")
        text = path.read_text()
        rewritten = [private_file(key, check) for check in _checks(text)]
        assert text in rewritten

    def test_an_encrypted_key_is_sent_to_the_agent(self, tmp_path: Path) -> None:
        """Phoenix asks for no passphrase: agents do that better."""
        path = tmp_path / "anna"
        assert keygen("-q", "-t", "ed25519", "-N", "a long passphrase", "-f", str(path)).returncode == 0
        with pytest.raises(KeyTrouble) as error:
            load(path)
        assert error.value.trouble is Trouble.KEY_NOT_READ
        assert "agent" in error.value.mend
        assert load_public(path) == load_public(public_path(path))

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_other_kinds_are_refused(self, tmp_path: Path, kind: str) -> None:
        """RSA and ECDSA keys are no keys here, private or public."""
        path = tmp_path / "anna"
        assert keygen("-q", "-t", kind, "-N", "", "-f", str(path)).returncode == 0
        for read in (load, load_public):
            with pytest.raises(KeyTrouble) as error:
                read(path)
            assert error.value.trouble is Trouble.KEY_NOT_READ


def _checks(text: str) -> Iterator[bytes]:
    """Every run of four bytes that stands twice in a row in a private file: one of them is its check."""
    data = base64.b64decode("".join(text.splitlines()[1:-1]))
    for at in range(len(data) - 8):
        if data[at : at + 4] == data[at + 4 : at + 8]:
            yield data[at : at + 4]


class TestAgents:
    """An agent is a stranger: what it says is read strictly, and what it signs is verified."""

    def test_what_it_holds(self, tmp_path: Path) -> None:
        """Usable keys in its order; an RSA key is passed over."""
        keys = [create(tmp_path / name) for name in ("anna", "bruno")]
        assert keygen("-q", "-t", "rsa", "-N", "", "-f", str(tmp_path / "rsa")).returncode == 0
        with running_agent(tmp_path / "rsa", tmp_path / "anna", tmp_path / "bruno") as path:
            assert identities(path) == tuple(key.public for key in keys)

    def test_a_key_that_it_does_not_hold(self, tmp_path: Path) -> None:
        """The agent refuses, and Phoenix says so."""
        create(tmp_path / "anna")
        with running_agent(tmp_path / "anna") as path, pytest.raises(KeyTrouble) as error:
            ThroughAgent(software_pen("eve").public, path).sign(STATEMENT)
        assert error.value.trouble is Trouble.AGENT_REFUSED

    def test_no_agent_at_all(self, tmp_path: Path) -> None:
        """Nothing listens there."""
        with pytest.raises(KeyTrouble) as error:
            identities(tmp_path / "nobody")
        assert error.value.trouble is Trouble.AGENT_UNREACHABLE

    @pytest.mark.parametrize(
        ("answer", "trouble"),
        [
            (b"", Trouble.AGENT_UNREACHABLE),
            (b"\0\0\0\0", Trouble.AGENT_UNREACHABLE),
            (b"\xff\xff\xff\xff\x0e", Trouble.AGENT_UNREACHABLE),
            (b"\0\0\0\x09\x0e", Trouble.AGENT_UNREACHABLE),
            (string(b"\x05"), Trouble.AGENT_REFUSED),
            (string(b"\x06"), Trouble.AGENT_ANSWER),
            (string(b"\x06" + string(b"no signature")), Trouble.AGENT_ANSWER),
            (string(b"\x0e"), Trouble.AGENT_ANSWER),
            (string(b"\x0e" + string(b"x") + b"more"), Trouble.AGENT_ANSWER),
            (string(b"\x0e" + string(b"no signature")), Trouble.SIGNATURE_NOT_TRUE),
            (string(b"\x0e" + string(software_pen("eve").inner(b"else"))), Trouble.SIGNATURE_NOT_TRUE),
        ],
    )
    def test_an_agent_that_lies(self, answer: bytes, trouble: Trouble) -> None:
        """Silence, bombs, cut answers, other answers, other signatures: each refused by its name."""
        with pretended_agent(lambda _: answer) as path, pytest.raises(KeyTrouble) as error:
            ThroughAgent(software_pen("anna").public, path, timeout_s=5).sign(STATEMENT)
        assert error.value.trouble is trouble

    def test_an_answer_that_is_a_bomb_is_not_waited_for(self) -> None:
        """Four gigabytes are announced: refused by their number, before a byte of them is read."""
        with pretended_agent(lambda _: b"\xff\xff\xff\xff\x0e") as path, pytest.raises(KeyTrouble) as error:
            ThroughAgent(software_pen("anna").public, path, timeout_s=5).sign(STATEMENT)
        assert "an answer of 4294967295 bytes" in str(error.value)

    def test_an_answer_that_drips_has_one_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each piece of it comes in time, all of them together do not."""
        seconds = iter([0.0, 1.0, 100.0])
        monkeypatch.setattr(agent, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        with pretended_agent(lambda _: string(b"\x0e" + string(b"x"))) as path, pytest.raises(KeyTrouble) as error:
            ThroughAgent(software_pen("anna").public, path, timeout_s=5).sign(STATEMENT)
        assert "no answer in time" in str(error.value)

    @pytest.mark.parametrize("answer", [b"\x0c\0\0\0\x02" + string(b"x"), b"\x0c\0\0\0\0more"])
    def test_an_agent_that_lists_nonsense(self, answer: bytes) -> None:
        """A list of keys that ends in the middle, and one that goes on after its end."""
        with pretended_agent(lambda _: string(answer)) as path, pytest.raises(KeyTrouble) as error:
            identities(path)
        assert error.value.trouble is Trouble.AGENT_ANSWER

    def test_an_agent_that_never_answers(self) -> None:
        """The wait has an end: a person who does not touch the key is told so."""
        released = threading.Event()

        def silence(request: bytes) -> bytes:
            assert released.wait(10)
            return b""

        with pretended_agent(silence) as path:
            with pytest.raises(KeyTrouble) as error:
                ThroughAgent(software_pen("anna").public, path, timeout_s=0.05).sign(STATEMENT)
            released.set()
        assert error.value.trouble is Trouble.AGENT_UNREACHABLE


class TestKeygen:
    """ssh-keygen may be missing, fail, or sign with another key than was meant."""

    def test_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No OpenSSH client on this host."""
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(KeyTrouble) as error:
            ThroughKeygen(software_pen("anna").public, tmp_path / "anna").sign(STATEMENT)
        assert error.value.trouble is Trouble.KEYGEN_MISSING

    def test_failing(self, tmp_path: Path) -> None:
        """No key there: its own words are passed on."""
        with pytest.raises(KeyTrouble) as error:
            ThroughKeygen(software_pen("anna").public, tmp_path / "anna").sign(STATEMENT)
        assert error.value.trouble is Trouble.KEYGEN_FAILED
        assert "No such file" in error.value.where

    def test_never_ending(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program that waits for a touch that does not come is ended."""
        program = tmp_path / "ssh-keygen"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(KeyTrouble) as error:
            ThroughKeygen(software_pen("anna").public, tmp_path / "anna", timeout_s=0.2).sign(STATEMENT)
        assert error.value.trouble is Trouble.KEYGEN_FAILED

    def test_another_key(self, tmp_path: Path) -> None:
        """A path that holds another key than the one that is enrolled: the signature is not handed on."""
        create(tmp_path / "eve")
        with pytest.raises(KeyTrouble) as error:
            ThroughKeygen(software_pen("anna").public, tmp_path / "eve").sign(STATEMENT)
        assert error.value.trouble is Trouble.SIGNATURE_NOT_TRUE


@pytest.mark.parametrize("pen", [software_pen("anna"), hardware_pen("bruno")], ids=["software", "hardware"])
def test_both_refuse_every_flipped_byte(pen: Pen, tmp_path: Path) -> None:
    """Where OpenSSH refuses a changed signature, so do we: ours is never the laxer reader (a sample of bytes)."""
    honest = pen.sign(STATEMENT)
    assert openssh_believes(tmp_path, pen.public, honest)
    for at in range(40, len(honest) - 30, 23):
        changed = honest[:at] + ("B" if honest[at] == "A" else "A") + honest[at + 1 :]
        ours = is_successful(SshVerifier().check(STATEMENT, changed))
        assert not ours or openssh_believes(tmp_path, pen.public, changed)
        assert not ours
