"""How a desk begins: folders, keys, and the first beads. Done once; a second `init` finds the desk and says so."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from attrs import frozen
from returns.result import Result

from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import (
    InProcess,
    KeyTrouble,
    LogKey,
    PublicKey,
    Signs,
    create,
    create_log_key,
    create_secret,
    load,
    load_log_key,
    load_public,
    load_secret,
    signs_for,
    vkey,
)
from phoenix_cli.home import Home, Settings, mode_of, order_types_of
from phoenix_cli.wiring.opening import DESK_KEY_BYTES, Session, account_of
from phoenix_core.acts.operate import Initialise
from phoenix_core.beads import Genesis, Holding, Limits, Operator, OperatorEvent, Policy
from phoenix_core.gate.guards import PORTS
from phoenix_core.ports import BeadStore, Clock
from phoenix_core.refusals import Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.values import (
    Account,
    BadInput,
    CommandId,
    Mode,
    Money,
    OrderType,
    Quantity,
    derived_id,
    number,
    text_hash,
    word,
)
from phoenix_core.world import Run, World

# What a new desk allows until its owner signs something else: enough to try everything, little enough to lose nothing.
FIRST_LIMITS = Limits(
    order_quantity_max=Quantity(Decimal(5_000_000)),
    open_positions_max=6,
    entries_per_day_max=50,
    daily_loss_max=Money(Decimal(5_000)),
)


@frozen
class Keys:
    """The keys of a new desk."""

    operator: PublicKey
    log: LogKey
    account: Account


def make_keys(home: Home, account: str, operator: Path | None = None) -> Keys:
    """Create the keys that are not there yet, or enrol the operator's own."""
    home.make()
    if operator is not None:
        public = load_public(operator)
    elif home.operator_key.exists():
        public = load(home.operator_key).public
    else:
        public = create(home.operator_key, "phoenix operator").public
    log = load_log_key(home.log_key) if home.log_key.exists() else create_log_key(home.log_key)
    return Keys(public, log, account_of(account, desk_key(home)))


def desk_key(home: Home) -> bytes:
    """The key of the account hashes, made once."""
    if not home.desk_key.exists():
        create_secret(home.desk_key, DESK_KEY_BYTES)
    return load_secret(home.desk_key, DESK_KEY_BYTES)


def first_beads(
    keys: Keys, mode: Mode, currency: str, order_types: tuple[OrderType, ...], baseline: tuple[Holding, ...] = ()
) -> Initialise:
    """Genesis, the first operator and the first policy, as one command. `baseline` is what is held by then."""
    origin = f"phoenix.local/{keys.account.tag[:16]}"
    genesis = Genesis(
        origin=origin,
        mode=mode,
        account=keys.account.tag,
        account_mask=keys.account.mask,
        port=PORTS[mode],
        desk_key_hash=text_hash(keys.account.tag),
        log_key=keys.log.public_text,
        currency=currency,
        baseline=baseline,
    )
    public = keys.operator
    operator = Operator(OperatorEvent.ENROLLED, public.fingerprint, public.line, "operator", public.type.assurance)
    policy = Policy(limits=FIRST_LIMITS, order_types=order_types)
    return Initialise(CommandId(derived_id("init", origin)), genesis, operator, policy)


def roots_text(keys: Keys, mode: Mode) -> str:
    """What the offline verifier needs from elsewhere: keep a copy where this host cannot reach it."""
    origin = f"phoenix.local/{keys.account.tag[:16]}"
    roots = {
        "phoenix_roots": 1,
        "origin": origin,
        "mode": mode.value,
        "account": keys.account.tag,
        "log": vkey(origin, keys.log.public),
        "operators": [f"{keys.operator.line} operator"],
    }
    return json.dumps(roots, indent=1) + "\n"


def holdings_of(holds: tuple[str, ...]) -> tuple[Holding, ...]:
    """Holdings as they are typed, `AAPL=100`, each instrument once; a minus sign says that it was sold short."""
    found: dict[str, Holding] = {}
    for typed in holds:
        symbol, _, quantity = typed.partition("=")
        if symbol in found:
            raise BadInput("--holds", typed, f"name {symbol} once, with all that is held of it")
        found[symbol] = Holding(word(symbol, "--holds"), number(quantity, "--holds"))
    return tuple(found.values())


def found(
    store: BeadStore, keys: Keys, settings: Settings, clock: Clock, baseline: tuple[Holding, ...] = ()
) -> Result[Accepted, Refusal]:
    """Write the first beads of a log."""
    mode = mode_of(settings)
    recorder = Recorder(store, lambda desk: World(clock.now(), Run(mode=mode)))
    return recorder.act(first_beads(keys, mode, settings.currency, order_types_of(settings), baseline))


def operator_of(home: Home) -> InProcess:
    """The operator's software key, from the home."""
    return InProcess(load(home.operator_key))


def signer_of(home: Home, settings: Settings) -> Signs:
    """Whoever signs for the operator: the key that the settings name, or the home's own; raises `KeyTrouble`."""
    return signs_for(_key_file(home, settings), os.environ.get("SSH_AUTH_SOCK", ""))


def proposer_of(session: Session) -> str:
    """Who hands something in at a command line: the operator whose key it is set to, or else whoever is logged in."""
    with suppress(KeyTrouble, OSError, KeyError):
        public = load_public(_key_file(session.home, session.settings))
        return session.desk.approvals.keys[public.fingerprint].name
    return f"cli:uid{os.getuid()}"


def _key_file(home: Home, settings: Settings) -> Path:
    return Path(settings.operator_key).expanduser() if settings.operator_key else home.operator_key
