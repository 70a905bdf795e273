"""The desk counts in its own arithmetic: a host that rounds to three digits gets the very same numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, localcontext

import attrs
import pytest

from phoenix_adapters.engine import loop, recorder
from phoenix_core.beads import Evidence, Kind, Position
from phoenix_core.values import plain
from tests.showing import shows
from tests.stage import stage


def numbers(value: object) -> Iterator[str]:
    """Every decimal in a bead's body, in order, however deep."""
    if isinstance(value, Decimal):
        yield plain(value)
    elif attrs.has(cls := type(value)):
        for each in attrs.fields(cls):
            yield from numbers(getattr(value, each.name))
    elif isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        for item in value:
            yield from numbers(item)


async def story() -> list[tuple[str, list[str]]]:
    """A trade that loses, one that is held, one that is proposed beside it: what every bead says in numbers."""
    desk = stage()
    await desk.start()
    _ = await desk.enter(quantity="123457")
    desk.price("1.0819", "1.0820")
    await desk.watch(60)
    _ = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760", quantity="123459")
    _ = await desk.propose(pair="AAPL", entry="190.22", stop="188.11", target="195.37", quantity="33")
    await desk.watch(400)
    shown = [body for body in desk.bodies(Evidence) if body.gross_before]
    assert shown and shown[-1].daily_loss and any(body.realized for body in desk.bodies(Position))
    said = [(bead.body.kind.value, list(numbers(bead.body))) for bead in desk.beads()]
    return [one for one in said if one[0] not in (Kind.HEARTBEAT.value, Kind.OBSERVATION.value)]  # as time will have it


FUNCTIONS = ((recorder, "decide"), (recorder, "evolve"), (loop, "due"), (loop, "clear"))


@shows("I8")
@pytest.mark.parametrize("digits", [1, 3, 200])
def test_the_host_does_not_round_for_the_desk(monkeypatch: pytest.MonkeyPatch, digits: int) -> None:
    """Whatever precision the thread of a bot carries where the core is asked: the same beads, the same money."""
    usual = asyncio.run(story())

    def asked_by_a_bot(function: Callable[..., object]) -> Callable[..., object]:
        def ask(*about: object) -> object:
            with localcontext(prec=digits):
                return function(*about)

        return ask

    for module, name in FUNCTIONS:
        monkeypatch.setattr(module, name, asked_by_a_bot(getattr(module, name)))
    assert asyncio.run(story()) == usual
