"""A desk's home: its folders, its configuration, and what the environment says over it.

Environment beats file. A key that the file may not have refuses to start and names the nearest right one: a typing
error in a safety setting must not silently mean "default".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from attrs import evolve, fields, frozen

from phoenix_core.values import BadInput, Mode, OrderType

if TYPE_CHECKING:
    from phoenix_core.watch.market_hours import RestartWindow

CONFIG_NAME: Final = "phoenix.toml"
# What the signal generator writes signals of: the dollar's own pairs.
PAIRS: Final = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "NZDUSD")
FOLDERS: Final = ("keys", "intents/incoming", "intents/archive", "intents/quarantine", "responses", "run")


@frozen
class Settings:
    """What `phoenix.toml` may say, and nothing else. Secrets are no settings: they live in the environment."""

    mode: str = "mock"
    account: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    client_id: int = 17  # fixed, never 0: 0 would take other people's orders over
    currency: str = "USD"
    reconcile_interval_sec: int = 300
    order_types: str = "MARKET"  # entries that are let in, if the signed policy lets them in too
    restart_at: str = ""  # HH:MM, when the gateway restarts itself each day; no entry leaves around it
    restart_zone: str = "America/New_York"
    instruments: str = ""  # what is watched and may be proposed; empty: EURUSD in LIVE, the generator's pairs in PAPER
    allow_live: bool = False
    ask_margin: bool = True  # before each screen, by an order's frame that asks and orders nothing (what-if)
    operator_key: str = ""  # the key that signs, or its `.pub` where an agent holds it; empty: the home's own
    outside_checkpoint: str = (
        ""  # a file on another disk or host: checkpoints are written there, and held against the log
    )


# The environment's names for settings; `.env.example` lists them with what else the environment may hold.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "IBKR_MODE": "mode",
    "IBKR_ACCOUNT": "account",
    "IBKR_HOST": "host",
    "IBKR_PORT": "port",
    "IBKR_CLIENT_ID": "client_id",
    "IBKR_ALLOW_LIVE": "allow_live",
    "RECONCILE_INTERVAL_SEC": "reconcile_interval_sec",
    "PHOENIX_ORDER_TYPES": "order_types",
    "PHOENIX_OPERATOR_KEY": "operator_key",
}


@frozen
class Home:
    """The folder of one desk."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / CONFIG_NAME

    @property
    def log(self) -> Path:
        """The journal."""
        return self.path / "beads.db"

    @property
    def operator_key(self) -> Path:
        """The operator's private key; the engine never opens it."""
        return self.path / "keys" / "operator"

    @property
    def log_key(self) -> Path:
        """The key that signs checkpoints."""
        return self.path / "keys" / "log"

    @property
    def desk_key(self) -> Path:
        """The key of the account hashes."""
        return self.path / "keys" / "desk"

    @property
    def halt_flag(self) -> Path:
        """The latch beside the log: there means raised."""
        return self.path / "HALT"

    @property
    def halt_flags(self) -> tuple[Path, Path]:
        """Both places of the latch: either of them stops entries, for one of them may not take a file."""
        return self.halt_flag, self.path / "run" / "HALT"

    @property
    def pid(self) -> Path:
        """Where the engine says which process it is."""
        return self.path / "run" / "engine.pid"

    @property
    def lock(self) -> Path:
        """The engine's lock."""
        return self.path / "run" / "engine.lock"

    def make(self) -> None:
        """Create the folders, for the owner alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True, mode=0o700)


def home_at(path: str | None) -> Home:
    """The home that was asked for, or the platform's data folder."""
    chosen = path or os.environ.get("PHOENIX_HOME") or _data_folder()
    return Home(Path(chosen).expanduser().absolute())


def _data_folder() -> str:
    """Where this platform keeps what programs write: a log is data, and not configuration that one copies around."""
    if sys.platform in ("darwin", "win32"):
        return click.get_app_dir("phoenix")
    named = os.environ.get("XDG_DATA_HOME", "")  # one that is not absolute counts for nothing
    return os.path.join(named if os.path.isabs(named) else "~/.local/share", "phoenix")


def load_settings(home: Home, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force; raises `BadInput` that names the key, its value and the mend."""
    from phoenix_adapters.codec import read_toml, structured

    settings = Settings()
    if home.config.exists():
        document = read_toml(home.config.read_bytes(), str(home.config))
        settings = structured(document, Settings, str(home.config))
    for name, field in ENVIRONMENT.items():
        text = (os.environ if environment is None else environment).get(name)
        if text is not None and text != "":
            settings = _evolve(settings, {field: _from_text(name, text, getattr(settings, field))})
    _ = mode_of(settings), order_types_of(settings), instruments_of(settings), restart_window_of(settings)
    if not 1 <= settings.reconcile_interval_sec <= 86_400:
        shown = str(settings.reconcile_interval_sec)
        raise BadInput("reconcile_interval_sec", shown, "write seconds from 1 to 86400, a day")
    return settings


def _evolve(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    return evolve(settings, **changes)


def _from_text(name: str, text: str, present: object) -> object:
    if isinstance(present, bool):
        if text.lower() not in ("true", "false"):
            raise BadInput(name, text, "write true or false")
        return text.lower() == "true"
    if isinstance(present, int):
        if not text.isascii() or not text.isdigit():
            raise BadInput(name, text, "write a whole number")
        return int(text)
    return text


def mode_of(settings: Settings) -> Mode:
    """The mode that the settings name."""
    modes = {mode.value.lower(): mode for mode in Mode}
    if settings.mode.lower() not in modes:
        raise BadInput("mode", settings.mode, "write mock, paper or live")
    return modes[settings.mode.lower()]


def order_types_of(settings: Settings) -> tuple[OrderType, ...]:
    """The kinds of entry that the settings let in."""
    named = tuple(dict.fromkeys(part for part in settings.order_types.replace(",", " ").split()))
    if not named or any(name not in ("MARKET", "LIMIT") for name in named):
        raise BadInput("order_types", settings.order_types, "write MARKET, or MARKET,LIMIT")
    return tuple(OrderType(name) for name in named)


def instruments_of(settings: Settings) -> tuple[str, ...]:
    """What a desk watches, and takes proposals of. Where its settings name nothing, a desk in LIVE begins with one
    pair, one in PAPER with all that the signal generator knows; on a mock desk nothing here means all there is."""
    named = tuple(dict.fromkeys(part for part in settings.instruments.replace(",", " ").upper().split()))
    if any(_SYMBOL.fullmatch(name) is None for name in named):
        raise BadInput("instruments", settings.instruments, "write symbols, such as EURUSD, AAPL")
    first = {Mode.MOCK: (), Mode.PAPER: PAIRS, Mode.LIVE: PAIRS[:1]}
    return named or first[mode_of(settings)]


def restart_window_of(settings: Settings) -> RestartWindow | None:
    """The gateway's daily restart, where the settings declare one."""
    if not settings.restart_at:
        return None
    from phoenix_core.watch.market_hours import RestartWindow, Zone

    found = _CLOCK.fullmatch(settings.restart_at)
    if found is None:
        raise BadInput("restart_at", settings.restart_at, "write the hour and minute, such as 23:45")
    zones = {zone.value: zone for zone in Zone}
    if settings.restart_zone not in zones:
        raise BadInput("restart_zone", settings.restart_zone, f"write {', '.join(zones)}")
    return RestartWindow(timedelta(hours=int(found[1]), minutes=int(found[2])), zones[settings.restart_zone])


_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.]{0,11}", re.ASCII)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def settings_text(settings: Settings) -> str:
    """The configuration file that these settings are."""
    lines = ["# A Phoenix desk. Unknown keys refuse to start; the environment beats this file."]
    for field in fields(Settings):
        value = getattr(settings, field.name)
        shown = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else value
        lines.append(f"{field.name} = {shown}")
    return "\n".join(lines) + "\n"
