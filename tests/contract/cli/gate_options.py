"""Every command of the command line with every option, for the search of a way past the human."""

from __future__ import annotations

from typing import Final

from attrs import frozen
from click.testing import CliRunner

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.__main__ import cli
from phoenix_core.chain import StoreFault
from phoenix_core.values import BadInput
from tests.contract.cli.gate_search import OURS
from tests.contract.cli.operator import AFTERNOON, Seat

Option = tuple[str, str]  # command, option or <argument>

# Commands that have no way to this desk's broker, and why; the others are all tried.
APART: Final = {
    "demo": "plays in a throw-away home of its own",
    "init": "refuses where there is a desk already",
    "cse": "writes a signal and reads no desk",
    "gateway": "is a broker, for tests",
    "bunny": "plays on stages of its own",
    "sim": "plays on stages of its own",
    "completion": "prints a script",
    "runbook list": "prints a list",
    "runbook show": "prints a text",
    "runbook drill": "plays in a throw-away home of its own",
}
# Options that never end, and why they need no try.
ENDLESS: Final = {("beads tail", "--follow"): "prints what `beads tail` prints, again and again"}


@frozen
class Row:
    """One command line. {intent} is what waits, {quantity} what it shows, {home} the folder, {file} one in it."""

    command: str
    words: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # the names of those that it gives

    def tries(self) -> set[Option]:
        """What of the command it tries."""
        given = {word.partition("=")[0] for word in self.words if word.startswith("-") and word != "-"}
        return {(self.command, each) for each in ("", *given, *(f"<{name}>" for name in self.arguments))}

    def run(self, seat: Seat) -> None:
        """Run it to its end, while some engine seems to live; how it ends is its own business."""
        rows = seat.json("inbox").document["intents"]
        known = {"intent": str(rows[0]["intent"]), "quantity": str(rows[0]["quantity"]), "home": str(seat.home)}
        known["file"] = str(seat.home / "phoenix.toml")
        words = [word.format(**known) for word in (*self.command.split(), *self.words)]
        environment: dict[str, str | None] = {name: None for name in seat.environment if name.startswith(OURS)}
        environment |= {"PHOENIX_CLOCK": AFTERNOON}
        with SqliteStore(seat.home / "beads.db") as store:
            lease = None if self.command in ("run", "beads restore") else store.lease(BOOT)
            ran = CliRunner().invoke(cli, ["--home", str(seat.home), *words], input="yes\n", env=environment)
            if lease is not None:
                lease.release()
        assert ran.exception is None or isinstance(ran.exception, SystemExit | BadInput | StoreFault), (
            words,
            ran.exception,
        )
        assert "Usage:" not in ran.output, (words, ran.output)


BOOT: Final = "an engine that seems to live"
WHY: Final = ("--reason", "because")
ROWS: Final = (
    Row("doctor"),
    Row("run", ("--once",)),
    Row("run", ("--once", "--log", "{home}/lines")),
    Row("watchdog", ("--once",)),
    Row("watchdog", ("--once", "--every", "0.1")),
    Row("propose", ("{file}",), ("file",)),
    Row("propose", ("--again", "{intent}")),
    Row("inbox"),
    Row("show", ("{intent}",), ("intent",)),
    Row("approve", ("{intent}",), ("intent",)),
    Row("approve", ("{intent}", "--quantity", "{quantity}")),
    Row("approve", ("{intent}", "--yes")),
    Row("approve", ("{intent}", "--quantity", "{quantity}", "--yes")),
    Row("approve", ("{intent}", "--quantity", "0", "--yes")),
    Row("pass", ("{intent}", *WHY), ("intent",)),
    Row("positions", ("{intent}",), ("name",)),
    Row("positions", ("--all",)),
    Row("close", ("EURUSD", *WHY), ("name",)),
    Row("close", ("--all", *WHY)),
    Row("close", ("{intent}", "--quantity", "1", *WHY)),
    Row("protect", ("{intent}",), ("name",)),
    Row("protect", ("{intent}", "--stop", "1.08", "--target", "1.1")),
    Row("adopt", ("--symbol", "EURUSD", "--side", "BUY", "--quantity", "1000", "--price", "1.085", "--stop", "1.08",
                  "--target", "1.1", "--strategy", "demo", "--linked-to", "{intent}", *WHY)),
    Row("resolve-stalled", ("{intent}", "--as", "cancelled", *WHY), ("name",)),
    Row("resolve-stalled", ("{intent}", "--as", "filled", "--quantity", "1", "--price", "1.085", "--statement",
                            "page 1", *WHY)),
    Row("orders", ("--all",)),
    Row("executions", ("--since", "1d")),
    Row("report", ("--day", "2026-11-18")),
    Row("alerts ack", ("nothing", "--false-alarm"), ("alert",)),
    Row("alerts list"),
    Row("alerts test"),
    Row("resume"),
    Row("kill clear", ("flag-1", *WHY), ("flag",)),
    Row("kill clear", ("--scope", "desk", *WHY)),
    Row("kill list"),
    Row("kill raise", ("--scope", "strategy:other", "--reason", "drill", "--cancel-working")),
    Row("halt", ("--reason", "drill")),
    Row("anchor refresh", ("--strategy", "demo", "--state-hash", "4f1d", "--regime", "DEFAULT")),
    Row("policy set", ("{file}",), ("file",)),
    Row("policy show"),
    Row("operator enrol", ("{home}/keys/log.pub", "--name", "eve"), ("public_key",)),
    Row("operator list"),
    Row("operator revoke", ("nobody", *WHY), ("key",)),
    Row("reconcile"),
    Row("drift list"),
    Row("drift resolve", ("drift-1", "--as", "acknowledged", "--notes", "n", "--cancel-orphans"), ("drift",)),
    Row("drift resolve", ("drift-1", "--as", "phoenix-corrected", "--execution", "1.01", "--quantity", "1", "--price",
                          "1.085", "--notes", "n")),
    Row("drift show", ("drift-1",), ("drift",)),
    Row("promote bundle", ("demo",), ("strategy",)),
    Row("promote change", ("demo", "--type", "config-flip", "--component", "gate", "--parameter", "lots", "--old", "1",
                           "--new", "2"), ("strategy",)),
    Row("promote check", ("demo",), ("strategy",)),
    Row("promote paper", ("{file}",), ("evidence",)),
    Row("promote run", ("demo", "--evidence", "{file}", "--yes"), ("strategy",)),
    Row("promote shadow", ("{file}",), ("file",)),
    Row("beads audit", ("{file}", "{intent}", "--roots", "{file}", "--checkpoint", "{file}"), ("file", "order")),
    Row("beads backup", ("{home}/copy",), ("file",)),
    Row("beads check", ("{file}", "--roots", "{file}", "--bead", "{file}", "--since", "{file}"), ("proof",)),
    Row("beads checkpoint", ("--out", "{home}/note", "--accept-loss")),
    Row("beads export", ("{home}/export",), ("file",)),
    Row("beads gates"),
    Row("beads proof", ("0", "--out", "{home}/proof"), ("bead",)),
    Row("beads proof", ("--since", "{file}")),
    Row("beads quality", ("--since", "1d")),
    Row("beads query", ("--kind", "ORDER", "--since", "1d", "--gaps", "--about", "{intent}")),
    Row("beads restore", ("{file}",), ("file",)),
    Row("beads tail", ("-n", "3")),
    Row("beads verify", ("{file}", "--roots", "{file}", "--checkpoint", "{file}"), ("file",)),
    Row("status"),
    Row("health"),
    Row("watch", ("--once", "--every", "1")),
    Row("metrics", ("--once", "--port", "0", "--host", "127.0.0.1")),
)  # fmt: skip
