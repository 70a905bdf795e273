"""Desks and logs to measure on: one real trade of the production engine, and that trade again and again.

A long log is one trade's beads with every id, reference and instant made anew, sealed into one chain. So it has the mix
of a real day and every bead of it folds under the desk's own assertions, and it is made a hundred times faster than by
trading. It is not a day: there are no outages in it, no drifts, no refusals.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from returns.pipeline import is_successful

from phoenix_adapters.notify.console import ConsoleNotifier
from phoenix_cli.wiring.bunny.stage import Stage, stage
from phoenix_core.canonical import decode, encode
from phoenix_core.chain import Head, Sealed, seal
from phoenix_core.values import utc_text

UUIDS: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
REFS: Final = re.compile(r"\bP1[A-Z2-7]{26}\b")
EXECUTIONS: Final = re.compile(r"\bmock\.(\d{6})\b")
INSTANTS: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SIGNALS: Final = re.compile(r'"s-\d+"')
SETTLED: Final = re.compile(r'("outcome":"\w+","seq":)(\d+)')
APART: Final = timedelta(minutes=6)


async def trade(desk: Stage, close: bool = True) -> str:
    """Signal to autopsy, or only to the filled and protected position."""
    desk.price("1.08495", "1.08505")
    intent = await desk.enter()
    if close:
        desk.price("1.09105", "1.09115")
        await desk.tick(1)
        await desk.tick(5)
    return intent


@cache
def one_day() -> tuple[tuple[Sealed, ...], tuple[Sealed, ...]]:
    """What begins a log, and the beads of one whole trade after it."""

    async def walk() -> tuple[tuple[Sealed, ...], tuple[Sealed, ...]]:
        desk = stage(notifiers=(ConsoleNotifier(lambda text: None),))
        await desk.start()
        _ = await trade(desk)  # what the first trade of a day settles of the start belongs to the beginning
        await desk.tick(60)
        begins = desk.store.head().size
        _ = await trade(desk)
        await desk.tick(60)  # its alerts are told
        beads = tuple(desk.store.read(0))
        return beads[:begins], beads[begins:]

    return asyncio.run(walk())


def day_of(count: int) -> Iterator[Sealed]:
    """At least so many beads: the beginning, and the trade as often as needed, in one chain."""
    begun, traded = one_day()
    yield from begun
    head, copy = begun[-1].head, 0
    while head.size < count:
        for bead in traded:
            again = resealed(head, bead, copy, len(traded))
            yield again
            head = again.head
        copy += 1


def resealed(head: Head, bead: Sealed, copy: int, length: int) -> Sealed:
    """The bead of another trade that went the same way: new ids, later instants, its own place."""
    text = encode(bead.body).decode()
    decoded = decode((renamed(text, copy, length) if copy else text).encode())
    assert is_successful(decoded), "renaming keeps the bytes canonical"
    body = decoded.unwrap()
    assert isinstance(body, dict), "a body is an object"
    return seal(head, later(bead.ts, copy), [(bead.kind, body)])[0]


def renamed(text: str, copy: int, length: int) -> str:
    """The text with everything that names this trade naming another one."""
    text = UUIDS.sub(lambda found: str(uuid5(UUID(found[0]), str(copy))), text)
    text = REFS.sub(lambda found: reference(found[0], copy), text)
    text = EXECUTIONS.sub(lambda found: f"mock.{copy:06d}{found[1]}", text)
    text = INSTANTS.sub(lambda found: later(found[0], copy), text)
    text = SIGNALS.sub(f'"s-{copy + 100}"', text)
    return SETTLED.sub(lambda found: found[1] + str(int(found[2]) + copy * length), text)


def reference(ref: str, copy: int) -> str:
    """Another order reference of the same form."""
    digest = sha256(f"{ref}|{copy}".encode()).digest()
    return "P1" + base64.b32encode(digest).decode()[:26]


def later(instant: str, copy: int) -> str:
    """The instant of the same moment in a later trade."""
    return utc_text(datetime.fromisoformat(instant) + copy * APART)
