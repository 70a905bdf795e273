"""Three ways to sign a statement, for keys that live in a file, behind ssh-keygen (a FIDO key), or in an agent.

Whatever signed, the result is verified before it is handed on: a signature that does not hold never reaches the log.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_adapters.keys import agent, sshsig
from phoenix_adapters.keys.files import is_encrypted, load, load_public
from phoenix_adapters.keys.openssh import Fault, KeyType, PrivateKey, PublicKey
from phoenix_adapters.keys.sshsig import NAMESPACE, parse_signature, verify
from phoenix_adapters.keys.trouble import KeyTrouble, Trouble

# A person finds the key, reads the screen again, touches it, types a PIN.
TOUCH_S = 60.0
# What a program that asks takes to put a terminal in order.
ENDS_WITHIN_S = 1.0


class Signs(Protocol):
    """Whoever can sign a statement for one public key."""

    @property
    def public(self) -> PublicKey:
        """The key that signs."""
        ...

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """An armored SSHSIG over the statement; raises `KeyTrouble`."""
        ...


@frozen
class InProcess:
    """Signs with a private key that was loaded from its file."""

    private: PrivateKey = field(repr=False)

    def __attrs_post_init__(self) -> None:
        """A FIDO key's file holds a handle that only its device understands."""
        if self.private.public.type is not KeyType.SOFTWARE:
            where = self.private.public.fingerprint
            raise KeyTrouble(Trouble.KEY_NEEDS_ITS_DEVICE, where, "sign through ssh-keygen or an agent")

    @property
    def public(self) -> PublicKey:
        """The key that signs."""
        return self.private.public

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """Sign at once, in memory."""
        ed25519 = Ed25519PrivateKey.from_private_bytes(self.private.seed).sign
        return _confirmed(sshsig.sign(statement, self.public, ed25519, namespace), self.public, statement, namespace)


@frozen
class ThroughKeygen:
    """Signs through `ssh-keygen -Y sign`, which speaks to security keys and asks for PIN and touch on the terminal."""

    public: PublicKey
    path: Path  # the private key file; or the `.pub` of a key that an agent holds
    timeout_s: float = TOUCH_S

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """Run ssh-keygen with the statement on its standard input."""
        program = shutil.which("ssh-keygen")
        if program is None:
            raise KeyTrouble(Trouble.KEYGEN_MISSING, "ssh-keygen", "install the OpenSSH client")
        command = [program, "-Y", "sign", "-q", "-f", str(self.path), "-n", namespace]
        try:
            done = _asked(command, statement, self.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise KeyTrouble(Trouble.KEYGEN_FAILED, str(self.path), "touch the key while it blinks") from error
        if done.returncode != 0:
            said = done.stderr.decode("ascii", "replace").strip()[-200:]
            raise KeyTrouble(Trouble.KEYGEN_FAILED, f"{self.path} ({said})", "sign a test file with ssh-keygen by hand")
        return _confirmed(done.stdout.decode("ascii", "replace"), self.public, statement, namespace)


def _asked(command: list[str], statement: bytes, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program that may ask on the terminal: whatever ends the wait, it is asked to end before it is killed, or
    the terminal would be left without its echo."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            out, said = process.communicate(statement, timeout_s)
        except BaseException:  # whatever it was, a signal too
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                _ = process.wait(ENDS_WITHIN_S)
            process.kill()
            raise
        return subprocess.CompletedProcess(command, process.returncode, out, said)


@frozen
class ThroughAgent:
    """Signs through an ssh-agent, whatever kind of key it holds."""

    public: PublicKey
    socket: Path
    timeout_s: float = TOUCH_S

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """Ask the agent for the inner signature and put the SSHSIG around it."""
        inner = agent.sign(self.socket, self.public, sshsig.to_be_signed(statement, namespace), self.timeout_s)
        return _confirmed(sshsig.enclosed(self.public, inner, namespace), self.public, statement, namespace)


def signs_for(path: Path, agent_socket: str = "") -> Signs:
    """Whoever signs for a key file or its `.pub`: an agent that holds the key, this process, or else ssh-keygen.

    ssh-keygen is what can ask for a passphrase, a PIN and a touch; an agent comes first because its owner chose it.
    """
    public = load_public(path)
    if agent_socket:
        with suppress(KeyTrouble):  # an agent that is gone holds nothing
            if public in agent.identities(Path(agent_socket)):
                return ThroughAgent(public, Path(agent_socket))
    file = path.with_suffix("") if path.suffix == ".pub" else path
    if not file.exists():
        mend = f"add the key to an ssh-agent and set SSH_AUTH_SOCK, or put its private file at {file}"
        raise KeyTrouble(Trouble.KEY_MISSING, str(file), mend)
    if public.type is not KeyType.SOFTWARE or is_encrypted(file):
        return ThroughKeygen(public, file)
    return InProcess(load(file))


def _confirmed(text: str, public: PublicKey, statement: bytes, namespace: str) -> str:
    """The signature, once it was read and verified like a stranger's."""
    signature = parse_signature(text)
    found = signature if isinstance(signature, Fault) else verify(statement, signature, namespace)
    if found is None and not isinstance(signature, Fault) and signature.key != public:
        found = Fault.SIGNATURE_WRONG
    if found is not None:
        raise KeyTrouble(Trouble.SIGNATURE_NOT_TRUE, f"{public.fingerprint} ({found})", "see which key really signed")
    return text
