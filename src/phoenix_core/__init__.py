"""Phoenix's pure core: one desk, one log, one order of events. A bot needs this package and one adapter."""

from phoenix_core.acts.last_look import ClearedOrder
from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk
from phoenix_core.kernel import clear, decide, due, evolve, react
from phoenix_core.ports import BeadStore, Broker, Clock, DurableStore, Lock, Notifier, Seam, Verifier
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import Ruling
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import State

__all__ = [
    "TRANSITIONS",
    "BeadStore",
    "Broker",
    "ClearedOrder",
    "Clock",
    "Desk",
    "DurableStore",
    "Lock",
    "Notifier",
    "Reason",
    "Refusal",
    "Ruling",
    "Seam",
    "State",
    "Verifier",
    "clear",
    "decide",
    "due",
    "evolve",
    "react",
    "verify_chain",
]
