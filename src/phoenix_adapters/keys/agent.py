"""An ssh-agent, asked over its socket: which keys it holds, and to sign (draft-miller-ssh-agent)."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from typing import Final

from phoenix_adapters.keys.openssh import Cursor, Malformed, PublicKey, read_key, string
from phoenix_adapters.keys.trouble import KeyTrouble, Trouble

_FAILURE: Final = 5
_REQUEST_IDENTITIES: Final = 11
_IDENTITIES: Final = 12
_SIGN_REQUEST: Final = 13
_SIGN_RESPONSE: Final = 14
_ANSWER_MAX: Final = 262_144  # what OpenSSH's own agent allows itself


def identities(path: Path, timeout_s: float = 5.0) -> tuple[PublicKey, ...]:
    """The keys that the agent holds and Phoenix can use, in the agent's order; others are passed over."""
    answer = _ask(path, bytes([_REQUEST_IDENTITIES]), _IDENTITIES, timeout_s)
    found: list[PublicKey] = []
    try:
        for _ in range(answer.number()):
            blob, _comment = answer.string(), answer.string()
            try:
                found.append(read_key(blob))
            except Malformed:
                continue  # an RSA key, a certificate: somebody else's business
        answer.end()
    except Malformed as error:
        raise _garbled(path) from error
    return tuple(found)


def sign(path: Path, key: PublicKey, message: bytes, timeout_s: float) -> bytes:
    """The signature blob over a message; a FIDO key blinks meanwhile, so that the timeout is a person's."""
    request = bytes([_SIGN_REQUEST]) + string(key.blob) + string(message) + struct.pack(">I", 0)
    answer = _ask(path, request, _SIGN_RESPONSE, timeout_s)
    try:
        blob = answer.string()
        answer.end()
    except Malformed as error:
        raise _garbled(path) from error
    return blob


def _ask(path: Path, request: bytes, expected: int, timeout_s: float) -> Cursor:
    try:
        answer = _exchange(path, request, timeout_s)
    except OSError as error:
        mend = "start ssh-agent, set SSH_AUTH_SOCK; touch the key while it blinks"
        raise KeyTrouble(Trouble.AGENT_UNREACHABLE, f"{path} ({error})", mend) from error
    if answer[:1] == bytes([_FAILURE]):
        raise KeyTrouble(Trouble.AGENT_REFUSED, str(path), "see `ssh-add -l`; a locked agent or a declined touch")
    if answer[:1] != bytes([expected]):
        raise _garbled(path)
    return Cursor(answer[1:])


def _exchange(path: Path, request: bytes, timeout_s: float) -> bytes:
    """One question, one answer, within one deadline however slowly it drips."""
    until = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(timeout_s)
        agent.connect(str(path))
        agent.sendall(string(request))
        length = int.from_bytes(_receive(agent, 4, until), "big")
        if not 0 < length <= _ANSWER_MAX:
            raise OSError(f"an answer of {length} bytes")
        return _receive(agent, length, until)


def _receive(agent: socket.socket, count: int, until: float) -> bytes:
    data = b""
    while len(data) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        agent.settimeout(left)
        part = agent.recv(count - len(data))
        if not part:
            raise OSError("the agent hung up")
        data += part
    return data


def _garbled(path: Path) -> KeyTrouble:
    return KeyTrouble(Trouble.AGENT_ANSWER, str(path), "this is no ssh-agent, or one that Phoenix does not understand")
