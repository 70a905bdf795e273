"""Keys and signatures: OpenSSH files and SSHSIG for people, C2SP notes for the log, and the port `Verifier`."""

from phoenix_adapters.keys.agent import identities
from phoenix_adapters.keys.files import create, create_secret, load, load_public, load_secret, public_path
from phoenix_adapters.keys.log_key import (
    LogKey,
    create_log_key,
    load_log_key,
    note_verifier,
    parse_vkey,
    roots_of,
    vkey,
)
from phoenix_adapters.keys.openssh import Fault, KeyType, PrivateKey, PublicKey, parse_private_file, parse_public_line
from phoenix_adapters.keys.signing import InProcess, Signs, ThroughAgent, ThroughKeygen, signs_for
from phoenix_adapters.keys.sshsig import Signature, parse_signature, verify
from phoenix_adapters.keys.trouble import KeyTrouble, Trouble
from phoenix_adapters.keys.verifier import SshVerifier

__all__ = [
    "Fault",
    "InProcess",
    "KeyTrouble",
    "KeyType",
    "LogKey",
    "PrivateKey",
    "PublicKey",
    "Signature",
    "Signs",
    "SshVerifier",
    "ThroughAgent",
    "ThroughKeygen",
    "Trouble",
    "create",
    "create_log_key",
    "create_secret",
    "identities",
    "load",
    "load_log_key",
    "load_public",
    "load_secret",
    "note_verifier",
    "parse_private_file",
    "parse_public_line",
    "parse_signature",
    "parse_vkey",
    "public_path",
    "roots_of",
    "signs_for",
    "verify",
    "vkey",
]
