"""What comes into a gateway, in order, and a file that keeps it: the broker behind a gateway outlives its process.

The core is a function of its inputs, so the inputs are its whole state. Each is in the file before it happens, and the
file is on the disk before a client hears what came of it. A process that is killed anywhere leaves a file from which
the next one finds money, orders and executions as they were; what dies with it is what a real gateway would lose: its
sessions, what it had not read, what it had not yet written, and orders that waited in it for their last frame.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define, field

from phoenix_adapters.gateway import actions
from phoenix_adapters.gateway.core import Gateway, Setup

_HEAD: Final = "gateway"


class StateError(ValueError):
    """A file that is no state, or the state of a gateway that was set up otherwise."""


@define(eq=False)
class Inputs:
    """The door of a core: what passes it is kept, where there is a file to keep it in."""

    core: Gateway
    file: BinaryIO | None = None
    resumed: bool = False
    _idle: datetime | None = field(default=None)  # the last moment at which nothing was due: a row of them is one line
    _unsynced: bool = field(default=False)

    def connected(self, now: datetime) -> int:
        """A socket was accepted; its number."""
        self._keep("connected", now)
        return self.core.connected(now)

    def disconnected(self, now: datetime, number: int) -> None:
        """A socket is gone."""
        self._keep("disconnected", now, number)
        self.core.disconnected(now, number)

    def received(self, now: datetime, number: int, fields: tuple[str, ...]) -> None:
        """A client said something."""
        self._keep("received", now, number, fields)
        self.core.received(now, number, fields)

    def act(self, now: datetime, name: str, given: Mapping[str, str]) -> None:
        """One of `actions.ACTS`."""
        self._keep("act", now, name, dict(given))
        self.core.advance(now)
        actions.perform(self.core, name, given)

    def advance(self, now: datetime) -> None:
        """Time passes."""
        due = self.core.due()
        if due is None or due > now:
            self._idle = now
        else:
            self._keep("advance", now)
        self.core.advance(now)

    def died(self, now: datetime) -> None:
        """The process is gone, and another one goes on."""
        self._keep("died", now)
        self.core.died(now)

    def sync(self) -> None:
        """Nothing is told before what it came of is on the disk."""
        if self.file is not None and self._unsynced:
            os.fsync(self.file.fileno())
            self._unsynced = False

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()

    def _keep(self, kind: str, now: datetime, *said: object) -> None:
        if self.file is None:
            return
        lines = [(kind, now.isoformat(), *said)]
        if self._idle is not None:
            lines.insert(0, ("advance", self._idle.isoformat()))
            self._idle = None
        _ = self.file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        self.file.flush()
        self._unsynced = True


def kept(path: Path, setup: Setup, now: datetime) -> Inputs:
    """The gateway of a state file, as it was when its process died; a new one where there is no such file yet."""
    whole = path.read_bytes() if path.exists() else b""
    whole = whole[: whole.rfind(b"\n") + 1]  # the line in which the process died never happened
    lines = [json.loads(line) for line in whole.splitlines()]
    if not lines:
        inputs = Inputs(Gateway(setup, now), path.open("wb", buffering=0))
        inputs._keep(_HEAD, now, repr(setup))
        return inputs
    if lines[0][:1] != [_HEAD] or lines[0][2:] != [repr(setup)]:
        raise StateError(f"{path} is no state of a gateway with these accounts, faults and seed")
    inputs = Inputs(Gateway(setup, datetime.fromisoformat(lines[0][1])))
    for line in lines[1:]:
        _again(inputs, *line)
    os.truncate(path, len(whole))
    inputs.file, inputs.resumed = path.open("ab", buffering=0), True
    inputs.died(inputs.core.schedule.now)
    return inputs


def _again(inputs: Inputs, kind: str, at: str, *said: object) -> None:
    """One input once more; what came of it was told, or was lost with whoever should have told it."""
    now = datetime.fromisoformat(at)
    match kind, said:
        case "received", (int() as number, list() as fields):
            inputs.received(now, number, tuple(fields))
        case "disconnected", (int() as number,):
            inputs.disconnected(now, number)
        case "act", (str() as name, dict() as given):
            inputs.act(now, name, given)
        case "advance", ():
            inputs.advance(now)
        case "connected", ():
            _ = inputs.connected(now)
        case "died", ():
            inputs.died(now)
        case _:
            raise StateError(f"{kind} {said} is no input of a gateway")
    _ = inputs.core.take()
