"""Attacks on what beads mean, by who owns the host and the log's key: chain, root and checkpoints fit every time.

What they do not own are the operators' keys, and what the reader keeps: the roots. Each row changes one step of the
honest day (`edits`: its beads; `says`: what is signed; `signs`: how; `waits`: when), or tells another day.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from phoenix_adapters.keys.openssh import armored
from phoenix_adapters.keys.sshsig import to_be_signed
from phoenix_core.canonical import Json
from tests.contract.verifier.story import (
    LINES,
    NOON,
    Draft,
    Edit,
    Say,
    Sign,
    Story,
    entry_ref,
    frame,
    line,
    named,
    order_hash,
    utc,
)
from tests.contract.verifier.whole import WORDS, Record, whole
from tests.keyring import Pen, forged, hardware_pen, software_pen

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
EVE: Final = software_pen("eve")
ANNA: Final = software_pen("anna")
EVE_KEY: Final[Record] = {"public": EVE.public.line, "name": "eve", "assurance": "software"}


@frozen
class MeaningAttack:
    """What was done, and what must be said of it."""

    name: str
    code: str
    tell: Callable[[], Story]


def day(
    mode: str = "PAPER",
    edits: Mapping[str, Edit] | None = None,
    says: Mapping[str, Say] | None = None,
    signs: Mapping[str, Sign] | None = None,
    waits: Mapping[str, float] | None = None,
) -> Callable[[], Story]:
    """The honest day with something changed."""
    return lambda: Story(mode, edits or {}, says or {}, signs or {}, waits or {}).told()


def edit(step: str, change: Edit, mode: str = "PAPER") -> Callable[[], Story]:
    """The beads of one step changed before they are sealed."""
    return day(mode, edits={step: change})


def say(step: str, **changes: Json) -> Callable[[], Story]:
    """Something else is signed at one step, by the same key."""
    return day(says={step: lambda said: said.update(changes)})


def sign(step: str, how: Sign, mode: str = "PAPER", **claims: Json) -> Callable[[], Story]:
    """Something is signed in another way; the bead claims what it must."""
    return day(mode, signs={step: how}, edits={step: body("DECISION", signed=claims)} if claims else {})


def after(*more: Callable[[Story], None], mode: str = "PAPER") -> Callable[[], Story]:
    """The honest day, and more."""

    def tell() -> Story:
        story = Story(mode).told()
        for each in more:
            each(story)
        return story

    return tell


def body(kind: str, **changes: Json) -> Edit:
    """Fields of the beads of one kind changed; an object's fields one by one."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        return [(k, _merged(b, changes) if k == kind else b) for k, b in drafts]

    return changed


def _merged(old: Record, new: Mapping[str, Json]) -> Record:
    merged = dict(old)
    for name, value in new.items():
        kept = old.get(name)
        merged[name] = kept | value if isinstance(kept, dict) and isinstance(value, dict) else value
    return merged


def drop(kind: str) -> Edit:
    """The beads of one kind left out."""
    return lambda drafts: [draft for draft in drafts if draft[0] != kind]


def less(kind: str, field: str) -> Edit:
    """A field left out."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        return [(k, {name: v for name, v in b.items() if k != kind or name != field}) for k, b in drafts]

    return changed


def plus(*more: Draft) -> Edit:
    """Beads added to the append."""
    extra = [(k, {"bead_id": named(f"plus {k} {n}"), **whole(k, fields)}) for n, (k, fields) in enumerate(more)]
    return lambda drafts: [*drafts, *extra]


def before(*more: Draft) -> Edit:
    """Beads added at the beginning of the append."""
    return lambda drafts: [*plus(*more)([]), *drafts]


def twice(kind: str, **changes: Json) -> Edit:
    """The beads of one kind a second time, changed."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        again = [(k, b | {"bead_id": named(f"again {k}")} | changes) for k, b in drafts if k == kind]
        return [*drafts, *again]

    return changed


def then(*edits: Edit) -> Edit:
    """One change after another."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        for each in edits:
            drafts = each(drafts)
        return drafts

    return changed


def lines(change: Callable[[list[Record]], list[Record]]) -> Edit:
    """The frames of the recorded order changed."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        out: list[Draft] = []
        for kind, fields in drafts:
            frames = fields.get("frames")
            if isinstance(frames, list):
                whole = [dict(each) for each in frames if isinstance(each, dict)]
                fields = fields | {"frames": list[Json](change(whole))}
            out.append((kind, fields))
        return out

    return changed


def relined(number: int, **changes: Json) -> Edit:
    """One line changed, its frame hashed anew."""

    def changed(frames: list[Record]) -> list[Record]:
        old = frames[number]["line"]
        assert isinstance(old, dict)
        frames[number] = frame(str(frames[number]["ref"]), old | changes)
        return frames

    return lines(changed)


def reframed(number: int, **changes: Json) -> Edit:
    """One frame changed."""

    def changed(frames: list[Record]) -> list[Record]:
        frames[number] = frames[number] | changes
        return frames

    return lines(changed)


# how a signature may be made


def forge(**parts: bytes | int) -> Sign:
    """One part of the signature exchanged."""
    return lambda pen, statement: forged(pen, statement, **parts)  # type: ignore[arg-type]  # the parts' own types


def by(other: Pen) -> Sign:
    """Another key signs."""
    return lambda pen, statement: other.sign(statement)


def flags(value: int) -> Sign:
    """The device says this."""
    return lambda pen, statement: pen.sign(statement, flags=value)


def stuck(pen: Pen, statement: bytes) -> str:
    """A copy of the device that has not counted."""
    pen.counter = 0
    return pen.sign(statement)


def _inner(pen: Pen, statement: bytes) -> bytes:
    text = "".join(pen.sign(statement).splitlines()[1:-1])
    return base64.b64decode(text)[-83:]


def second_s(pen: Pen, statement: bytes) -> str:
    """S plus the order: equal, and spelt another way."""
    inner = _inner(pen, statement)
    s = int.from_bytes(inner[-32:], "little") + ORDER
    return forged(pen, statement, inner=inner[:-32] + s.to_bytes(32, "little"))


def weak_r(pen: Pen, statement: bytes) -> str:
    """R is the neutral point, S what makes it true: only the owner of a key can do this, and no honest one does."""
    half = hashlib.sha512(pen.private.private_bytes_raw()).digest()[:32]
    secret = (int.from_bytes(half, "little") & ((1 << 254) - 8)) | 1 << 254
    r = b"\1" + b"\0" * 31
    message = to_be_signed(statement, "phoenix-approval@v1")
    h = int.from_bytes(hashlib.sha512(r + pen.public.point + message).digest(), "little")
    raw = r + (h * secret % ORDER).to_bytes(32, "little")
    return forged(pen, statement, inner=b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + raw)


def armor(change: Callable[[str], str]) -> Sign:
    """The text of the signature changed."""
    return lambda pen, statement: change(pen.sign(statement))


def bits(change: Callable[[bytes], bytes]) -> Sign:
    """The bytes of the signature changed, in well-made armor."""

    def changed(pen: Pen, statement: bytes) -> str:
        text = "".join(pen.sign(statement).splitlines()[1:-1])
        return armored(change(base64.b64decode(text)), "SSH SIGNATURE")

    return changed


ED: Final = b"\0\0\0\x0bssh-ed25519"
WEAK: Final = ED + b"\0\0\0\x20" + b"\1" + b"\0" * 31
TYPELESS: Final = b"\0\0\0\x07ssh-rsa\0\0\0\x20" + b"k" * 32
WEB: Final = hardware_pen("hana", "webauthn.example").public.blob


# other days


def old_evidence(drafts: list[Draft]) -> list[Draft]:
    """The evidence is replaced in the very append that approves the old one."""
    fields: Record = {"intent_id": named("intent one"), "version": 2, "proposer": "uid:bot", "lines": LINES}
    fields |= {"order_hash": order_hash(LINES), "flags": [], "expires_at": utc(NOON.replace(year=2027))}
    return before(("EVIDENCE", fields))(drafts)


def beat_instead(drafts: list[Draft]) -> list[Draft]:
    """Beats in the place of what was to be told."""
    return [("HEARTBEAT", whole("HEARTBEAT", {"bead_id": fields["bead_id"]})) for _, fields in drafts]


def no_evidence(story: Story) -> None:
    """An approval of an intent that has none."""
    story.edits = {"evidence five": beat_instead}
    story.intent("five")
    story.approve("five", story.boss)


def moved_signature(story: Story) -> None:
    """The evidence of one intent, signed for another."""
    story.intent("five")
    story.intent("six")
    story.facts["evidence six"] = story.facts["evidence five"]
    story.approve("six", story.boss)


def approved_after_reject(story: Story) -> None:
    """An intent that was rejected is approved."""
    story.places["again"] = len(story.beads)
    story.says = {"approve two": lambda said: said.update({"session": "a" * 32})}
    story.edits = {"approve two": fresh_ids}
    story.approve("two", story.boss)


def fresh_ids(drafts: list[Draft]) -> list[Draft]:
    """The same beads under new ids."""
    return [(kind, fields | {"bead_id": named(f"fresh {fields['bead_id']}")}) for kind, fields in drafts]


def resubmitted(name: str) -> Callable[[Story], None]:
    """The token is spent again, or after its end."""

    def tell(story: Story) -> None:
        story.edits = {f"submit {name}": fresh_ids, f"sent {name}": fresh_ids}
        story.submit(name)

    return tell


def rejected_and_sent(story: Story) -> None:
    """Somebody thinks better of it; who owns the host leaves the revocation out and sends."""
    story.intent("five")
    story.approve("five", story.boss)
    story.edits = {"reject": then(fresh_ids, drop("T2_TOKEN"), drop("POSITION"))}
    story.says = {"reject": lambda said: said.update({"session": "c" * 32})}
    story.reject("five", story.boss)
    story.submit("five")


def sent_under_the_next_policy(story: Story) -> None:
    """The rules change between the approval and the send, and the token is not taken back."""
    story.intent("five")
    story.approve("five", story.boss)
    story.edits = {"policy": fresh_ids}
    story.says = {"policy": lambda said: said.update({"session": "d" * 32})}
    story.policy()
    story.submit("five")


def sent_after_its_key_was_revoked(story: Story) -> None:
    """The key that approved is revoked before the send, and the token is not taken back."""
    statement = story.statement("eve", "operator-enrol", {"key": EVE.key, **EVE_KEY})
    recorded = story.decision("eve", story.boss, statement, EVE.key)
    story.append("eve", recorded, story.operator(EVE, "eve", signed=recorded[1]["signed"]))
    story.intent("five")
    story.approve("five", EVE)
    gone = story.statement("gone", "operator-revoke", {"key": EVE.key, "reason": WORDS})
    revoked = story.decision("gone", story.boss, gone, EVE.key)
    story.append("gone", revoked, story.operator(EVE, "eve", "REVOKED", signed=revoked[1]["signed"]))
    story.submit("five")


def unsigned_rules() -> Story:
    """Real money, and the only rules are those that the desk was founded with."""
    return Story("LIVE", edits={"rules": beat_instead}).told()


def leased(event: str) -> Callable[[Story], None]:
    """Another engine, or none, between the approval and the send."""

    def tell(story: Story) -> None:
        story.intent("five")
        story.approve("five", story.boss)
        story.append("leased", ("LEASE", LEASE | {"event": event}))
        story.submit("five")

    return tell


def of_no_engine(epoch: Callable[[int], int]) -> Callable[[Story], None]:
    """A token issued after the shutdown, of a run that it names as it likes; it is told where the shutdown stands."""

    def tell(story: Story) -> None:
        story.append("released", ("LEASE", LEASE | {"event": "RELEASED"}))
        story.edits = {"approve five": body("T2_TOKEN", epoch=epoch(story.places["released"]))}
        story.intent("five")
        story.approve("five", story.boss)

    return tell


def adopted(story: Story) -> None:
    """Exposure that had no owner gets one, signed; the engine carries it out."""
    terms: Record = {"symbol": "EURUSD", "side": "BUY", "quantity": "1000", "price": "1.085"}
    statement = story.statement("adopt", "adopt", terms)
    story.append("adopt", story.decision("adopt", story.boss, statement, "EURUSD"))
    ref, position = entry_ref(statement), named("position x")
    born: Record = {"position_id": position, "intent_id": named("intent x"), "state": "FILLED"}
    born |= {"pair": "EURUSD", "side": "BUY", "order_ref": ref, "event": "Adopted"}
    born["proof"] = {"type": "OPERATOR_DECISION", "id": str(story.places["adopt"])}
    exec_id = f"stated.{story.places['adopt']}.01"
    stated = story.execution("x", exec_id, event="STATED", ref=ref)
    order: Record = {"event": "RECORDED", "position_id": position, "ref": ref + ".S1"}
    order |= {"frames": [frame(ref + ".S1", line("STOP"))], "mandate": f"adoption:{ref}"}
    story.append("adopted", ("POSITION", born), stated, ("ORDER", order))


def adopted_twice(story: Story) -> None:
    """One signature, two positions."""
    born = next(bead.body for bead in story.beads if bead.body.get("event") == "Adopted")
    again: Record = {"bead_id": named("twice"), "position_id": named("position y"), "intent_id": named("intent y")}
    story.append("twice", ("POSITION", {**born, **again}))


def stated_filled(name: str, of: str) -> Callable[[Story], None]:
    """A stalled position that a human reads as filled in the broker's papers; `of` is the one that they signed for."""

    def tell(story: Story) -> None:
        if name != "four":
            story.intent(name)
            story.approve(name, story.boss)
            story.submit(name)
        story.append("stall", story.position(name, "STALLED", "Stalled", "SUBMITTED"))
        subject = named(f"position {of}")
        statement = story.statement(
            "papers", "resolve-stalled", {"position": subject, "as": "filled", "quantity": "1000", "price": "1.085"}
        )
        story.append("papers", story.decision("papers", story.boss, statement, subject))
        seq, proof = story.places["papers"], Record({"type": "OPERATOR_DECISION"})
        stated = story.execution(name, f"stated.{seq}.01", event="STATED")
        filled = story.position(name, "FILLED", "Filled", "STALLED", proof=proof | {"id": str(seq)})
        story.append("stated", stated, filled)

    return tell


def attributed(story: Story) -> None:
    """An execution that the books lacked is booked from the broker's papers, under the broker's own name."""
    said: Record = {"drift": "drift-1", "as": "PHOENIX_CORRECTED", "notes": WORDS, "execution": "0000e0d5.65.01.01"}
    statement = story.statement("attribute", "drift-resolve", said | {"quantity": "300", "price": "1.085"})
    story.append("attribute", story.decision("attribute", story.boss, statement, "drift-1"))
    stated = story.execution("four", "0000e0d5.65.01.01", event="STATED", quantity="300", ref="")
    story.append("attributed", stated)


def otherwise(step: str, *tell: Callable[[Story], None], **changes: Json) -> Callable[[], Story]:
    """What was stated is not what was signed."""
    return after(lambda story: setattr(story, "edits", {step: body("EXECUTION", **changes)}), *tell)


def part_of_four(story: Story) -> None:
    """Of the entry of 1,000 of position four, 400 are told."""
    filled = story.position("four", "FILLED", "Filled", "SUBMITTED")
    story.append("part of four", story.execution("four", "4001.01", quantity="400"), filled)


def attributed_to_four(
    quantity: str = "300", exec_id: str = "lost.1.01", *, price: str = "1.085"
) -> Callable[[Story], None]:
    """A human states one execution of which no word came, under the broker's own id: 300 of it, for 1.085."""

    def tell(story: Story) -> None:
        terms: Record = {"drift": "d", "as": "PHOENIX_CORRECTED", "execution": "lost.1.01"}
        statement = story.statement("attribute", "drift-resolve", terms | {"quantity": "300", "price": "1.085"})
        story.append("attribute", story.decision("attribute", story.boss, statement, "d"))
        told: Record = {"event": "STATED", "quantity": quantity, "price": price}
        proof: Record = {"type": "OPERATOR_DECISION", "id": str(story.places["attribute"])}
        moved = story.position("four", "FILLED", None, "FILLED", proof=proof)
        booked = exec_id.format(story.places["attribute"])
        story.append("attributed", story.execution("four", booked, **told), moved)

    return tell


def exit_of_any_adoption(story: Story) -> None:
    """An exit of another position, in the name of an adoption."""
    ref = story.facts["ref four"] + ".C1"
    order: Record = {"event": "RECORDED", "position_id": named("position four"), "ref": ref}
    order |= {"frames": [frame(ref, line("CLOSE"))], "mandate": f"decision:{story.places['adopt']}"}
    story.append("exit of any", ("ORDER", order))


def exit_of_nothing(story: Story) -> None:
    """A signed close of an intent that nobody ever entered: the way to an entry that no human approved."""
    story.intent("five")
    position = named("position five")
    said: Record = {"position": position, "reason": WORDS, "quantity": None}
    statement = story.statement("close five", "close", said, 60)
    story.append("close five", story.decision("close five", story.boss, statement, position))
    ref = "P1" + "B" * 26 + ".C1"
    order: Record = {"event": "RECORDED", "position_id": position, "ref": ref}
    order |= {"frames": [frame(ref, line("CLOSE"))], "mandate": f"decision:{story.places['close five']}"}
    story.append("exit five", ("ORDER", order))


def adoption(**changes: Json) -> Callable[[], Story]:
    """An adoption whose position is not the one that was signed for."""

    def tell(story: Story) -> None:
        story.edits = {"adopted": body("POSITION", **changes)}
        adopted(story)

    return after(tell)


def second_entry(drafts: list[Draft]) -> list[Draft]:
    """The entry twice in the append that spends its token, the second time as another revision."""
    again = [(kind, fields) for kind, fields in lines(unpaid)(drafts) if kind == "ORDER"]
    return [*drafts, *[(kind, fields | {"bead_id": named("second entry")}) for kind, fields in again]]


def after_revocation(story: Story) -> None:
    """The revoked key approves."""
    story.intent("five")
    story.approve("five", story.hana)


def back_again(story: Story) -> None:
    """The revoked key is enrolled again, well signed."""
    story.edits = {"enrol": fresh_ids}
    story.says = {"enrol": lambda said: said.update({"session": "b" * 32})}
    story.people()


def replayed(story: Story) -> None:
    """A DECISION copied whole to the end of the day."""
    seq = story.places["close"]
    story.append("replay", ("DECISION", {**story.beads[seq].body, "bead_id": named("replayed")}))


def unseen_quote(story: Story) -> None:
    """A price that came after the history that was signed: nobody can have seen it."""
    story.intent("five")
    size, root = len(story.beads), base64.b64encode(story.root()).decode()
    facts: Record = {"bid": "1.09", "ask": "1.0901", "at": utc(story.now), "delayed": "false"}
    story.append("later quote", ("OBSERVATION", {"about": "QUOTE", "subject": "EURUSD", "facts": facts}))
    live: Record = {"bid": "1.09", "ask": "1.0901", "age_ms": 1000}
    story.says = {"approve five": lambda said: said.update({"tree_size": size, "tree_root": root, "live": live})}
    story.approve("five", story.boss)


def decided_again(verdict: str) -> Callable[[Story], None]:
    """The same verdict on the same intent a second time, well signed."""

    def tell(story: Story) -> None:
        step, name = ("reject", "two") if verdict == "reject" else ("approve four", "four")
        story.edits = {step: fresh_ids}
        story.says = {step: lambda said: said.update({"session": "f" * 32})}
        if verdict == "reject":
            story.reject(name, story.boss)
        else:
            story.approve(name, story.boss)

    return tell


def revoked_twice(story: Story) -> None:
    """A key that is gone already is revoked once more, well signed."""
    story.edits = {"revoke": fresh_ids}
    story.says = {"revoke": lambda said: said.update({"session": "e" * 32})}
    story.revokes()


def gone(drafts: list[Draft]) -> list[Draft]:
    """Somebody revokes a key that nobody ever enrolled, with a true signature."""
    return body("OPERATOR", key=EVE.key, public=EVE.public.line, assurance="software")(drafts)


def unseen() -> Story:
    """Who knows what the evidence will be has it approved before it is written."""
    story = Story()

    def early(said: Record) -> None:
        size = story.places["evidence four"]
        said.update({"tree_size": size, "tree_root": base64.b64encode(story.root(size)).decode()})

    story.says = {"approve four": early}
    return story.told()


def evidence_of(shown: list[Json]) -> Record:
    """Evidence that shows these lines, well hashed."""
    return {"lines": shown, "order_hash": order_hash(shown)}


FLAG: Final[Record] = {"event": "RAISED", "flag": "flag-9", "type": "TEMPORARY", "reason": "stale"}
PAUSE: Final[Record] = FLAG | {"scope": "strategy:other"}
DRIFT: Final[Record] = FLAG | {"type": "DRIFT", "scope": "desk", "drift": "drift-1"}


def paused(seconds: int) -> Callable[[Story], None]:
    """A pause of another strategy."""
    return lambda story: story.append(
        "pause", ("KILL_FLAG", PAUSE | {"until": utc(story.now + timedelta(seconds=1 + seconds))})
    )


def refreshed(story: Story) -> None:
    """Somebody looked at its context."""
    story.append("refresh", ("STATE_ANCHOR", {"strategy": "other"}))


def refreshed_all(story: Story) -> None:
    """Somebody looked at every context."""
    story.append("refresh", ("STATE_ANCHOR", {"strategy": "*"}))


def refreshed_other(story: Story) -> None:
    """Somebody looked at another context."""
    story.append("refresh", ("STATE_ANCHOR", {"strategy": "meanrev"}))


def unpaused(story: Story) -> None:
    """The pause is over."""
    story.append("unpause", ("KILL_FLAG", PAUSE | {"event": "LIFTED"}))


def drifted(story: Story) -> None:
    """A drift, and its kill."""
    story.append("drift", ("RECONCILIATION_DRIFT", {"identity": "drift-1"}))
    story.append("drift kill", ("KILL_FLAG", DRIFT))


def undrifted(story: Story) -> None:
    """Its kill comes down."""
    story.append("undrift", ("KILL_FLAG", DRIFT | {"event": "LIFTED"}))


def undrifted_signed(story: Story) -> None:
    """Its kill comes down by a signature."""
    statement = story.statement("undrift", "kill-clear", {"flag": "flag-9", "reason": WORDS})
    recorded = story.decision("undrift", story.boss, statement, "flag-9")
    story.append("undrift", recorded, ("KILL_FLAG", DRIFT | {"event": "LIFTED"}))


def answered(
    way: str, kept: str = "", drift: str = "drift-1", cleared: bool = False, opened: str = "drift 0"
) -> Callable[[Story], None]:
    """A human answers it: the decision, and what carries it out."""

    def answer(story: Story) -> None:
        statement = story.statement("answer", "drift-resolve", {"drift": drift, "as": way.upper().replace("-", "_")})
        story.append("answer", story.decision("answer", story.boss, statement, drift))
        settles: list[Json] = [{"seq": story.places["answer"], "index": 0, "outcome": "done"}]
        row_answers(kept or way.upper().replace("-", "_"), cleared, settles, opened)(story)

    return answer


def row_answers(
    way: str, cleared: bool, settles: list[Json] | None = None, opened: str = "drift 0"
) -> Callable[[Story], None]:
    """The row that answers it."""
    row: Record = {"identity": "drift-1", "drift_bead_id": named(opened), "resolution": way, "cleared": cleared}
    row |= {"settles": settles} if settles else {}
    return lambda story: story.append(f"answered {len(story.beads)}", ("RECONCILIATION_RESOLUTION", row))


def promotes(signed: Record, change: Edit = lambda drafts: drafts) -> Callable[[Story], None]:
    """A strategy is promoted, and something else signed."""

    def promote(story: Story) -> None:
        says: Record = {"strategy": "meanrev", "evidence": "e1"}
        statement = story.statement("promote", "promote", says | signed)
        recorded = story.decision("promote", story.boss, statement, str((says | signed)["strategy"]))
        story.append("promote", *change([recorded, ("PROMOTION", {"strategy": "meanrev", "evidence_hash": "e1"})]))

    return promote


ENROLLED_EVE: Final[Record] = {"event": "ENROLLED", "key": EVE.key, "public": EVE.public.line, "name": "eve"}
OF_NOBODY: Final[Record] = {"statement": "{}", "signature": "", "key": EVE.key, "assurance": "hardware"}
OF_NOBODY.update({"presence": True, "verification": True, "counter": 1})
OTHER_TERMS: Final[Record] = {"quantity": "1001", "side": "SELL", "order_type": "LIMIT", "tif": "GTC", "con_id": 1}
OTHER_TERMS.update(
    {"symbol": "GBPUSD", "account": "hmac:00", "exchange": "X", "outside_hours": True, "currency": "JPY"}
)
LEASE: Final[Record] = {"event": "TAKEN", "boot": "boot-2", "run": "run-2", "version": "0.1.0"}


def unpaid(frames: list[Record]) -> list[Record]:
    """The same entry once more, as another revision."""
    return [each | {"revision": 2} for each in frames]


def order_again(story: Story) -> None:
    """An entry is recorded once more, long after its token was spent."""
    seq = story.places["submit one"] + 2
    order = {**story.beads[seq].body, "bead_id": named("again")}
    story.edits = {"again": lines(unpaid)}
    story.append("again", ("ORDER", order))


def ended_by_nobody(proof: str) -> Callable[[Story], None]:
    """A stalled position is ended in a human's name: of nobody, or of a signature on something else."""

    def tell(story: Story) -> None:
        story.append("stall", story.position("four", "STALLED", "Stalled", "SUBMITTED"))
        named_proof: Record = {"type": "OPERATOR_DECISION", "id": str(story.places.get(proof, proof))}
        story.append("end", story.position("four", "CANCELLED", "Cancelled", "STALLED", proof=named_proof))

    return tell


def ended_otherwise(said: str) -> Callable[[Story], None]:
    """A human says how a stalled position ended, and the books say another end."""

    def tell(story: Story) -> None:
        subject = named("position four")
        statement = story.statement("papers", "resolve-stalled", {"position": subject, "as": said})
        story.append("papers", story.decision("papers", story.boss, statement, subject))
        ended_by_nobody("papers")(story)

    return tell


def filled_as_nobody(story: Story) -> None:
    """Something was executed that belongs to no position; a position takes its name from that."""
    story.append("foreign", ("EXECUTION", {"event": "FILL", "exec_id": "9.01", "family": "9"}))
    called = body("POSITION", position_id="None")
    story.edits = {"signal five": called, "approve five": called, "filled five": called}
    story.edits["submit five"] = then(called, body("ORDER", position_id="None"))
    story.edits["sent five"] = body("ORDER", position_id="None")
    story.intent("five")
    story.approve("five", story.boss)
    story.submit("five")
    story.append("filled five", story.position("five", "FILLED", "Filled", "SUBMITTED"))


def stated_again(story: Story) -> None:
    """The same words of the same human once more, as another execution."""
    told: Record = {"event": "STATED", "quantity": "300", "price": "1.085", "family": "another"}
    story.append("again", story.execution("four", "lost.1.01", **told))


def adopted_more(story: Story) -> None:
    """What was adopted is booked a second time."""
    seq, ref = story.places["adopt"], str(next(b.body["ref"] for b in story.beads if b.body.get("event") == "STATED"))
    story.append("more", story.execution("x", f"stated.{seq}.02", event="STATED", ref=ref))


def entry_changed(drafts: list[Draft]) -> list[Draft]:
    """The order of a close names the entry, as its next revision: at the broker that changes the entry."""
    entry = str(drafts[0][1]["ref"]).partition(".")[0]
    return reframed(0, ref=entry, revision=2)(drafts)


def plus_order(letters: str) -> Edit:
    """The order of this append once more, under another reference."""

    def changed(drafts: list[Draft]) -> list[Draft]:
        ref = str(drafts[0][1]["ref"]).partition(".")[0] + letters
        again = {**drafts[0][1], "ref": ref, "bead_id": named(ref)}
        return [*drafts, *reframed(0, ref=ref)([("ORDER", again)])]

    return changed


def spelt_otherwise(drafts: list[Draft]) -> list[Draft]:
    """A second order, in the name of the same command; the command's place has a zero before it."""
    mandate = str(drafts[0][1]["mandate"]).replace(":", ":0")
    once, again = plus_order(".C2")(drafts)
    return [once, (again[0], again[1] | {"mandate": mandate})]


def undecided(drafts: list[Draft]) -> list[Draft]:
    """The order names the place of a command, and calls it by another word."""
    return body("ORDER", mandate=str(drafts[0][1]["mandate"]).replace("decision", "order"))(drafts)


def withdrawn_and_sent(story: Story) -> None:
    """What a human approved is withdrawn before it leaves. Who owns the host sends it all the same, and has another
    position that was approved move in its place."""
    for name in ("five", "six"):
        story.intent(name)
        story.approve(name, story.boss)
    story.append("withdraw", story.position("five", "CANCELLED", "Withdrawn", "APPROVED"))
    story.edits = {"submit five": body("POSITION", position_id=named("position six"))}
    story.submit("five")


def ended_with_all_of_it(event: str, state: str) -> Callable[[Story], None]:
    """The entry was executed, and its position is called one that came to nothing: nobody protects or closes it."""

    def tell(story: Story) -> None:
        story.append("executed", story.execution("four"))
        story.append("nothing", story.position("four", state, event, "SUBMITTED"))

    return tell


def revoked_by_an_enrolment(story: Story) -> None:
    """A human signs the same enrolment once more, and the books make a revocation of it."""
    fields: Record = {"public": story.boss.public.line, "name": "boss", "assurance": "software"}
    statement = story.statement("boss again", "operator-enrol", {"key": story.boss.key, **fields})
    recorded = story.decision("boss again", story.boss, statement, story.boss.key)
    story.append("boss again", recorded, story.operator(story.boss, "boss", "REVOKED", signed=recorded[1]["signed"]))


def two_tokens_for_one(story: Story) -> None:
    """Two approvals are spent in one append, and one of them on nothing."""
    for name in ("five", "six"):
        story.intent(name)
        story.approve(name, story.boss)
    story.edits = {"submit five": plus(story.token("six", "USED"))}
    story.submit("five")


def later(step: str, **spans: timedelta) -> Callable[[], Story]:
    """Instants of a statement, so long after it was signed."""

    def changed(said: Record) -> None:
        signed = datetime.fromisoformat(str(said["at"]))
        said.update({name: utc(signed + span) for name, span in spans.items()})

    return day(says={step: changed})


def aged(by_ms: int) -> Callable[[], Story]:
    """A price that is said to be so much older than it was."""

    def changed(said: Record) -> None:
        live = said["live"]
        assert isinstance(live, dict) and isinstance(live["age_ms"], int)
        said["live"] = live | {"age_ms": live["age_ms"] + by_ms}

    return day(says={"approve four": changed})


def just_expired(drafts: list[Draft]) -> list[Draft]:
    """The evidence holds until the instant in which it is approved: each step takes a second."""
    written = datetime.fromisoformat(str(drafts[0][1]["expires_at"])) - timedelta(seconds=299)
    return body("EVIDENCE", expires_at=utc(written + timedelta(seconds=1)))(drafts)


def born_again(story: Story) -> None:
    """The position of one intent is born once more, of another one."""
    story.edits = {"signal five": body("POSITION", position_id=named("position four"))}
    story.intent("five")


def rules_of_a_resume(story: Story) -> None:
    """A human signs that the link is good, and the books set a policy by it."""
    recorded = story.decision("resume", story.boss, story.statement("resume", "resume", {}), "link")
    rules = whole("POLICY", {"drift_bps_max": 900})
    story.append("resume", recorded, ("POLICY", rules | {"signed": recorded[1]["signed"]}))


def ended_by_anothers_end(story: Story) -> None:
    """A stalled position is ended by the signature on the end of another one."""
    other = named("position three")
    statement = story.statement("papers", "resolve-stalled", {"position": other, "as": "cancelled"})
    story.append("papers", story.decision("papers", story.boss, statement, other))
    ended_by_nobody("papers")(story)


def lettered(letters: str) -> Edit:
    """The first stop under the entry's own reference, with these letters behind it."""
    return lines(lambda frames: [frames[0], frames[1] | {"ref": f"{frames[0]['ref']}{letters}"}, *frames[2:]])


def born(name: str, state: str, event: str, **more: Json) -> Draft:
    """A position out of nowhere."""
    fields: Record = {"position_id": named(f"position {name}"), "intent_id": named(f"intent {name}"), "state": state}
    fields["proof"] = {"type": "OPERATOR_DECISION", "id": "4"}  # a decision, and no adoption
    return "POSITION", fields | {"event": event} | more


ROWS: Final[list[tuple[str, str, Callable[[], Story]]]] = [
    ("no genesis", "NO_GENESIS", edit("genesis", drop("GENESIS"))),
    ("two of them", "NO_GENESIS", edit("lease", plus(("GENESIS", {"origin": "o"})))),
    ("a token without its epoch", "BAD_BODY", edit("approve one", less("T2_TOKEN", "epoch"))),
    ("a beat whose count is a text", "BAD_BODY", edit("beat", body("HEARTBEAT", miss_count="0"))),
    ("a beat with more to say", "UNKNOWN_FIELD", edit("beat", body("HEARTBEAT", note="trust me"))),
    ("an event that no token has", "UNKNOWN_WORD", edit("approve one", body("T2_TOKEN", event="BLESSED"))),
    ("the genesis of another log", "OTHER_LOG", edit("genesis", body("GENESIS", origin="phoenix.example/other"))),
    ("the genesis of another mode", "OTHER_MODE", edit("genesis", body("GENESIS", mode="MOCK"))),
    ("the genesis of another account", "OTHER_ACCOUNT", edit("genesis", body("GENESIS", account="hmac:00"))),
    ("the genesis of another log key", "OTHER_LOG_KEY", edit("genesis", body("GENESIS", log_key="AAAA"))),
    # people
    ("a key under another's name", "OPERATOR_KEY", edit("enrol", body("OPERATOR", key=EVE.key))),
    ("a software key called hardware", "OPERATOR_KEY", edit("genesis", body("OPERATOR", assurance="hardware"))),
    ("a public key that is none", "OPERATOR_KEY", edit("enrol", body("OPERATOR", public="hello"))),
    ("a key enrolled twice", "OPERATOR_TWICE", edit("enrol", twice("OPERATOR"))),
    ("a revoked key that comes back", "OPERATOR_TWICE", after(back_again)),
    ("a key enrolled by nobody", "OPERATOR_UNVOUCHED",
     edit("lease", plus(("OPERATOR", ENROLLED_EVE | {"assurance": "software"})))),
    ("another key than was signed for", "OPERATOR_UNVOUCHED",
     edit("enrol", body("OPERATOR", key=EVE.key, public=EVE.public.line, assurance="software"))),
    ("another name than was signed for", "OPERATOR_UNVOUCHED", edit("enrol", body("OPERATOR", name="eve"))),
    ("a key revoked by nobody", "OPERATOR_UNVOUCHED", edit("revoke", drop("DECISION"))),
    ("a key revoked twice", "OPERATOR_UNKNOWN", after(revoked_twice)),
    ("a key enrolled before its decision", "OPERATOR_UNVOUCHED", edit("enrol", lambda drafts: drafts[::-1])),
    ("a key enrolled by another signature", "OPERATOR_UNVOUCHED",
     edit("enrol", body("OPERATOR", signed={"counter": 7}))),
    ("a key revoked by its own enrolment", "OPERATOR_UNVOUCHED", edit("enrol", lambda drafts: [*drafts, (
        "OPERATOR", drafts[1][1] | {"event": "REVOKED", "bead_id": named("undone")})])),
    ("a key revoked that never was", "OPERATOR_UNKNOWN",
     day(edits={"revoke": then(gone, body("DECISION", subject=EVE.key))},
         says={"revoke": lambda said: said.update({"key": EVE.key})})),
    ("a policy that nobody signed", "POLICY_UNSIGNED", edit("policy", drop("DECISION"))),
    ("a first policy that comes later", "POLICY_UNSIGNED",
     day(edits={"genesis": drop("POLICY"), "lease": plus(("POLICY", {"drift_bps_max": 900, "four_eyes": False}))})),
    ("two policies at birth", "POLICY_UNSIGNED", edit("genesis", twice("POLICY", drift_bps_max=900))),
    ("another policy than was signed", "POLICY_UNSIGNED", edit("policy", body("POLICY", drift_bps_max=900))),
    ("a policy that comes right behind genesis", "POLICY_UNSIGNED",
     day(edits={"genesis": lambda drafts: drafts[:1], "lease": before(("POLICY", {}))})),
    ("a first policy by the signature of nobody", "POLICY_UNSIGNED",
     day("LIVE", edits={"genesis": body("POLICY", signed=OF_NOBODY), "rules": beat_instead})),
    ("a policy by the signature on something else", "POLICY_UNSIGNED", after(rules_of_a_resume)),
    ("a key revoked by a second enrolment", "OPERATOR_UNVOUCHED", after(revoked_by_an_enrolment)),
    ("another key revoked than was signed", "OPERATOR_UNVOUCHED",
     edit("revoke", body("OPERATOR", key=ANNA.key, public=ANNA.public.line, assurance="software"))),
    ("a public key with more to say than was signed", "OPERATOR_UNVOUCHED",
     edit("enrol", body("OPERATOR", public=hardware_pen("hana").public.line + " eve"))),
    ("a key of another make than was signed", "OPERATOR_UNVOUCHED", say("enrol", assurance="software")),
    # signatures
    ("armor of another make", "SIG_ARMOR", sign("approve one", armor(lambda text: text.replace("SSH", "PGP")))),
    ("armor with a line more", "SIG_ARMOR", sign("approve one", armor(lambda text: text + "\n"))),
    ("armor broken elsewhere", "SIG_ARMOR", sign("approve one", armor(lambda text: text.replace("\n", "", 2)))),
    ("letters that are no base64", "SIG_ARMOR", sign("approve one", armor(lambda text: text.replace("U1NI", "U1N!")))),
    ("cut short", "SIG_TRUNCATED", sign("approve one", bits(lambda data: data[:-1]))),
    ("trailing bytes", "SIG_TRAILING", sign("approve one", forge(tail=b"\0"))),
    ("wrong magic", "SIG_MAGIC", sign("approve one", forge(magic=b"SSHSIH"))),
    ("wrong version", "SIG_VERSION", sign("approve one", forge(version=2))),
    ("an RSA key", "SIG_KEY_TYPE", sign("approve one", forge(blob=TYPELESS))),
    ("a key that signs anything", "SIG_KEY_WEAK", sign("approve four", forge(blob=WEAK))),
    ("a key of 31 bytes", "SIG_KEY_WEAK", sign("approve four", forge(blob=ED + b"\0\0\0\x1f" + b"k" * 31))),
    ("a key made for a web site", "SIG_APPLICATION", sign("approve one", forge(blob=WEB))),
    ("reserved bytes", "SIG_RESERVED", sign("approve one", forge(reserved=b"later"))),
    ("an old hash", "SIG_HASH", sign("approve one", forge(hash_name=b"sha1"))),
    ("a software signature by a FIDO key", "SIG_INNER_TYPE", sign("approve one", forge(inner=EVE.inner(b"")))),
    ("a FIDO signature by a software key", "SIG_INNER_TYPE",
     sign("approve four", forge(inner=hardware_pen("x").inner(b"")))),
    ("a short signature", "SIG_LENGTH", sign("approve four", forge(inner=ED + b"\0\0\0\x3f" + b"s" * 63))),
    ("flags that SSH does not carry", "SIG_FLAGS", sign("approve one", flags(0x45))),
    ("a second spelling of S", "SIG_SCALAR", sign("approve four", second_s)),
    ("a weak R", "SIG_POINT_WEAK", sign("approve four", weak_r)),
    ("made for git", "SIGNATURE_NAMESPACE",
     sign("approve four", lambda pen, statement: pen.sign(statement, namespace="git"))),
    ("over another statement", "SIGNATURE_WRONG",
     sign("approve four", lambda pen, statement: pen.sign(statement + b" "))),
    ("made with another hash than it says", "SIGNATURE_WRONG", sign("approve four", forge(hash_name=b"sha256"))),
    ("a flag set after signing", "SIGNATURE_WRONG",
     sign("approve one", bits(lambda data: data[:-5] + bytes([data[-5] | 8]) + data[-4:]))),
    ("a counter raised after signing", "SIGNATURE_WRONG",
     sign("approve one", bits(lambda data: data[:-1] + bytes([data[-1] + 1])))),
    ("a bit flipped in R", "SIGNATURE_WRONG", sign("approve four", bits(lambda data: data[:-60] + bytes(
        [data[-60] ^ 1]) + data[-59:]))),
    ("a signature half kept", "BAD_BODY", edit("approve one", body("DECISION", signed={"counter": "1"}))),
    ("a PIN that was and is denied", "SIGNED_OTHERWISE",
     edit("approve one", body("DECISION", signed={"verification": False}))),
    ("a touch that was not", "SIGNED_OTHERWISE", edit("approve four", body("DECISION", signed={"presence": True}))),
    ("hardware that was not", "SIGNED_OTHERWISE",
     edit("approve four", body("DECISION", signed={"assurance": "hardware"}))),
    ("another key named", "SIGNED_OTHERWISE", edit("approve one", body("DECISION", signed={"key": EVE.key}))),
    ("another counter named", "SIGNED_OTHERWISE", edit("approve one", body("DECISION", signed={"counter": 99}))),
    ("a stranger's signature", "KEY_UNKNOWN", sign("approve four", by(EVE), key=EVE.key)),
    ("a key that enrols itself", "KEY_UNKNOWN",
     day(signs={"enrol": lambda pen, statement: hardware_pen("hana").sign(statement)},
         edits={"enrol": body("DECISION", signed={"key": hardware_pen("hana").key, "assurance": "hardware",
                                                   "presence": True, "verification": True, "counter": 1})})),
    ("a key that is not yet valid", "KEY_NOT_YET_VALID",
     day(says={"approve one": lambda said: said.update({"tree_size": 5})})),
    ("a revoked key", "KEY_REVOKED", after(after_revocation)),
    ("a software key where real money is", "KEY_IS_SOFTWARE",
     day("LIVE", signs={"approve four": by(software_pen("anna"))},
         edits={"approve four": body("DECISION", signed={"key": software_pen("anna").key, "assurance": "software",
                                                          "presence": False, "verification": False, "counter": 0})})),
    ("nobody touched the key", "PRESENCE_MISSING",
     sign("approve one", flags(0), presence=False, verification=False)),
    ("nobody typed the PIN where real money is", "VERIFICATION_MISSING",
     sign("approve four", flags(1), "LIVE", verification=False)),
    ("a copy of the security key", "COUNTER_STUCK", sign("reject", stuck, counter=1)),
    # statements
    ("a statement with a space", "STATEMENT_MALFORMED",
     lambda: Story(spells={"close": lambda data: data.replace(b":", b": ", 1)}).told()),
    ("a statement without an end", "STATEMENT_MALFORMED", say("approve four", exp=None)),
    ("a statement that nobody knows", "UNKNOWN_STATEMENT", say("close", type="close-all")),
    ("a statement of another version", "UNKNOWN_STATEMENT", say("close", v=2)),
    ("a statement with more to say", "STATEMENT_MALFORMED", say("close", all=True)),
    ("a close of less than nothing", "STATEMENT_MALFORMED", say("close", quantity="-1")),
    ("a close without a word on why", "STATEMENT_MALFORMED", say("close", reason=None)),
    ("a statement about nothing", "STATEMENT_MALFORMED", say("close", position=None)),
    ("a statement that begins at no instant", "STATEMENT_MALFORMED", say("close", at="at noon")),
    ("a statement that ends at no instant", "STATEMENT_MALFORMED", say("close", exp="at noon")),
    ("an approval without a limit for the drift", "STATEMENT_MALFORMED", say("approve four", drift_bps_max=None)),
    ("a nonce that is none", "STATEMENT_MALFORMED", say("close", session="x")),
    ("a statement that says nothing under a name more", "STATEMENT_MALFORMED", say("close", all=None)),
    ("a statement without a name that it may leave empty", "STATEMENT_MALFORMED",
     day(says={"close": lambda said: said.__delitem__("quantity")})),
    ("a statement whose version is no number", "UNKNOWN_STATEMENT", say("close", v=True)),
    ("a statement that ends as it begins", "STATEMENT_MALFORMED", later("close", exp=timedelta(0))),
    ("a statement that ends before it begins", "STATEMENT_MALFORMED", say("close", exp=utc(NOON))),
    ("an approval without a screen", "STATEMENT_MALFORMED", say("approve four", render=None)),
    ("a verdict of maybe", "STATEMENT_MALFORMED",
     day(says={"approve four": lambda said: said.update({"verdict": "maybe"})},
         edits={"approve four": body("DECISION", verdict="approve")})),
    ("signed for another log", "STATEMENT_OTHER_LOG", say("approve four", log="phoenix.example/other")),
    ("signed on paper, used live", "STATEMENT_OTHER_MODE", say("approve four", mode="live")),
    ("signed for another account", "STATEMENT_OTHER_ACCOUNT", say("approve four", account="hmac:00")),
    ("signed over another history", "STATEMENT_OTHER_HISTORY",
     say("approve four", tree_root=base64.b64encode(b"r" * 32).decode())),
    ("signed over the future", "STATEMENT_OTHER_HISTORY", say("approve four", tree_size=999)),
    ("signed once, used twice", "STATEMENT_REPLAYED", after(replayed)),
    ("a nonce used twice", "STATEMENT_REPLAYED",
     say("approve four", session=hashlib.sha256(b"close").hexdigest()[:32])),
    ("recorded when it was over", "STATEMENT_EXPIRED", day(waits={"close": 100})),
    ("signed for tomorrow", "STATEMENT_PRESIGNED",
     say("approve four", at=utc(NOON.replace(day=19)), exp=utc(NOON.replace(day=19, minute=3)))),
    ("a close signed for a microsecond too long", "STATEMENT_PRESIGNED",
     later("close", exp=timedelta(seconds=60, microseconds=1))),
    ("an approval signed for a microsecond too long", "STATEMENT_PRESIGNED",
     later("approve four", exp=timedelta(seconds=300, microseconds=1))),
    ("signed for a day", "STATEMENT_PRESIGNED", say("approve four", exp=utc(NOON.replace(day=19)))),
    ("a close signed for five minutes", "STATEMENT_PRESIGNED", say("close", exp=utc(NOON.replace(minute=3)))),
    ("a reject used as an approve", "DECISION_OTHERWISE", edit("reject", body("DECISION", verdict="approve"))),
    ("a decision on another intent", "DECISION_OTHERWISE",
     edit("approve one", body("DECISION", subject=named("intent two")))),
    ("a close used as a resume", "DECISION_OTHERWISE", edit("close", body("DECISION", type="resume"))),
    ("approved twice", "DECIDED_ALREADY", after(decided_again("approve"))),
    ("rejected twice", "DECIDED_ALREADY", after(decided_again("reject"))),
    ("approved after it was rejected", "DECIDED_ALREADY", after(approved_after_reject)),
    # approvals
    ("an intent that comes in again, in another instrument", "INTENT_TWICE", edit("quote one", plus(
        ("SIGNAL", {"event": "ACCEPTED", "channel": "uid:bot", "signal": {
            "intent_id": named("intent one"), "strategy": "other", "pair": "GBPUSD"}})))),
    ("evidence in another instrument", "EVIDENCE_OTHER_DESK", edit("evidence one", body("EVIDENCE", **evidence_of(
        [line("ENTRY", symbol="GBPUSD", tif="DAY"), *LINES[1:]])))),
    ("evidence on another account", "EVIDENCE_OTHER_DESK", edit("evidence one", body("EVIDENCE", **evidence_of(
        [*LINES[:2], line("TARGET", account="hmac:00", limit="1.1")])))),
    ("the evidence replaced after the approval", "EVIDENCE_LATE", edit("sent one", old_evidence)),
    ("evidence of nothing", "EVIDENCE_UNPROPOSED", edit("evidence one", body("EVIDENCE", intent_id=named("x")))),
    ("evidence of another order than it hashes", "EVIDENCE_ORDER",
     edit("evidence one", body("EVIDENCE", lines=[line("ENTRY", quantity="9000", tif="DAY"), *LINES[1:]]))),
    ("another spelling of a limit", "BAD_BODY",
     edit("evidence one", body("EVIDENCE", lines=[*LINES[:2], line("TARGET", limit="1.10")]))),
    ("approved without evidence", "EVIDENCE_MISSING", after(no_evidence)),
    ("the evidence replaced after signing", "STATEMENT_OTHER_EVIDENCE", edit("approve one", old_evidence)),
    ("a signature moved to another intent", "STATEMENT_OTHER_EVIDENCE", after(moved_signature)),
    ("signed before the evidence was there", "EVIDENCE_UNSEEN", unseen),
    ("the evidence had expired", "EVIDENCE_EXPIRED", edit("evidence one", body("EVIDENCE", expires_at=utc(NOON)))),
    ("the evidence expired in this very instant", "EVIDENCE_EXPIRED", edit("evidence four", just_expired)),
    ("a red light on the screen", "EVIDENCE_RED", edit("evidence one", body("EVIDENCE", flags=["RED drift open"]))),
    ("a red light among green ones", "EVIDENCE_RED",
     edit("evidence one", body("EVIDENCE", flags=["INFO link up", "RED drift open", "INFO calm"]))),
    ("a kill on the screen", "EVIDENCE_RED", edit("evidence one", body("EVIDENCE", flags=["KILL desk"]))),
    ("another order than was shown", "STATEMENT_OTHER_ORDER", say("approve four", order="0" * 64)),
    ("a screen without its hash", "STATEMENT_OTHER_RENDER",
     say("approve four", render={"id": "term-1", "sha256": "none"})),
    ("a screen with more to say", "STATEMENT_MALFORMED",
     say("approve four", render={"id": "term-1", "sha256": "0" * 64, "note": "trust me"})),
    ("a price of later", "STATEMENT_OTHER_QUOTE", after(unseen_quote)),
    ("a price with more to say", "STATEMENT_MALFORMED",
     say("approve four", live={"bid": "1.085", "ask": "1.0851", "age_ms": 1000, "mid": "1.2"})),
    ("a price that nobody saw", "STATEMENT_OTHER_QUOTE",
     say("approve four", live={"bid": "1.08", "ask": "1.0851", "age_ms": 2000})),
    ("a price of another age", "STATEMENT_OTHER_QUOTE",
     say("approve four", live={"bid": "1.085", "ask": "1.0851", "age_ms": 90_000})),
    ("a price that is older than it was", "STATEMENT_OTHER_QUOTE", aged(1001)),
    ("a price that is younger than it was", "STATEMENT_OTHER_QUOTE", aged(-1001)),
    ("a price of the next instant", "STATEMENT_OTHER_QUOTE",
     day(says={"approve four": lambda said: said.update({"live": {"bid": "1.085", "ask": "1.0851", "age_ms": -1}})},
         waits={"quote four": -0.9, "evidence four": -0.9})),
    ("a price that is no quote", "STATEMENT_OTHER_QUOTE", edit("quote four", body("OBSERVATION", about="LINK"))),
    ("a price of another instrument", "STATEMENT_OTHER_QUOTE",
     edit("quote four", body("OBSERVATION", subject="GBPUSD"))),
    ("real money under rules that nobody signed", "POLICY_OF_NOBODY", unsigned_rules),
    ("a drift beyond the policy", "DRIFT_TOO_WIDE", say("approve four", drift_bps_max=21)),
    ("a drift below nothing", "DRIFT_TOO_WIDE", say("approve four", drift_bps_max=-1)),
    ("approved by who proposed it", "PROPOSER_MAY_NOT_APPROVE",
     day(edits={"genesis": body("POLICY", four_eyes=True), "evidence one": body("EVIDENCE", proposer="hana")})),
    ("approved by who handed it in", "PROPOSER_MAY_NOT_APPROVE",
     day(edits={"genesis": body("POLICY", four_eyes=True), "signal one": body("SIGNAL", channel="hana")})),
    ("approved with the key that proposed it", "PROPOSER_MAY_NOT_APPROVE",
     day(edits={"genesis": body("POLICY", four_eyes=True),
                "evidence one": body("EVIDENCE", proposer=hardware_pen("hana").key)})),
    # tokens
    ("a token without a decision", "TOKEN_WITHOUT_DECISION", edit("approve one", drop("DECISION"))),
    ("a token before its decision", "TOKEN_WITHOUT_DECISION",
     edit("approve one", lambda drafts: [drafts[1], drafts[0], *drafts[2:]])),
    ("a token out of a reject", "TOKEN_WITHOUT_DECISION", edit("reject", body("T2_TOKEN", event="ISSUED"))),
    ("a second token for one decision", "TOKEN_TWICE", edit("approve one", twice("T2_TOKEN", id=named("more")))),
    ("an old token for another intent", "TOKEN_TWICE",
     edit("approve four", then(body("T2_TOKEN", id=named("token one")),
                               body("POSITION", token_id=named("token one"))))),
    ("the same token twice", "TOKEN_TWICE", edit("approve one", twice("T2_TOKEN"))),
    ("a token for other evidence", "TOKEN_OTHER_EVIDENCE", edit("approve one", body("T2_TOKEN", evidence_hash="0"))),
    ("a token for another order", "TOKEN_OTHER_ORDER", edit("approve one", body("T2_TOKEN", order_hash="0"))),
    ("a token with a forged reference", "TOKEN_OTHER_REF",
     edit("approve one", body("T2_TOKEN", order_ref="P1" + "A" * 26))),
    ("a token for another account", "TOKEN_OTHER_DESK", edit("approve one", body("T2_TOKEN", account="hmac:00"))),
    ("a token for another mode", "TOKEN_OTHER_DESK", edit("approve one", body("T2_TOKEN", mode="LIVE"))),
    ("a token for an hour", "TOKEN_LIFE",
     edit("approve one", body("T2_TOKEN", expires_at=utc(NOON.replace(hour=20))))),
    ("a token from tomorrow", "TOKEN_LIFE",
     edit("approve one", body("T2_TOKEN", timestamp=utc(NOON.replace(day=19)),
                              expires_at=utc(NOON.replace(day=19, minute=5))))),
    ("a token after a restart", "TOKEN_OTHER_RUN", after(leased("TAKEN"))),
    ("a token after the shutdown", "TOKEN_OTHER_RUN", after(leased("RELEASED"))),
    *[(f"a token {name} where no engine runs", "TOKEN_OTHER_RUN", after(of_no_engine(epoch)))
      for name, epoch in (("of the last run", lambda seq: 3), ("of the shutdown", lambda seq: seq),
                          ("of run -1", lambda seq: -1))],
    ("a token of a run that is not there", "TOKEN_OTHER_RUN", edit("approve one", body("T2_TOKEN", epoch=0))),
    ("a token that was never issued", "TOKEN_UNKNOWN", edit("submit one", body("T2_TOKEN", id=named("x")))),
    ("a token changed on the way", "TOKEN_CHANGED", edit("submit one", body("T2_TOKEN", order_hash="0" * 64))),
    ("a token used twice", "TOKEN_USED", after(resubmitted("one"))),
    ("a token used after it expired", "TOKEN_EXPIRED", after(resubmitted("three"))),
    ("a token used after it was revoked", "TOKEN_REVOKED", after(resubmitted("two"))),
    ("a token used after a reject that left it alone", "TOKEN_REJECTED", after(rejected_and_sent)),
    ("a token used under the next policy", "TOKEN_OTHER_POLICY", after(sent_under_the_next_policy)),
    *[(f"a token that changes its {name}", "TOKEN_CHANGED", edit("submit one", body("T2_TOKEN", **{name: value})))
      for name, value in (("boot", "boot-2"), ("ticks", 2), ("epoch", 4))],
    ("a token used after its key was revoked", "TOKEN_KEY_REVOKED", after(sent_after_its_key_was_revoked)),
    ("a token used too late", "TOKEN_TOO_OLD", day(waits={"submit one": 299})),
    ("a token used before it was there", "TOKEN_TOO_OLD", day(waits={"submit one": -10})),
    ("a token spent without an order", "TOKEN_SPENT_FOR_NOTHING", edit("submit one", drop("ORDER"))),
    ("two tokens spent on one order", "TOKEN_SPENT_FOR_NOTHING", after(two_tokens_for_one)),
    ("a token spent without a submit", "TOKEN_SPENT_FOR_NOTHING", edit("submit one", drop("POSITION"))),
    *[(f"a token used under a kill of {scope}", "KILL_FLAG_ACTIVE",
       edit("submit one", before(("KILL_FLAG", FLAG | {"scope": scope}))))
      for scope in ("desk", "strategy:meanrev", "instrument:EURUSD")],
    ("a one-way kill that nobody lifted", "KILL_LIFTED_UNSIGNED", edit("clear", drop("DECISION"))),
    ("a one-way kill lifted by the signature on another", "KILL_LIFTED_UNSIGNED",
     day(edits={"clear": body("DECISION", subject="flag-2")},
         says={"clear": lambda said: said.update({"flag": "flag-2"})})),
    ("a one-way kill lifted before it was signed", "KILL_LIFTED_UNSIGNED", edit("clear", lambda drafts: drafts[::-1])),
    ("a one-way kill raised again as one that a rule may lift", "KILL_LIFTED_UNSIGNED",
     day(edits={"kill": plus(("KILL_FLAG", FLAG | {"flag": "flag-1", "type": "DRIFT", "scope": "desk"})),
                "clear": drop("DECISION")})),
    ("a watcher's kill that nobody lifted", "KILL_LIFTED_UNSIGNED",
     day(edits={"kill": body("KILL_FLAG", type="SIGNALMAN"),
                "clear": then(drop("DECISION"), body("KILL_FLAG", type="SIGNALMAN"))})),
    ("a pause that came down early", "KILL_LIFTED_EARLY", after(paused(60), refreshed, unpaused)),
    ("a pause that came down without a refresh", "KILL_LIFTED_EARLY", after(paused(1), unpaused)),
    ("a pause with a refresh before it", "KILL_LIFTED_EARLY", after(refreshed, paused(1), unpaused)),
    ("a pause with a refresh of another strategy", "KILL_LIFTED_EARLY",
     after(paused(1), refreshed_other, unpaused)),
    ("the kill of an open drift", "KILL_LIFTED_EARLY", after(drifted, undrifted)),
    ("the kill of a known drift, and no signature", "KILL_LIFTED_EARLY",
     after(drifted, answered("acknowledged"), undrifted)),
    ("the kill of a drift that nobody knows, signed", "KILL_LIFTED_EARLY", after(drifted, undrifted_signed)),
    ("the kill of a drift that waits for the broker", "KILL_LIFTED_EARLY",
     after(drifted, answered("broker-corrected"), undrifted_signed)),
    ("a drift that a row knows", "DRIFT_ANSWERED_UNSIGNED", after(drifted, row_answers("ACKNOWLEDGED", False))),
    ("a drift that a row ends", "DRIFT_ANSWERED_UNSIGNED", after(drifted, row_answers("BROKER_CORRECTED", True))),
    ("a known drift that a row ends", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("acknowledged"), row_answers("BROKER_CORRECTED", True))),
    ("a corrected drift that a row knows", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("broker-corrected"), row_answers("ACKNOWLEDGED", False))),
    ("a corrected drift that a row corrects again", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("broker-corrected"), row_answers("BROKER_CORRECTED", False))),
    ("a drift that is not open", "DRIFT_ANSWERED_UNSIGNED", after(answered("acknowledged"))),
    ("a drift that another bead opened", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("acknowledged", opened="drift 1"))),
    ("a drift answered otherwise than was signed", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("acknowledged", kept="BROKER_CORRECTED"))),
    ("a drift answered by a signature on another", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, answered("acknowledged", drift="drift-2"))),
    ("a drift answered by another kind of command", "DRIFT_ANSWERED_UNSIGNED",
     after(drifted, row_answers("ACKNOWLEDGED", False, [{"seq": 4, "index": 0, "outcome": "done"}]))),
    ("a promotion that nobody signed", "PROMOTION_UNSIGNED", after(promotes({}, drop("DECISION")))),
    ("another strategy promoted than was signed", "PROMOTION_UNSIGNED", after(promotes({"strategy": "other"}))),
    ("a promotion on other evidence", "PROMOTION_UNSIGNED", after(promotes({"evidence": "e2"}))),
    ("a promotion before it was signed", "PROMOTION_UNSIGNED", after(promotes({}, lambda drafts: drafts[::-1]))),
    # positions
    ("a position born twice", "POSITION_BIRTH", edit("signal one", twice("POSITION"))),
    ("two positions of one intent", "POSITION_BIRTH",
     edit("signal one", twice("POSITION", position_id=named("the twin")))),
    ("an adoption in the name of another position's intent", "POSITION_BIRTH",
     adoption(intent_id=named("intent four"))),
    ("a position of no signal", "POSITION_BIRTH", edit("lease", plus(born("x", "PROPOSED", "Proposed")))),
    ("a position born submitted", "POSITION_BIRTH", edit("signal one", body("POSITION", state="SUBMITTED"))),
    ("an adoption that nobody signed", "POSITION_BIRTH", edit("lease", plus(born("x", "FILLED", "Adopted")))),
    ("an adoption that is used twice", "POSITION_BIRTH", after(adopted, adopted_twice)),
    ("an adoption of another instrument", "POSITION_BIRTH", adoption(pair="GBPUSD")),
    ("an adoption of the other side", "POSITION_BIRTH", adoption(side="SELL")),
    ("an adoption under another reference", "POSITION_BIRTH", adoption(order_ref="P1" + "A" * 26)),
    ("a position born again, of another intent", "POSITION_BIRTH", after(born_again)),
    ("an adoption that a rule proves", "POSITION_BIRTH", adoption(proof={"type": "RULE"})),
    ("an adoption by another kind of command", "POSITION_BIRTH",
     adoption(proof={"type": "OPERATOR_DECISION", "id": "4"})),
    ("a position that never was", "POSITION_UNKNOWN",
     edit("more one", body("POSITION", position_id=named("position x")))),
    ("an approval that was withdrawn, sent as another position's", "POSITION_UNKNOWN", after(withdrawn_and_sent)),
    ("a position from elsewhere", "POSITION_FROM", edit("protect one", body("POSITION", **{"from": "SUBMITTED"}))),
    ("a filled position cancelled", "POSITION_MOVE",
     edit("protect one", body("POSITION", event="Cancelled", state="CANCELLED"))),
    ("a state changed by nothing", "POSITION_MOVE", edit("more one", body("POSITION", state="CLOSED"))),
    ("an end that was left", "POSITION_MOVE",
     after(lambda story: story.append("x", story.position("one", "MANAGED", "Protected", "CLOSED")))),
    ("a tenth state", "UNKNOWN_WORD", edit("protect one", body("POSITION", state="EXPIRED"))),
    ("a hand-written APPROVED row", "APPROVED_WITHOUT_TOKEN",
     edit("approve one", then(drop("DECISION"), drop("T2_TOKEN")))),
    ("approved with another's token", "APPROVED_WITHOUT_TOKEN",
     edit("approve one", body("POSITION", token_id=named("x")))),
    ("submitted without spending", "SUBMITTED_WITHOUT_TOKEN", edit("submit one", drop("T2_TOKEN"))),
    ("filled by nothing", "FILLED_WITHOUT_EXECUTION", edit("fill one", drop("EXECUTION"))),
    ("filled by a commission", "FILLED_WITHOUT_EXECUTION", edit("fill one", body("EXECUTION", event="COMMISSION"))),
    ("an execution that a human never stated", "STATED_UNSIGNED", edit("fill one", body("EXECUTION", event="STATED"))),
    ("an execution stated by another kind of command", "STATED_UNSIGNED",
     edit("fill one", body("EXECUTION", event="STATED", exec_id="stated.4.01"))),
    ("an execution stated by the end of another stall", "STATED_UNSIGNED", after(stated_filled("five", of="four"))),
    ("another execution than was attributed", "STATED_UNSIGNED",
     after(part_of_four, attributed_to_four(exec_id="lost.2.01"))),
    ("an attribution booked under another name", "STATED_UNSIGNED",
     after(part_of_four, attributed_to_four(exec_id="stated.{}.01"))),
    ("more than was attributed", "STATED_UNSIGNED", after(part_of_four, attributed_to_four("301"))),
    ("at another price than was attributed", "STATED_UNSIGNED", after(part_of_four, attributed_to_four(price="1.086"))),
    ("filled by an execution of nobody's, for a position that is called None", "FILLED_WITHOUT_EXECUTION",
     after(filled_as_nobody)),
    ("two executions for one signature", "STATED_TWICE", after(part_of_four, attributed_to_four(), stated_again)),
    ("two executions for one adoption", "STATED_TWICE", after(adopted, adopted_more)),
    ("a position closed with all of it held", "CLOSED_HELD", edit("closed", drop("EXECUTION"))),
    ("a position closed with a part of it held", "CLOSED_HELD", edit("closed", body("EXECUTION", quantity="999"))),
    *[(f"a position called {event.lower()} with all of it held", "CLOSED_HELD",
       after(ended_with_all_of_it(event, state)))
      for event, state in (("Cancelled", "CANCELLED"), ("Withheld", "CANCELLED"), ("Rejected", "REJECTED"))],
    ("filled by another position's execution", "FILLED_WITHOUT_EXECUTION",
     edit("fill one", body("EXECUTION", position_id=named("position two")))),
    ("more adopted than was signed", "STATED_UNSIGNED", otherwise("adopted", adopted, quantity="1000000")),
    ("adopted at another price", "STATED_UNSIGNED", otherwise("adopted", adopted, price="1.01")),
    ("adopted into another position", "STATED_UNSIGNED",
     otherwise("adopted", adopted, position_id=named("position four"))),
    ("more read as filled than was signed", "STATED_UNSIGNED",
     otherwise("stated", stated_filled("four", of="four"), quantity="1000000")),
    ("more attributed than was signed", "STATED_UNSIGNED", otherwise("attributed", attributed, quantity="300000")),
    ("another execution attributed than was signed", "STATED_UNSIGNED",
     otherwise("attributed", attributed, exec_id="0000e0d5.66.01.01")),
    ("attributed by who said that the broker is wrong", "STATED_UNSIGNED",
     after(lambda story: setattr(story, "says", {"attribute": lambda said: said.update({"as": "BROKER_CORRECTED"})}),
           attributed)),
    ("an execution stated of another position", "STATED_UNSIGNED",
     after(lambda story: setattr(story, "edits", {"adopted": body("EXECUTION", ref="P1" + "A" * 26)}), adopted)),
    ("a stalled position ended by nobody", "RESOLVED_UNSIGNED", after(ended_by_nobody("SHA256:x"))),
    ("a stalled position ended by another signature", "RESOLVED_UNSIGNED", after(ended_by_nobody("close"))),
    *[(f"a stalled position that was said to be {said}, ended as cancelled", "RESOLVED_UNSIGNED",
       after(ended_otherwise(said))) for said in ("filled", "rejected")],
    ("a stalled position ended by the end of another", "RESOLVED_UNSIGNED", after(ended_by_anothers_end)),
    # orders
    ("an order without frames", "FRAMES_SHAPE", edit("submit one", lines(lambda frames: []))),
    ("two entries in one order", "FRAMES_SHAPE",
     edit("submit one", lines(lambda frames: [*frames, frames[0] | {"revision": 2}]))),
    ("a frame with more to say", "UNKNOWN_FIELD", edit("submit one", reframed(0, transmit=True))),
    ("a frame in an order that records nothing", "FRAMES_SHAPE",
     edit("sent one", body("ORDER", frames=[frame("P1" + "A" * 26, line("ENTRY"))]))),
    ("a frame that is not what it hashes", "FRAME_HASH",
     edit("submit one", reframed(0, line=line("ENTRY", tif="DAY", quantity="9000")))),
    ("a frame recorded twice", "FRAME_TWICE",
     after(lambda story: story.append("x", ("ORDER", {**story.beads[story.places["exit"]].body,
                                                       "bead_id": named("twice")})))),
    ("an entry that no token pays for", "ORDER_WITHOUT_TOKEN", after(order_again)),
    ("an entry under another position", "ORDER_OTHER_POSITION",
     edit("submit four", body("ORDER", position_id=named("position three")))),
    ("two entries for one token", "ORDER_TWICE", edit("submit one", second_entry)),
    ("an entry with a forged reference", "ORDER_OTHER_REF", edit("submit one", reframed(0, ref="P1" + "A" * 26))),
    *[(f"an exit that is named {letters}", "ORDER_OTHER_REF", edit("submit one", lettered(letters)))
      for letters in (".C1", ".S0", ".S01", ".S1x", "S1", "")],
    ("an exit under another letter", "ORDER_OTHER_REF", edit("submit one", reframed(1, ref="P1" + "A" * 26 + ".C1"))),
    *[(f"an order with another {name}", "ORDER_OTHER_LINES", edit("submit one", relined(0, **{name: value})))
      for name, value in OTHER_TERMS.items()],
    ("an entry without its stop", "ORDER_OTHER_LINES",
     edit("submit one", lines(lambda frames: [frames[0], frames[2]]))),
    ("an entry alone", "ORDER_OTHER_LINES", edit("submit one", lines(lambda frames: frames[:1]))),
    ("a stop at another price", "ORDER_OTHER_LINES", edit("submit one", relined(1, trigger="1.07"))),
    ("a parameter added at send", "ORDER_OTHER_LINES", edit("submit one", relined(0, limit="1.2"))),
    ("an exit of no mandate", "MANDATE_MISSING", edit("exit", less("ORDER", "mandate"))),
    ("an exit of evidence that nobody approved", "MANDATE_MISSING",
     edit("exit", body("ORDER", mandate="evidence:" + "0" * 64))),
    ("an exit of another position's command", "MANDATE_MISSING",
     edit("exit", body("ORDER", position_id=named("position four")))),
    ("an exit of another kind of command", "MANDATE_MISSING", edit("exit", body("ORDER", mandate="decision:4"))),
    ("an exit of a decision that is none", "MANDATE_MISSING", edit("exit", body("ORDER", mandate="decision:0"))),
    ("an exit in the name of any adoption", "MANDATE_MISSING", after(adopted, exit_of_any_adoption)),
    ("an exit on the side of the entry", "EXIT_OPENS", edit("exit", relined(0, side="BUY"))),
    ("an exit in another instrument", "EXIT_OPENS", edit("exit", relined(0, symbol="GBPUSD"))),
    ("an exit on another account", "EXIT_OPENS", edit("exit", relined(0, account="hmac:00"))),
    ("an exit of what was never entered", "EXIT_OPENS", after(exit_of_nothing)),
    ("an adopted position's exit on the side of its entry", "EXIT_OPENS",
     after(lambda story: setattr(story, "edits", {"adopted": relined(0, side="BUY")}), adopted)),
    ("an exit under the reference of another position", "ORDER_OTHER_REF",
     edit("exit", reframed(0, ref="P1" + "A" * 26 + ".C1"))),
    ("an exit under the reference of its entry", "ORDER_OTHER_REF", edit("exit", entry_changed)),
    ("a second order for one signed close", "MANDATE_USED",
     edit("exit", plus_order(".C2"))),
    ("a second order for one signed close, whose place is spelt in another way", "MANDATE_MISSING",
     edit("exit", spelt_otherwise)),
    ("an exit in the name of a place that nobody calls a decision", "MANDATE_MISSING", edit("exit", undecided)),
    ("an exit of a command whose minute is over", "MANDATE_OLD", day(waits={"exit": 58})),
    ("an exit of an old command", "MANDATE_OLD", day(waits={"exit": 60})),
    ("a frame sent without being recorded", "SENT_UNRECORDED",
     edit("sent one", body("ORDER", ref="P1" + "A" * 26))),
    ("another revision sent than was recorded", "SENT_UNRECORDED", edit("sent one", body("ORDER", revision=2))),
    ("a revision sent that nobody names", "SENT_UNRECORDED", edit("sent one", less("ORDER", "revision"))),
]  # fmt: skip
MEANING_ATTACKS: Final = [MeaningAttack(*row) for row in ROWS]
