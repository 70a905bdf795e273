"""`init` and `doctor`: how a desk begins, and whether it has everything it needs."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.home import CONFIG_NAME, Home, Settings, home_at, load_settings, mode_of, settings_text
from phoenix_cli.output import emit, refuse

if TYPE_CHECKING:
    from phoenix_core.beads import Genesis

_LETTERS = 3  # of a currency
HOW = {"InProcess": "from its file", "ThroughAgent": "through the agent", "ThroughKeygen": "through ssh-keygen"}


def home_of(ctx: click.Context) -> Home:
    """The home that this command line names."""
    return home_at(ctx.find_root().params.get("home"))


@click.command("init")
@click.option("--mode", type=click.Choice(["mock", "paper", "live"]), default="mock", help="What kind of money.")
@click.option("--account", default="", help="The account number: DU... for paper, U... for live.")
@click.option(
    "--key",
    type=click.Path(exists=True, path_type=Path),
    help="Enrol and sign with this OpenSSH key (or its .pub, held by an agent).",
)
@click.option("--currency", default="USD", help="The account's base currency.")
@click.option(
    "--holds", multiple=True, metavar="SYMBOL=QUANTITY", help="What the account holds already, and others trade."
)
@click.pass_context
def init_command(
    ctx: click.Context, mode: str, account: str, key: Path | None, currency: str, holds: tuple[str, ...]
) -> None:
    """Make a home: folders, configuration, keys, the first bead.

    Example: phoenix --home ~/desk init --mode paper --account DU1234567
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import SqliteStore, write_whole
    from phoenix_cli.wiring.founding import found, holdings_of, make_keys, roots_text
    from phoenix_cli.wiring.opening import clock_of
    from phoenix_core.gate.guards import PORTS, PREFIXES
    from phoenix_core.values import BadInput, Mode

    home = home_of(ctx)
    wanted = Mode(mode.upper())
    number = account or ("MOCK" if wanted is Mode.MOCK else "")
    if not number.startswith(PREFIXES[wanted]):
        raise BadInput("--account", number, f"a {mode} desk needs an account that begins with {PREFIXES[wanted]}")
    money = currency.upper()
    if not (len(money) == _LETTERS and money.isascii() and money.isalpha()):
        raise BadInput("--currency", currency, "write what the account is kept in, in three letters: EUR")
    baseline = holdings_of(holds)
    if _is_founded(home):
        refuse(ctx, ("DESK_EXISTS_ALREADY",), f"there is a desk in {home.path} already")
    own = "" if key is None else str(key.absolute())
    settings = Settings(
        mode=mode,
        account=number,
        port=PORTS[wanted],
        currency=money,
        operator_key=own,
        order_types=load_settings(home).order_types,
    )
    keys = make_keys(home, number, key)
    write_whole(home.config, settings_text(settings), durable=True)
    write_whole(home.path / "roots.json", roots_text(keys, wanted), durable=True)
    with SqliteStore(home.log) as store:
        said = found(store, keys, settings, clock_of(settings, home), baseline)
    if not is_successful(said):
        refuse(ctx, tuple(r.value for r in said.failure().reasons), said.failure().detail)
    document = {
        "home": str(home.path),
        "mode": mode,
        "account": keys.account.mask,
        "key": keys.operator.fingerprint,
        "assurance": keys.operator.type.assurance,
        "origin": said.unwrap().subject,
    }
    named = ctx.find_root().params.get("home")
    this = f"phoenix --home {shlex.quote(named)}" if named else "phoenix"
    words = [
        f"desk {document['origin']}: {wanted} {keys.account.mask}, home {home.path}",
        f"operator key {keys.operator.fingerprint} ({keys.operator.type.assurance})",
        f"next: {this} doctor, then {this} run",
    ]
    emit(ctx, document, "\n".join(words))


def _is_founded(home: Home) -> bool:
    """Whether there is a desk: its first bead is what `init` writes last. What a full disk or a crash left of a try is
    gone on with; a log that cannot be read is somebody's."""
    from phoenix_cli.wiring.edges import SqliteStore, StoreFault

    if not (home.config.exists() and home.log.exists() and os.path.getsize(home.log) > 0):
        return False
    try:
        with SqliteStore(home.log) as store:
            return store.head().size > 0
    except StoreFault:
        return True


@click.command("doctor")
@click.pass_context
def doctor_command(ctx: click.Context) -> None:
    """Look at everything a desk needs; each line ok, warn or fail with the mend.

    Example: phoenix doctor
    """
    home = home_of(ctx)
    try:
        checks = tuple(_checks(home))
    except OSError as error:  # of the home itself
        checks = (("home", "fail", f"{home.path}: {error.strerror}; look at its owner and its mode"),)
    worst = max((["ok", "warn", "fail"].index(level) for _, level, _ in checks), default=0)
    document = {"ok": worst < 2, "checks": [{"name": n, "level": level, "detail": d} for n, level, d in checks]}
    emit(ctx, document, "\n".join(f"{level:<5} {name:<10} {detail}" for name, level, detail in checks))
    if worst == 2:
        ctx.exit(1)


def _checks(home: Home) -> list[tuple[str, str, str]]:
    from phoenix_cli.wiring.opening import is_latched
    from phoenix_core.gate.guards import PORTS

    if not home.config.exists():
        return [("home", "fail", f"no {CONFIG_NAME} in {home.path}: run `phoenix init`")]
    settings = load_settings(home)
    mode = mode_of(settings)
    port_ok = settings.port == PORTS[mode]
    found = [
        ("home", "ok", str(home.path)),
        ("mode", "ok", mode.value),
        ("port", "ok", str(settings.port))
        if port_ok
        else ("port", "fail", f"{settings.port}, not {PORTS[mode]}: set port in {CONFIG_NAME}, or unset IBKR_PORT"),
        _account(home, settings),
        _key(home, settings),
        *_log(home),
        *_rows(home),
        _clock(home, settings),
        _disk(home),
        ("halt", "warn", "the latch is up: `phoenix kill clear --scope desk --reason ...`, once you know why")
        if is_latched(home)
        else ("halt", "ok", "down"),
    ]
    if mode.value != "MOCK":
        found += [_client(mode.value), _gateway(settings)]
    return [*found, *_channels()]


def _account(home: Home, settings: Settings) -> tuple[str, str, str]:
    """The account of the settings: of the desk's mode, and the one that the desk was founded for."""
    from phoenix_cli.wiring.edges import KeyTrouble
    from phoenix_cli.wiring.startup import is_of
    from phoenix_core.gate.guards import PREFIXES
    from phoenix_core.values import Mode

    mode = mode_of(settings)
    if not settings.account.startswith(PREFIXES[mode]):
        mend = f"of no {mode} desk, whose begin with {PREFIXES[mode]}: set account in {CONFIG_NAME}"
        return ("account", "fail", mend)
    genesis = _genesis(home)
    try:
        if genesis is None or mode is Mode.MOCK or is_of(settings.account, genesis, home):
            return ("account", "ok", f"{PREFIXES[mode]}*")
    except (KeyTrouble, OSError) as error:
        return ("account", "fail", str(error))
    mend = f"not {genesis.account_mask}, this desk's: set account in {CONFIG_NAME}, or unset IBKR_ACCOUNT"
    return ("account", "fail", mend)


def _genesis(home: Home) -> Genesis | None:
    """What the desk was founded as; None where no log tells it."""
    from phoenix_cli.wiring.edges import SqliteStore
    from phoenix_core.beads import Genesis
    from phoenix_core.chain import StoreFault
    from phoenix_core.kernel import bead_of

    if not home.log.exists():
        return None
    try:
        with SqliteStore(home.log) as store:
            first = next((bead_of(record).body for record in store.read(0, 1)), None)
    except StoreFault:
        return None  # the line of the log says so
    return first if isinstance(first, Genesis) else None


def _client(mode: str) -> tuple[str, str, str]:
    from phoenix_cli.wiring.opening import client_for
    from phoenix_core.values import BadInput

    try:
        return ("client", "ok", client_for("mode", mode))
    except BadInput as missing:
        return ("client", "fail", missing.mend)


def _channels() -> list[tuple[str, str, str]]:
    """The channels that the environment names, as a start would take them; nothing where it names none."""
    from phoenix_cli.wiring.opening import channels_of
    from phoenix_core.values import BadInput

    try:
        names = ", ".join(channel.name for channel in channels_of())
    except BadInput as wrong:
        return [("channels", "fail", f"{wrong.field}: {wrong.mend}")]
    return [("channels", "ok", names)] if names else []


def _key(home: Home, settings: Settings) -> tuple[str, str, str]:
    from phoenix_cli.wiring.edges import KeyTrouble
    from phoenix_cli.wiring.founding import signer_of

    try:
        signs = signer_of(home, settings)
    except (KeyTrouble, OSError) as error:
        return ("key", "fail", str(error))
    return ("key", "ok", f"{signs.public.fingerprint} ({signs.public.type.assurance}), {HOW[type(signs).__name__]}")


def _log(home: Home) -> list[tuple[str, str, str]]:
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import SqliteStore
    from phoenix_cli.wiring.opening import CUT_SHORT
    from phoenix_core.chain import StoreFault, verify_chain

    if not home.log.exists():
        return [("log", "fail", "no beads.db: run `phoenix init`")]
    try:
        with SqliteStore(home.log) as store:
            verified = verify_chain(record.data for record in store.read(0))
            size = store.head().size
    except StoreFault as fault:
        return [("log", "fail", f"{fault}; open runbook RB-004")]
    if not is_successful(verified):
        return [("log", "fail", f"does not verify: {verified.failure()}; open runbook RB-004")]
    if not size:
        return [("log", "fail", CUT_SHORT)]
    return [("log", "ok", f"{size} beads, the chain verifies")]


def _rows(home: Home) -> list[tuple[str, str, str]]:
    """What loosens, and whether a human signed it; nothing where no log can be read, which its own line says."""
    from phoenix_cli.wiring.edges import StoreFault
    from phoenix_cli.wiring.opening import opened
    from phoenix_cli.wiring.unsigned import unsigned_rows
    from phoenix_core.values import BadInput

    try:
        with opened(home) as session:
            rows = unsigned_rows(session)
    except (StoreFault, BadInput, AssertionError, LookupError, OSError):
        return []
    words = [f"{row.subject}: bead {row.seq} counts for nothing, nobody signed it: {row.mend}" for row in rows]
    return [("signed", "fail", f"{'; '.join(words)}; open runbook RB-004")] if rows else [("signed", "ok", "all")]


def _clock(home: Home, settings: Settings) -> tuple[str, str, str]:
    """The wall clock, against the last thing that the log remembers: behind it, spans of time would be misjudged."""
    from phoenix_cli.wiring.opening import clock_of
    from phoenix_cli.wiring.startup import clock_trouble
    from phoenix_core.values import BadInput, utc_text

    try:
        now = clock_of(settings, home).now().wall
    except BadInput as wrong:
        return ("clock", "fail", f"{wrong.field}: {wrong.mend}")
    trouble = clock_trouble(_last_bead_at(home), now)
    if trouble:
        return ("clock", "fail", trouble)
    if os.environ.get("PHOENIX_CLOCK"):
        return ("clock", "warn", f"{utc_text(now)}, as PHOENIX_CLOCK sets it: unset it outside of drills")
    return ("clock", "ok", utc_text(now))


def _last_bead_at(home: Home) -> str:
    from phoenix_cli.wiring.edges import SqliteStore
    from phoenix_core.chain import StoreFault

    try:
        with SqliteStore(home.log) as store:
            size = store.head().size
            return next((bead.ts for bead in store.read(max(0, size - 1))), "")
    except StoreFault:
        return ""  # the line of the log says so


def _disk(home: Home) -> tuple[str, str, str]:
    if not os.access(home.path, os.W_OK):  # a disk that went read-only says so to root as well
        return (
            "disk",
            "fail",
            f"{home.path} cannot be written to: nothing is recorded, and `halt` holds nothing",
        )
    free = shutil.disk_usage(home.path).free // 2**20
    level = "ok" if free > 1024 else "warn" if free > 128 else "fail"
    return ("disk", level, f"{free} MiB free" + ("" if level == "ok" else ": make room, a full disk stops entries"))


def _gateway(settings: Settings) -> tuple[str, str, str]:
    import socket

    try:
        with socket.create_connection((settings.host, settings.port), timeout=2):
            return ("gateway", "ok", f"{settings.host}:{settings.port} answers")
    except OSError as error:
        return ("gateway", "warn", f"{settings.host}:{settings.port}: {error}; start it, or see RB-001")
