"""What an operator signs: one statement, canonical JSON, closed for each type.

Every statement carries the same frame: which log (`log`, `account`, `mode`: no replay from paper to live or from desk
to desk), all history before it (`tree_size`, `tree_root`: every signature co-signs the past), a nonce (`session`: used
once, minted when the screen opened) and a life (`at`, `exp`). What a type says beyond that is a record of its own. All
fields are always written; what does not apply is null. Bytes that do not re-encode to themselves are not read.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar, Final, get_args

from attrs import fields, frozen
from returns.pipeline import is_successful

from phoenix_core.beads import Policy, Resolution, Verdict
from phoenix_core.canonical import Json, decode, encode
from phoenix_core.gate.screen import Live
from phoenix_core.records import key_of, of_json, to_json
from phoenix_core.values import BadInput, Mode, Named, Price, Quantity, Regime, Side, plain, text_hash, utc_of, utc_text

VERSION: Final = 1
# A human decides within minutes; what may touch the market lives shorter than a market moves.
LIFE: Final = timedelta(seconds=300)
EXIT_LIFE: Final = timedelta(seconds=60)
# A statement is some 1 KiB; more is no statement.
SIZE_MAX: Final = 16_384


@frozen
class Render:
    """Which renderer made the fact block, and the hash of the exact text shown."""

    id: str
    sha256: str


@frozen
class Saying:
    """What one type of statement says: its name, how long it may live, and what it is about."""

    type: ClassVar[str]
    life: ClassVar[timedelta] = LIFE
    about: ClassVar[str] = ""  # the field that names the subject; there is one link, which needs no name

    @property
    def subject(self) -> str:
        """The intent, position, drift, flag, key or other thing that this is about."""
        return str(getattr(self, self.about)) if self.about else "link"


@frozen
class Decide(Saying):
    """A human approves or rejects an intent. A reject needs to name the intent only; an approve leaves nothing out."""

    type: ClassVar[str] = "decision"
    about: ClassVar[str] = "intent"
    verdict: Verdict
    intent: str
    drift_bps_max: int
    evidence: str | None = None
    order: str | None = None
    render: Render | None = None
    live: Live | None = None


@frozen
class Close(Saying):
    """Close a position, whole or in part. `reason` is the hash of the operator's words."""

    type: ClassVar[str] = "close"
    life: ClassVar[timedelta] = EXIT_LIFE
    about: ClassVar[str] = "position"
    position: str
    reason: str
    quantity: Quantity | None = None


@frozen
class Protect(Saying):
    """Place the protection of a position again, at these prices or at those of its mandate."""

    type: ClassVar[str] = "protect"
    life: ClassVar[timedelta] = EXIT_LIFE
    about: ClassVar[str] = "position"
    position: str
    stop: Price | None = None
    target: Price | None = None


@frozen
class Adopt(Saying):
    """Give exposure an owner: a position that begins FILLED, with an exit mandate of its own."""

    type: ClassVar[str] = "adopt"
    about: ClassVar[str] = "symbol"
    symbol: str
    side: Side
    quantity: Quantity
    price: Price
    stop: Price
    target: Price
    strategy: str
    reason: str
    linked_to: str | None = None  # the ended position whose late fact this is
    drift: str | None = None  # the identity of the drift that this answers


class StalledEnd(Named):
    """How an operator says that a STALLED entry ended."""

    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FILLED = "filled"


@frozen
class ResolveStalled(Saying):
    """End a STALLED position by hand. FILLED states quantity, price and the broker's statement that shows it."""

    type: ClassVar[str] = "resolve-stalled"
    about: ClassVar[str] = "position"
    position: str
    as_: StalledEnd
    reason: str
    quantity: Quantity | None = None
    price: Price | None = None
    reference: str | None = None


@frozen
class ResolveDrift(Saying):
    """A human's answer to a drift; PHOENIX_CORRECTED names the execution that the books lack."""

    type: ClassVar[str] = "drift-resolve"
    about: ClassVar[str] = "drift"
    drift: str
    as_: Resolution
    notes: str
    execution: str | None = None
    quantity: Quantity | None = None
    price: Price | None = None


@frozen
class CancelOrphans(Saying):
    """Cancel exactly these orders, which would open a position."""

    type: ClassVar[str] = "cancel-orphans"
    life: ClassVar[timedelta] = EXIT_LIFE
    about: ClassVar[str] = "drift"
    drift: str
    refs: tuple[str, ...]


@frozen
class Resume(Saying):
    """Three more attempts for an escalated link."""

    type: ClassVar[str] = "resume"


@frozen
class RefreshAnchor(Saying):
    """A human looked at the context of a strategy (`*`: of all), and it holds."""

    type: ClassVar[str] = "anchor-refresh"
    about: ClassVar[str] = "strategy"
    strategy: str
    state_hash: str
    regime: Regime


@frozen
class ClearKill(Saying):
    """Bring a kill flag down, and say why."""

    type: ClassVar[str] = "kill-clear"
    about: ClassVar[str] = "flag"
    flag: str
    reason: str


@frozen
class SetPolicy(Saying):
    """Put a policy in force: the one whose canonical body has this hash."""

    type: ClassVar[str] = "policy"
    about: ClassVar[str] = "policy"
    policy: str


@frozen
class Enrol(Saying):
    """Let another key sign for this desk from now on."""

    type: ClassVar[str] = "operator-enrol"
    about: ClassVar[str] = "key"
    key: str
    public: str
    name: str
    assurance: str


@frozen
class Revoke(Saying):
    """Let a key sign no more."""

    type: ClassVar[str] = "operator-revoke"
    about: ClassVar[str] = "key"
    key: str
    reason: str


@frozen
class Promote(Saying):
    """Let a strategy trade real money, on this bundle of evidence."""

    type: ClassVar[str] = "promote"
    about: ClassVar[str] = "strategy"
    strategy: str
    evidence: str


@frozen
class ValidatePaper(Saying):
    """Declare that this build passed its validation on paper."""

    type: ClassVar[str] = "paper-validation"
    about: ClassVar[str] = "build"
    build: str
    evidence: str


Says = (
    Decide
    | Close
    | Protect
    | Adopt
    | ResolveStalled
    | ResolveDrift
    | CancelOrphans
    | Resume
    | RefreshAnchor
    | ClearKill
    | SetPolicy
    | Enrol
    | Revoke
    | Promote
    | ValidatePaper
)
TYPES: Final[dict[str, type[Says]]] = {cls.type: cls for cls in get_args(Says)}


@frozen
class Statement:
    """What was signed: the common frame, and what this type says."""

    log: str
    tree_size: int
    tree_root: str
    account: str  # the keyed hash
    mode: Mode
    session: str  # 32 hex digits, minted when the screen opened
    at: datetime
    exp: datetime
    says: Says


_FRAME: Final = ("v", "type", "log", "tree_size", "tree_root", "account", "mode", "session", "at", "exp")
_NONCE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ROOT: Final = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)
_POSITIVE: Final = ("quantity", "price", "stop", "target")
_MODES: Final = {mode.value.lower(): mode for mode in Mode}


def write_statement(statement: Statement) -> bytes:
    """The bytes that are signed: canonical, every field of the type written."""
    says: dict[str, Json] = {key_of(field.name): None for field in fields(type(statement.says))}
    says.update(to_json(statement.says))
    frame: dict[str, Json] = {
        "v": VERSION,
        "type": statement.says.type,
        "log": statement.log,
        "tree_size": statement.tree_size,
        "tree_root": statement.tree_root,
        "account": statement.account,
        "mode": statement.mode.value.lower(),
        "session": statement.session,
        "at": utc_text(statement.at),
        "exp": utc_text(statement.exp),
    }
    assert not says.keys() & frame.keys(), "a type does not speak in the frame's words"
    return encode(says | frame)


@lru_cache(256)  # the same few bytes are asked for at every look until the order has left
def read_statement(data: bytes) -> Statement:
    """Read a statement back; raises `BadInput` naming the field. What it says is judged elsewhere."""
    read = decode(data, SIZE_MAX)
    if not is_successful(read):
        raise BadInput("statement", str(read.failure()), "sign canonical JSON")
    found = read.unwrap()
    if not isinstance(found, dict):
        raise BadInput("statement", data.decode(), "sign an object")
    frame = {name: found.pop(name, None) for name in _FRAME}
    # A bool is an int to Python, and 1 == True.
    if type(frame["v"]) is not int or frame["v"] != VERSION:
        raise BadInput("v", frame["v"], f"sign version {VERSION}")
    cls = TYPES.get(_text(frame, "type"))
    if cls is None:
        raise BadInput("type", frame["type"], "write one of " + ", ".join(TYPES))
    closed = {key_of(field.name) for field in fields(cls)}
    # An unknown field is refused even where it is null: what says nothing has no place in what is signed.
    if odd := sorted(closed ^ found.keys()):
        mend = "write this field, null where it does not apply" if odd[0] in closed else "leave it out"
        raise BadInput(odd[0], found.get(odd[0]), mend)
    says = of_json(cls, {key: value for key, value in found.items() if value is not None}, cls.type)
    for name in _POSITIVE:
        amount = getattr(says, name, None)
        if isinstance(amount, Decimal) and amount <= 0:
            raise BadInput(name, plain(amount), "write more than zero; the side says in which direction")
    size = frame["tree_size"]
    if type(size) is not int or size < 0:
        raise BadInput("tree_size", size, "write the number of beads")
    mode = _MODES.get(_text(frame, "mode"))
    if mode is None:
        raise BadInput("mode", frame["mode"], "write one of " + ", ".join(_MODES))
    at, exp = utc_of(frame["at"], "at"), utc_of(frame["exp"], "exp")
    if exp <= at:
        raise BadInput("exp", frame["exp"], "write an instant after `at`")
    return Statement(
        log=_text(frame, "log"),
        tree_size=size,
        tree_root=_text(frame, "tree_root", _ROOT),
        account=_text(frame, "account"),
        mode=mode,
        session=_text(frame, "session", _NONCE),
        at=at,
        exp=exp,
        says=says,
    )


def _text(frame: dict[str, Json], name: str, pattern: re.Pattern[str] | None = None) -> str:
    value = frame[name]
    if not isinstance(value, str) or not value or (pattern is not None and not pattern.fullmatch(value)):
        raise BadInput(name, value, "write text" if pattern is None else f"write text like {pattern.pattern}")
    return value


def policy_hash(policy: Policy) -> str:
    """What `SetPolicy` names: the hash of the policy without the signature that puts it in force."""
    body = to_json(policy)
    _ = body.pop("signed", None)
    return text_hash(encode(body).decode())
