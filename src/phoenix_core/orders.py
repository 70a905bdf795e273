"""What an order is before any broker has seen it: the lines a human approves, their hash and their references.

The canonical order is every wire field except the five that are bound at hand-over by rule (order id, parent id,
reference, one-cancels-all group, transmit). Entry, stop and target are hashed, approved and sent as one bracket.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from typing import Final

from attrs import frozen

from phoenix_core.spelling import writer
from phoenix_core.values import OrderRef, OrderType, Price, Quantity, Role, SecType, Side, Tif


@frozen(cache_hash=True)  # it is the key under which its hash is remembered
class Line:
    """One order, field by field, as its mandate states it and as its frame must read."""

    role: Role
    side: Side
    quantity: Quantity
    order_type: OrderType
    tif: Tif
    outside_hours: bool
    account: str  # the keyed hash; the adapter binds it to the number
    symbol: str
    con_id: int
    sec_type: SecType
    currency: str
    exchange: str
    limit: Price | None = None
    trigger: Price | None = None


@frozen
class Frame:
    """One order about to be a place frame: what it says, what it is called, which revision of it this is."""

    ref: OrderRef
    revision: int
    hash: str
    line: Line


@lru_cache(256)  # the same order is hashed when it is shown, decided, recorded and looked at last
def order_hash(lines: tuple[Line, ...]) -> str:
    """The hash of the canonical order: of one line, or of a bracket as a whole."""
    return hashlib.sha256(f'{{"lines":[{",".join(map(_line_text, lines))}]}}'.encode()).hexdigest()


_line_text: Final = writer(Line)


# 130 bits of the statement's hash in base 32 are 26 characters; with the prefix, 28: the broker's own record then
# carries the fingerprint of the human signature, and stays below the 40 characters that its reports keep.
REF_PREFIX: Final = "P1"
REF_LENGTH: Final = 28
_REF: Final = re.compile(r"(P1[A-Z2-7]{26})(?:\.([STC])([1-9][0-9]{0,5}))?", re.ASCII)
_SUFFIX: Final = {Role.STOP: "S", Role.TARGET: "T", Role.CLOSE: "C"}
_ROLE: Final = {suffix: role for role, suffix in _SUFFIX.items()}


def entry_ref(statement: bytes) -> OrderRef:
    """The reference of the entry that a signed statement authorises."""
    digest = base64.b32encode(hashlib.sha256(statement).digest()).decode("ascii")
    return OrderRef(REF_PREFIX + digest[:26])


def exit_ref(entry: OrderRef, role: Role, generation: int) -> OrderRef:
    """The reference of an exit: the entry's 28 characters, a letter for the role, a generation unique in the log."""
    assert role.is_exit and generation >= 1, "an exit has a role and a generation"
    return OrderRef(f"{entry[:REF_LENGTH]}.{_SUFFIX[role]}{generation}")


def group_of(entry: OrderRef, generation: int) -> str:
    """The one-cancels-all group of a generation of exits."""
    return f"{entry[:REF_LENGTH]}.G{generation}"


def parsed_ref(text: str) -> tuple[OrderRef, Role, int] | None:
    """(entry reference, role, generation) of a reference of ours; None for anybody else's."""
    match = _REF.fullmatch(text)
    if match is None:
        return None
    entry, letter, generation = match.groups()
    return OrderRef(entry), _ROLE[letter] if letter else Role.ENTRY, int(generation or 0)
