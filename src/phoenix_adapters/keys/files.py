"""Key files: made once, readable by their owner alone, and looked at through one open descriptor, so that what was
checked is what is read.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_adapters.keys.openssh import (
    TEXT_MAX,
    Fault,
    KeyType,
    PrivateKey,
    PublicKey,
    parse_private_file,
    parse_public_line,
    private_file,
)
from phoenix_adapters.keys.trouble import KeyTrouble, Trouble


def create(path: Path, comment: str = "") -> PrivateKey:
    """Make a new software key: `path` for its owner's eyes only, `path.pub` for everybody. Never over an old one."""
    assert "\n" not in comment, "a comment is one line"
    private = Ed25519PrivateKey.generate()
    public = PublicKey(KeyType.SOFTWARE, private.public_key().public_bytes_raw())
    key = PrivateKey(public, private.private_bytes_raw(), comment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(path, private_file(key, secrets.token_bytes(4)).encode(), 0o600)
    _write_new(public_path(path), (f"{public.line} {comment}".rstrip() + "\n").encode(), 0o644)
    _sync_folder(path.parent)
    return key


def public_path(path: Path) -> Path:
    """Where ssh-keygen puts the public half of a key file."""
    return path.with_name(path.name + ".pub")


def load(path: Path) -> PrivateKey:
    """The key of a private key file that nobody else can read."""
    text = _read(path, private=True)
    found = parse_private_file(text)
    if isinstance(found, Fault):
        mend = "use it through an agent (ssh-add)" if found is Fault.KEY_ENCRYPTED else "give an OpenSSH Ed25519 key"
        raise KeyTrouble(Trouble.KEY_NOT_READ, f"{path} ({found})", mend)
    return found


def load_public(path: Path) -> PublicKey:
    """The public key to enrol, from a `.pub` file or from beside (or inside) the private key file that was named."""
    if path.suffix != ".pub":
        beside = public_path(path)
        if not beside.exists():
            return load(path).public
        path = beside
    found = parse_public_line(_read(path, private=False))
    if isinstance(found, Fault):
        raise KeyTrouble(Trouble.KEY_NOT_READ, f"{path} ({found})", "give an ssh-ed25519 or sk-ssh-ed25519 key")
    return found


def is_encrypted(path: Path) -> bool:
    """Whether a private key file, which nobody else can read, wants a passphrase."""
    return parse_private_file(_read(path, private=True)) is Fault.KEY_ENCRYPTED


def create_secret(path: Path, size: int) -> None:
    """So many random bytes for their owner's eyes only. Never over old ones."""
    _write_new(path, secrets.token_bytes(size), 0o600)
    _sync_folder(path.parent)


def load_secret(path: Path, size: int) -> bytes:
    """The bytes of a secret, all of them: what a crash cut short in the making would work as well, and hide nothing."""
    data = _read_bytes(path, private=True)
    if len(data) != size:
        mend = "bring it back from where you keep a copy; a desk that has no bead yet may make it anew"
        raise KeyTrouble(Trouble.KEY_NOT_READ, f"{path} ({len(data)} bytes where {size} belong)", mend)
    return data


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """The whole file or none of it, and never over another one: half a key, which a full disk or a crash leaves, would
    keep the next one from its place and open nothing."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask made of it
            _ = file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _give_name(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # by the name that the caller knows
    finally:
        with suppress(OSError):
            beside.unlink()


def _give_name(beside: Path, path: Path) -> None:
    taken = os.path.lexists(path)
    if not taken:
        try:
            os.link(beside, path)  # unlike a rename, never over what came there meanwhile
        except FileExistsError:
            taken = True
        except OSError:  # some shares know no second names
            os.rename(beside, path)
    if taken:
        raise KeyTrouble(Trouble.KEY_EXISTS, str(path), "choose another name, or enrol the key that is there")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, private: bool) -> str:
    try:
        return _read_bytes(path, private).decode()
    except UnicodeDecodeError as error:
        raise KeyTrouble(Trouble.KEY_NOT_READ, f"{path} (no text)", "give an OpenSSH key") from error


def _read_bytes(path: Path, private: bool) -> bytes:
    try:
        # Not blocking: a pipe that was put in a key's place must not hang the desk.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyTrouble(Trouble.KEY_MISSING, str(path), "make a key with `phoenix init`, or name yours") from error
    except OSError as error:
        raise KeyTrouble(Trouble.KEY_NOT_READ, f"{path} ({error.strerror})", "see who may read it") from error
    try:
        _look_at(descriptor, path, private)
        return os.read(descriptor, TEXT_MAX + 1)
    finally:
        os.close(descriptor)


def _look_at(descriptor: int, path: Path, private: bool) -> None:
    """What was opened is a file and, if it is private, for its owner alone."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise KeyTrouble(Trouble.KEY_NOT_A_FILE, str(path), "name a file")
    if private and about.st_uid != os.geteuid():
        raise KeyTrouble(Trouble.KEY_OF_ANOTHER_USER, str(path), "each operator signs with a key of their own")
    if private and about.st_mode & 0o077:
        mend = f"chmod 600 {path}; if others could read it, revoke it"
        raise KeyTrouble(Trouble.KEY_OPEN_TO_OTHERS, str(path), mend)
