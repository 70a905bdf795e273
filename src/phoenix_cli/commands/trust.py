"""`promote`: from shadow to live, every missing item named, a human's signature at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phoenix_cli.commands.acting import refuse_with, sign_and_act
from phoenix_cli.commands.desk import home_of
from phoenix_cli.commands.signals import read_input
from phoenix_cli.output import USAGE, emit, fail

if TYPE_CHECKING:
    from returns.result import Result

    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Shadow
    from phoenix_core.refusals import Refusal
    from phoenix_core.trust.promotion import Bundle, Record, Standing


@click.group("promote")
def promote_command() -> None:
    """From shadow to live, with evidence.

    Example: phoenix promote check mock_cse
    """


@promote_command.command("check")
@click.argument("strategy")
@click.pass_context
def promote_check(ctx: click.Context, strategy: str) -> None:
    """The checklist: every line green, or red with what is missing. Exit 1 while anything is.

    Example: phoenix promote check mock_cse
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.trust.promotion import checklist, missing

    with opened(home_of(ctx)) as session:
        lines = checklist(*_evidence(session, strategy))
        red = missing(lines)
        rows = [{"item": line.item.value, "green": line.green, "detail": line.detail} for line in lines]
        document: dict[str, Any] = {"strategy": strategy, "ready": red is None, "checks": rows}
        if red is not None:
            document |= {"refused": [reason.value for reason in red.reasons], "detail": red.detail}
        words = [f"{'green' if line.green else 'RED  '} {line.item.value:<20} {line.detail}" for line in lines]
        emit(ctx, document, "\n".join(words))
        if red is not None:
            ctx.exit(1)


@promote_command.command("bundle")
@click.argument("strategy")
@click.pass_context
def promote_bundle(ctx: click.Context, strategy: str) -> None:
    """The evidence bundle that a human signs, and its hash; refused with everything that it lacks.

    Example: phoenix promote bundle mock_cse
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        held = _held(ctx, _bundle(session, strategy))
        emit(ctx, {"hash": held.hash, "bundle": _facts(held)}, "\n".join(_lines(held)))


@promote_command.command("run")
@click.argument("strategy")
@click.option("--evidence", default=None, help="The hash of the bundle that you read; with --yes, for scripts.")
@click.option("--yes", is_flag=True, help="With --evidence: do not ask. MOCK and PAPER only.")
@click.pass_context
def promote_run(ctx: click.Context, strategy: str, evidence: str | None, yes: bool) -> None:
    """The ceremony: no kill flag, no drift, the bundle, the human, the record, the change.

    Example: phoenix promote run mock_cse
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Promote

    with opened(home_of(ctx)) as session:
        held = _held(ctx, _bundle(session, strategy))
        if yes != (evidence is not None):
            fail(ctx, USAGE, "--evidence and --yes go together")
        if evidence is None:
            evidence = _asked(ctx, held)
        elif session.genesis.mode.value == "LIVE":
            fail(ctx, USAGE, "on a LIVE desk a promotion is typed by a human at a terminal")
        said = sign_and_act(ctx, session, Promote(strategy, evidence))
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        seq = session.desk.promotions.live[strategy]
        document = {"strategy": strategy, "from": "SHADOW", "to": "LIVE", "evidence": evidence, "bead": seq}
        emit(ctx, document, f"PROMOTED {strategy}: SHADOW to LIVE, bead {seq}")


@promote_command.command("paper")
@click.argument("evidence", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def promote_paper(ctx: click.Context, evidence: Path) -> None:
    """Declare, signed, that this build passed its validation on paper; the hash of the evidence file is signed with it.

    Example: phoenix promote paper BUNNY_REPORT_S33_P1.md
    """
    import hashlib

    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import opened, version_of
    from phoenix_core.gate.statements import ValidatePaper

    digest = hashlib.sha256(evidence.read_bytes()).hexdigest()
    with opened(home_of(ctx)) as session:
        said = sign_and_act(ctx, session, ValidatePaper(version_of(), digest))
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        emit(ctx, {"build": version_of(), "evidence": digest}, f"build {version_of()} is validated on paper")


@promote_command.command("shadow")
@click.argument("file")
@click.pass_context
def promote_shadow(ctx: click.Context, file: str) -> None:
    """Hand in one session of the shadow trader, a JSON document; told again, a day replaces itself. `-` is stdin.

    Its fields: strategy, id, session_day, regime, pnl, drawdown, trades, signalman_kills, overrides, and findings, the
    words of its autopsies. What is left out is not invented: `promote check` names it.

    Example: phoenix promote shadow session-2026-11-18.json
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import ReportShadow

    report = _session_of(read_input(file), file)
    with opened(home_of(ctx)) as session:
        said = session.recorder.act(ReportShadow(fresh_id(), report))
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        days = len(session.desk.promotions.shadow[report.strategy])
        document = {"strategy": report.strategy, "day": report.session_day, "sessions": days}
        emit(ctx, document, f"{report.strategy} {report.session_day}: session {days} of its shadow")


@promote_command.command("change")
@click.argument("strategy")
@click.option("--type", "kind", type=click.Choice(["cso-param", "config-flip", "strategy-tune"]), default="cso-param")
@click.option("--component", default="cso", help="What is swept: cso, gate, trade, watch, trust, or a name of yours.")
@click.option("--parameter", required=True, help="What was changed.")
@click.option("--old", required=True, help="The value that it had.")
@click.option("--new", required=True, help="The value that it has now.")
@click.pass_context
def promote_change(
    ctx: click.Context, strategy: str, kind: str, component: str, parameter: str, old: str, new: str
) -> None:
    """Say that a parameter was changed: the shadow begins anew, five chaos vectors are owed, a promotion is over.

    Example: phoenix promote change mock_cse --parameter min_quality --old 0.6 --new 0.7
    """
    import os

    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import ChangeConfig
    from phoenix_core.beads import ChangeType

    what, by = ChangeType(kind.replace("-", "_").upper()), f"uid{os.getuid()}"
    with opened(home_of(ctx)) as session:
        said = session.recorder.act(ChangeConfig(fresh_id(), what, strategy, component, parameter, old, new, by))
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        made = session.desk.changes.latest[f"{strategy}|{component}|{parameter}"]
        document = {"strategy": strategy, "bead": made.seq, "restart": made.restart_id, "sweep": made.sweep_id}
        words = f"{strategy}: its shadow begins anew, and `phoenix bunny` owes it {', '.join(made.vectors)}"
        emit(ctx, document | {"vectors": list(made.vectors)}, words)


def _session_of(data: bytes, name: str) -> Shadow:
    """One session from its document; raises `BadInput` that names the field."""
    import json
    from datetime import date

    from phoenix_core.beads import Shadow, ShadowEvent
    from phoenix_core.records import of_json
    from phoenix_core.values import BadInput

    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput("FILE", name, f"write one JSON document: {error}") from error
    if not isinstance(document, dict) or not {"event", "passed", "failed"}.isdisjoint(document):
        raise BadInput("FILE", name, "write one object with the fields of a session: see --help")
    fixed = {"event": ShadowEvent.SESSION.value, "passed": [], "failed": []}
    report = of_json(Shadow, document | fixed, "shadow")
    try:
        day = date.fromisoformat(report.session_day or "")
        if day.isoformat() != report.session_day:  # two spellings of one day would be two sessions
            raise ValueError("not the one spelling of a day")
    except ValueError as error:
        raise BadInput("shadow.session_day", report.session_day, "write a day such as 2026-11-18") from error
    return report


def _asked(ctx: click.Context, held: Bundle) -> str:
    """The human's part: read the bundle, type the strategy's name. Enter alone declines."""
    import sys

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        fail(ctx, USAGE, "a promotion is typed at a terminal; scripts use --evidence HASH --yes in MOCK and PAPER")
    click.echo("\n".join(_lines(held)))
    typed = click.prompt(" To promote type the strategy's name", default="", show_default=False)
    if typed != held.strategy:
        fail(ctx, 1, "declined: nothing was signed")
    return held.hash


def _evidence(session: Session, strategy: str) -> tuple[Record, Standing]:
    from phoenix_core.acts.earn import standing_of
    from phoenix_core.trust.promotion import record_of

    desk = session.desk
    world = session.recorder.world(desk)
    return record_of(desk.promotions, strategy), standing_of(desk, strategy, world)


def _bundle(session: Session, strategy: str) -> Result[Bundle, Refusal]:
    from phoenix_core.trust.promotion import bundle

    return bundle(strategy, *_evidence(session, strategy))


def _held(ctx: click.Context, made: Result[Bundle, Refusal]) -> Bundle:
    from returns.pipeline import is_successful

    if not is_successful(made):
        refuse_with(ctx, made.failure())
    return made.unwrap()


def _facts(held: Bundle) -> dict[str, Any]:
    from phoenix_core.records import to_json

    return dict(to_json(held))


def _lines(held: Bundle) -> list[str]:
    return [f"{name.replace('_', ' '):<24} {value}" for name, value in _facts(held).items()] + [f"hash {held.hash}"]
