"""The closed shape of every JSON document that the command line prints: outside programs read these fields.

Every command that a test calls with --json is held against this table (`operator.Seat`), whatever the test is about; a
command without a row fails. A tuple is a choice, a list is of items, a set of keys is the whole set.
"""

from __future__ import annotations

import json
from typing import Any, Final

Shape = Any

TEXT: Final = (str, None)
WHOLE: Final = (int, None)
REFUSED: Final[Shape] = {"refused": [str], "detail": str}
FAILED: Final[Shape] = (
    {"error": str},
    {"error": str, "field": str},
    {"error": str, "field": str, "value": str, "mend": str},
)

HELD: Final[Shape] = {"flag": bool, "runtime_flag": bool, "signal": bool, "log": bool}
POSITION: Final[Shape] = {
    "position": str,
    "intent": str,
    "state": str,
    "instrument": str,
    "strategy": str,
    "side": str,
    "filled": str,
    "requested": str,
    "exited": str,
    "average_entry": TEXT,
    "stop": str,
    "target": str,
    "protection": str,
    "price": TEXT,
    "price_age_s": WHOLE,
    "pnl": TEXT,
    "r": TEXT,
    "closing": bool,
    "order_ref": TEXT,
    "reasons": [str],
}
ENDED: Final[Shape] = {
    "position": str,
    "intent": str,
    "state": str,
    "instrument": str,
    "strategy": str,
    "filled": str,
    "requested": None,
    "exited": str,
    "outcome": TEXT,
    "pnl": TEXT,
    "reasons": [str],
}
PAST: Final[Shape] = {
    "intent": str,
    "evidence": TEXT,
    "lines": [str],
    "state": str,
    "over": bool,
    "at": str,
    "outcome": TEXT,
    "reasons": [str],
    "signed": [
        {
            "verdict": str,
            "by": str,
            "key": str,
            "assurance": str,
            "at": str,
            "bead": int,
            "verifies": bool,
            "this_screen": bool,
        }
    ],
}
FLAG: Final[Shape] = {
    "flag": str,
    "type": str,
    "scope": str,
    "reason": str,
    "raised_by": str,
    "raised_at": str,
    "until": TEXT,
}
INTENT: Final[Shape] = {
    "intent": str,
    "state": str,
    "instrument": str,
    "side": str,
    "quantity": str,
    "expires_at": TEXT,
}
HEALTH: Final[Shape] = {
    "health": ("HEALTHY", "DEGRADED", "CRITICAL"),
    "detail": str,
    "beat_age_s": WHOLE,
    "missed": int,
    "checks": dict,
    "issues": dict,
}
OPEN_ALERT: Final[Shape] = {
    "alert": str,
    "code": str,
    "severity": str,
    "subject": str,
    "phrase": str,
    "runbook": TEXT,
    "age_s": int,
}
STATUS: Final[Shape] = {
    "now": str,
    "mode": ("MOCK", "PAPER", "LIVE"),
    "account": str,
    "engine": {"running": bool, "beads": int, "owed": int},
    "health": HEALTH,
    "link": {"state": str, "session": int, "attempts": int},
    "reconciliation": {"agreement": TEXT, "age_s": WHOLE},
    "halted": bool,
    "kill_flags": [{"flag": str, "scope": str, "type": str}],
    "unsigned": [{"bead": int, "about": str, "mend": str}],
    "stalled": [POSITION],
    "positions": [POSITION],
    "waiting": [{"intent": str, "state": str, "instrument": str, "side": str, "left_s": WHOLE}],
    "orders": int,
    "drifts": [{"drift": str, "cause": str, "severity": str, "subject": str}],
    "alerts": [OPEN_ALERT],
    "today": {"entries": int, "realized": str, "open": TEXT, "currency": str},
}
REPORT: Final[Shape] = {
    "day": str,
    "currency": str,
    "realized": str,
    "fees": dict,
    "fees_not_ours": dict,
    "closed": [{"position": str, "realized": str}],
    "signals": int,
    "approvals": int,
    "rejections": int,
    "refusals": dict,
    "entries": int,
    "executions": int,
    "drifts": [str],
    "drifts_resolved": int,
    "kills": int,
    "alerts": {"CRITICAL": int, "WARNING": int, "INFO": int},
    "disconnects": int,
    "heartbeats_missed": int,
}
ORDER: Final[Shape] = {
    "ref": str,
    "position": str,
    "role": str,
    "standing": str,
    "instrument": str,
    "side": str,
    "type": str,
    "quantity": str,
    "price": TEXT,
    "filled": str,
    "acknowledged": bool,
    "perm_ids": [int],
    "recorded_at": str,
}
EXECUTION: Final[Shape] = {
    "execution": str,
    "family": str,
    "event": str,
    "at": str,
    "position": TEXT,
    "role": TEXT,
    "instrument": TEXT,
    "side": TEXT,
    "quantity": str,
    "price": str,
    "commission": TEXT,
    "currency": TEXT,
}
ALERT: Final[Shape] = {
    "alert": str,
    "code": str,
    "severity": str,
    "subject": str,
    "phrase": str,
    "text": str,
    "runbook": TEXT,
    "raised_at": str,
    "count": int,
    "acknowledged": bool,
    "escalated": bool,
}
DRIFT: Final[Shape] = {
    "drift": str,
    "identity": str,
    "cause": str,
    "severity": str,
    "subject": str,
    "instrument": TEXT,
    "opened_at": str,
    "acknowledged": bool,
    "awaits_broker": bool,
    "refs": [str],
}
BEAD: Final[Shape] = {"seq": int, "ts": str, "kind": str, "body": dict}
GAP: Final[Shape] = {"from": str, "to": str, "seconds": int, "what": str}
OUTCOME: Final = ("SENT", "FILLED", "NOT_SENT")
APPROVED: Final[Shape] = {"intent": str, "token": str, "expires_at": TEXT, "order_ref": str, "outcome": OUTCOME}
CLOSED: Final[Shape] = {"closed": [{"position": str, "instrument": str, "state": str, "outcome": str}]}
SHARE: Final = (float, None)
QUALITY: Final[Shape] = {
    "met": bool,
    "marks": [{"name": str, "value": str, "mark": str, "met": bool}],
    "drifts": int,
    "uptime": SHARE,
    "observed_s": int,
    "trades": int,
    "latency_median_s": SHARE,
    "machine_median_s": SHARE,
    "precision": SHARE,
    "false_alerts": [int],
    "recall": SHARE,
    "untold": [{"seq": int, "what": str}],
    "since": str,
}
RAN: Final[Shape] = {"failed": [str], "reports": [str], "scars": int, "vectors": [dict]}
CHECKED: Final[Shape] = {"strategy": str, "ready": bool, "checks": [{"item": str, "green": bool, "detail": str}]}

MEASURE: Final[Shape] = {"limit": str, "amount": str, "most": TEXT, "within": bool}
AUDIT: Final[dict[str, Shape]] = {
    "limits": (
        {
            "bead": int,
            "policy": int,
            "signed_by": TEXT,
            "obeyed": bool,
            "broken": [str],
            "rows": [MEASURE],
            "loss_today": str,
            "daily_loss_max": TEXT,
        },
        None,
    ),
    "protection": [{"protection": str, "bead": int, "from": str, "to": str, "seconds": float}],
    "unprotected_s": float,
    "unconfirmed_s": float,
    "held_at_the_end": bool,
    "commands": [{"type": str, "by": str, "assurance": str, "at": str, "bead": int}],
    "verifier": str,
}

SHAPES: Final[dict[str, Shape]] = {
    "demo": {
        "ok": bool,
        "positions": [{"position": str, "intent": str, "state": str}],
        "beads": int,
        "verified": bool,
        "duration_s": float,
    },
    "init": {"home": str, "mode": str, "account": str, "key": str, "assurance": str, "origin": str},
    "doctor": {"ok": bool, "checks": [{"name": str, "level": ("ok", "warn", "fail"), "detail": str}]},
    "run": {"beads": int, "stopped": True},
    "watchdog": {"engine": str, "missed": int, "unsent": int, "looks": int},
    "cse": {"intent": str, "file": str, "signal": str},
    "propose": {"intent": str, "state": str, "expires_at": TEXT},
    "inbox": {"intents": [INTENT], "stalled": [INTENT]},
    "show": ({"intent": str, "evidence": str, "lines": [str]}, PAST),
    "approve": (APPROVED, APPROVED | REFUSED),
    "pass": {"intent": str, "state": "CANCELLED"},
    "positions": ({"positions": [(POSITION, ENDED)]}, POSITION, ENDED),
    "close": (CLOSED, CLOSED | REFUSED),
    "protect": {"position": str, "outcome": str},
    "adopt": {"instrument": str, "outcome": "ADOPTED"},
    "resolve-stalled": {"position": str, "as": str},
    "orders": {"orders": [ORDER]},
    "executions": {"executions": [EXECUTION]},
    "report": REPORT,
    "alerts list": {"alerts": [ALERT], "unsent": int},
    "alerts ack": {"alert": str, "open": bool},
    "alerts test": {
        "ok": bool,
        "steps": [{"step": int, "name": str, "alerts": int, "messages": int, "delivered": dict}],
        "proven": [str],
        "troubles": dict,
    },
    "resume": {"resumed": True},
    "kill raise": {"flag": str, "scope": str, "raised": True},
    "kill clear": {"cleared": [str]},
    "kill list": {"flags": [FLAG], "latch": bool},
    "halt": (
        {"halted": True, "held": HELD},
        {"halted": False, "held": HELD, "error": str},
    ),
    "anchor refresh": {"strategy": str, "regime": str, "refreshed": True},
    "policy show": {"policy": dict, "signed": bool},
    "policy set": {"policy": str, "signed": True, "revalidate": [str]},
    "operator list": {"operators": [{"key": str, "name": str, "assurance": str, "enrolled": int, "revoked": WHOLE}]},
    "operator enrol": {"key": str, "name": str},
    "operator revoke": {"key": str, "revoked": True},
    "reconcile": {"agreement": str, "session": int, "bead": int, "drifts": [str]},
    "drift list": {"drifts": [DRIFT]},
    "drift show": {
        "drift": str,
        "type": str,
        "severity": str,
        "cause": str,
        "subject": str,
        "phoenix": dict,
        "broker": dict,
        "refs": [str],
    },
    "drift resolve": {"drift": str, "as": str, "open": bool},
    "promote check": (CHECKED, CHECKED | REFUSED),
    "promote bundle": {"hash": str, "bundle": dict},
    "promote run": {"strategy": str, "from": "SHADOW", "to": "LIVE", "evidence": str, "bead": int},
    "promote paper": {"build": str, "evidence": str},
    "promote change": {"strategy": str, "bead": int, "restart": str, "sweep": str, "vectors": [str]},
    "promote shadow": {"strategy": str, "day": str, "sessions": int},
    "beads query": ({"kind": TEXT, "beads": [BEAD]}, {"kind": TEXT, "gaps": [GAP]}),
    "beads export": {"file": str, "beads": int},
    "beads verify": ({"ok": True, "beads": int, "root": str, "checkpoints": int}, {"ok": True, "detail": str}),
    "beads audit": (PAST | AUDIT, {"intent": str} | AUDIT),
    "beads checkpoint": {"note": str, "size": int},
    "beads proof": ({"bead": int, "bytes": str, "proof": str}, {"since": str, "proof": str}),
    "beads check": {"ok": True, "at": int, "log": str, "size": int, "root": str},
    "beads restore": {"beads": int, "replaced": str},
    "beads backup": {"file": str, "beads": int},
    "beads gates": {
        "green": bool,
        "gates": [{"gate": str, "name": str, "green": bool, "detail": str, "beads": [int]}],
    },
    "beads quality": QUALITY,
    "status": STATUS,
    "health": HEALTH,
    "watch": STATUS,
    "metrics": ({"metrics": [str]}, {"host": str, "port": int}),
    "runbook list": {"runbooks": [{"runbook": str, "title": str, "alerts": [str], "drillable": bool}]},
    "runbook show": {"runbook": str, "sections": dict, "commands": [[str]]},
    "runbook drill": {
        "runbook": str,
        "ok": bool,
        "seconds": float,
        "steps": [{"section": str, "command": str, "exit": int, "seconds": float}],
        "bead": WHOLE,
    },
    "gateway": {"host": str, "port": int, "accounts": [str]},
    "bunny": (RAN, RAN | {"gates": [{"id": str, "light": str, "says": str, "human": str}]}),
}
# One document a line, or text for a shell: there is nothing closed to hold them against.
LINES: Final = frozenset({"beads tail", "sim", "completion"})


def command_of(words: tuple[str, ...]) -> str:
    """The name of the command that a line calls."""
    said = [word for word in words if word != "--json"]
    pair = " ".join(said[:2])
    return pair if pair in SHAPES or pair in LINES else said[0]


def misshapen(words: tuple[str, ...], out: str, fits: Any) -> str:
    """Why an answer is not of its command's shape; empty where it is. `fits(value, shape)` says it of one value."""
    name = command_of(words)
    if name in LINES or not out.strip() or ("--out" in words and words[words.index("--out") + 1] == "-"):
        return ""
    document = json.loads(out.strip().splitlines()[0])
    if name not in SHAPES:
        return f"{name} has no closed shape"
    choices = (SHAPES[name], REFUSED, *FAILED)
    return "" if any(fits(document, shape) for shape in choices) else f"{name} answered {out}"
