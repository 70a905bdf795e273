"""A picture ends an unfilled entry only where nothing traded at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_core.acts.reconcile import _is_proven
from phoenix_core.trade.order_life import End, Over
from phoenix_core.values import Quantity
from tests.showing import shows

ENDED = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filled", "exited", "proven"),
    [(0, 0, True), (1, 0, False), (0, 1, False)],
    ids=["nothing traded", "the entry filled", "an exit was told before its entry"],
)
def test_an_end_is_proven_only_where_nothing_traded(filled: int, exited: int, proven: bool) -> None:
    """An exit that was told first keeps the position: its entry must have filled, whatever the order's end says."""
    position: Any = SimpleNamespace(filled_quantity=Decimal(filled), exited_quantity=Decimal(exited), order_ref="ref")
    position.submitted_at = ENDED
    at = SimpleNamespace(wall=ENDED)
    picture: Any = SimpleNamespace(complete=True, began=at, ended=at, executions=())
    assert _is_proven(position, Over(End.CANCELLED, ENDED, Quantity(Decimal(0))), picture) is proven


@pytest.mark.parametrize(("began_s", "ended_s", "proven"), [(0, 1, True), (-1, 1, False), (-2, -1, False)])
def test_an_end_is_proven_only_by_a_picture_that_began_after_it(began_s: int, ended_s: int, proven: bool) -> None:
    """One that was under way when the end was told may have asked for executions before there was one."""
    position: Any = SimpleNamespace(filled_quantity=Decimal(0), exited_quantity=Decimal(0), order_ref="ref")
    position.submitted_at = ENDED
    began, ended = (SimpleNamespace(wall=ENDED + timedelta(seconds=seconds)) for seconds in (began_s, ended_s))
    picture: Any = SimpleNamespace(complete=True, began=began, ended=ended, executions=())
    assert _is_proven(position, Over(End.CANCELLED, ENDED, Quantity(Decimal(0))), picture) is proven


@pytest.mark.parametrize(("ref", "proven"), [("another", True), ("ref", False)])
@shows("F30", "I9")
def test_an_end_is_not_proven_by_a_picture_that_shows_its_execution(ref: str, proven: bool) -> None:
    """Cancelled by the broker's word, executed by its own book: nobody calls that unfilled."""
    position: Any = SimpleNamespace(filled_quantity=Decimal(0), exited_quantity=Decimal(0), order_ref="ref")
    position.submitted_at = ENDED
    at = SimpleNamespace(wall=ENDED)
    picture: Any = SimpleNamespace(complete=True, began=at, ended=at, executions=(SimpleNamespace(ref=ref),))
    assert _is_proven(position, Over(End.CANCELLED, ENDED, Quantity(Decimal(0))), picture) is proven
