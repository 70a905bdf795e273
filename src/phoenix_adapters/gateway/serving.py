"""The gateway as a program: one call that serves until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from attrs import frozen

from phoenix_adapters.gateway.core import ACCOUNT, Setup
from phoenix_adapters.gateway.inputs import StateError
from phoenix_adapters.gateway.recorder import Recorder
from phoenix_adapters.gateway.script import read
from phoenix_adapters.gateway.server import PORT, Clock, GatewayServer, WallClock


class CannotListen(Exception):
    """The port is taken, or the address is none of this host's."""


@frozen
class Onward:
    """A clock that goes on from where a state left off, although it would begin before that: with a clock that starts
    at the same instant in every process, a resumed gateway would stand still until it had caught up with itself."""

    clock: Clock
    by: timedelta

    def now(self) -> datetime:
        """The present moment."""
        return self.clock.now() + self.by


def onward(clock: Clock, since: datetime) -> Clock:
    """This clock, or one that is no earlier than `since`."""
    behind = since - clock.now()
    return Onward(clock, behind) if behind > timedelta(0) else clock


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    accounts: Sequence[str] = (),
    script: Path | None = None,
    faults: Sequence[str] = (),
    record: Path | None = None,
    state: Path | None = None,
    clock: Clock | None = None,
    seed: int = 0,
    ready: Callable[[GatewayServer], None] = lambda server: None,
) -> None:
    """Serve until cancelled. Unknown faults, bad scripts and files that cannot be written raise before the port opens,
    and so does a port that cannot be opened (`CannotListen`); `ready` is called after.

    With a state file orders and money outlive this process; a script cannot be resumed with them.
    """
    if state is not None and script is not None:
        raise StateError("a script and a state exclude each other: nobody could say which step comes next")
    setup = Setup(accounts=tuple(accounts) or (ACCOUNT,), seed=seed, faults=tuple(faults))
    steps = read(script.read_text("utf-8").splitlines()) if script is not None else ()
    with ExitStack() as open_files:
        recorder = None
        if record is not None:
            recorder = Recorder(open_files.enter_context(record.open("a", encoding="utf-8")))
        server = GatewayServer(host, port, setup, clock or WallClock(), recorder, state)
        server.clock = onward(server.clock, server.core.schedule.now)
        try:
            await server.start()
        except OSError as error:
            raise CannotListen(error.strerror or str(error)) from error
        server.run(steps)
        ready(server)
        try:
            _ = await asyncio.Event().wait()
        finally:
            await server.stop()
            server.inputs.close()
