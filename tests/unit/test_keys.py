"""Key files and the log's key: made once, for their owner's eyes only, read strictly."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from phoenix_adapters.keys import (
    InProcess,
    KeyTrouble,
    Trouble,
    create,
    create_log_key,
    create_secret,
    load,
    load_log_key,
    load_public,
    load_secret,
    note_verifier,
    parse_vkey,
    public_path,
    vkey,
)
from phoenix_adapters.keys.openssh import armored, private_file, string
from phoenix_core.checkpoint import Checkpoint, open_note, sign_note
from tests.keyring import hardware_pen, software_pen

ORIGIN = "phoenix.example/desk"


def trouble_of(error: pytest.ExceptionInfo[KeyTrouble]) -> Trouble:
    """The trouble, which must also say where it is and how to mend it."""
    assert error.value.where
    assert error.value.mend
    return error.value.trouble


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_key_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    """Mode 0600 whatever the umask, the public half beside it for everybody, and both read back."""
    path = tmp_path / "home" / "keys" / "anna"
    old = os.umask(umask)
    try:
        key = create(path, "anna on desk 1")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(public_path(path).stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load(path) == key
    assert load_public(path) == load_public(public_path(path)) == key.public
    assert key.comment == "anna on desk 1"


def test_a_new_key_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files, whole, and then the folder are forced to the disk before anybody is told that the key exists."""
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        about = os.fstat(descriptor)
        synced.append((stat.S_IFMT(about.st_mode), about.st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    create_secret(tmp_path / "secret", 32)
    assert synced == [(stat.S_IFREG, 32), (stat.S_IFDIR, tmp_path.stat().st_size)]
    synced.clear()
    create(tmp_path / "anna")
    files = [(stat.S_IFREG, (tmp_path / name).stat().st_size) for name in ("anna", "anna.pub")]
    assert synced[:2] == files
    assert [kind for kind, _ in synced[2:]] == [stat.S_IFDIR]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """A desk runs for months: making and reading keys, or failing to, leaves nothing open."""
    before = len(os.listdir("/proc/self/fd"))
    create(tmp_path / "anna")
    load(tmp_path / "anna")
    for bad in (tmp_path, tmp_path / "nobody"):
        with pytest.raises(KeyTrouble):
            load(bad)
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_new_keys_differ(tmp_path: Path) -> None:
    """Keys come from chance."""
    assert create(tmp_path / "a").public != create(tmp_path / "b").public


def test_an_old_key_is_never_overwritten(tmp_path: Path) -> None:
    """Making a key where one is refuses, and the old one is untouched."""
    create(tmp_path / "anna")
    before = (tmp_path / "anna").read_bytes()
    with pytest.raises(KeyTrouble) as error:
        create(tmp_path / "anna")
    assert trouble_of(error) is Trouble.KEY_EXISTS
    assert (tmp_path / "anna").read_bytes() == before


def test_a_key_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle leaves nothing: no half key that the next `init` would find, and refuse."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as filled:
        filled.setattr(os, "fsync", full)
        for make in (lambda: create(tmp_path / "anna"), lambda: create_secret(tmp_path / "anna", 32)):
            with pytest.raises(OSError, match="No space left") as error:
                _ = make()
            assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "anna"))
            assert os.listdir(tmp_path) == []
    assert create(tmp_path / "anna").public == load(tmp_path / "anna").public


@pytest.mark.parametrize("known", [True, False], ids=["links", "no links"])
def test_a_key_that_came_meanwhile_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Another process made one between our look and our name: it stays. A share without second names makes keys too."""
    place, link = tmp_path / "anna", os.link

    def meanwhile(source: Path, target: Path) -> None:
        if not known:
            raise OSError(errno.EPERM, "Operation not permitted")
        _ = target.write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", meanwhile)
    if known:
        with pytest.raises(KeyTrouble) as error:
            create_secret(place, 32)
        assert (error.value.trouble, place.read_bytes()) == (Trouble.KEY_EXISTS, b"theirs")
    else:
        create_secret(place, 32)
        assert len(load_secret(place, 32)) == 32
    assert os.listdir(tmp_path) == ["anna"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of group or others on a private key is too much; with 0600 and 0400 the same key loads."""
    path = tmp_path / "anna"
    create(path)
    path.chmod(mode)
    with pytest.raises(KeyTrouble) as error:
        load(path)
    assert trouble_of(error) is Trouble.KEY_OPEN_TO_OTHERS
    for good in (0o600, 0o400):
        path.chmod(good)
        assert load(path).public == load_public(path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """A path where nothing is."""
    with pytest.raises(KeyTrouble) as error:
        load(tmp_path / "nobody")
    assert trouble_of(error) is Trouble.KEY_MISSING


def test_what_is_no_file_is_refused_without_hanging(tmp_path: Path) -> None:
    """A pipe or a folder in the place of a key: refused at once."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(KeyTrouble) as error:
            load(tmp_path / name)
        assert trouble_of(error) is Trouble.KEY_NOT_A_FILE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_key_is_refused(tmp_path: Path) -> None:
    """Each operator signs with a key of their own."""
    path = tmp_path / "anna"
    create(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(KeyTrouble) as error:
        load(path)
    assert trouble_of(error) is Trouble.KEY_OF_ANOTHER_USER


@pytest.mark.parametrize(
    "data",
    [b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", b"\xff\xfe", b"k" * 20_000],
    ids=["empty", "beginning only", "no text", "huge"],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever else lies there, as a private key and as a public one."""
    for name, read in (("key", load), ("key.pub", load_public)):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyTrouble) as error:
            read(path)
        assert trouble_of(error) is Trouble.KEY_NOT_READ


def test_a_public_key_is_found_inside_a_private_file(tmp_path: Path) -> None:
    """Enrolment by the private key's path works without its `.pub`, under the same rules as loading."""
    key = create(tmp_path / "anna")
    public_path(tmp_path / "anna").unlink()
    assert load_public(tmp_path / "anna") == key.public
    (tmp_path / "anna").chmod(0o644)
    with pytest.raises(KeyTrouble) as error:
        load_public(tmp_path / "anna")
    assert trouble_of(error) is Trouble.KEY_OPEN_TO_OTHERS


def _fido_file(path: Path) -> None:
    """A FIDO key's file as ssh-keygen leaves it: no secret of ours in it."""
    public = hardware_pen("bruno").public
    inner = b"12341234" + string(public.type.value.encode()) + string(public.point) + string(b"ssh:phoenix")
    inner += b"\x01" + string(b"handle") + string(b"") + string(b"token")
    inner += bytes(range(1, -len(inner) % 8 + 1))
    none = string(b"none")
    outer = b"openssh-key-v1\0" + none + none + string(b"") + b"\0\0\0\1" + string(public.blob) + string(inner)
    path.write_text(armored(outer, "OPENSSH PRIVATE KEY"))
    path.chmod(0o600)


def test_a_fido_key_does_not_sign_in_process(tmp_path: Path) -> None:
    """Its file enrols it, and that is all: neither an operator nor the log can sign with it here."""
    _fido_file(tmp_path / "token")
    assert load_public(tmp_path / "token") == hardware_pen("bruno").public
    with pytest.raises(KeyTrouble) as error:
        InProcess(load(tmp_path / "token"))
    assert trouble_of(error) is Trouble.KEY_NEEDS_ITS_DEVICE
    with pytest.raises(KeyTrouble) as error:
        load_log_key(tmp_path / "token")
    assert trouble_of(error) is Trouble.KEY_NEEDS_ITS_DEVICE


def test_the_logs_key_signs_checkpoints(tmp_path: Path) -> None:
    """Its note opens with its public half, from its file or from its line; not under another name or key."""
    key = create_log_key(tmp_path / "log")
    assert load_log_key(tmp_path / "log").public == key.public
    checkpoint = Checkpoint(ORIGIN, 7, b"r" * 32)
    note = sign_note(checkpoint, key.signer(ORIGIN))
    assert open_note(note, key.verifying(ORIGIN)).unwrap() == checkpoint
    line = parse_vkey(vkey(ORIGIN, key.public))
    assert line is not None
    assert open_note(note, line).unwrap() == checkpoint
    for other in (key.verifying("another"), create_log_key(tmp_path / "other").verifying(ORIGIN)):
        assert open_note(note, other).failure().value == "BAD_SIGNATURE"
    assert open_note(note.replace("\n7\n", "\n8\n"), line).failure().value == "BAD_SIGNATURE"


def test_a_verifier_key_line_has_one_spelling() -> None:
    """The known answer of signed-note's own example, and everything that differs from a true line by a little."""
    public = software_pen("log").public.point
    line = vkey(ORIGIN, public)
    known = note_verifier(ORIGIN, public)
    found = parse_vkey(line)
    assert found is not None
    assert (found.name, found.key_id) == (known.name, known.key_id)
    name, key_id, encoded = line.split("+", 2)
    for bad in ("", name, f"{name}+{encoded}", f"{name}+00000000+{encoded}", f"x+{key_id}+{encoded}", line + "=",
                f"+{key_id}+{encoded}", line.upper()):  # fmt: skip
        assert parse_vkey(bad) is None, bad


def test_a_secret_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    """Made once, 0600, never over an old one; one that a crash cut short, or that others can read, is no secret."""
    path = tmp_path / "desk.key"
    create_secret(path, 32)
    secret = load_secret(path, 32)
    assert (len(secret), path.stat().st_mode & 0o777) == (32, 0o600)
    with pytest.raises(KeyTrouble) as error:
        create_secret(path, 32)
    assert (error.value.trouble, load_secret(path, 32)) == (Trouble.KEY_EXISTS, secret)
    for data in (b"", secret[:31], secret + b"x"):
        _ = path.write_bytes(data)
        with pytest.raises(KeyTrouble) as error:
            _ = load_secret(path, 32)
        assert error.value.trouble is Trouble.KEY_NOT_READ
    _ = path.write_bytes(secret)
    path.chmod(0o640)
    with pytest.raises(KeyTrouble) as error:
        _ = load_secret(path, 32)
    assert error.value.trouble is Trouble.KEY_OPEN_TO_OTHERS


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """No repr of a key, of what signs with it, or of the log's key shows a byte of the private half."""
    pen = software_pen("anna")
    shown = repr(pen.as_file) + repr(InProcess(pen.as_file)) + repr(create_log_key(tmp_path / "log"))
    assert repr(pen.as_file.seed) not in shown
    assert "seed" not in shown
    assert "_private" not in shown
    assert "PRIVATE" in private_file(pen.as_file, b"1234"), "the file holds it, and nothing else"
