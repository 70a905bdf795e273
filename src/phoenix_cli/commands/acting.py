"""How a command acts: it signs a statement, the log takes it or refuses, and the engine answers where it must."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import click
from attrs import Factory, frozen

from phoenix_cli.output import REFUSED, UNREACHABLE, USAGE, fail, refuse

if TYPE_CHECKING:
    from returns.result import Result

    from phoenix_cli.wiring.opening import Session
    from phoenix_core.gate.statements import Says
    from phoenix_core.refusals import Refusal
    from phoenix_core.rulings import Accepted

# How long a command waits for the engine's acknowledging bead.
ANSWER_WITHIN_S = 2.0


def refuse_with(ctx: click.Context, no: Refusal, code: int = 1) -> NoReturn:
    """Refuse with every reason."""
    refuse(ctx, tuple(reason.value for reason in no.reasons), no.detail, code)


def sign_and_act(
    ctx: click.Context, session: Session, says: Says, texts: dict[str, str] | None = None, policy: object = None
) -> Result[Accepted, Refusal]:
    """Sign a statement with the operator's key and record it."""
    from phoenix_cli.wiring.edges import KeyTrouble, SshVerifier
    from phoenix_cli.wiring.founding import signer_of
    from phoenix_cli.wiring.signing import root_text, signed, statement_of
    from phoenix_core.acts.approve import Sign
    from phoenix_core.beads import Policy

    desk = session.desk
    statement = statement_of(desk, session.store, says, session.clock.now())
    try:
        key = signer_of(session.home, session.settings)
        root = root_text(session.store, desk.head.size)
        if key.public.type.assurance == "hardware":
            click.echo("touch the security key", err=True)
        command = signed(statement, key, SshVerifier(), root, texts, policy if isinstance(policy, Policy) else None)
    except (KeyTrouble, OSError) as error:
        fail(ctx, USAGE, f"the operator's key cannot be used: {error}")
    if not isinstance(command, Sign):
        refuse_with(ctx, command)
    return session.recorder.act(command)


@frozen
class Answer:
    """What the engine answered to a signed command; `reasons` where a rule said no."""

    decided: int = 0
    facts: dict[str, str] = Factory(dict)
    reasons: tuple[str, ...] = ()
    detail: str = ""
    code: int = 0


def ask_engine(ctx: click.Context, session: Session, says: Says, texts: dict[str, str] | None = None) -> Answer:
    """Sign a command that the engine carries out, and wait for its answer."""
    from returns.pipeline import is_successful

    from phoenix_core.beads import Settlement
    from phoenix_core.kernel import bead_of

    if session.store.leaseholder() is None or session.desk.tenure.released:
        return Answer(reasons=("ENGINE_NOT_RUNNING",), detail="start `phoenix run` first", code=REFUSED)
    looked = session.desk.head.size
    said = sign_and_act(ctx, session, says, texts)
    if not is_successful(said):
        no = said.failure()
        return Answer(reasons=tuple(reason.value for reason in no.reasons), detail=no.detail, code=REFUSED)
    decided = max(session.desk.approvals.recent)
    until = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < until:
        for record in session.store.read(looked):
            looked = record.seq + 1
            bead = bead_of(record)
            answer = next((s for s in bead.settles if (s.seq, s.index) == (decided, 0)), None)
            if answer is None:
                continue
            facts = dict(getattr(bead.body, "facts", {}))
            if answer.outcome is Settlement.DONE:
                _ = session.recorder.catch_up()
                return Answer(decided, facts)
            if answer.outcome is Settlement.FAILED:
                reasons = tuple(facts.get("reasons", "REFUSED").split())
                return Answer(decided, facts, reasons, facts.get("detail", ""), REFUSED)
        _ = session.store.wait(looked, 0.1)
    return Answer(decided, detail="NOT SENT: no engine answered within 2 s", code=UNREACHABLE)


def wait_for_engine(ctx: click.Context, session: Session, says: Says, texts: dict[str, str] | None = None) -> Answer:
    """The same for a command that has nothing to add: a refusal ends it."""
    answer = ask_engine(ctx, session, says, texts)
    if answer.reasons:
        refuse(ctx, answer.reasons, answer.detail, answer.code)
    if answer.code:
        fail(ctx, answer.code, answer.detail)
    return answer
