"""`beads`: the log as people and programs read it, prove it, carry it away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from phoenix_cli.commands.auditing import beads_audit
from phoenix_cli.commands.desk import home_of
from phoenix_cli.commands.proving import beads_gates, beads_quality
from phoenix_cli.output import INTEGRITY, at_work, emit, fail, refuse
from phoenix_cli.spans import span_of

if TYPE_CHECKING:
    from datetime import datetime

    from phoenix_cli.gaps import Gap
    from phoenix_cli.wiring.opening import Session


@click.group("beads")
def beads_command() -> None:
    """The log: tail, query, export, verify, audit, checkpoint, proof, check, backup, restore.

    Example: phoenix beads verify
    """


@beads_command.command("tail")
@click.option("-n", "count", type=click.IntRange(min=1), default=20, help="How many of the last beads.")
@click.option("--follow", is_flag=True, help="Go on as new ones come.")
@click.pass_context
def beads_tail(ctx: click.Context, count: int, follow: bool) -> None:
    """The last beads, one JSON document a line.

    Example: phoenix beads tail -n 5
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        at = max(0, session.store.head().size - count)
        while True:
            for record in session.store.read(at):
                click.echo(record.data.decode("utf-8"))
                at = record.seq + 1
            if not follow:
                return
            _ = session.store.wait(at, 1.0)


@beads_command.command("query")
@click.option("--kind", default=None, help="Only beads of this kind.")
@click.option("--since", default=None, help="Not older than this: 24h, 7d.")
@click.option("--gaps", is_flag=True, help="For HEARTBEAT and IBKR_SESSION: where they are missing.")
@click.option("--about", default=None, help="For OBSERVATION: about what, such as BUNNY.")
@click.pass_context
def beads_query(ctx: click.Context, kind: str | None, since: str | None, gaps: bool, about: str | None) -> None:
    """Ask the log: beads of a kind, gaps in heartbeats or connections, bunny scars.

    Example: phoenix beads query --kind HEARTBEAT --since 24h --gaps
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.beads import Kind
    from phoenix_core.values import BadInput, utc_of

    kinds = {k.value for k in Kind}
    if kind is not None and kind not in kinds:
        raise BadInput("--kind", kind, "write one of " + ", ".join(sorted(kinds)))
    with opened(home_of(ctx)) as session:
        now = session.clock.now().wall
        earliest = now - span_of(since) if since else None
        if gaps:
            found = [gap.document() for gap in _gaps(session, kind, earliest, now)]
            words = "\n".join(f"{g['from']} .. {g['to']}  {g['seconds']} s  {g['what']}" for g in found)
            emit(ctx, {"kind": kind, "gaps": found}, words or "no gaps")
            return
        beads: list[dict[str, object]] = []
        for record in session.store.read(0):
            late = earliest is None or utc_of(record.ts, "ts") >= earliest
            if late and (kind is None or record.kind == kind):
                if about is None or record.body.get("about") == about:
                    beads.append({"seq": record.seq, "ts": record.ts, "kind": record.kind, "body": record.body})
        words = "\n".join(f"{b['seq']:>6} {b['ts']} {b['kind']}  {told_of(b['body'])}" for b in beads)
        emit(ctx, {"kind": kind, "beads": beads}, words or "nothing")


# What nothing but a machine compares.
_FOR_MACHINES: Final = frozenset({"signed", "ticks"})
_HASH_OR_ID: Final = re.compile(r"(sha256:)?[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOLD_MAX: Final = 60


def told_of(body: object) -> str:
    """The body of a bead in one line for people: its names and words, and neither hashes, ids nor signatures."""
    if not isinstance(body, Mapping):
        return ""
    names = (name for name in body if name not in _FOR_MACHINES)
    return ", ".join(f"{name} {told}" for name in names if (told := _told(body[name])))


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        inner = told_of(value)
        return f"({inner})" if inner else ""
    if isinstance(value, list | tuple):
        return " ".join(told for one in value if not isinstance(one, Mapping) and (told := _told(one)))
    words = str(value)
    if value is None or words == "" or _HASH_OR_ID.fullmatch(words):
        return ""
    plain = "".join(c if c.isprintable() else "?" for c in words[:_TOLD_MAX])
    return plain if len(words) <= _TOLD_MAX else plain[:-3] + "..."


def _gaps(session: Session, kind: str | None, earliest: datetime | None, now: datetime) -> list[Gap]:
    """Where heartbeats or the connection are missing, of what reaches into the span."""
    from phoenix_cli.gaps import connection_gaps, heartbeat_gaps
    from phoenix_core.kernel import bead_of
    from phoenix_core.values import BadInput

    if kind not in ("HEARTBEAT", "IBKR_SESSION"):
        raise BadInput("--kind", kind or "", "gaps are known of HEARTBEAT and IBKR_SESSION")
    read = (kind,) if kind == "HEARTBEAT" else (kind, "HEARTBEAT", "LEASE")  # only an engine has a connection
    beads = (bead_of(record) for record in session.store.read(0) if record.kind in read)
    runs = session.store.leaseholder() is not None
    found = heartbeat_gaps(beads, now) if kind == "HEARTBEAT" else connection_gaps(beads, now, runs)
    return [gap for gap in found if earliest is None or gap.end >= earliest]


@beads_command.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def beads_export(ctx: click.Context, file: Path) -> None:
    """Write the log into one file of JSON lines that anyone can verify offline.

    Example: phoenix beads export log.jsonl
    """
    from phoenix_cli.wiring.opening import export_log, opened

    with opened(home_of(ctx)) as session:
        with at_work("writing the log down"):
            size = export_log(session, file)
        emit(ctx, {"file": str(file), "beads": size}, f"{file}: {size} beads")


@beads_command.command("verify")
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--roots", type=click.Path(exists=True, path_type=Path), help="The keys to trust; never from the export.")
@click.option("--checkpoint", type=click.Path(exists=True, path_type=Path), help="A checkpoint held outside.")
@click.pass_context
def beads_verify(ctx: click.Context, file: Path | None, roots: Path | None, checkpoint: Path | None) -> None:
    """Verify the home's log, or an export against the keys of roots.json.

    Example: phoenix beads verify log.jsonl --roots roots.json
    """
    from phoenix_cli.wiring.keeping import home_troubles
    from phoenix_cli.wiring.opening import opened, verify_export

    if file is not None:
        with at_work(f"verifying {file}"):
            code, words = verify_export(file, roots, checkpoint)
        if code == 0:
            emit(ctx, {"ok": True, "detail": words}, words)
            return
        fail(ctx, INTEGRITY if code == 1 else 2, words)
    with opened(home_of(ctx)) as session:
        with at_work("verifying the log"):
            troubles = home_troubles(session)
        if troubles:
            fail(ctx, INTEGRITY, "; ".join(troubles))
        head, notes = session.store.head(), session.store.checkpoints()
        root = session.store.root(head.size).hex()
        document = {"ok": True, "beads": head.size, "root": root, "checkpoints": len(notes)}
        emit(ctx, document, f"{head.size} beads verify, root {root[:16]}, {len(notes)} checkpoints")


@beads_command.command("checkpoint")
@click.option("--out", type=click.Path(path_type=Path), help="Write the note into a file to be kept elsewhere.")
@click.option("--accept-loss", is_flag=True, help="Write over a note that this log does not follow from; it is logged.")
@click.pass_context
def beads_checkpoint(ctx: click.Context, out: Path | None, accept_loss: bool) -> None:
    """Sign the log's head; hold the note outside this host.

    Example: phoenix beads checkpoint --out /mnt/usb/phoenix.note
    """
    from phoenix_cli.wiring.keeping import log_loss, note_trouble, put_note
    from phoenix_cli.wiring.opening import checkpoint_log, opened

    with opened(home_of(ctx)) as session:
        trouble = note_trouble(session, out) if out is not None else ""
        if trouble and out is not None:
            if not accept_loss:
                mend = "bring the newer log back; or, if it is lost for good, say --accept-loss"
                fail(ctx, INTEGRITY, f"{trouble}; nothing is written over it: {mend}")
            log_loss(session, out)
        note = checkpoint_log(session)
        if out is not None:
            put_note(out, note)
        emit(ctx, {"note": note, "size": session.store.head().size}, note.rstrip())


@beads_command.command("proof")
@click.argument("bead", required=False)
@click.option(
    "--since", type=click.Path(exists=True, path_type=Path), help="Instead: that this log goes on from a note."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the proof into a file; a bead's bytes beside it.")
@click.pass_context
def beads_proof(ctx: click.Context, bead: str | None, since: Path | None, out: Path | None) -> None:
    """Prove one bead, by its number, or the entry order of an intent: index, hashes and a signed checkpoint.

    Or that this log is the continuation of an older checkpoint, as a witness asks for it.

    Example: phoenix beads proof 4 --out order.proof
    """
    from phoenix_cli.wiring.keeping import bead_named, continuation_of, log_key_of, note_in, proof_of
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import BadInput

    if (bead is None) == (since is None):
        raise BadInput("BEAD", bead or "", "name one bead, or an older checkpoint with --since")
    with opened(home_of(ctx)) as session:
        if since is not None:
            proof = continuation_of(session, note_in(since, log_key_of(session)))
            _kept(out, proof)
            emit(ctx, {"since": str(since), "proof": proof}, proof.rstrip())
            return
        seq = bead_named(session, bead or "")
        proof = proof_of(session, seq)
        data = next(session.store.read(seq, seq + 1)).data.decode("utf-8")
        _kept(out, proof)
        _kept(Path(f"{out}.bead") if out is not None else None, data)
        emit(ctx, {"bead": seq, "bytes": data, "proof": proof}, proof.rstrip())


def _kept(out: Path | None, text: str) -> None:
    if out is not None:
        _ = out.write_text(text, encoding="utf-8")


@beads_command.command("check")
@click.argument("proof", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--roots", type=click.Path(exists=True, path_type=Path), required=True, help="Whose log: the keys you kept."
)
@click.option("--bead", type=click.Path(exists=True, path_type=Path), help="The bytes of the bead.")
@click.option("--since", type=click.Path(exists=True, path_type=Path), help="The older checkpoint.")
@click.pass_context
def beads_check(ctx: click.Context, proof: Path, roots: Path, bead: Path | None, since: Path | None) -> None:
    """Check somebody's proof of a bead, or of a log's continuation; it needs no home and no log, only the roots.

    Example: phoenix beads check order.proof --bead order.proof.bead --roots roots.json
    """
    from phoenix_cli.wiring.keeping import key_in, proven

    found = proven(proof, key_in(roots), bead, since)
    if found is None:
        fail(ctx, INTEGRITY, f"{proof} does not prove it")
    place, log = found
    what = f"bead {place} is" if bead is not None else f"the log of {place} beads is the beginning of what stands"
    words = f"{what} in {log.origin}, {log.size} beads, root {log.root.hex()[:16]}"
    emit(ctx, {"ok": True, "at": place, "log": log.origin, "size": log.size, "root": log.root.hex()}, words)


@beads_command.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def beads_restore(ctx: click.Context, file: Path) -> None:
    """Put a backup in the log's place; the log that was there is kept beside it. No engine may run.

    Example: phoenix beads restore /mnt/usb/beads.db
    """
    from phoenix_cli.wiring.keeping import restore

    with at_work("putting the backup in place"):
        done = restore(home_of(ctx), file)
    if done is None:
        refuse(ctx, ("ENGINE_RUNS_ALREADY",), "stop the engine first: a log is not taken from under it")
    size, aside = done
    words = f"{size} beads stand now; what was there lies at {aside}. Next: `phoenix run` says how it stands"
    emit(ctx, {"beads": size, "replaced": str(aside)}, words)


@beads_command.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def beads_backup(ctx: click.Context, file: Path) -> None:
    """Copy the log while others go on writing; the copy appears whole or not at all.

    Example: phoenix beads backup /mnt/usb/beads.db
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import BadInput

    if file.exists():
        raise BadInput("FILE", str(file), "name a file that is not there yet")
    if not file.absolute().parent.is_dir():
        raise BadInput("FILE", str(file), "name a file in a folder that is there")
    with opened(home_of(ctx)) as session:
        with at_work("copying the log"):
            head = session.store.backup(str(file))
        emit(ctx, {"file": str(file), "beads": head.size}, f"{file}: {head.size} beads")


beads_command.add_command(beads_audit)
beads_command.add_command(beads_gates)
beads_command.add_command(beads_quality)
