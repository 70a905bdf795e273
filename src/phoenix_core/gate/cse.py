"""The canonical signal: a closed schema, read strictly.

A proposer is a stranger. Nothing of what it writes is coerced, guessed or completed: what the schema does not name is
refused by name, numbers are plain decimals in text, names are plain ASCII (look-alike letters cannot be told apart by
the human who approves), and free text becomes a hash whose words travel beside the log.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from phoenix_core.beads import CanonicalSignal
from phoenix_core.gate.signals import READY, Incoming
from phoenix_core.records import Json, of_json
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import BadInput, OrderType, Side, exact, number, plain, text_hash, utc_of, utc_text

SCHEMA: Final = "cse/1"
STAGES: Final = (READY, "FORMING", "NONE")


class BadGeometry(BadInput):
    """Stop, entry and target are not in the order of a buy or of a sell."""


# Names that stand on the approve screen are short enough that no proposer can fill it with them.
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_STRATEGY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,31}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,39}", re.ASCII)
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.]{0,11}", re.ASCII)
_SETUP: Final = re.compile(r"[A-Z][A-Z0-9_]{0,15}", re.ASCII)
_STATE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,79}", re.ASCII)
_TREND: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,9}", re.ASCII)
_ORDER_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ +-]{0,23}", re.ASCII)
_INSTANT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z", re.ASCII)
_FIELD: Final = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)

# Wider than any market's numbers, and narrow enough that every product of them fits the digits of a bead.
PRICE_MAX: Final = Decimal(10**9)
QUANTITY_MAX: Final = Decimal(10**12)
DECIMALS_MAX: Final = 10
NOTE_CHARACTERS_MAX: Final = 4_000
COUNT_MAX: Final = 99

# A stranger's spelling in, the canonical one out.
Read = Callable[[object, str], Json]


def _matching(pattern: re.Pattern[str], mend: str) -> Read:
    def read(value: object, field: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise BadInput(field, value, mend)
        return value

    return read


def _one_of(*words: str) -> Read:
    def read(value: object, field: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise BadInput(field, value, "write one of " + ", ".join(words))
        return value

    return read


def _amount(below: Decimal) -> Read:
    def read(value: object, field: str) -> str:
        amount = number(value, field)
        exponent = amount.as_tuple().exponent
        assert isinstance(exponent, int), "what `number` read is finite"
        if not 0 < amount < below or -exponent > DECIMALS_MAX:
            raise BadInput(field, value, f"write more than 0, less than {below}, at most {DECIMALS_MAX} decimals")
        return plain(amount)

    return read


def _share(value: object, field: str) -> str:
    share = number(value, field)
    if not 0 <= share <= 1 or len(str(value)) > 8:
        raise BadInput(field, value, "write a share from 0 to 1 with at most 6 decimals")
    return plain(share)


def _count(value: object, field: str) -> int:
    # A strict YAML reader hands all scalars over as text, JSON knows whole numbers: both spellings are plain.
    if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]?", value, re.ASCII):
        return int(value)
    if type(value) is not int or value < 0:
        raise BadInput(field, value, f"write a whole number from 0 to {COUNT_MAX}")
    return value


def _instant(value: object, field: str) -> str:
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadInput(field, value, "write UTC with a Z, such as 2026-11-18T19:00:00Z")
    return utc_text(utc_of(f"{match[1]}.{match[2] or '0':0<6}Z", field))


def _words(value: object, field: str) -> str:
    if not isinstance(value, str) or len(value) > NOTE_CHARACTERS_MAX:
        raise BadInput(field, value, f"write at most {NOTE_CHARACTERS_MAX} characters of text")
    # Surrogates have no UTF-8; control characters have no business in words, line ends and tabs apart.
    if any(unicodedata.category(c) in ("Cs", "Cc") and c not in "\n\r\t" for c in value):
        raise BadInput(field, ascii(value), "leave out control characters and lone surrogates")
    return value


# The schema: every field, how it is read, and whether it must be there. Nothing else is in a signal.
_price = _amount(PRICE_MAX)
_trend = _matching(_TREND, "write one word of at most 10 letters, such as up")
REQUIRED: Final[Mapping[str, Read]] = {
    "schema": _one_of(SCHEMA),
    "signal_id": _matching(_NAME, "write at most 40 of A-Z a-z 0-9 . _ @ -, a letter or digit first"),
    "intent_id": _matching(_UUID, "write a uuid in lower case"),
    "signal": _one_of(*STAGES),
    "pair": _matching(_SYMBOL, "write the desk's symbol in capitals, such as EURUSD"),
    "setup_type": _matching(_SETUP, "write a setup type in capitals, such as FVG_ENTRY"),
    "confidence": _share,
    "entry": _price,
    "stop": _price,
    "target": _price,
    "state_hash": _matching(_STATE, "write at most 80 of A-Z a-z 0-9 : . _ -"),
    "strategy": _matching(_STRATEGY, "write at most 32 of A-Z a-z 0-9 . _ @ -, a letter or digit first"),
    "created_at": _instant,
}
OPTIONAL: Final[Mapping[str, Read]] = {
    "side": _one_of(Side.BUY.value, Side.SELL.value),  # derived; where stated, it must agree
    "quality": _share,
    "htf": _trend,
    "ltf": _trend,
    "red_checks": _count,
    "quantity": _amount(QUANTITY_MAX),
    "note": _words,
    "order_type": _matching(_ORDER_TYPE, "write MARKET, or leave it out"),
}


_FIELDS: Final[Mapping[str, Read]] = {**REQUIRED, **OPTIONAL}


def read_signal(document: object) -> Incoming:
    """Read a document against the closed schema; raises `BadInput` (`BadGeometry`) naming field, value and mend."""
    if not isinstance(document, Mapping):
        raise BadInput("signal", type(document).__name__, "write one object of named fields")
    for field in document:
        if field not in _FIELDS:
            name = ascii(field) if isinstance(field, str) else type(field).__name__
            named = field if isinstance(field, str) and _FIELD.fullmatch(field) else "signal"
            raise BadInput(named, name, "leave out what the schema does not name")
    for field in REQUIRED:
        if field not in document:
            raise BadInput(field, "", "write this field: it is required")
    found = {
        field: read(_single(document[field], field), field) for field, read in _FIELDS.items() if field in document
    }
    found["side"] = _side(found).value
    asked = str(found.pop("order_type", OrderType.MARKET.value))
    if asked == OrderType.LIMIT.value:
        found["order_type"] = asked
    note = found.pop("note", "")
    texts: dict[str, str] = {}
    if isinstance(note, str) and note:
        found["note"] = text_hash(note)
        texts[text_hash(note)] = note
    return Incoming(of_json(CanonicalSignal, found, "signal"), texts, asked)


def _single(value: object, field: str) -> object:
    """Text, or a small whole number; of anything else, which may be as deep and as large as it likes, only its type."""
    if isinstance(value, str) or (type(value) is int and abs(value) <= COUNT_MAX):
        return value
    raise BadInput(field, type(value).__name__, "write one plain value, as text")


def _side(found: Mapping[str, Json]) -> Side:
    """What the order of stop, entry and target says; a side that was stated must say the same."""
    stop, entry, target = (exact(found[field], field) for field in ("stop", "entry", "target"))
    if stop < entry < target:
        side = Side.BUY
    elif target < entry < stop:
        side = Side.SELL
    else:
        written = f"{plain(stop)} {plain(entry)} {plain(target)}"
        raise BadGeometry("stop entry target", written, "stop < entry < target buys, the reverse sells")
    if found.get("side", side.value) != side.value:
        raise BadGeometry("side", found["side"], f"stop, entry and target say {side}: leave the side out or mend them")
    return side


def refusal_of(error: BadInput) -> Refusal:
    """The refusal that a signal which could not be read becomes: SIGNAL_MALFORMED or SIGNAL_GEOMETRY.

    Its sentence names field and mend but not the value: a stranger's words do not enter the log.
    """
    reason = Reason.SIGNAL_GEOMETRY if isinstance(error, BadGeometry) else Reason.SIGNAL_MALFORMED
    return refusal(reason, detail=f"{error.field}: {error.mend}")
