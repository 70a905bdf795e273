"""Approvals: whose signature counts for what, judged from the signed bytes and nothing else.

The verifier says only that a key signed these bytes. Whether that key may sign for this desk, whether the statement is
about this log, this history, this account, this intent and exactly this order, and whether it is young and unused, is
decided here, field by field, with every reason that holds. A row that merely says "approved" opens nothing: the engine
judges the stored bytes of a decision again before it sends (`recorded`).

Software keys have no button to press: presence and verification do not apply to them, and they are refused in LIVE.
A hardware key proves presence always, and in LIVE also verification.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from attrs import Factory, define, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.beads import Bead, Decision, Operator, OperatorEvent, Signed, Verdict
from phoenix_core.facts import Checked, Quote
from phoenix_core.gate.statements import Decide, Enrol, Render, Revoke, Says, Statement, ValidatePaper, read_statement
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import WALL_BACK_MAX, BadInput, Mode, Moment, plain, utc_text

SOFTWARE: Final = "software"
ASSURANCES: Final = {"ssh-ed25519": SOFTWARE, "sk-ssh-ed25519@openssh.com": "hardware"}
# Nobody signs 256 statements within the five minutes that one may live; what is older cannot come back anyway.
REMEMBERED: Final = 256
# The screen reads the quote's age at one instant and the statement's `at` at another.
AGE_TOLERANCE: Final = timedelta(seconds=1)


@frozen
class Key:
    """A key that may sign, or might once: enrolled and revoked at these places in the log."""

    key: str
    public: str
    name: str  # whose it is; one person may have several
    assurance: str
    enrolled: int
    revoked: int | None = None
    counter: int = 0
    signed: Signed | None = None  # by whose signature it came; None: with the desk itself


@frozen
class Decided:
    """How a human decided an intent, where in the log, with which key."""

    verdict: Verdict
    seq: int
    key: str


@frozen
class Expected:
    """What the frame of any statement must say, and where in the log the judging stands."""

    log: str
    mode: Mode
    account: str  # the keyed hash
    size: int  # beads in the log now
    root: str | None  # this log's root at the statement's own `tree_size`; None: it never had that size
    session: str | None = None  # the nonce of the screen that asked, in the process that showed it
    recorded: int | None = None  # the place of a decision that is judged again; None: it is not recorded yet
    remembered: bool = True  # False: it is so old that the desk forgot it; whoever judges it read it in its place


@frozen
class ExpectedIntent:
    """What an approval of this intent must say, from the desk's own data."""

    intent: str
    evidence: str | None  # the leaf of its current evidence; None: there is none
    evidence_seq: int
    expires_at: datetime | None  # of the evidence
    order: str
    drift_bps_max: int
    render: Render | None  # the hash of the fact block with the statement's own `live`, made again by its renderer
    quotes: tuple[Quote, ...]  # observations of the instrument in the log that may be the cited one, with their `seq`
    proposer: str  # the channel's identity: an operator's name or key where an operator proposed
    four_eyes: bool


@define
class Approvals:
    """Who may sign, what was signed lately, and how each intent was decided."""

    keys: dict[str, Key] = Factory(dict)
    decided: dict[str, Decided] = Factory(dict)
    recent: dict[int, Decision] = Factory(dict)  # the last signed decisions and commands, by their place in the log
    nonces: dict[str, int] = Factory(dict)  # nonce -> tree size of its statement, in order of the log
    forgotten: int = 0  # the largest tree size of a nonce that is no longer remembered
    validated: dict[str, int] = Factory(dict)  # builds that a human declared good on paper, and where in the log
    replayed: list[int] = Factory(list)  # where a statement stands in the log that was recorded before

    def fold(self, bead: Bead) -> None:
        """Fold OPERATOR and DECISION."""
        body = bead.body
        if isinstance(body, Operator):
            self._fold_operator(bead.seq, body)
        elif isinstance(body, Decision):
            self._fold_decision(bead.seq, body)

    def name_of(self, key: str) -> str:
        """Whose key it is; the key itself where nobody's."""
        return self.keys[key].name if key in self.keys else key

    def can_sign(self) -> bool:
        """Whether any key may sign now; without one the desk is EXITS_ONLY."""
        return any(key.revoked is None for key in self.keys.values())

    def is_approved(self, intent_id: str, seq: int) -> bool:
        """Whether the decision at this place is an approval that still stands: no reject came after it."""
        decided = self.decided.get(intent_id)
        return decided is not None and decided.verdict is Verdict.APPROVE and decided.seq == seq

    def _fold_operator(self, seq: int, body: Operator) -> None:
        if body.event is OperatorEvent.ENROLLED:
            assert body.key not in self.keys, f"{body.key} was enrolled before, and a revoked key does not come back"
            self.keys[body.key] = Key(body.key, body.public, body.name, body.assurance, seq, signed=body.signed)
        else:
            assert body.key in self.keys, f"{body.key} was never enrolled"
            if self.keys[body.key].revoked is None:  # said again it is no later
                self.keys[body.key] = evolve(self.keys[body.key], revoked=seq)

    def _fold_decision(self, seq: int, body: Decision) -> None:
        statement = read_statement(body.signed.statement.encode())
        key = self.keys[body.signed.key]
        self.keys[key.key] = evolve(key, counter=body.signed.counter)
        self.recent[seq] = body
        if len(self.recent) > REMEMBERED:
            del self.recent[next(iter(self.recent))]
        if _is_replayed(self, statement):  # no command records one: somebody wrote it past every rule
            self.replayed.append(seq)
        self.nonces[statement.session] = statement.tree_size
        if len(self.nonces) > REMEMBERED:
            self.forgotten = max(self.forgotten, self.nonces.pop(next(iter(self.nonces))))
        if body.verdict is not None:
            self._fold_verdict(seq, body, body.verdict)
        elif body.type == ValidatePaper.type:
            self.validated[body.subject] = seq

    def _fold_verdict(self, seq: int, body: Decision, verdict: Verdict) -> None:
        """Any reject wins, also over an approve that was there first."""
        assert verdict is Verdict.REJECT or body.subject not in self.decided, f"{body.subject} was decided before"
        self.decided[body.subject] = Decided(verdict, seq, body.signed.key)


def judge_statement(
    approvals: Approvals, checked: Checked, expected: Expected, says: type[Says], now: Moment
) -> Result[Statement, Refusal]:
    """Judge a signed command of the wanted type: key, frame, life, nonce. What it asks for is judged by its wing."""
    read = _read(checked)
    if not is_successful(read):
        return read
    return _judged(read.unwrap(), _of_a_statement(approvals, checked, read.unwrap(), expected, says, now))


def judge_decision(
    approvals: Approvals, checked: Checked, expected: Expected, intent: ExpectedIntent, now: Moment
) -> Result[Statement, Refusal]:
    """Judge a decision on an intent; what it says is a `Decide`. Any reject wins; an approve leaves nothing open."""
    read = _read(checked)
    if not is_successful(read):
        return read
    statement = read.unwrap()
    reasons = list(_of_a_statement(approvals, checked, statement, expected, Decide, now))
    details: list[str] = []
    if isinstance(statement.says, Decide):
        reasons += _of_the_decision(approvals, checked, statement.says, expected, intent)
        if Reason.DECIDED_ALREADY in reasons:
            before = approvals.decided[statement.says.intent]
            details.append(f"{before.verdict} by {approvals.name_of(before.key)}, in bead {before.seq}")
        if statement.says.verdict is Verdict.APPROVE:
            reasons += _of_the_approval(approvals, checked, statement, statement.says, intent, now)
            details += _of_its_time(reasons, statement.says, intent, now)
    return _judged(statement, reasons, "; ".join(details))


def judge_operator(approvals: Approvals, says: Enrol | Revoke) -> Refusal | None:
    """Whether this key may come or go.

    A key never enrols itself: its signature does not count before its bead. A revoked key does not come back, so that
    "as of its place in the log" has one answer for each key.
    """
    key = approvals.keys.get(says.key)
    if isinstance(says, Enrol):
        if key is None:
            return None
        return refusal(Reason.NOTHING_TO_DO if key.revoked is None else Reason.KEY_REVOKED)
    if key is None:
        return refusal(Reason.KEY_UNKNOWN)
    return None if key.revoked is None else refusal(Reason.KEY_REVOKED)


def odd_key(says: Enrol) -> Refusal | None:
    """What is enrolled is one key: the fingerprint that will sign and the assurance are those of the public key that
    people compare. Else a name that nobody looked at would sign under a key that somebody did."""
    kind, _, text = says.public.partition(" ")
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        blob = b""
    fingerprint = "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")
    found = (base64.b64encode(blob).decode(), fingerprint, ASSURANCES.get(kind))
    whole = blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())
    if whole and found == (text, says.key, says.assurance):
        return None
    return refusal(Reason.STATEMENT_MALFORMED, detail="fingerprint, assurance and public key do not belong together")


def signed_of(checked: Checked) -> Signed:
    """A checked signature as a bead keeps it: the exact bytes, the signature, and what the check found."""
    return Signed(
        statement=checked.statement.decode(),
        signature=checked.signature,
        key=checked.key,
        assurance=checked.assurance,
        presence=checked.presence,
        verification=checked.verification,
        counter=checked.counter,
    )


def decision(checked: Checked, statement: Statement, now: Moment, note: str | None = None) -> Decision:
    """The bead of an accepted statement. Every accepted signature leaves one, whatever else it leaves."""
    verdict = statement.says.verdict if isinstance(statement.says, Decide) else None
    says, signed = statement.says, signed_of(checked)
    return Decision(says.type, says.subject, signed, verdict, note, now.ticks, now.boot)


# --- what may be wrong ------------------------------------------------------------------------------------------------


def _read(checked: Checked) -> Result[Statement, Refusal]:
    try:
        return Success(read_statement(checked.statement))
    except BadInput as error:
        return Failure(refusal(Reason.STATEMENT_MALFORMED, detail=str(error)))


def _judged(statement: Statement, reasons: Iterable[Reason], detail: str = "") -> Result[Statement, Refusal]:
    found = tuple(reasons)
    return Failure(refusal(*found, detail=detail)) if found else Success(statement)


def _of_a_statement(
    approvals: Approvals,
    checked: Checked,
    statement: Statement,
    expected: Expected,
    says: type[Says],
    now: Moment,
) -> Iterator[Reason]:
    """Everything that any statement must be, whatever its type."""
    if not isinstance(statement.says, says):
        yield Reason.STATEMENT_WRONG_TYPE
    yield from _of_the_frame(statement, expected)
    yield from _of_the_life(statement, expected, now)
    yield from _of_the_key(approvals, checked, statement, expected)
    if expected.recorded is None:
        yield from _of_a_first_use(approvals, checked, statement)
    elif expected.remembered and not _is_recorded(approvals, checked, expected.recorded):
        yield Reason.SIGNATURE_WRONG


def _of_the_frame(statement: Statement, expected: Expected) -> Iterator[Reason]:
    """This log, this mode, this account, this history."""
    if statement.log != expected.log:
        yield Reason.STATEMENT_OTHER_LOG
    if statement.mode is not expected.mode:
        yield Reason.STATEMENT_OTHER_MODE
    if statement.account != expected.account:
        yield Reason.STATEMENT_OTHER_ACCOUNT
    if statement.tree_size > expected.size or statement.tree_root != expected.root:
        yield Reason.STATEMENT_OTHER_HISTORY


def _of_the_life(statement: Statement, expected: Expected, now: Moment) -> Iterator[Reason]:
    """Signed now, on the screen that asked, and for no longer than its type may live."""
    if now.wall >= statement.exp:
        yield Reason.STATEMENT_EXPIRED
    early = statement.at - now.wall > WALL_BACK_MAX
    long = statement.exp - statement.at > statement.says.life
    elsewhere = expected.session is not None and statement.session != expected.session
    if early or long or elsewhere:
        yield Reason.STATEMENT_PRESIGNED


def _of_the_key(approvals: Approvals, checked: Checked, statement: Statement, expected: Expected) -> Iterator[Reason]:
    """A key of this desk as of the signature's place in the log, used the way the mode demands."""
    key = approvals.keys.get(checked.key)
    place = expected.size if expected.recorded is None else expected.recorded
    if key is None:
        yield Reason.KEY_UNKNOWN
    elif key.enrolled >= statement.tree_size:
        # The history that the signer saw does not know this key yet.
        yield Reason.KEY_NOT_YET_VALID
    elif key.revoked is not None and key.revoked < place:
        yield Reason.KEY_REVOKED
    if checked.assurance == SOFTWARE or (key is not None and key.assurance == SOFTWARE):
        if expected.mode is Mode.LIVE:
            yield Reason.KEY_IS_SOFTWARE
        return
    if not checked.presence:
        yield Reason.PRESENCE_MISSING
    if expected.mode is Mode.LIVE and not checked.verification:
        yield Reason.VERIFICATION_MISSING


def _of_a_first_use(approvals: Approvals, checked: Checked, statement: Statement) -> Iterator[Reason]:
    """Never seen before, and from a device that counts on."""
    if _is_replayed(approvals, statement):
        yield Reason.STATEMENT_REPLAYED
    counted = approvals.keys[checked.key].counter if checked.key in approvals.keys else 0
    # A device that once counted does not stop counting: zero after seven is a copy.
    if counted and checked.counter <= counted:
        yield Reason.COUNTER_STUCK


def _is_replayed(approvals: Approvals, statement: Statement) -> bool:
    """A nonce that is no longer remembered belongs to a history at least 256 signatures old: so does the statement."""
    return statement.session in approvals.nonces or statement.tree_size <= approvals.forgotten


def _is_recorded(approvals: Approvals, checked: Checked, place: int) -> bool:
    """Whether what was checked again is what the log holds at this place, byte for byte."""
    kept = approvals.recent.get(place)
    return kept is not None and kept.signed == signed_of(checked)


def _of_the_decision(
    approvals: Approvals, checked: Checked, says: Decide, expected: Expected, intent: ExpectedIntent
) -> Iterator[Reason]:
    """The right intent, decided once. Any reject wins: one may still follow an approve, nothing follows a reject."""
    if says.intent != intent.intent:
        yield Reason.STATEMENT_OTHER_INTENT
    before = approvals.decided.get(says.intent)
    if before is None or before.seq == expected.recorded:
        return
    if says.verdict is Verdict.APPROVE or before.verdict is Verdict.REJECT:
        yield Reason.DECIDED_ALREADY
        if says.verdict is before.verdict and approvals.name_of(before.key) == approvals.name_of(checked.key):
            yield Reason.SAME_PERSON_TWICE


def _of_the_approval(
    approvals: Approvals, checked: Checked, statement: Statement, says: Decide, intent: ExpectedIntent, now: Moment
) -> Iterator[Reason]:
    """Exactly this evidence, this order, this screen, this quote; and nobody approves what they proposed."""
    if intent.evidence is None:
        yield Reason.EVIDENCE_MISSING
    elif says.evidence != intent.evidence or not 0 <= says.drift_bps_max <= intent.drift_bps_max:
        yield Reason.STATEMENT_OTHER_EVIDENCE
    if statement.tree_size <= intent.evidence_seq:
        # An approval that was there before its evidence was durable.
        yield Reason.STATEMENT_OTHER_HISTORY
    if intent.expires_at is not None and now.wall >= intent.expires_at:
        yield Reason.EVIDENCE_EXPIRED
    if says.order != intent.order:
        yield Reason.STATEMENT_OTHER_ORDER
    if says.render is None or says.render != intent.render:
        yield Reason.STATEMENT_OTHER_RENDER
    if not any(_cites(statement, says, quote) for quote in intent.quotes):
        yield Reason.STATEMENT_OTHER_QUOTE
    if intent.four_eyes and intent.proposer in (checked.key, approvals.name_of(checked.key)):
        yield Reason.PROPOSER_MAY_NOT_APPROVE


def _of_its_time(reasons: list[Reason], says: Decide, intent: ExpectedIntent, now: Moment) -> Iterator[str]:
    """What a human who looked for too long did not do wrong, in words: what was too old, and what to do now."""
    if Reason.EVIDENCE_EXPIRED in reasons and intent.expires_at is not None:
        told = f"evidence: it expired at {utc_text(intent.expires_at)}, and it is {utc_text(now.wall)}"
        yield f"{told}; open the screen of its next version"
    if None not in (says.evidence, intent.evidence) and says.evidence != intent.evidence:
        yield "screen: its evidence is not the latest any more; open it again, and compare the new code words"
    if Reason.STATEMENT_OTHER_QUOTE in reasons:
        live = says.live
        cited = "none" if live is None else f"{plain(live.bid)}/{plain(live.ask)}, {live.age_ms} ms old"
        kept = f"one of the last {len(intent.quotes)} that the log has of it"
        yield f"live quote: {cited}, is not {kept}; open the screen again, and sign while its quote is there"


def _cites(statement: Statement, says: Decide, quote: Quote) -> bool:
    """Whether the statement's `live` is this observation: in the history it co-signs, same prices, same instant."""
    live = says.live
    if live is None or quote.seq is None or quote.seq >= statement.tree_size or live.age_ms < 0:
        return False
    seen_at = statement.at - timedelta(milliseconds=live.age_ms)
    return (live.bid, live.ask) == (quote.bid, quote.ask) and abs(seen_at - quote.at.wall) <= AGE_TOLERANCE
