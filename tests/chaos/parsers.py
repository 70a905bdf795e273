"""Every parser that reads what others wrote: what it may answer, and honest inputs to begin from.

A parser may say no in its own words. Nothing else may leave it, whatever the bytes; and it may neither hang nor swell.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_adapters import phoenix_verify
from phoenix_adapters.beads.export import export, read_export
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.ibkr.broker import build
from phoenix_adapters.brokers.ibkr.times import hours, instant
from phoenix_adapters.clock import HostClock
from phoenix_adapters.codec import read_document
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.gateway import Gateway, Setup
from phoenix_adapters.gateway.script import ScriptError
from phoenix_adapters.gateway.script import read as read_script
from phoenix_adapters.gateway.sessions import Send
from phoenix_adapters.keys import note_verifier
from phoenix_adapters.keys.openssh import parse_private_file, parse_public_line, private_file
from phoenix_adapters.keys.sshsig import parse_signature
from phoenix_adapters.notify.telegram import _document, _retry_after_s
from phoenix_adapters.wire import VERSION_MAX, Unframer, WireError, frame, from_server, hello, to_server
from phoenix_adapters.wire.framing import fields_of
from phoenix_cli.home import Home, Settings, load_settings, settings_text
from phoenix_core.beads import Decision
from phoenix_core.canonical import decode
from phoenix_core.chain import unseal
from phoenix_core.checkpoint import check_proof, open_note, parse_note, proof_text
from phoenix_core.gate.statements import read_statement
from phoenix_core.kernel import bead_of
from phoenix_core.tree import inclusion_proof
from phoenix_core.values import BadInput, State
from tests.contract.beads.suite import ORIGIN, PUBLIC, SIGNER
from tests.contract.broker.orders import NUMBER, account_of
from tests.contract.gateway.stage import AAPL, EURUSD, WEDNESDAY
from tests.contract.verifier.story import Story
from tests.contract.verifier.test_meaning import roots_of
from tests.keyring import hardware_pen, software_pen
from tests.stage import Stage, stage

VERSION: Final = VERSION_MAX
ENTRY: Final[dict[str, object]] = {"action": "BUY", "totalQuantity": 20_000, "orderType": "MKT", "tif": "DAY"}


@frozen
class Parser:
    """One reader of foreign bytes."""

    name: str
    reads: Callable[[bytes], object]
    honest: Callable[[], tuple[bytes, ...]]
    says_no: tuple[type[Exception], ...] = ()
    believes: Callable[[object], bool] = lambda answer: True  # whether an answer means that the bytes were taken


# --- honest inputs ---


@cache
def log() -> MemoryStore:
    """The log of that day."""
    store = day().store
    assert isinstance(store, MemoryStore)
    return store


@cache
def day() -> Stage:
    """A desk that took a signal, traded it and closed it."""

    async def walk() -> Stage:
        desk = stage(MemoryStore())
        await desk.start()
        intent = await desk.enter()
        await desk.tick(5)
        assert desk.state(intent) is State.MANAGED
        return desk

    return asyncio.run(walk())


@cache
def beads() -> tuple[bytes, ...]:
    """A bead of every kind that the day left, and of every size."""
    found = {record.kind: record.data for record in day().store.read(0)}
    return tuple(found[kind] for kind in sorted(found))


@cache
def statements() -> tuple[bytes, ...]:
    """What operators sign."""
    found = tuple(body.signed.statement.encode() for body in day().bodies(Decision))
    assert found, "somebody approved"
    return found


@cache
def signatures() -> tuple[bytes, ...]:
    """From a software key and from a device."""
    return tuple(pen("x").sign(b"statement").encode() for pen in (software_pen, hardware_pen))


@cache
def notes() -> tuple[bytes, ...]:
    """Checkpoints, and a proof of one bead."""
    store = log()
    note = store.checkpoint(ORIGIN, SIGNER).unwrap()
    leaves = [record.leaf for record in store.read(0)]
    return note.encode(), proof_text(2, inclusion_proof(leaves, 2), note).encode()


@cache
def exports() -> tuple[bytes, ...]:
    """A whole log in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        export(log(), path, ORIGIN, b"\1" * 32, {})
        return (path.read_bytes(), Story().told().export())


@cache
def from_gateway() -> tuple[bytes, ...]:
    """The body of one frame of every message that a gateway says in the life of two orders."""
    gateway = Gateway(Setup(volatility=0.0, messages_per_second=None), WEDNESDAY)
    number = gateway.connected(WEDNESDAY)
    told: dict[str, bytes] = {}
    for n, fields in enumerate(
        (
            (hello(),),
            to_server("startApi", VERSION, clientId=17),
            to_server("reqPositions", VERSION),
            to_server("reqAccountUpdates", VERSION, subscribe=True, account=""),
            to_server("reqContractDetails", VERSION, reqId=5, **EURUSD),
            to_server("reqMktData", VERSION, reqId=6, **EURUSD),
            to_server("placeOrder", VERSION, orderId=1, **EURUSD, **ENTRY),
            to_server("placeOrder", VERSION, orderId=2, **AAPL, **ENTRY | {"orderType": "LMT", "lmtPrice": "1"}),
            to_server("reqAllOpenOrders", VERSION),
            to_server("reqExecutions", VERSION, reqId=9),
            to_server("reqCurrentTime", VERSION),
            to_server("cancelOrder", VERSION, orderId=2),
            to_server("reqCompletedOrders", VERSION, apiOnly=False),
        )
    ):
        gateway.received(WEDNESDAY + timedelta(seconds=n), number, fields)
        for output in gateway.take():
            if isinstance(output, Send):
                _ = told.setdefault(output.fields[0], "\0".join((*output.fields, "")).encode())
    return tuple(told[name] for name in sorted(told))


@cache
def to_gateway() -> tuple[bytes, ...]:
    """The bodies of what a client says: an order, a cancel, questions."""
    asked = (
        to_server("reqIds", VERSION, count=1),
        to_server("placeOrder", VERSION, orderId=1, **EURUSD, **ENTRY),
        to_server("cancelOrder", VERSION, orderId=1),
        to_server("reqContractDetails", VERSION, reqId=3, **EURUSD),
        to_server("reqPositions", VERSION),
        to_server("reqMktData", VERSION, reqId=4, **EURUSD),
    )
    return tuple("\0".join((*fields, "")).encode() for fields in asked)


# --- readers that need a little of the world around them ---


@cache
def _desk() -> Stage:
    desk = stage(MemoryStore())
    asyncio.run(desk.start())
    return desk


def seam(data: bytes) -> object:
    """From bytes in the inbox to beads: a proposal, a refusal or a quarantine, once, and never an exception."""
    desk = _desk()
    before = desk.store.head().size
    command = proposal_of("", data, "bot")
    answer = desk.act(command)
    left = [bead_of(record).body.kind for record in desk.store.read(before)]
    assert left or not is_successful(answer) or answer.unwrap().facts.get("landed"), "nothing was left of it"
    again = desk.store.head().size
    _ = desk.act(command)
    assert desk.store.head().size == again, "the same bytes land once"
    return answer


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def settings(data: bytes) -> object:
    """A home's configuration file."""
    _ = (_folder() / "phoenix.toml").write_bytes(data)
    return load_settings(Home(_folder()), {})


def bead(data: bytes) -> object:
    """A bead's bytes, and the record that they hold."""
    record = unseal(data)
    return bead_of(record.unwrap()) if is_successful(record) else record


def note(data: bytes) -> object:
    """A checkpoint or a proof."""
    text = data.decode("utf-8", "replace")
    _ = open_note(text, SIGNER_KEY), check_proof(text, b"\0" * 32, SIGNER_KEY)
    return parse_note(text)


def key_files(data: bytes) -> object:
    """An SSHSIG, a public line, a private file."""
    text = data.decode("utf-8", "replace")
    return parse_signature(text), parse_public_line(text), parse_private_file(text)


def telegram(data: bytes) -> object:
    """An answer of the bot API."""
    waits = _retry_after_s(_document(data))
    assert waits >= 0.0
    return waits


def heard(data: bytes) -> object:
    """A gateway's message, through the adapter's ears."""
    broker = build("127.0.0.1", 4002, 17, NUMBER, account_of, HostClock(), ("EURUSD",))
    broker.hearing.hear(from_server(fields_of(data), VERSION))
    return broker.drain()


def asked(data: bytes) -> object:
    """A client's message, through the gateway, and what comes of it within a minute."""
    gateway = Gateway(Setup(volatility=0.0, messages_per_second=None), WEDNESDAY)
    number = gateway.connected(WEDNESDAY)
    gateway.received(WEDNESDAY, number, (hello(),))
    gateway.received(WEDNESDAY, number, to_server("startApi", VERSION, clientId=1))
    gateway.received(WEDNESDAY, number, fields_of(data))
    gateway.advance(WEDNESDAY + timedelta(minutes=1))
    return gateway.take()


def framed(data: bytes) -> object:
    """Bytes in any pieces, as sockets give them."""
    whole, pieces = Unframer(), Unframer()
    found = whole.feed(data)
    assert [one for at in range(len(data)) for one in pieces.feed(data[at : at + 1])] == found
    return found


def verifier(data: bytes) -> object:
    """The offline verifier on an export."""
    outline = phoenix_verify.check_bytes(BytesIO(data), roots_of(Story().told()))
    return phoenix_verify.check_meaning(BytesIO(data), outline, roots_of(Story().told()))


def script(data: bytes) -> object:
    """A gateway's script."""
    return read_script(data.decode("utf-8", "replace").splitlines())


def times(data: bytes) -> object:
    """Instants and trading hours as IBKR writes them."""
    text = data.decode("utf-8", "replace")
    return instant(text), hours(text, "US/Eastern")


SIGNER_KEY: Final = note_verifier(ORIGIN, PUBLIC)


def key_texts() -> tuple[bytes, ...]:
    """A public line and a private file."""
    pen = software_pen("x")
    return pen.public.line.encode(), private_file(pen.as_file, b"1234").encode()


PARSERS: Final = (
    Parser("seam", seam, lambda: (day().signal(),)),
    Parser("document", lambda data: read_document(data, "x.yaml"), lambda: (day().signal(),), (BadInput,)),
    Parser("settings", settings, lambda: (settings_text(Settings()).encode(),), (BadInput,)),
    Parser("canonical", decode, beads),
    Parser("bead", bead, beads, (BadInput,)),
    Parser("statement", read_statement, statements, (BadInput,)),
    Parser("note", note, notes),
    Parser("keys", key_files, lambda: (*signatures(), *key_texts())),
    Parser("telegram", telegram, lambda: (b'{"ok":false,"error_code":429,"parameters":{"retry_after":3}}',)),
    Parser("export", lambda data: read_export(BytesIO(data)), exports),
    Parser("verifier", verifier, exports, (phoenix_verify.Lie, phoenix_verify.Undecided)),
    Parser("gateway-says", heard, from_gateway, (WireError,)),
    Parser("client-says", asked, to_gateway),
    Parser("frames", framed, lambda: tuple(frame(fields_of(body)) for body in from_gateway()), (WireError,)),
    Parser("gateway-script", script, lambda: (b'{"at": 1, "do": "restart"}',), (ScriptError,)),
    Parser("times", times, lambda: (b"20261118 14:00:00 US/Eastern", b"20261118:0930-20261118:1600;20261119:CLOSED")),
)
