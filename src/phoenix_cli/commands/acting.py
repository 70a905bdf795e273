"""How a command acts: it signs a statement, the log takes it or refuses, and the engine answers where it must."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import click
from attrs import Factory, frozen

from phoenix_cli.output import REFUSED, SIGNED, UNREACHABLE, USAGE, fail, refuse, tell

if TYPE_CHECKING:
    from returns.result import Result

    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Bead
    from phoenix_core.gate.statements import Says
    from phoenix_core.refusals import Refusal
    from phoenix_core.rulings import Accepted
    from phoenix_core.values import Moment

# How long a command waits for the engine's acknowledging bead.
ANSWER_WITHIN_S = 2.0


def refuse_with(ctx: click.Context, no: Refusal, code: int = 1) -> NoReturn:
    """Refuse with every reason."""
    refuse(ctx, tuple(reason.value for reason in no.reasons), no.detail, code)


def sign_and_act(
    ctx: click.Context,
    session: Session,
    says: Says,
    texts: dict[str, str] | None = None,
    policy: object = None,
    seen: Moment | None = None,
) -> Result[Accepted, Refusal]:
    """Sign a statement with the operator's key and record it; `seen` when the screen stood there that it is about."""
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import KeyTrouble, SshVerifier
    from phoenix_cli.wiring.founding import signer_of
    from phoenix_cli.wiring.signing import root_text, signed, statement_of
    from phoenix_core.acts.approve import Sign
    from phoenix_core.beads import Policy

    desk = session.desk
    statement = statement_of(desk, session.store, says, seen or session.clock.now())
    try:
        key = signer_of(session.home, session.settings)
        root = root_text(session.store, desk.head.size)
        if key.public.type.assurance == "hardware":
            tell("touch the security key")
        command = signed(statement, key, SshVerifier(), root, texts, policy if isinstance(policy, Policy) else None)
    except (KeyTrouble, OSError) as error:
        fail(ctx, USAGE, f"the operator's key cannot be used: {error}")
    if not isinstance(command, Sign):
        refuse_with(ctx, command)
    before, ctx.meta[SIGNED] = ctx.meta.get(SIGNED, False), True
    said = session.recorder.act(command)
    ctx.meta[SIGNED] = before or is_successful(said)
    return said


@frozen
class Answer:
    """What the engine answered to a signed command; `reasons` where a rule said no."""

    decided: int = 0
    facts: dict[str, str] = Factory(dict)
    reasons: tuple[str, ...] = ()
    detail: str = ""
    code: int = 0
    open: bool = False  # it may still be carried out: NOT SENT would be a lie


def ask_engine(ctx: click.Context, session: Session, says: Says, texts: dict[str, str] | None = None) -> Answer:
    """Sign a command that the engine carries out, and wait for its answer; what is not answered is taken back."""
    from returns.pipeline import is_successful

    if session.store.leaseholder() is None or session.desk.tenure.released:
        return Answer(reasons=("ENGINE_NOT_RUNNING",), detail="start `phoenix run` first", code=REFUSED)
    said = sign_and_act(ctx, session, says, texts)
    if not is_successful(said):
        no = said.failure()
        return Answer(reasons=tuple(reason.value for reason in no.reasons), detail=no.detail, code=REFUSED)
    decided = max(session.desk.approvals.recent)
    until = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < until:
        answer = _answer(session, decided)
        if answer is not None:
            return answer
        _ = session.store.wait(session.desk.head.size, 0.1)
    trouble = taken_back(session, decided)
    if not trouble:
        return Answer(decided, detail="NOT SENT: no engine answered within 2 s; it is taken back", code=UNREACHABLE)
    # It was answered while we took it back, or it can still be carried out and nobody can say that it will not.
    detail = f"no answer within 2 s, and it can not be taken back ({trouble}): look before you repeat"
    return _answer(session, decided) or Answer(decided, detail=detail, code=UNREACHABLE, open=True)


def _answer(session: Session, decided: int) -> Answer | None:
    """What the log says of a decision so far; None where it says nothing."""
    from phoenix_core.beads import Order, OrderEvent, Settlement
    from phoenix_core.gate.statements import Close
    from phoenix_core.kernel import bead_of

    _ = session.recorder.catch_up()
    asked = session.desk.approvals.recent[decided]
    about, closing = asked.subject, asked.type == Close.type
    beads = [bead_of(record) for record in session.store.read(decided + 1)]
    ahead = _closes_ahead(session, decided, beads) if closing else set()
    for bead in beads:
        body = bead.body
        answer = next((s for s in bead.settles if (s.seq, s.index) == (decided, 0)), None)
        facts = dict(getattr(body, "facts", {}))
        if answer is not None and answer.outcome is Settlement.DONE:
            return Answer(decided, facts)
        if answer is not None and answer.outcome is Settlement.FAILED:
            reasons = tuple(facts.get("reasons", "REFUSED").split())
            return Answer(decided, facts, reasons, facts.get("detail", ""), REFUSED)
        # A close whose protection has to end, or to shrink, first is answered when the engine asks for that.
        if closing and not ahead and isinstance(body, Order) and body.position_id == about:
            ends = body.event is OrderEvent.CANCEL_REQUESTED and body.reason == "close"
            if (ends and body.role is not None and body.role.is_exit) or any(f.revision > 1 for f in body.frames):
                return Answer(decided)
        ahead -= {settled.seq for settled in bead.settles}
    return None


def _closes_ahead(session: Session, decided: int, beads: list[Bead]) -> set[int]:
    """The closes of the same position that somebody signed before, and that were not answered yet when this one was
    signed: what is asked of its protection meanwhile is asked for them."""
    recent = session.desk.approvals.recent
    asked = recent[decided]
    same = {n for n, one in recent.items() if n < decided and (one.type, one.subject) == (asked.type, asked.subject)}
    later = {settled.seq for bead in beads for settled in bead.settles}
    return {n for n in same if n in later or (n, 0) in session.desk.owed}


def taken_back(session: Session, decided: int) -> str:
    """Take a decision back that nobody answered; why that can not be done, if it can not."""
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import StoreFault
    from phoenix_cli.wiring.opening import fresh_id
    from phoenix_core.acts.take_back import TakeBack

    try:
        said = session.recorder.act(TakeBack(fresh_id(), decided))
    except StoreFault as fault:
        return f"the log takes nothing: {fault.kind}"
    return "" if is_successful(said) else said.failure().detail


def wait_for_engine(ctx: click.Context, session: Session, says: Says, texts: dict[str, str] | None = None) -> Answer:
    """The same for a command that has nothing to add: a refusal ends it."""
    answer = ask_engine(ctx, session, says, texts)
    if answer.reasons:
        refuse(ctx, answer.reasons, answer.detail, answer.code)
    if answer.code:
        fail(ctx, answer.code, answer.detail)
    return answer
