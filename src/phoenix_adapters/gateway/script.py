"""Scripts: a file of JSON lines, each one act and when it happens.

    {"at": 5, "do": "fault", "name": "1100_1102=3"}
    {"after": "placeOrder", "nth": 2, "wait": 0.5, "do": "drop"}
    {"after": "execDetails", "do": "manual_close", "symbol": "EURUSD"}

`at` counts seconds from the start; `after` waits for the nth message of that name, whether a client sent it or the
gateway, and then `wait` seconds. The rest of the line are the words of the act. Empty lines and lines that
begin with `#` are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import define, field, frozen

from phoenix_adapters.gateway import actions
from phoenix_adapters.gateway.core import Gateway
from phoenix_adapters.gateway.sessions import Session
from phoenix_adapters.wire import CLIENT, SERVER

_WHEN: Final = ("at", "after", "nth", "wait", "do")


class ScriptError(ValueError):
    """A line that says nothing that can be done."""


@frozen
class Step:
    """One act, and the moment or the message that brings it."""

    do: str
    given: actions.Given
    at: timedelta | None = None
    after: str = ""
    nth: int = 1
    wait: timedelta = timedelta(0)


def read(lines: Iterable[str]) -> tuple[Step, ...]:
    """The steps of a script, each checked before anything happens."""
    steps = []
    for line_number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                steps.append(_step(line))
            except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
                raise ScriptError(f"line {line_number}: {error}") from error
    return tuple(steps)


def _step(line: str) -> Step:
    said = json.loads(line, parse_float=str, parse_int=str)
    if not isinstance(said, dict):
        raise ScriptError("a step is a JSON object")
    words = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in said.items()}
    if ("at" in words) == ("after" in words):
        raise ScriptError("a step has one of `at` and `after`")
    after = words.get("after", "")
    if after and after not in CLIENT and after not in SERVER:
        raise ScriptError(f"no message is named {after!r}")
    step = Step(
        words["do"],
        {key: value for key, value in words.items() if key not in _WHEN},
        timedelta(seconds=float(words["at"])) if "at" in words else None,
        after,
        int(words.get("nth", "1")),
        timedelta(seconds=float(words.get("wait", "0"))),
    )
    _ = actions.check(step.do, step.given)
    return step


@define
class Director:
    """Runs scripts on one gateway: it hears every message and does what was to follow it."""

    gateway: Gateway
    _counts: dict[str, int] = field(factory=dict)
    _waiting: dict[str, list[Step]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.gateway.heard = self.happened
        self.gateway.board.sent = self.happened

    def run(self, steps: Iterable[Step]) -> None:
        """Take steps on; their seconds and counts begin now."""
        for step in steps:
            if step.at is not None:
                self._later(step, step.at)
            else:
                self._waiting.setdefault(step.after, []).append(step)

    def happened(self, session: Session, name: str) -> None:
        """A message went by."""
        steps = self._waiting.get(name)
        if steps is None:
            return
        self._counts[name] = count = self._counts.get(name, 0) + 1
        for step in steps:
            if step.nth == count:
                self._later(step, step.wait)

    def _later(self, step: Step, wait: timedelta) -> None:
        schedule = self.gateway.schedule
        schedule.at(schedule.now + wait, partial(actions.perform, self.gateway, step.do, step.given))
