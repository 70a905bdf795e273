"""ssh-agents for tests: OpenSSH's own, and one of ours for security keys that are made in software."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from phoenix_adapters.keys.openssh import Cursor, string
from tests.keyring import TOUCHED_AND_KNOWN, Pen


@contextmanager
def running_agent(*keys: Path) -> Iterator[Path]:
    """A real ssh-agent on its own socket, holding these keys."""
    with TemporaryDirectory(dir="/tmp") as folder:  # a socket's path may have 108 characters, pytest's are longer
        path = Path(folder) / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE)
        assert agent.stdout is not None
        try:
            agent.stdout.readline()  # it speaks once its socket listens
            for key in keys:
                environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
                subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, timeout=30)
            yield path
        finally:
            agent.stdout.close()
            agent.terminate()
            agent.wait(timeout=10)


@contextmanager
def pretended_agent(answer: Callable[[bytes], bytes]) -> Iterator[Path]:
    """An agent of ours on a real socket: for FIDO keys made in software, and for agents that lie. Every question of
    every program is answered until it is closed."""
    with TemporaryDirectory(dir="/tmp") as folder, closing(socket.socket(socket.AF_UNIX)) as listening:
        path = Path(folder) / "agent"
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                client = listening.accept()[0]
                with client, client.makefile("rb") as heard:
                    request = heard.read(int.from_bytes(heard.read(4), "big"))
                    if not request:
                        return
                    said = answer(request)
                    with suppress(BrokenPipeError):  # who asked may have given up
                        client.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            with socket.socket(socket.AF_UNIX) as last:  # who asks nothing ends it
                last.connect(str(path))
            thread.join(timeout=10)


def fido_answers(*pens: Pen, flags: int = TOUCHED_AND_KNOWN) -> Callable[[bytes], bytes]:
    """An agent that holds these security keys, each of them touched as `flags` say."""

    def answer(request: bytes) -> bytes:
        asked = Cursor(request)
        what = asked.take(1)
        if what == b"\x0b":
            held = b"".join(string(pen.public.blob) + string(b"a security key") for pen in pens)
            return string(b"\x0c" + len(pens).to_bytes(4, "big") + held)
        assert what == b"\x0d"
        blob, message = asked.string(), asked.string()
        assert asked.number() == 0
        pen = next(pen for pen in pens if pen.public.blob == blob)
        return string(b"\x0e" + string(pen.inner(message, flags)))

    return answer
