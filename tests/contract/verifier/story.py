"""An honest day on a desk, written bead by bead, and the means to make it lie at one named place.

The attacker here owns the host and the log's key: after every change the chain is sealed anew, the root fits and the
checkpoints are signed. What they do not own are the operators' keys. `Story` tells the day step by step; an `edit`
changes the beads of a step before they are sealed, a `say` changes what an operator signs, a `sign` how they sign it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from attrs import Factory, define

from phoenix_adapters.keys import note_verifier, vkey
from phoenix_core.canonical import Json, encode
from phoenix_core.chain import EMPTY, Head, Sealed, seal
from phoenix_core.checkpoint import Checkpoint, Signer, ed25519_key_id, sign_note
from phoenix_core.tree import root_of
from tests.contract.verifier.whole import SAID, WORDS, Record, whole
from tests.keyring import Pen, hardware_pen, software_pen

Draft = tuple[str, Record]

ORIGIN: Final = "phoenix.example/main"
ACCOUNT: Final = "hmac:" + "5c" * 32
NOON: Final = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)
LOG: Final = software_pen("the log's key")


Edit = Callable[[list[Draft]], list[Draft]]
Say = Callable[[Record], None]
Sign = Callable[[Pen, bytes], str]


def honest_sign(pen: Pen, statement: bytes) -> str:
    """Touched, known, in the right namespace."""
    return pen.sign(statement)


def utc(at: datetime) -> str:
    """An instant as beads spell it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def named(text: str) -> str:
    """A uuid that the same text always gives."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def line(role: str, **changes: Json) -> Record:
    """One order line of the day's bracket."""
    found: Record = {"role": role, "side": "BUY" if role == "ENTRY" else "SELL", "quantity": "1000", "tif": "GTC"}
    found |= {"order_type": {"STOP": "STOP", "TARGET": "LIMIT"}.get(role, "MARKET"), "account": ACCOUNT}
    found |= {"outside_hours": False, "symbol": "EURUSD", "con_id": 12087792, "sec_type": "CASH", "currency": "USD"}
    return found | {"exchange": "IDEALPRO"} | changes


def order_hash(lines: list[Json]) -> str:
    """The hash of a canonical order."""
    return hashlib.sha256(encode({"lines": lines})).hexdigest()


def frame(ref: str, of: Record, revision: int = 1) -> Record:
    """A frame as its order records it."""
    return {"ref": ref, "revision": revision, "hash": order_hash([of]), "line": of}


def entry_ref(statement: bytes) -> str:
    """The entry's reference: 130 bits of the signed statement."""
    return "P1" + base64.b32encode(hashlib.sha256(statement).digest()).decode()[:26]


LINES: Final[list[Json]] = [line("ENTRY", tif="DAY"), line("STOP", trigger="1.08"), line("TARGET", limit="1.1")]


def _same(drafts: list[Draft]) -> list[Draft]:
    return drafts


def _as_is(says: Record) -> None:
    """An honest operator says what the screen says."""


@define
class Story:
    """The day as it is told. Steps are named; `edits`, `says` and `signs` change one of them each."""

    mode: str = "PAPER"
    edits: Mapping[str, Edit] = {}
    says: Mapping[str, Say] = {}
    signs: Mapping[str, Sign] = {}
    waits: Mapping[str, float] = {}  # seconds more before a step
    spells: Mapping[str, Callable[[bytes], bytes]] = {}  # how a statement is written
    beads: list[Sealed] = Factory(list)
    notes: list[str] = Factory(list)
    texts: dict[str, str] = Factory(dict)
    now: datetime = NOON
    anna: Pen = Factory(lambda: software_pen("anna"))
    hana: Pen = Factory(lambda: hardware_pen("hana"))
    eve: Pen = Factory(lambda: software_pen("eve"))
    facts: dict[str, str] = Factory(dict)
    places: dict[str, int] = Factory(dict)  # step -> its first bead

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return self.beads[-1].head if self.beads else EMPTY

    def root(self, size: int | None = None) -> bytes:
        """The root over so many beads."""
        return root_of(bead.leaf for bead in self.beads[:size])

    @property
    def boss(self) -> Pen:
        """The operator whom the roots vouch for: with a software key, except where real money is."""
        return self.hana if self.mode == "LIVE" else self.anna

    # the steps' tools

    def append(self, step: str, *drafts: Draft) -> None:
        """One append: all its beads carry one instant."""
        self.now += timedelta(seconds=1 + self.waits.get(step, 0))
        told = [(k, {"bead_id": named(f"{step} {n}"), **whole(k, body)}) for n, (k, body) in enumerate(drafts)]
        told = self.edits.get(step, _same)(told)
        self.places[step] = len(self.beads)
        self.beads += seal(self.head, utc(self.now), told)

    def statement(self, step: str, kind: str, says: Record, life_s: int = 300) -> bytes:
        """What an operator signs at this step."""
        size = len(self.beads)
        said: Record = {"v": 1, "type": kind, "log": ORIGIN, "tree_size": size, "account": ACCOUNT}
        said |= {"tree_root": base64.b64encode(self.root()).decode(), "mode": self.mode.lower()}
        said |= {"session": hashlib.sha256(step.encode()).hexdigest()[:32], "at": utc(self.now)}
        said |= {"exp": utc(self.now + timedelta(seconds=life_s))} | SAID.get(kind, {}) | says
        self.says.get(step, _as_is)(said)
        return self.spells.get(step, bytes)(encode(said))

    def decision(self, step: str, pen: Pen, statement: bytes, subject: str) -> Draft:
        """The bead of a signed statement."""
        said = json.loads(statement)
        signature = self.signs.get(step, honest_sign)(pen, statement)
        hard = pen.public.application != ""
        signed: Record = {"statement": statement.decode(), "signature": signature, "key": pen.key}
        signed |= {"assurance": "hardware" if hard else "software", "presence": hard, "verification": hard}
        signed["counter"] = pen.counter if hard else 0
        body: Record = {"type": said["type"], "subject": subject, "signed": signed}
        if said["type"] == "decision":
            body["verdict"] = said["verdict"]
        return "DECISION", body

    def operator(self, pen: Pen, name: str, event: str = "ENROLLED", **more: Json) -> Draft:
        """The bead of a key that comes or goes."""
        assurance = "hardware" if pen.public.application else "software"
        body: Record = {"event": event, "key": pen.key, "public": pen.public.line, "name": name, "assurance": assurance}
        return "OPERATOR", body | more

    def checkpoint(self) -> None:
        """The log signs where it stands."""
        signer = Signer(ORIGIN, ed25519_key_id(ORIGIN, LOG.public.point), LOG.private.sign)
        self.notes.append(sign_note(Checkpoint(ORIGIN, len(self.beads), self.root()), signer))

    # the day

    def told(self) -> Story:
        """The whole day."""
        self.opens()
        self.people()
        if self.mode == "LIVE":  # real money asks for rules that somebody signed
            self.policy("rules", 25)
        self.intent("one")
        self.approve("one", self.hana)
        self.submit("one")
        self.fills("one")
        self.checkpoint()
        self.closes("one")
        self.policy()
        self.intent("two")
        self.approve("two", self.boss)
        self.reject("two", self.hana)
        self.intent("three")
        self.approve("three", self.boss)
        self.expires("three")
        self.kill()
        self.intent("four")
        self.approve("four", self.boss)
        self.submit("four")
        self.checkpoint()
        self.revokes()
        self.append("beat", ("HEARTBEAT", {}))
        return self

    def opens(self) -> None:
        """Genesis, the first operator, the first policy; an engine."""
        key = base64.b64encode(LOG.public.point).decode()
        genesis: Record = {"origin": ORIGIN, "mode": self.mode, "account": ACCOUNT, "log_key": key}
        first = self.operator(self.boss, "boss")
        self.append("genesis", ("GENESIS", genesis), first, ("POLICY", self.rules(25)))
        self.append("lease", ("LEASE", {"event": "TAKEN", "boot": "boot-1", "run": "run-1", "version": "0.1.0"}))

    def rules(self, drift_bps_max: int) -> Record:
        """A policy."""
        return whole("POLICY", {"drift_bps_max": drift_bps_max})

    def people(self) -> None:
        """The boss enrols the second operator."""
        other, name = (self.anna, "anna") if self.mode == "LIVE" else (self.hana, "hana")
        assurance = "hardware" if other.public.application else "software"
        more: Record = {"public": other.public.line, "name": name, "assurance": assurance}
        statement = self.statement("enrol", "operator-enrol", {"key": other.key, **more})
        recorded = self.decision("enrol", self.boss, statement, other.key)
        self.append("enrol", recorded, self.operator(other, name, signed=recorded[1]["signed"]))

    def intent(self, name: str) -> None:
        """A signal, a quote, the evidence."""
        intent = named(f"intent {name}")
        signal: Record = {"intent_id": intent, "signal_id": named(f"signal {name}"), "strategy": "meanrev"}
        accepted: Record = {"event": "ACCEPTED", "channel": "uid:bot", "signal": signal}
        signal["pair"] = "EURUSD"
        self.append(f"signal {name}", ("SIGNAL", accepted), self.position(name, "PROPOSED", "Proposed", None))
        self.append(f"quote {name}", self.quote())
        evidence: Record = {"intent_id": intent, "proposer": "uid:bot"}
        evidence |= {"lines": LINES, "order_hash": order_hash(LINES), "flags": ["INFO link up"]}
        evidence["expires_at"] = utc(self.now + timedelta(seconds=300))
        self.append(f"evidence {name}", ("EVIDENCE", evidence))
        self.facts[f"evidence {name}"] = self.beads[-1].leaf.hex()

    def quote(self) -> Draft:
        """An observation of the market, at this very instant."""
        self.facts["quoted"] = utc(self.now)
        facts: Record = {"bid": "1.085", "ask": "1.0851", "at": utc(self.now), "delayed": "false"}
        return "OBSERVATION", {"about": "QUOTE", "subject": "EURUSD", "facts": facts}

    def position(self, name: str, state: str, event: str | None, came_from: str | None, **more: Json) -> Draft:
        """A bead of an intent's position."""
        body: Record = {"position_id": named(f"position {name}"), "intent_id": named(f"intent {name}"), "state": state}
        body["proof"] = {"type": "RULE", "id": "the rule"}
        body |= {"event": event} if event else {}
        return "POSITION", body | ({"from": came_from} if came_from else {}) | more

    def approve(self, name: str, pen: Pen) -> None:
        """A human saw the screen and signs: decision, token and position in one append."""
        step, intent = f"approve {name}", named(f"intent {name}")
        age = (self.now - datetime.fromisoformat(self.facts["quoted"])) // timedelta(milliseconds=1)
        live: Record = {"bid": "1.085", "ask": "1.0851", "age_ms": age}
        says: Record = {"verdict": "approve", "intent": intent, "evidence": self.facts[f"evidence {name}"]}
        says |= {"order": order_hash(LINES), "render": {"id": "term-1", "sha256": self.screen(name)}, "live": live}
        statement = self.statement(step, "decision", says | {"drift_bps_max": 20})
        self.facts[f"ref {name}"] = entry_ref(statement)
        token = self.token(name, "ISSUED", timestamp=utc(self.now + timedelta(seconds=1 + self.waits.get(step, 0))))
        approved = self.position(name, "APPROVED", "Approved", "PROPOSED", token_id=named(f"token {name}"))
        self.append(step, self.decision(step, pen, statement, intent), token, approved)

    def screen(self, name: str) -> str:
        """The text that was shown travels in the side table."""
        text = f"PAPER  intent {name}\n^ BUY 1000 EURUSD\n"
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.texts["sha256:" + digest] = text
        return digest

    def token(self, name: str, event: str, **more: Json) -> Draft:
        """A bead of an intent's token."""
        if "timestamp" in more:
            issued = datetime.fromisoformat(str(more["timestamp"]))
            self.facts[f"issued {name}"] = str(more["timestamp"])
            self.facts[f"expires {name}"] = utc(issued + timedelta(seconds=300))
        body: Record = {"event": event, "id": named(f"token {name}"), "intent_id": named(f"intent {name}")}
        body |= {"timestamp": self.facts[f"issued {name}"], "expires_at": self.facts[f"expires {name}"]}
        body |= {"used": event == "USED", "evidence_hash": self.facts[f"evidence {name}"]}
        body |= {"order_hash": order_hash(LINES), "order_ref": self.facts[f"ref {name}"], "account": ACCOUNT}
        body |= {"mode": self.mode, "boot": "boot-1", "ticks": 1, "epoch": 3, "final": False}
        return "T2_TOKEN", body | {key: value for key, value in more.items() if key != "timestamp"}

    def submit(self, name: str) -> None:
        """The token is spent, the position submitted, the order recorded: one append. Then the frames leave."""
        ref, token = self.facts[f"ref {name}"], named(f"token {name}")
        frames: list[Json] = []
        for of in LINES:
            assert isinstance(of, dict)
            frames.append(frame(ref + {"ENTRY": "", "STOP": ".S1", "TARGET": ".T1"}[str(of["role"])], of))
        order: Record = {"event": "RECORDED", "position_id": named(f"position {name}"), "ref": ref, "frames": frames}
        order |= {"group": ref + ".G1", "mandate": f"evidence:{self.facts[f'evidence {name}']}", "token_id": token}
        moved = self.position(name, "SUBMITTED", "Submitted", "APPROVED", token_id=token)
        self.append(f"submit {name}", self.token(name, "USED"), moved, ("ORDER", order))
        sent: Record = {"event": "SENT", "position_id": named(f"position {name}"), "ref": ref, "revision": 1}
        self.append(f"sent {name}", ("ORDER", sent))

    def fills(self, name: str) -> None:
        """Executed, protected."""
        filled = self.position(name, "FILLED", "Filled", "SUBMITTED")
        self.append(f"fill {name}", self.execution(name), filled)
        self.append(f"more {name}", self.position(name, "FILLED", None, "FILLED"))
        self.append(f"protect {name}", self.position(name, "MANAGED", "Protected", "FILLED"))

    def execution(self, name: str, exec_id: str = "0001.01", **more: Json) -> Draft:
        """The bead of an execution: of the whole entry, unless it says otherwise."""
        body: Record = {"event": "FILL", "exec_id": exec_id, "family": exec_id[:-3], "role": "ENTRY", "side": "BUY"}
        body |= {"position_id": named(f"position {name}"), "quantity": "1000", "price": "1.085"}
        return "EXECUTION", body | {"ref": self.facts.get(f"ref {name}", "")} | more

    def closes(self, name: str) -> None:
        """A signed close, its order, the end."""
        position = named(f"position {name}")
        statement = self.statement("close", "close", {"position": position, "reason": WORDS, "quantity": None}, 60)
        self.append("close", self.decision("close", self.boss, statement, position))
        ref = self.facts[f"ref {name}"] + ".C1"
        order: Record = {"event": "RECORDED", "position_id": position, "ref": ref}
        order |= {"frames": [frame(ref, line("CLOSE"))], "mandate": f"decision:{self.places['close']}"}
        order["group"] = self.facts[f"ref {name}"] + ".G1"
        self.append("exit", ("ORDER", order))
        out = self.execution(name, "0002.01", role="CLOSE", side="SELL", ref=ref)
        self.append("closed", out, self.position(name, "CLOSED", "Closed", "MANAGED"))

    def policy(self, step: str = "policy", drift_bps_max: int = 20) -> None:
        """New rules, signed."""
        rules: Record = {"bead_id": named(f"{step} 1"), **self.rules(drift_bps_max)}
        bare = {key: value for key, value in rules.items() if key != "bead_id"}
        hashed = "sha256:" + hashlib.sha256(encode(bare)).hexdigest()
        statement = self.statement(step, "policy", {"policy": hashed})
        recorded = self.decision(step, self.boss, statement, hashed)
        self.append(step, recorded, ("POLICY", rules | {"signed": recorded[1]["signed"]}))

    def reject(self, name: str, pen: Pen) -> None:
        """Somebody thinks better of it: the token is revoked."""
        says: Record = {"verdict": "reject", "intent": named(f"intent {name}"), "drift_bps_max": 0}
        says |= {"evidence": None, "order": None, "render": None, "live": None}
        statement = self.statement("reject", "decision", says)
        recorded = self.decision("reject", pen, statement, named(f"intent {name}"))
        withdrawn = self.position(name, "CANCELLED", "Withdrawn", "APPROVED")
        self.append("reject", recorded, self.token(name, "REJECTED", final=True), withdrawn)

    def expires(self, name: str) -> None:
        """Nobody sent it in time; a late attempt is refused and kept."""
        self.now += timedelta(seconds=300)
        expired = self.position(name, "CANCELLED", "TokenExpired", "APPROVED")
        self.append("expire", self.token(name, "EXPIRED"), expired)
        self.append("refused", self.token(name, "REJECTED"))

    def kill(self) -> None:
        """A flag goes up and comes down, by a signature."""
        flag: Record = {"event": "RAISED", "flag": "flag-1", "type": "ONE_WAY", "scope": "desk"}
        self.append("kill", ("KILL_FLAG", flag))
        statement = self.statement("clear", "kill-clear", {"flag": "flag-1", "reason": WORDS})
        self.append("clear", self.decision("clear", self.boss, statement, "flag-1"),
                    ("KILL_FLAG", flag | {"event": "LIFTED"}))  # fmt: skip

    def revokes(self) -> None:
        """The second operator's key is gone."""
        other, name = (self.anna, "anna") if self.mode == "LIVE" else (self.hana, "hana")
        statement = self.statement("revoke", "operator-revoke", {"key": other.key, "reason": WORDS})
        recorded = self.decision("revoke", self.boss, statement, other.key)
        self.append("revoke", recorded, self.operator(other, name, "REVOKED", signed=recorded[1]["signed"]))

    # what is handed over

    def header(self) -> Record:
        """The header that fits."""
        found: Record = {"phoenix_export": 1, "origin": ORIGIN, "root": base64.b64encode(self.root()).decode()}
        found |= {"log_key": base64.b64encode(LOG.public.point).decode(), "size": len(self.beads)}
        return found | {"texts": len(self.texts), "checkpoints": len(self.notes), "files": 0}

    def export(self) -> bytes:
        """The export, as a store writes it."""
        lines = [encode(self.header()), *(bead.data for bead in self.beads)]
        lines += [encode({"hash": name, "text": text}) for name, text in sorted(self.texts.items())]
        lines += [encode({"checkpoint": note}) for note in self.notes]
        return b"".join(each + b"\n" for each in lines)

    def roots(self) -> Record:
        """What the reader keeps."""
        log, witness = vkey(ORIGIN, LOG.public.point), vkey("witness.example", self.eve.public.point)
        found: Record = {"phoenix_roots": 1, "origin": ORIGIN, "mode": self.mode, "account": ACCOUNT, "log": log}
        return found | {"witnesses": [witness], "operators": [self.boss.public.line + " boss"]}


def witness_note(story: Story, size: int) -> str:
    """A checkpoint that a witness signed and kept."""
    known = note_verifier("witness.example", story.eve.public.point)
    signer = Signer(known.name, known.key_id, story.eve.private.sign)
    return sign_note(Checkpoint(ORIGIN, size, story.root(size)), signer)


def written(folder: Path, export: bytes, roots: Record) -> list[str]:
    """The files on a disk, as words of a command line."""
    (folder / "export.jsonl").write_bytes(export)
    (folder / "roots.json").write_text(json.dumps(roots))
    return [str(folder / "export.jsonl"), "--roots", str(folder / "roots.json")]
