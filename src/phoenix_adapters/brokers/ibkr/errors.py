"""What is done about each of the broker's codes: one table, and OBSERVE for whatever is not in it.

A code is a word, not an end: which codes end an order that was never acknowledged is the core's closed list, and every
order code goes there as it came. Here stands what the adapter itself has to do about a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Action(Enum):
    """What a code asks of the adapter."""

    OBSERVE = "pass it on; nothing here hangs on it"
    REFUSED = "pass it on: ends an order that was never acknowledged, and no other"
    HELD = "pass it on: the order is held, and lives"
    LIVES = "pass it on: information about an order that lives, whatever the library thinks"
    STANDS = "pass it on: a change or a cancel was refused, the order stands as it stood"
    RENUMBER = "pass it on, and ask which id is next: ours was used before"
    LINK_DEGRADED = "the broker behind the gateway is away: DEGRADED"
    LINK_RESTORED = "it is back, subscriptions stand: RESTORED"
    LINK_RESTORED_BARE = "it is back, subscriptions are lost: RESTORED, and subscribe again"
    ID_TAKEN = "another session holds our client id: CLIENT_ID_TAKEN, and never another id"
    DATA_GONE = "quotes may have stopped: forget them until new ones come"
    LINE_GONE = "this line of quotes has ended: forget it, and subscribe again with the next picture"
    LINE_REFUSED = "this line of quotes does not stand: forget it, and subscribe again in an hour"
    SMALL_TALK = "a farm that is well, or asleep: pass it on"
    TOO_FAST = "our own pacing failed: pass it on"


_A = Action
_ROWS: Final[tuple[tuple[Action, tuple[int, ...]], ...]] = (
    (_A.REFUSED, (106, 107, 109, 110, 111, 133, 200, 201, 203, 321, 434, 460, 10289)),
    (_A.RENUMBER, (103,)),
    (_A.HELD, (399, 404)),
    (_A.LIVES, (202, 2109, 2137, 2148, 2168, 2169, 10311, 10349)),
    (_A.STANDS, (104, 105, 134, 135, 136, 161, 329, 2102, 10147, 10148, 10326)),
    (_A.LINK_DEGRADED, (1100, 2110)),
    (_A.LINK_RESTORED, (1102,)),
    (_A.LINK_RESTORED_BARE, (1101,)),
    (_A.ID_TAKEN, (326,)),
    (_A.DATA_GONE, (2103, 2105, 2157, 10197)),
    (_A.LINE_GONE, (10182,)),
    (_A.LINE_REFUSED, (101, 354, 10089, 10168, 10186)),
    (_A.SMALL_TALK, (2104, 2106, 2107, 2108, 2119, 2158)),
    (_A.TOO_FAST, (100,)),
)
ACTIONS: Final[Mapping[int, Action]] = {code: action for action, codes in _ROWS for code in codes}
assert len(ACTIONS) == sum(len(codes) for _, codes in _ROWS), "a code stands in one row"

# Codes that say something about a request and do not end it.
NO_END_OF_REQUEST: Final = frozenset({10167, *range(2100, 2200)})


def action_of(code: int) -> Action:
    """What to do about a code; what is not in the table is observed."""
    return ACTIONS.get(code, Action.OBSERVE)
