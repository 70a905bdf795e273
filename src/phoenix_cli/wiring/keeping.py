"""The log carried away, proved and brought back: one bead's proof, the whole home verified, a backup restored."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.beads.files import is_open_elsewhere, sync
from phoenix_adapters.beads.lease import take
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import load_log_key, parse_vkey
from phoenix_adapters.seams.files import write_whole
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import Session, checkpoint_log, export_log, fresh_id, outside_of, verify_export
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Order, Position
from phoenix_core.chain import Fault, Head, StoreFault, verify_chain
from phoenix_core.checkpoint import (
    Checkpoint,
    NoteFault,
    Standing,
    Verifying,
    behind,
    check_continuation,
    check_proof,
    continuation_text,
    open_note,
    proof_text,
)
from phoenix_core.kernel import bead_of
from phoenix_core.tree import EMPTY_FRONTIER, consistency_proof, inclusion_proof, leaf_hash
from phoenix_core.values import BadInput

_FRIENDS = ("", "-wal", "-shm")


def bead_named(session: Session, words: str) -> int:
    """The bead that a number names, or the entry order of an intent."""
    size = session.store.head().size
    # Eight hexadecimal digits may happen to be decimal ones: a number is what the log has a bead for.
    if words.isascii() and words.isdigit() and int(words) < size:
        return int(words)
    mend = f"give a bead's number below {size}, or the first letters of one intent that was submitted"
    if not words:
        raise BadInput("BEAD", words, mend)
    mine: dict[str, str] = {}
    entries: dict[str, int] = {}
    for record in session.store.read(0):
        body = bead_of(record).body
        if isinstance(body, Position) and body.intent_id.startswith(words):
            mine[body.position_id] = body.intent_id
        elif isinstance(body, Order) and body.token_id is not None and body.position_id in mine:
            _ = entries.setdefault(mine[body.position_id], record.seq)
    if len(entries) != 1:
        raise BadInput("BEAD", words, mend)
    return next(iter(entries.values()))


def proof_of(session: Session, seq: int) -> str:
    """One file that proves one bead to somebody who holds the log's public key and the bead's bytes (tlog-proof).

    Checked like a stranger's before it is handed on.
    """
    note, point, key = _signed_now(session)
    leaves = session.store.leaves(0, point.size)
    proof = proof_text(seq, inclusion_proof(leaves, seq), note)
    _believed(check_proof(proof, leaves[seq], key))
    return proof


def continuation_of(session: Session, old: Checkpoint) -> str:
    """The proof that this log goes on from an older checkpoint of it, checked before it is handed on (tlog-witness)."""
    note, point, key = _signed_now(session)
    standing = behind(session.store, old, point.origin)
    if standing is not Standing.AGREES:
        raise StoreFault(Fault.CORRUPT, f"this log of {point.size} beads is {standing} to the checkpoint of {old.size}")
    path = consistency_proof(session.store.leaves(0, point.size), old.size)
    proof = continuation_text(old.size, path, note)
    _believed(check_continuation(proof, old, key))
    return proof


def _signed_now(session: Session) -> tuple[str, Checkpoint, Verifying]:
    """A checkpoint of the log as it stands, and what verifies it."""
    key, note = log_key_of(session), checkpoint_log(session)
    return note, open_note(note, key).unwrap(), key


def _believed(checked: Result[object, NoteFault]) -> None:
    if not is_successful(checked):
        raise StoreFault(Fault.CORRUPT, f"the proof that this log would give does not hold: {checked.failure()}")


def log_key_of(session: Session) -> Verifying:
    """What verifies this log's own checkpoints."""
    return load_log_key(session.home.log_key).verifying(session.genesis.origin)


def note_in(file: Path, key: Verifying) -> Checkpoint:
    """The checkpoint of a file, which this key signed."""
    opened = open_note(file.read_text("utf-8", errors="replace"), key)
    if not is_successful(opened):
        raise BadInput(str(file), "", f"it is no checkpoint that the log's key signed ({opened.failure()})")
    return opened.unwrap()


def key_in(roots: Path) -> Verifying:
    """The log's key, as somebody keeps it in their roots.json."""
    try:
        key = parse_vkey(json.loads(roots.read_bytes(), object_pairs_hook=_once)["log"])
    except (ValueError, LookupError, TypeError, AttributeError):
        key = None
    if key is None:
        raise BadInput("--roots", str(roots), "give the roots.json that `phoenix init` wrote")
    return key


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys stand once each, as the offline verifier reads it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def proven(proof: Path, key: Verifying, bead: Path | None, since: Path | None) -> tuple[int, Checkpoint] | None:
    """What a proof proves: of a bead its number, of an older checkpoint its size; and in which log. None: nothing."""
    text = proof.read_text("utf-8", errors="replace")
    if bead is not None:
        of_bead = check_proof(text, leaf_hash(bead.read_bytes().removesuffix(b"\n")), key)
        return of_bead.unwrap() if is_successful(of_bead) else None
    if since is None:
        raise BadInput("--bead", "", "say what is to be proven: --bead FILE or --since NOTE")
    old = note_in(since, key)
    goes_on = check_continuation(text, old, key)
    return (old.size, goes_on.unwrap()) if is_successful(goes_on) else None


def home_troubles(session: Session) -> list[str]:
    """Everything that is wrong with the home's log: its chain, its checkpoints, its witness, its signatures."""
    store, key = session.store, log_key_of(session)
    # One look for all of it: a desk at work goes on writing meanwhile.
    with store.view() as head:
        verified = verify_chain(record.data for record in store.read(0))
        sound = keeps_its_word(store, key)
    if not is_successful(verified):
        return [f"the log does not verify: {verified.failure()}"]
    if verified.unwrap() != head:
        return ["the log does not verify: the head is another one"]
    found: list[str] = []
    if not sound:
        found.append("a checkpoint that this log keeps is not one of its own past, or was not signed by its key")
    if session.observe_only:
        found.append(session.observe_only)
    roots = session.home.path / "roots.json"
    if roots.exists():
        with tempfile.TemporaryDirectory() as folder:
            _ = export_log(session, Path(folder) / "log.jsonl")
            code, words = verify_export(Path(folder) / "log.jsonl", roots, None)
        found += [words] if code else []
    return found


def keeps_its_word(store: Kept, key: Verifying) -> bool:
    """Whether every checkpoint that a log keeps is its key's, and one of its own past: one walk serves them all."""
    frontier, size = EMPTY_FRONTIER, store.head().size
    for note in store.checkpoints():
        opened = open_note(note, key)
        point = opened.unwrap() if is_successful(opened) else None
        if point is None or point.origin != key.name or not frontier.size <= point.size <= size:
            return False
        frontier = frontier.extend(store.leaves(frontier.size, point.size))
        if frontier.root() != point.root:
            return False
    return True


class Kept(Protocol):
    """What is asked of a log about the checkpoints that it keeps."""

    def head(self) -> Head:
        """Where it ends."""
        ...

    def checkpoints(self) -> tuple[str, ...]:
        """The notes, by size."""
        ...

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """The hashes of its beads."""
        ...


def restore(home: Home, backup: Path) -> tuple[int, Path] | None:
    """Put a backup in the log's place: (its beads, where the old log lies now); None while an engine runs."""
    held = take(f"{home.log}.lease", "restore")
    if held is None:
        return None
    with held:
        coming = home.log.with_name("beads.db.restoring")
        _remove(coming)
        try:
            # A log that was copied by hand may have its last beads in the write-ahead file beside it.
            for friend in ("", "-wal"):
                if Path(f"{backup}{friend}").exists():
                    _ = shutil.copy(f"{backup}{friend}", f"{coming}{friend}")
            size = _checked(home, coming, backup)
            if is_open_elsewhere(str(home.log)):
                mend = "another process has its log open (a watchdog, a tail): end it first"
                raise BadInput("home", str(home.path), mend)
            return size, _exchange(home.log, coming)
        finally:
            _remove(coming)  # nothing is left of it in its own place, nor of one that came to nothing


def _checked(home: Home, coming: Path, backup: Path) -> int:
    """The size of the copy, which must be a whole log of this very desk."""
    with SqliteStore(coming, ballast_bytes=0) as store:
        whole = is_successful(verify_chain(record.data for record in store.read(0)))
        size = store.head().size
        first = next(iter(store.read(0, 1)), None)
    if not whole or first is None:
        raise BadInput("FILE", str(backup), "this is no whole log; take another backup")
    if first.body.get("log_key") != load_log_key(home.log_key).public_text:
        raise BadInput("FILE", str(backup), "this is another desk's log: its key is not the one in this home")
    os.chmod(coming, 0o600)
    sync(coming)
    return size


def _exchange(log: Path, coming: Path) -> Path:
    """Step by step, so that a crash between two of them leaves a log in place and the old one whole beside it."""
    aside = next(p for n in range(10**6) if not (p := log.with_name(f"beads.db.replaced-{n}")).exists())
    if log.exists():
        for friend in _FRIENDS:
            if Path(f"{log}{friend}").exists():
                _ = shutil.copy(f"{log}{friend}", f"{aside}{friend}")
                sync(Path(f"{aside}{friend}"))
        # A write-ahead file of the old log must never meet the new one.
        for friend in _FRIENDS[1:]:
            Path(f"{log}{friend}").unlink(missing_ok=True)
    os.replace(coming, log)
    sync(log.parent)
    return aside


def log_loss(session: Session, note: Path) -> None:
    """A human goes on from a log that lacks what was witnessed: it is said in the log, before the note is replaced."""
    opened = open_note(note.read_text("utf-8", errors="replace"), log_key_of(session))
    seen = str(opened.unwrap().size) if is_successful(opened) else "unreadable"
    facts = {"witnessed": seen, "here": str(session.store.head().size), "accepted": "true"}
    session.recorder.closed = ""
    _ = session.recorder.act(Observe(fresh_id(), About.WARNING, "outside checkpoint", facts)).unwrap()


def note_trouble(session: Session, place: Path) -> str:
    """Why a checkpoint must not be written over what lies at a place."""
    outside = outside_of(session.home, session.settings, session.genesis.origin)
    outside.place = str(place)
    return outside.trouble(session.store)


def put_note(place: Path, note: str) -> None:
    """Into its place whole: half a note is not believed, and closes the desk."""
    write_whole(place, note, durable=True)


def _remove(path: Path) -> None:
    for friend in (*_FRIENDS, ".lease", ".ballast"):
        Path(f"{path}{friend}").unlink(missing_ok=True)
