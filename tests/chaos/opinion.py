"""A second opinion: what stood at the broker's door, and what the log says, judged by somebody who knows neither.

Reads two things: a journal (what the broker took, executed, ended and held, one JSON object a line) and the log's
export. It imports Python's standard library and nothing of Phoenix, so that a mistake there is not repeated here.

A journal line is one of:
    {"what": "frame", "t", "log", "ref", "account", "symbol", "side", "quantity", "type", "limit", "trigger", "tif"}
    {"what": "ended", "t", "log", "ref", "status"}          the broker says that an order is over
    {"what": "execution", "exec_id", "ref", "symbol", "side", "quantity"}
    {"what": "held", "symbol", "quantity"}                  at the end
`log` is how many beads a witness counted at that moment; where nobody counted, the times must do.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

Json = dict[str, "object"]
TOKEN_LIFE: Final = timedelta(seconds=300)
CASH_UNEXPLAINED: Final = 1000
ENTRY: Final = 28  # characters of an entry's reference; an exit's has more
ENDS: Final = ("CLOSED", "CANCELLED", "REJECTED")
LEGAL: Final = frozenset(
    {
        ("PROPOSED", "Approved", "APPROVED"),
        ("PROPOSED", "Passed", "CANCELLED"),
        ("PROPOSED", "Withdrawn", "CANCELLED"),
        ("APPROVED", "Submitted", "SUBMITTED"),
        ("APPROVED", "TokenExpired", "CANCELLED"),
        ("APPROVED", "Withdrawn", "CANCELLED"),
        ("SUBMITTED", "Withheld", "CANCELLED"),
        ("SUBMITTED", "Filled", "FILLED"),
        ("SUBMITTED", "Stalled", "STALLED"),
        ("SUBMITTED", "Rejected", "REJECTED"),
        ("SUBMITTED", "Cancelled", "CANCELLED"),
        ("STALLED", "Acknowledged", "SUBMITTED"),
        ("STALLED", "Filled", "FILLED"),
        ("STALLED", "Rejected", "REJECTED"),
        ("STALLED", "Cancelled", "CANCELLED"),
        ("FILLED", "Protected", "MANAGED"),
        ("FILLED", "Closed", "CLOSED"),
        ("MANAGED", "Closed", "CLOSED"),
    }
)


@dataclass(frozen=True)
class Finding:
    """One thing that cannot be: which promise it breaks, and what was seen."""

    code: str
    said: str


@dataclass
class Bead:
    """One bead of the export as it was read."""

    seq: int
    ts: datetime
    kind: str
    body: Json
    leaf: str


@dataclass
class Story:
    """What the log says, read once from front to back."""

    beads: list[Bead] = field(default_factory=list)
    account: str = ""
    mask: str = ""
    used: dict[str, Bead] = field(default_factory=dict)  # by order reference
    issued: dict[str, Bead] = field(default_factory=dict)  # by token
    over: dict[str, str] = field(default_factory=dict)  # token -> how it ended
    evidence: dict[str, Bead] = field(default_factory=dict)  # by leaf
    submitted: dict[str, Bead] = field(default_factory=dict)  # by order reference
    recorded: dict[str, list[tuple[Bead, Json]]] = field(default_factory=lambda: defaultdict(list))  # by reference
    kills: list[Bead] = field(default_factory=list)
    positions: dict[str, Json] = field(default_factory=dict)  # the latest, by id
    executions: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))  # ref -> family -> latest
    known: set[str] = field(default_factory=set)
    drifts: dict[str, Json] = field(default_factory=dict)  # open ones, by identity
    owned: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))  # entries, by their position
    cash: set[str] = field(default_factory=set)  # instruments that are currency pairs
    adopted: dict[str, Decimal] = field(default_factory=dict)  # born with a quantity that is not stated yet
    stated: bool = False  # a human booked executions of their own


# --- the export -------------------------------------------------------------------------------------------------------


def leaf_of(data: bytes) -> str:
    """The leaf hash of a bead's bytes."""
    return hashlib.sha256(b"\x00" + data).hexdigest()


def root_of(leaves: list[bytes]) -> bytes:
    """The root of an RFC 6962 tree over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def canonical(value: object) -> bytes:
    """The one way to write a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read(lines: Iterable[bytes], found: list[Finding]) -> Story:
    """The story that an export tells; what is wrong with its chain goes to the findings."""
    story = Story()
    whole = [line.rstrip(b"\n") for line in lines]
    header: Json = json.loads(whole[0])
    size, before, leaves = int(str(header["size"])), "0" * 64, []
    for n, data in enumerate(whole[1 : size + 1]):
        told: Json = json.loads(data)
        if canonical(told) != data:
            found.append(Finding("CHAIN", f"bead {n} is not written canonically"))
        if "seq" not in told:  # one of the texts that follow: a bead is missing before it
            break
        if told["seq"] != n or told["prev"] != before:
            found.append(Finding("CHAIN", f"bead {n} does not follow the one before it"))
        before = leaf_of(data)
        leaves.append(bytes.fromhex(before))
        body = told["body"]
        assert isinstance(body, dict)
        story.beads.append(Bead(n, _time(told["ts"]), str(told["kind"]), body, before))
    if len(story.beads) != size or base64.b64decode(str(header["root"])) != root_of(leaves):
        found.append(Finding("CHAIN", "the root of the export is not the root of its beads"))
    return story


def _time(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _number(value: object) -> Decimal:
    return Decimal(str(value)) if value not in (None, "") else Decimal(0)


# --- the log by itself ------------------------------------------------------------------------------------------------


def follow(story: Story) -> Iterator[Finding]:
    """Read the beads in order: tokens, positions, quantities."""
    traded: set[str] = set()
    for bead in story.beads:
        read_one = READERS.get(bead.kind)
        if read_one is not None:
            yield from read_one(story, bead, traded)
    for name, held in story.adopted.items():
        yield Finding("QUANTITY", f"{name} was adopted with {held}, and nobody stated that")


def _genesis(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    story.account, story.mask = str(bead.body["account"]), str(bead.body["account_mask"])
    yield from ()


def _token(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    body = bead.body
    token, event = str(body["id"]), str(body["event"])
    if event == "ISSUED":
        rivals = [
            t for t, b in story.issued.items() if b.body["intent_id"] == body["intent_id"] and t not in story.over
        ]
        if token in story.issued or rivals:
            yield Finding("TOKEN", f"bead {bead.seq}: another live token for {body['intent_id']}")
        story.issued[token] = bead
        return
    if event == "REJECTED" and not body.get("final"):
        return
    if token in story.over or token not in story.issued:
        yield Finding("TOKEN", f"bead {bead.seq}: {event} of a token that is not live")
    story.over[token] = event
    if event == "USED":
        story.used[str(body["order_ref"])] = bead


def _evidence(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    story.evidence[bead.leaf] = bead
    lines = {"lines": bead.body["lines"]}
    for one in lines["lines"] if isinstance(lines["lines"], list) else ():
        if one["sec_type"] == "CASH":
            story.cash.add(one["symbol"])
    if hashlib.sha256(canonical(lines)).hexdigest() != bead.body["order_hash"]:
        yield Finding("EVIDENCE", f"bead {bead.seq}: its hash is not that of its order")


def _position(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    body = bead.body
    name = str(body["position_id"])
    before = story.positions.get(name)
    was, event, state = body.get("from"), body.get("event"), body["state"]
    if was != (None if before is None else before["state"]):
        yield Finding("STATE", f"bead {bead.seq}: {name} was not {was}")
    if before is not None and before["state"] in ENDS:
        yield Finding("END", f"bead {bead.seq}: {name} left {before['state']}")
    if was is not None and (event is None) != (was == state):
        yield Finding("STATE", f"bead {bead.seq}: {was} became {state} by {event}")
    if was is not None and event is not None and (was, event, state) not in LEGAL:
        yield Finding("STATE", f"bead {bead.seq}: {was} {event} {state} is no row of the table")
    filled = Decimal(0) if before is None else _number(before["filled_quantity"])
    if before is None and state == "FILLED":  # adopted: what it holds is stated beside it
        story.adopted[name] = _number(body["filled_quantity"])
    elif filled != _number(body["filled_quantity"]) and name not in traded:
        yield Finding("QUANTITY", f"bead {bead.seq}: a quantity changed without an execution")
    yield from _proved(bead, was, state)
    traded.discard(name)
    story.positions[name] = body
    if event == "Submitted":
        story.submitted[str(body["order_ref"])] = bead


def _proved(bead: Bead, was: object, state: object) -> Iterator[Finding]:
    proof = bead.body["proof"]
    assert isinstance(proof, dict)
    if was in ("SUBMITTED", "STALLED") and state in ("FILLED", "CANCELLED", "REJECTED") and proof["type"] == "RULE":
        yield Finding("EVIDENCE_OF_END", f"bead {bead.seq}: {was} became {state} by a rule of ours")


def _order(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    if bead.body["event"] == "RECORDED":
        frames = bead.body["frames"]
        assert isinstance(frames, list)
        for frame in frames:
            story.recorded[frame["ref"]].append((bead, frame))
    yield from ()


def _execution(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    body = bead.body
    if body["event"] == "COMMISSION":
        return
    story.stated = story.stated or body["event"] == "STATED"
    if body["exec_id"] in story.known:
        yield Finding("EXECUTION", f"bead {bead.seq}: {body['exec_id']} is booked twice")
    story.known.add(str(body["exec_id"]))
    if body.get("position_id") is not None:
        if story.adopted.pop(str(body["position_id"]), None) != _number(body["quantity"]):
            traded.add(str(body["position_id"]))
        if body.get("role") == "ENTRY":  # a correction after the position's end is nobody's
            story.owned[str(body["position_id"])][str(body["family"])] = body
    latest = story.executions[str(body.get("ref"))]
    before = latest.get(str(body["family"]))
    if before is None or _revision(before) <= _revision(body):
        latest[str(body["family"])] = body


def _revision(body: Json) -> int:
    return int(str(body.get("revision") or 0))


def _kill(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    story.kills.append(bead)
    yield from ()


def _drift(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    story.drifts[str(bead.body["identity"])] = bead.body
    yield from ()


def _resolution(story: Story, bead: Bead, traded: set[str]) -> Iterator[Finding]:
    if bead.body["cleared"]:
        _ = story.drifts.pop(str(bead.body["identity"]), None)
    yield from ()


READERS: Final[dict[str, Callable[[Story, Bead, set[str]], Iterator[Finding]]]] = {
    "GENESIS": _genesis,
    "T2_TOKEN": _token,
    "EVIDENCE": _evidence,
    "POSITION": _position,
    "ORDER": _order,
    "EXECUTION": _execution,
    "KILL_FLAG": _kill,
    "RECONCILIATION_DRIFT": _drift,
    "RECONCILIATION_RESOLUTION": _resolution,
}


# --- the journal against the log --------------------------------------------------------------------------------------


def _after(bead: Bead, line: Json) -> bool:
    """Whether a line of the journal stands after a bead: by the witness's count, else by the times."""
    if line.get("log") is not None:
        return bead.seq < int(str(line["log"]))
    return bead.ts <= _time(line["t"])


def frames(story: Story, journal: list[Json]) -> Iterator[Finding]:
    """Every frame that the broker took: covered by a permission from before it, and as it was recorded."""
    seen: set[str] = set()
    for line in journal:
        if line["what"] != "frame":
            continue
        ref = str(line["ref"])
        if len(ref) == ENTRY:
            if ref in seen:
                yield Finding("TWICE", f"a second entry frame for {ref}")
            yield from _entry(story, line, ref)
        seen.add(ref)
        yield from _as_recorded(story, line, ref)


def _entry(story: Story, line: Json, ref: str) -> Iterator[Finding]:
    used, submitted = story.used.get(ref), story.submitted.get(ref)
    if used is None or not _after(used, line):
        yield Finding("PERMISSION", f"{ref} was taken, and no token was spent for it before")
        return
    if submitted is None or not _after(submitted, line):
        yield Finding("WRITE_AHEAD", f"{ref} was taken before its position was SUBMITTED in the log")
        return
    issued = story.issued[str(used.body["id"])]
    if _time(line["t"]) >= _time(issued.body["timestamp"]) + TOKEN_LIFE:
        yield Finding("EXPIRED", f"{ref} was taken after its token's life")
    evidence = story.evidence.get(str(used.body["evidence_hash"]))
    if evidence is None or evidence.body["order_hash"] != used.body["order_hash"]:
        yield Finding("EVIDENCE", f"the token of {ref} names no evidence of that order")
        return
    lines = evidence.body["lines"]
    assert isinstance(lines, list)
    approved = next(one for one in lines if one["role"] == "ENTRY")
    for said in _differs(story, line, approved):
        yield Finding("BYTES", f"{ref} is not what was approved: {said}")
    for flag in _standing(story, line):
        scopes = ("desk", f"strategy:{submitted.body['strategy']}", f"instrument:{submitted.body['pair']}")
        if flag["scope"] in scopes:
            yield Finding("KILL", f"{ref} was taken under a durable kill of {flag['scope']}")


def _standing(story: Story, line: Json) -> list[Json]:
    flags: dict[str, Json] = {}
    for bead in story.kills:
        if not _after(bead, line):
            break
        if bead.body["event"] == "RAISED":
            _ = flags.setdefault(str(bead.body["flag"]), bead.body)
        else:
            _ = flags.pop(str(bead.body["flag"]), None)
    return list(flags.values())


def _as_recorded(story: Story, line: Json, ref: str) -> Iterator[Finding]:
    before = [frame for bead, frame in story.recorded.get(ref, ()) if _after(bead, line)]
    if not before:
        yield Finding("WRITE_AHEAD", f"{ref} was taken, and no ORDER bead before it has that frame")
        return
    reasons = []
    for frame in before:
        recorded = frame["line"]
        assert isinstance(recorded, dict)
        reasons.append(list(_differs(story, line, recorded)))
    if all(reasons):
        yield Finding("BYTES", f"{ref} is not as recorded: {reasons[-1][0]}")


TYPES: Final = {"MKT": "MARKET", "LMT": "LIMIT", "STP": "STOP"}


def _differs(story: Story, line: Json, approved: Json) -> Iterator[str]:
    """What a frame says otherwise than the line that covers it."""
    account = str(line["account"])
    prefix, _, tail = story.mask.partition("...")
    masked = account.startswith(prefix) and account.endswith(tail) and bool(tail)
    if approved["account"] != story.account or not (account == story.account or masked):
        yield f"account {account}"
    for name, ours in (("side", "side"), ("symbol", "symbol"), ("tif", "tif")):
        if line[name] != approved[ours]:
            yield f"{name} {line[name]} for {approved[ours]}"
    if TYPES.get(str(line["type"]), line["type"]) != approved["order_type"]:
        yield f"type {line['type']} for {approved['order_type']}"
    for name in ("quantity", "limit", "trigger"):
        if _number(line.get(name)) != _number(approved.get(name)):
            yield f"{name} {line.get(name)} for {approved.get(name)}"


def ends(story: Story, journal: list[Json]) -> Iterator[Finding]:
    """What ended by the broker's word: the broker had said so by then."""
    said: dict[str, list[Json]] = defaultdict(list)
    taken = {str(line["ref"]) for line in journal if line["what"] == "frame"}
    for line in journal:
        if line["what"] == "ended":
            said[str(line["ref"])].append(line)
    for bead in story.beads:
        body = bead.body
        if bead.kind != "POSITION" or body["state"] not in ("CANCELLED", "REJECTED") or body.get("event") is None:
            continue
        proof, ref = body["proof"], str(body.get("order_ref"))
        assert isinstance(proof, dict)
        if proof["type"] == "BROKER_MESSAGE" and ref in taken and not any(not _after(bead, line) for line in said[ref]):
            yield Finding("EVIDENCE_OF_END", f"bead {bead.seq}: {body['state']}, and the broker had not ended {ref}")
        if proof["type"] == "WITHHELD" and ref in taken:
            yield Finding("EVIDENCE_OF_END", f"bead {bead.seq}: withheld, and the broker took {ref}")


# --- at calm ----------------------------------------------------------------------------------------------------------


def calm(story: Story, journal: list[Json]) -> Iterator[Finding]:
    """After the storm: everything executed is booked, with its quantity; what is held agrees, or a drift says why."""
    latest: dict[str, dict[str, Json]] = defaultdict(dict)
    for line in journal:
        if line["what"] == "execution":
            name, _, revision = str(line["exec_id"]).rpartition(".")
            before = latest[str(line["ref"])].get(name)
            if before is None or int(str(before["exec_id"]).rpartition(".")[2]) <= int(revision):
                latest[str(line["ref"])][name] = line
    for ref, families in latest.items():
        for line in families.values():
            if line["exec_id"] not in story.known:
                yield Finding("LOST", f"execution {line['exec_id']} of {ref} is not in the log")
        theirs = sum((_number(line["quantity"]) for line in families.values()), Decimal(0))
        ours = sum((_number(body["quantity"]) for body in story.executions[ref].values()), Decimal(0))
        if theirs != ours and not story.stated:
            yield Finding("QUANTITY", f"{ref}: the broker executed {theirs}, the log has {ours}")
    yield from _held(story, journal)
    yield from _filled(story)


def _held(story: Story, journal: list[Json]) -> Iterator[Finding]:
    nets: dict[str, Decimal] = defaultdict(Decimal)
    for body in story.positions.values():
        sign = 1 if body["side"] == "BUY" else -1
        nets[str(body["pair"])] += sign * (_number(body["filled_quantity"]) - _number(body["exited_quantity"]))
    drifting = {body.get("instrument") for body in story.drifts.values()}
    for line in journal:
        if line["what"] != "held":
            continue
        apart = abs(_number(line["quantity"]) - nets[str(line["symbol"])])
        # A currency pair's position is virtual at the broker: a cross-check, to within a thousand units.
        if apart > (CASH_UNEXPLAINED if line["symbol"] in story.cash else 0):
            if line["symbol"] not in drifting:
                said = f"{line['symbol']}: the broker holds {line['quantity']}, the log {nets[str(line['symbol'])]}"
                yield Finding("HOLDING", said + ", and no drift is open")


def _filled(story: Story) -> Iterator[Finding]:
    for name, body in story.positions.items():
        own = story.owned[name].values()
        booked = sum((_number(b["quantity"]) for b in own), Decimal(0))
        if own and booked != _number(body["filled_quantity"]) and not story.stated:
            yield Finding("QUANTITY", f"{name}: {booked} executed, {body['filled_quantity']} filled")


def second_opinion(journal: Iterable[Json], export: Iterable[bytes], is_calm: bool) -> list[Finding]:
    """Everything that cannot be, in the order in which it is looked for."""
    found: list[Finding] = []
    lines = list(journal)
    story = read(export, found)
    found += follow(story)
    found += frames(story, lines)
    found += ends(story, lines)
    if is_calm:
        found += calm(story, lines)
    return found
