"""`reconcile` and `drift`: look now, see what differs, answer it. Neither side is ever corrected by itself."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from phoenix_cli.commands.acting import refuse_with, wait_for_engine
from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import UNREACHABLE, emit, fail, refuse
from phoenix_cli.words import amount

PICTURE_WITHIN_S = 5.0


@click.command("reconcile")
@click.pass_context
def reconcile_command(ctx: click.Context) -> None:
    """Ask the engine to compare with the broker now, and say what it found.

    Example: phoenix reconcile
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import Observe
    from phoenix_core.beads import About

    with opened(home_of(ctx)) as session:
        if session.store.leaseholder() is None:
            refuse(ctx, ("ENGINE_NOT_RUNNING",), "start `phoenix run` first")
        asked = session.recorder.act(Observe(fresh_id(), About.DEMAND, "reconciliation", {"by": "operator"}))
        if not is_successful(asked):
            refuse_with(ctx, asked.failure())
        seq = session.desk.head.size
        until = time.monotonic() + PICTURE_WITHIN_S
        while time.monotonic() < until:
            _ = session.recorder.catch_up()
            run = session.desk.observations.run
            if run is not None and run.seq >= seq:
                drifts = [drift.identity for drift in session.desk.drifts.open.values()]
                document = {"agreement": run.agreement.value, "session": run.session, "bead": run.seq, "drifts": drifts}
                emit(ctx, document, f"{run.agreement}, {len(drifts)} drifts open")
                return
            _ = session.store.wait(session.desk.head.size, 0.1)
        fail(ctx, UNREACHABLE, "no picture of the broker within 5 s: the run is asked for and will come")


@click.group("drift")
def drift_command() -> None:
    """Open drifts; answer one.

    Example: phoenix drift list
    """


@drift_command.command("list")
@click.pass_context
def drift_list(ctx: click.Context) -> None:
    """Every divergence that waits for a human.

    Example: phoenix drift list
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import utc_text

    with opened(home_of(ctx)) as session:
        rows = [
            {
                "drift": d.bead_id,
                "identity": d.identity,
                "cause": d.cause,
                "severity": d.severity.value,
                "subject": d.subject,
                "instrument": d.instrument,
                "opened_at": utc_text(d.opened_at),
                "acknowledged": d.acknowledged,
                "awaits_broker": d.awaits_broker,
                "refs": list(d.refs),
            }
            for d in session.desk.drifts.open.values()
        ]
        words = [f"{r['severity']:<8} {r['cause']:<20} {r['subject']}  {r['drift']}{_answer_to(r)}" for r in rows]
        emit(ctx, {"drifts": rows}, "\n".join(words) or "no drift is open")


def _answer_to(row: Mapping[str, object]) -> str:
    return "  acknowledged" if row["acknowledged"] else "  awaits the broker" if row["awaits_broker"] else ""


@drift_command.command("show")
@click.argument("drift")
@click.pass_context
def drift_show(ctx: click.Context, drift: str) -> None:
    """Both sides of one divergence, and what may be done.

    Example: phoenix drift show 7d3b
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.beads import ReconciliationDrift
    from phoenix_core.kernel import bead_of

    with opened(home_of(ctx)) as session:
        near = [d for d in session.desk.drifts.open.values() if drift in (d.bead_id, d.identity)]
        near = near or [d for d in session.desk.drifts.open.values() if d.bead_id.startswith(drift)]
        if len(near) != 1:
            refuse(ctx, ("UNKNOWN_DRIFT",), f"no open drift {drift}")
        body = bead_of(next(session.store.read(near[0].seq, near[0].seq + 1))).body
        assert isinstance(body, ReconciliationDrift), "a drift is opened by its bead"
        document = {
            "drift": near[0].bead_id,
            "type": body.drift_type.value,
            "severity": body.severity.value,
            "cause": body.cause,
            "subject": body.subject,
            "phoenix": dict(body.phoenix_state),
            "broker": dict(body.broker_state),
            "refs": list(body.refs),
        }
        words = [f"{body.severity} {body.cause}: {body.subject}"]
        if body.cause == "orphan_exit":
            words.append("this order will OPEN a position")
        if body.cause == "order_missing":
            words.append("`--cancel-orphans` ends it here once it was missing for 30 s")
        words += [f"  phoenix {key}: {value}" for key, value in body.phoenix_state.items()]
        words += [f"  broker  {key}: {value}" for key, value in body.broker_state.items()]
        words += [f"  order   {ref}" for ref in body.refs]
        words.append("runbook RB-002; answer with `phoenix drift resolve`")
        emit(ctx, document, "\n".join(words))


@drift_command.command("resolve")
@click.argument("drift")
@click.option(
    "--as",
    "as_",
    type=click.Choice(["phoenix-corrected", "broker-corrected", "acknowledged"]),
    required=True,
    help="What the answer is.",
)
@click.option("--cancel-orphans", is_flag=True, help="Cancel exactly the orders that this drift names.")
@click.option("--execution", default=None, help="For phoenix-corrected: the id of the execution to book.")
@click.option("--quantity", default=None, help="Of that execution.")
@click.option("--price", default=None, help="Of that execution.")
@click.option("--notes", required=True, help="What was found and done.")
@click.pass_context
def drift_resolve(
    ctx: click.Context,
    drift: str,
    as_: str,
    cancel_orphans: bool,
    execution: str | None,
    quantity: str | None,
    price: str | None,
    notes: str,
) -> None:
    """Answer a divergence, signed. An execution that the books lack is booked as it is stated, under its own id.

    Example: phoenix drift resolve 7d3b --as acknowledged --notes "manual trade by the owner"
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.beads import Resolution
    from phoenix_core.gate.statements import CancelOrphans, ResolveDrift
    from phoenix_core.values import Price, Quantity, number, text_hash

    with opened(home_of(ctx)) as session:
        near = [d for d in session.desk.drifts.open.values() if d.bead_id.startswith(drift) or d.identity == drift]
        if len(near) != 1:
            refuse(ctx, ("UNKNOWN_DRIFT",), f"no open drift {drift}")
        found = near[0]
        if cancel_orphans:
            _ = wait_for_engine(ctx, session, CancelOrphans(found.identity, found.refs))
        says = ResolveDrift(
            drift=found.identity,
            as_=Resolution(as_.replace("-", "_").upper()),
            notes=text_hash(notes),
            execution=execution,
            quantity=Quantity(amount(quantity, "--quantity")) if quantity is not None else None,
            price=Price(number(price, "--price")) if price is not None else None,
        )
        _ = wait_for_engine(ctx, session, says, {text_hash(notes): notes})
        standing = found.identity in session.desk.drifts.open
        outcome = "stays visible" if standing else "closed"
        emit(ctx, {"drift": found.bead_id, "as": as_, "open": standing}, f"{found.cause} {found.subject}: {outcome}")
