"""What the log says of the desk itself."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from attrs import frozen

from phoenix_core.bodies.kind import Kind
from phoenix_core.values import Mode, Named


@frozen
class Holding:
    """A holding that was there before Phoenix was, known and signed for at `init`."""

    symbol: str
    quantity: Decimal


@frozen
class Genesis:
    """The first bead: which desk this log belongs to. One account, one mode, one host, for life."""

    kind: ClassVar[Kind] = Kind.GENESIS
    origin: str
    mode: Mode
    account: str
    account_mask: str
    port: int
    desk_key_hash: str
    log_key: str
    currency: str
    baseline: tuple[Holding, ...] = ()


class LeaseEvent(Named):
    """Taking and giving back the right to be the engine."""

    TAKEN = "TAKEN"
    RELEASED = "RELEASED"


@frozen
class Lease:
    """An engine's claim; its epoch is the bead's own position. RELEASED is the shutdown bead."""

    kind: ClassVar[Kind] = Kind.LEASE
    event: LeaseEvent
    boot: str
    run: str
    version: str
    detail: str = ""
