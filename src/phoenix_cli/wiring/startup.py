"""What must be true before an engine starts: a wrong account, port or mode is no matter for later.

These are the rules of the guards, asked once more at the door. What is red here is a matter of configuration: no engine
starts, and every reason is named with its mend.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

from phoenix_adapters.keys import load_secret
from phoenix_cli.home import Home, mode_of
from phoenix_cli.wiring.opening import DESK_KEY_BYTES, account_of
from phoenix_core.beads import Genesis
from phoenix_core.gate.guards import PREFIXES, account_light, mode_light, port_light
from phoenix_core.refusals import Reason
from phoenix_core.values import WALL_BACK_MAX, Account, Mode, utc_of, utc_text
from phoenix_core.watch.alerts import proven_channels

if TYPE_CHECKING:
    from phoenix_adapters.engine.loop import Engine
    from phoenix_cli.wiring.opening import Session


# A dead-man service answers at once or is not there; the watchdog has a desk to watch.
PING_TIMEOUT_S: Final = 3.0
# One channel that fails on the night it is needed is no channel.
CHANNELS_MIN: Final = 2


def start_problems(session: Session, version: str) -> list[str]:
    """Everything that forbids starting, each with its mend; empty: the engine may start."""
    settings, desk = session.settings, session.desk
    genesis, mode = session.genesis, mode_of(session.settings)
    found: list[str] = []
    validated = version in desk.approvals.validated
    light = mode_light(genesis.mode, mode, settings.allow_live, validated)
    if light is not None:
        found.append(f"{' '.join(r.value for r in light.reasons)}: {light.detail}")
    port = port_light(mode, settings.port)
    if port is not None:
        found.append(f"PORT_MISMATCH: {port.detail}")
    if not settings.account.startswith(PREFIXES[mode]):
        found.append(f"ACCOUNT_MISMATCH: a {mode} desk trades {PREFIXES[mode]}* accounts only")
    elif mode is not Mode.MOCK and not is_of(settings.account, genesis, session.home):
        found.append(f"ACCOUNT_MISMATCH: this desk is {genesis.account_mask}, and the settings name another account")
    if mode is Mode.LIVE:
        found.extend(live_problems(session))
    return found


def clock_trouble(last: str, now: datetime) -> str:
    """What is wrong with a wall clock that is behind the last bead of its log; empty where it is not. Which of the two
    was wrong nobody here can say: a start goes on, and entries wait for a third opinion, the broker's clock."""
    if not last or utc_of(last, "ts") - now <= WALL_BACK_MAX:
        return ""
    return f"{utc_text(now)}, but the last bead is of {last}: set the host's clock by NTP"


def is_of(number: str, genesis: Genesis, home: Home) -> bool:
    """Whether an account's number is that of the desk: the log knows it by a keyed hash alone."""
    return account_of(number, load_secret(home.desk_key, DESK_KEY_BYTES)).tag == genesis.account


def account_problem(engine: Engine) -> str:
    """What the broker reports in place of this desk's account; empty while it has not said, or where it fits."""
    genesis = engine.recorder.desk.genesis
    light = account_light(genesis.mode, Account(genesis.account, genesis.account_mask), engine.broker.accounts())
    wrong = light is not None and Reason.ACCOUNT_MISMATCH in light.reasons
    return f"{Reason.ACCOUNT_MISMATCH}: {light.detail}" if light is not None and wrong else ""


def ping(url: str) -> bool:
    """Tell somebody outside that the desk beats: their alarm is our silence. It may fail; the next one follows."""
    if not url.startswith(("https://", "http://")):
        return False
    try:
        with urlopen(url, timeout=PING_TIMEOUT_S) as answer:
            return bool(200 <= answer.status < 300)
    except OSError:
        return False


def live_problems(session: Session) -> list[str]:
    """LIVE alone: limits signed by a human, a key that cannot be copied, and two ways to reach somebody."""
    desk = session.desk
    found: list[str] = []
    if desk.policies.policy is None or desk.policies.policy.signed is None:
        found.append("POLICY_MISSING: sign limits with a FIDO key first")
    hardware = [k for k in desk.approvals.keys.values() if k.assurance == "hardware" and k.revoked is None]
    if not hardware:
        found.append("KEY_IS_SOFTWARE: enrol a FIDO key (sk-ssh-ed25519)")
    channels = [name for name in ("TELEGRAM_BOT_TOKEN", "APPRISE_URLS") if os.environ.get(name)]
    if len(channels) < CHANNELS_MIN:
        found.append("two notifier channels are needed: set TELEGRAM_BOT_TOKEN and APPRISE_URLS")
    proven = proven_channels(desk.alerts, session.clock.now().wall)
    if len(proven) < CHANNELS_MIN:
        took = ", ".join(proven) or "none"
        found.append(f"two proven channels are needed, this week's are {took}: run `phoenix alerts test` and look")
    if not os.environ.get("PHOENIX_DEADMAN_URL"):
        found.append("an external dead-man ping is needed: set PHOENIX_DEADMAN_URL")
    return found
