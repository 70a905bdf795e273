"""`inbox`, `show`, `approve`, `pass`: what a human decides on, and the decision."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.acting import ANSWER_WITHIN_S, refuse_with, sign_and_act, taken_back
from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import TAKEN_BACK, UNREACHABLE, USAGE, emit, fail, refuse
from phoenix_cli.streams import Ended

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_cli.wiring.signing import Screen
    from phoenix_core.trade.positions import Open

# How long `approve` goes on watching for a fill once the order is out.
FILL_WITHIN_S = 1.5


@click.command("inbox")
@click.pass_context
def inbox_command(ctx: click.Context) -> None:
    """What waits for a human, with countdowns; STALLED positions come first.

    Example: phoenix inbox
    """
    from phoenix_cli.commands.drawing import countdown
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import State, plain, utc_text

    with opened(home_of(ctx)) as session:
        desk, now = session.desk, session.clock.now().wall

        def row(position: Open) -> dict[str, object]:
            proposal = desk.signals.proposal(position.intent_id)
            shown = desk.evidence.latest(position.intent_id)
            quantity = shown.evidence.sizing.quantity if shown is not None else position.requested_quantity
            return {
                "intent": position.intent_id,
                "state": position.state.value,
                "instrument": position.pair,
                "side": position.side.value,
                "quantity": plain(quantity),
                "expires_at": utc_text(proposal.expires_at) if proposal is not None else None,
            }

        stalled = [row(p) for p in desk.positions.in_state(State.STALLED)]
        waiting = [*desk.positions.in_state(State.PROPOSED), *desk.positions.in_state(State.APPROVED)]
        intents = [row(p) for p in waiting]
        words = [f"STALLED {r['instrument']} {r['side']} {r['quantity']}  {r['intent']}  (RB-003)" for r in stalled]
        for r, position in zip(intents, waiting, strict=True):
            proposal = desk.signals.proposal(position.intent_id)
            left_s = int((proposal.expires_at - now).total_seconds()) if proposal is not None else None
            words.append(
                f"{r['state']:<9} {r['instrument']} {r['side']} {r['quantity']}  {countdown(left_s)}  {r['intent']}"
            )
        emit(ctx, {"intents": intents, "stalled": stalled}, "\n".join(words) or "nothing waits")


def open_intents(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The open intents that begin so, for the shell; silent where there is no desk to ask."""
    from phoenix_cli.wiring.edges import StoreFault
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import BadInput

    try:
        with opened(home_of(ctx)) as session:
            return [intent for intent in session.desk.signals.open if intent.startswith(incomplete)]
    except (BadInput, StoreFault, OSError):
        return []


@click.command("show")
@click.argument("intent", shell_complete=open_intents)
@click.pass_context
def show_command(ctx: click.Context, intent: str) -> None:
    """The evidence of an intent as the approve screen shows it; once it is decided, what was signed and how it ended.

    Example: phoenix show 0b6c1d0e
    """
    from phoenix_cli.commands.again import ended_intent
    from phoenix_cli.commands.past import past_of
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        past = past_of(session, ended_intent(session, whole_intent(session, intent)))
        if past is not None:
            emit(ctx, *past)
            return
        screen = _screen(ctx, session, intent)
        emit(
            ctx,
            {"intent": screen.intent_id, "evidence": screen.leaf, "lines": list(screen.lines)},
            "\n".join(screen.lines),
        )


def _screen(ctx: click.Context, session: Session, intent: str) -> Screen:
    from phoenix_cli.wiring.signing import Screen, screen_of

    found = screen_of(session.desk, whole_intent(session, intent), session.clock.now())
    if not isinstance(found, Screen):
        refuse_with(ctx, found)
    return found


def whole_intent(session: Session, name: str) -> str:
    """The intent that a beginning of its id names."""
    known = [*session.desk.signals.open]
    near = [intent for intent in known if intent.startswith(name)]
    return near[0] if len(near) == 1 else name


@click.command("approve")
@click.argument("intent", shell_complete=open_intents)
@click.option("--quantity", default=None, help="The quantity that you read on the screen, for scripts.")
@click.option("--yes", is_flag=True, help="With --quantity: do not ask. MOCK and PAPER only.")
@click.pass_context
def approve_command(ctx: click.Context, intent: str, quantity: str | None, yes: bool) -> None:
    """Look at the evidence; approve by typing the quantity. Enter alone declines.

    Example: phoenix approve 0b6c1d0e --quantity 100 --yes
    """
    from phoenix_cli.commands.again import ended_intent, offer
    from phoenix_cli.commands.asking import KILL, REJECT, ask
    from phoenix_cli.commands.safety import halt_command
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import Mode, number, plain

    with opened(home_of(ctx)) as session:
        if session.store.leaseholder() is None or session.desk.tenure.released:
            refuse(ctx, ("ENGINE_NOT_RUNNING",), "start `phoenix run` first")
        if quantity is None:
            intent = offer(session, ended_intent(session, intent))
        screen = _wait_for_screen(ctx, session, intent)
        shown = session.desk.evidence.latest(screen.intent_id)
        assert shown is not None, "a screen shows evidence"
        wanted = shown.evidence.sizing.quantity
        if yes != (quantity is not None):
            fail(ctx, USAGE, "--quantity and --yes go together")
        if quantity is not None:
            if session.genesis.mode is Mode.LIVE:
                refuse(ctx, ("STATEMENT_WRONG_TYPE",), "a LIVE approval is typed by a human at a terminal")
            if number(quantity, "--quantity") != wanted:
                refuse(ctx, ("STATEMENT_OTHER_ORDER",), f"the evidence says {plain(wanted)}, not {quantity}")
        else:
            answer = ask(ctx, session, screen)
            if answer == KILL:
                ctx.invoke(halt_command, reason="from the approve screen")
                return
            if answer == REJECT:
                _reject(ctx, session, screen.intent_id, "rejected at the screen")
                return
        _decide(ctx, session, screen)


def _wait_for_screen(ctx: click.Context, session: Session, intent: str) -> Screen:
    """The screen, once the engine has assembled the evidence."""
    from phoenix_cli.wiring.signing import Screen, screen_of
    from phoenix_core.refusals import Reason

    until = time.monotonic() + ANSWER_WITHIN_S
    while True:
        found = screen_of(session.desk, whole_intent(session, intent), session.clock.now())
        if isinstance(found, Screen):
            return found
        if found.headline is not Reason.EVIDENCE_MISSING or time.monotonic() > until:
            refuse_with(ctx, found)
        _ = session.store.wait(session.desk.head.size, 0.1)
        _ = session.recorder.catch_up()


def _decide(ctx: click.Context, session: Session, screen: Screen) -> None:
    from returns.pipeline import is_successful

    from phoenix_core.values import text_hash, utc_text

    text = "".join(line + "\n" for line in screen.lines)
    said = sign_and_act(ctx, session, screen.says, {text_hash(text): text}, seen=screen.seen)
    if not is_successful(said):
        refuse_with(ctx, said.failure())
    facts = said.unwrap().facts
    token = session.desk.tokens.live.get(facts["token"])
    expires = utc_text(token.expires_at) if token is not None else None
    try:
        outcome, words, reasons = _watch(ctx, session, screen.intent_id)
    except (KeyboardInterrupt, Ended):
        # Nobody is there to hear what becomes of it: an entry that no engine has taken up is not left to one.
        if not taken_back(session, session.desk.approvals.decided[screen.intent_id].seq):
            ctx.meta[TAKEN_BACK] = True
        raise
    document: dict[str, object] = {
        "intent": screen.intent_id,
        "token": facts["token"],
        "expires_at": expires,
        "order_ref": facts["order_ref"],
        "outcome": outcome,
    }
    if outcome == "NOT_SENT":
        document |= {"refused": list(reasons), "detail": words.removeprefix("NOT SENT: ")}
        emit(ctx, document, words)
        ctx.exit(1 if reasons else UNREACHABLE)
    emit(ctx, document, words)


def _watch(ctx: click.Context, session: Session, intent: str) -> tuple[str, str, tuple[str, ...]]:
    """What became of an approval: (outcome, words, reasons). NOT_SENT is said once nothing can be sent any more."""
    from phoenix_cli.commands.past import heard
    from phoenix_core.trade.order_words import coded
    from phoenix_core.trade.positions import Ended, Open, position_id_of
    from phoenix_core.values import State

    began, trouble = time.monotonic(), ""
    decided = session.desk.approvals.decided[intent].seq
    while True:
        _ = session.recorder.catch_up()
        position = session.desk.positions.of_intent(intent)
        waited = time.monotonic() - began
        if isinstance(position, Ended):
            if position.state is State.CLOSED:
                return "FILLED", "FILLED and closed again", ()
            reasons = tuple(map(coded, position.reasons)) or (position.state.value,)
            orders = session.desk.orders.of(position_id_of(intent))
            left = any(order.sent is not None for order in orders)
            why = ", ".join(heard(session, position.reasons) or reasons)
            told = f"{position.state}{' at the broker' if left else ''}: {why}"
            return "NOT_SENT", told if left else f"NOT SENT: {told}", reasons
        if isinstance(position, Open) and position.filled_quantity > 0:
            if not position.entry_working or waited > FILL_WITHIN_S:
                return "FILLED", _filled_words(position), ()
        sent = isinstance(position, Open) and position.state in (State.SUBMITTED, State.STALLED)
        if sent and waited > FILL_WITHIN_S:
            return "SENT", f"SENT, {position.state if position is not None else ''}", ()
        if trouble and not sent:
            fail(ctx, UNREACHABLE, f"no engine answered, and the approval stands ({trouble}): look before you repeat")
        if not sent and waited > ANSWER_WITHIN_S:
            trouble = taken_back(session, decided)
            if not trouble:
                again = f"taken back; `phoenix propose --again {intent[:8]}` brings it back"
                waits = "within 2 s no engine answered, or it still waits for its link or pace"
                return "NOT_SENT", f"NOT SENT: {waits}: {again}", ()
            continue  # what the engine did meanwhile stands in the log by now
        _ = session.store.wait(session.desk.head.size, 0.1)


def _filled_words(position: Open) -> str:
    """How much of an entry is filled, and at what: of one that works still, also how much was asked for."""
    from phoenix_core.values import plain

    price, asked = position.average_entry, ""
    if position.filled_quantity < position.requested_quantity:
        asked = f" of {plain(position.requested_quantity)}"
    works = ", the rest works" if position.entry_working else ""
    return f"FILLED {plain(position.filled_quantity)}{asked} @ {plain(price) if price is not None else '?'}{works}"


@click.command("pass")
@click.argument("intent", shell_complete=open_intents)
@click.option("--reason", required=True, help="Why not.")
@click.pass_context
def pass_command(ctx: click.Context, intent: str, reason: str) -> None:
    """Say no to an intent; it is cancelled.

    Example: phoenix pass 0b6c1d0e --reason "news in ten minutes"
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        _reject(ctx, session, whole_intent(session, intent), reason)


def _reject(ctx: click.Context, session: Session, intent: str, reason: str) -> None:
    from returns.pipeline import is_successful

    from phoenix_core.beads import Verdict
    from phoenix_core.gate.statements import Decide
    from phoenix_core.values import text_hash

    says = Decide(verdict=Verdict.REJECT, intent=intent, drift_bps_max=0)
    said = sign_and_act(ctx, session, says, {text_hash(reason): reason})
    if not is_successful(said):
        refuse_with(ctx, said.failure())
    emit(ctx, {"intent": intent, "state": "CANCELLED"}, f"CANCELLED {intent}")
