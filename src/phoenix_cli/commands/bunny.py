"""`bunny`: the chaos vectors in their wave order, with a report of what each one saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import BUG, UNREACHABLE, emit, wants_json

if TYPE_CHECKING:
    from phoenix_cli.wiring.bunny.suites import Suite
    from phoenix_cli.wiring.bunny.witness import Verdict


@click.command("bunny")
@click.option("--suite", type=click.Choice(["s32", "s33", "all"]), default="all", help="Which vectors.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to: a folder, or a file for all of it.")
@click.option("--seed", type=int, default=7, help="What the dice fall like.")
@click.option("--gates", is_flag=True, help="Also walk the gates that stand on the vectors, and show how each stands.")
@click.pass_context
def bunny_command(ctx: click.Context, suite: str, report: Path | None, seed: int, gates: bool) -> None:
    """Run the chaos vectors in wave order and write their reports; inside a desk's home each leaves its scar.

    What is about the link, the broker or the messenger takes the clients themselves: where an extra is not installed,
    its vectors are said to be not run, and the command exits with 3.

    Example: phoenix bunny --suite s32 --report BUNNY_REPORT_S32.md
    """
    from phoenix_cli.wiring.bunny.suites import SUITES, document, not_run, run_all

    def tell(verdict: Verdict) -> None:
        beads = "; ".join(
            (f"log {log}: " if log > 1 else "") + ", ".join(map(str, cited[:8])) + (", ..." if len(cited) > 8 else "")
            for log, cited in enumerate(verdict.evidence, 1)
        )
        word = "pass" if verdict.passed else "----" if verdict.not_run else "FAIL"
        click.echo(f"{word}  {verdict.id:<38} {verdict.duration_ms:>6} ms  beads {beads}", err=wants_json(ctx))
        if verdict.not_run:
            click.echo(f"      not run: {verdict.not_run}", err=wants_json(ctx))
        for failure in verdict.failures:
            click.echo(f"      not so: {failure}", err=wants_json(ctx))

    chosen = SUITES[suite]
    ran = [(one, run_all(one.vectors, seed, tell)) for one in chosen]
    verdicts = [verdict for _, found in ran for verdict in found]
    written = _write(ran, report)
    scars = _scars(ctx, verdicts)
    stands = _gates(verdicts, seed) if gates else []
    absent = [verdict.id for verdict in verdicts if verdict.not_run]
    failed = [verdict.id for verdict in verdicts if not verdict.passed and not verdict.not_run]
    green = len(verdicts) - len(failed) - len(absent)
    answer: dict[str, object] = {
        "suite": suite,
        "seed": seed,
        "passed": green,
        "failed": failed,
        "not_run": absent,
        "reports": [str(path) for path in written],
        "scars": scars,
        "vectors": [document(verdict) for verdict in verdicts],
    }
    words = [f"{green} of {len(verdicts)} vectors green{not_run(verdicts)}; " + ", ".join(map(str, written))]
    if gates:
        answer["gates"] = stands
        words += [f"{gate['light']:<5}  {gate['id']:<14} {gate['says']}  {gate['human']}".rstrip() for gate in stands]
    if scars:
        words.append(f"{scars} scars in the log")
    emit(ctx, answer, "\n".join(words))
    if failed or any(gate["light"] == "RED" for gate in stands):
        ctx.exit(BUG)
    if absent:
        ctx.exit(UNREACHABLE)


def _write(ran: list[tuple[Suite, list[Verdict]]], target: Path | None) -> list[Path]:
    """The reports: each under its own name in a folder, or all of them in one file."""
    from phoenix_cli.wiring.bunny.suites import report
    from phoenix_cli.wiring.edges import write_whole
    from phoenix_cli.wiring.opening import version_of

    when = _today()
    texts = [(suite.report, report(suite, verdicts, when, version_of())) for suite, verdicts in ran]
    if target is None or target.is_dir():
        folder = target or Path()
        for name, text in texts:
            write_whole(folder / name, text)
        return [folder / name for name, _ in texts]
    write_whole(target, "\n".join(text for _, text in texts))
    return [target]


def _today() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _scars(ctx: click.Context, verdicts: list[Verdict]) -> int:
    """In a home that exists: one scar for each vector, and the result of every sweep that is owed."""
    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import Observe, ReportShadow
    from phoenix_core.trust.revalidation import sweep_result
    from phoenix_core.watch.observations import bunny_scar

    home = home_of(ctx)
    if not home.log.exists():
        return 0
    passed = {verdict.id: verdict.passed for verdict in verdicts if not verdict.not_run}
    walked = [verdict for verdict in verdicts if not verdict.not_run]
    with opened(home) as session:
        for verdict in walked:
            scar = bunny_scar(verdict.id, verdict.passed)
            facts = {**scar.facts, "seed": str(verdict.seed), "duration_ms": str(verdict.duration_ms)}
            _ = session.recorder.act(Observe(fresh_id(), scar.about, scar.subject, facts))
        for made in tuple(session.desk.changes.latest.values()):
            sweep = session.desk.promotions.sweeps.get(made.sweep_id)
            over = sweep is not None and set(made.vectors) <= set(sweep.passed)
            result = sweep_result(made, passed)
            if not over and (result.passed or result.failed):
                _ = session.recorder.act(ReportShadow(fresh_id(), result))
    return len(walked)


def _gates(verdicts: list[Verdict], seed: int) -> list[dict[str, str]]:
    """How every gate stands; those whose vectors were not chosen are walked now."""
    from phoenix_cli.wiring.bunny.gates import GATES, light_of
    from phoenix_cli.wiring.bunny.suites import ALL, run_all

    known = {verdict.id: verdict for verdict in verdicts}
    missing = [ALL[id] for gate in GATES for id in gate.vectors if id not in known]
    walks = [gate.walk for gate in GATES if gate.walk is not None]
    for verdict in run_all(dict.fromkeys((*missing, *walks)), seed):
        known[verdict.id] = verdict
    return [
        {"id": gate.id, "says": gate.says, "light": light_of(gate, known).value, "human": gate.human} for gate in GATES
    ]
