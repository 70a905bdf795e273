"""`beads audit`: the questions that come a year later, answered from an export alone, if it verifies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.output import INTEGRITY, REFUSED, USAGE, at_work, emit, fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from phoenix_cli.audit import Audit, Limited
    from phoenix_core.beads import Decision, Genesis
    from phoenix_core.chain import Sealed
    from phoenix_core.desk import Desk


class Read:
    """An export's beads and texts, as a store would give them."""

    def __init__(self, beads: tuple[Sealed, ...], texts: Mapping[str, str]) -> None:
        """Keep what was read."""
        self._beads, self._texts = beads, texts

    def read(self, start: int, stop: int | None = None) -> Iterator[Sealed]:
        """The beads from `start`, in order."""
        return iter(self._beads[start:stop])

    def text(self, digest: str) -> str | None:
        """Free text from the side table."""
        return self._texts.get(digest)


class Papers:
    """What is asked: the desk as the log ends, and the log."""

    def __init__(self, desk: Desk, store: Read) -> None:
        """Keep both."""
        self.desk, self.store = desk, store

    @property
    def genesis(self) -> Genesis:
        """Which desk this is."""
        return self.desk.genesis


@click.command("audit")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("order")
@click.option("--roots", type=click.Path(exists=True, path_type=Path), help="The keys to trust; never from the export.")
@click.option("--checkpoint", type=click.Path(exists=True, path_type=Path), help="A checkpoint held outside.")
@click.pass_context
def beads_audit(ctx: click.Context, file: Path, order: str, roots: Path | None, checkpoint: Path | None) -> None:
    """One order in an export: who approved it and what they saw, whether the limits in force were obeyed, and how long
    anything was held without protection. ORDER is an intent, a position or an order's reference, or their beginning.
    It needs no home; an export that does not verify is not read. Exit 1 where a limit was broken.

    Example: phoenix beads audit log.jsonl 0b6c1d0e --roots roots.json
    """

    from phoenix_cli.audit import audited, intents_named
    from phoenix_cli.commands.past import past_of
    from phoenix_cli.wiring.opening import exported, verify_export
    from phoenix_core.kernel import bead_of
    from phoenix_core.values import BadInput

    with at_work(f"verifying {file}"):
        code, words = verify_export(file, roots, checkpoint)
    if code:
        fail(ctx, INTEGRITY if code == 1 else USAGE, words)
    with at_work(f"reading {file}"):
        export = exported(file)
        beads = [bead_of(record) for record in export.beads]
        named = intents_named(beads, order)
        if len(named) != 1:
            told = f"{len(named)} orders begin so; write more of it" if named else "no order of this log begins so"
            raise BadInput("ORDER", order, told)
        audit = audited(beads, named[0])
    papers = Papers(audit.desk, Read(export.beads, export.texts))
    past = past_of(papers, named[0])
    document, lines = past if past is not None else ({"intent": named[0]}, " nothing was decided")
    commands = [_command(papers, seq, body) for seq, body in audit.commands]
    later = [f" SIGNED {c['type']} by {c['by']} ({c['assurance']}) {c['at']}, bead {c['bead']}" for c in commands]
    more = {"commands": commands, "verifier": words}
    emit(ctx, document | _document(audit) | more, "\n".join([lines, *later, *_words(audit), "", words]))
    if audit.limited is not None and not audit.limited.obeyed:
        ctx.exit(REFUSED)


def _command(papers: Papers, seq: int, body: Decision) -> dict[str, object]:
    """What a human signed about the position after it was approved; that it was theirs the verifier has found."""
    from phoenix_core.gate.statements import read_statement
    from phoenix_core.values import utc_text

    return {
        "type": body.type,
        "by": papers.desk.approvals.name_of(body.signed.key),
        "assurance": body.signed.assurance,
        "at": utc_text(read_statement(body.signed.statement.encode()).at),
        "bead": seq,
    }


def _document(audit: Audit) -> dict[str, object]:
    from phoenix_cli.audit import MISSING
    from phoenix_core.trade.protection import Protection
    from phoenix_core.values import utc_text

    spans = [
        {
            "protection": span.protection.value,
            "bead": span.seq,
            "from": utc_text(span.since),
            "to": utc_text(span.until),
            "seconds": span.lasted.total_seconds(),
        }
        for span in audit.spans
    ]
    return {
        "limits": _limits(audit.limited),
        "protection": spans,
        "unprotected_s": audit.during(*MISSING).total_seconds(),
        "unconfirmed_s": audit.during(Protection.PENDING).total_seconds(),
        "held_at_the_end": audit.open_end,
    }


def _limits(limited: Limited | None) -> dict[str, object] | None:
    if limited is None:
        return None
    rows = [
        {"limit": row.reason.value, "amount": _spelt(row.amount), "most": _spelt(row.limit), "within": row.within}
        for row in limited.rows
    ]
    return {
        "bead": limited.seq,
        "policy": limited.policy_seq,
        "signed_by": limited.signed_by or None,
        "obeyed": limited.obeyed,
        "broken": [reason.value for reason in limited.no.reasons] if limited.no is not None else [],
        "rows": rows,
        "loss_today": _spelt(limited.loss_today),
        "daily_loss_max": _spelt(limited.daily_loss_max),
    }


def _spelt(amount: Decimal | int | None) -> str | None:
    from phoenix_core.values import plain

    return None if amount is None else str(amount) if isinstance(amount, int) else plain(amount)


def _words(audit: Audit) -> Iterator[str]:
    limited = audit.limited
    if limited is None:
        yield " LIMITS nothing left for the broker, so that no limit was asked"
    else:
        by = f"signed by {limited.signed_by}" if limited.signed_by else "signed by nobody"
        policy = f"policy of bead {limited.policy_seq}, {by}" if limited.policy_seq >= 0 else "built in, of no bead"
        no = limited.no
        verdict = "obeyed" if no is None else f"BROKEN: {', '.join(reason.value for reason in no.reasons)}"
        yield f" LIMITS {verdict}, when it left in bead {limited.seq} ({policy})"
        for row in limited.rows:
            most = _spelt(row.limit)
            yield f"        {_spelt(row.amount)} {row.of}, {'no limit' if most is None else f'at most {most}'}"
        most = _spelt(limited.daily_loss_max)
        yield f"        {_spelt(limited.loss_today)} lost that day, {'no limit' if most is None else f'below {most}'}"
    yield from _protected(audit)


def _protected(audit: Audit) -> Iterator[str]:
    from phoenix_cli.audit import MISSING
    from phoenix_core.trade.protection import Protection

    if not audit.spans:
        yield " GUARD  nothing was ever held"
        return
    missing = _seconds(audit.during(*MISSING).total_seconds())
    pending = _seconds(audit.during(Protection.PENDING).total_seconds())
    first, last = audit.spans[0].since, audit.spans[-1].until
    held = f"held {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"
    yield f" GUARD  {held}{', and the log ends so' if audit.open_end else ''}"
    yield f"        without protection {missing}, not confirmed {pending}"
    for span in audit.spans:
        if not span.protection.covers:
            lasted = _seconds(span.lasted.total_seconds())
            yield f"        {span.protection.value:<8} {span.since:%H:%M:%S.%f} for {lasted}, from bead {span.seq}"


def _seconds(span: float) -> str:
    return "never" if span == 0 else f"{span:.3f} s"
