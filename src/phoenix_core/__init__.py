"""Phoenix's pure core: one desk, one log, one order of events. A bot needs this package, a log and a clock.

What stands in `__all__` is kept stable, with the words that it is said in: `phoenix_core.beads` (the bodies of beads),
`phoenix_core.effects`, `phoenix_core.facts` (what a broker says) and `phoenix_core.values`. All else is a room inside.
"""

from phoenix_core.acts.last_look import ClearedOrder
from phoenix_core.acts.operate import Initialise, TakeLease
from phoenix_core.acts.propose import Propose
from phoenix_core.canonical import Flaw
from phoenix_core.chain import ChainFault, Conflict, Fault, Head, Lie, Sealed, StateSnapshot, StoreFault, verify_chain
from phoenix_core.checkpoint import Signer, Standing
from phoenix_core.desk import Desk
from phoenix_core.gate.cse import read_signal
from phoenix_core.gate.signals import Incoming
from phoenix_core.kernel import Command, bead_of, clear, decide, due, evolve, react, sealed
from phoenix_core.orders import Frame, Line
from phoenix_core.ports import BeadStore, Broker, Clock, Complains, DurableStore, Lock, Notifier, Seam, Verifier
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import Accepted, Ruling
from phoenix_core.trade.transitions import TERMINAL, TRANSITIONS
from phoenix_core.values import BadInput, CommandId, Moment, State
from phoenix_core.watch.alerts import Message
from phoenix_core.world import Link, Run, World

__all__ = [
    "TERMINAL",
    "TRANSITIONS",
    "Accepted",
    "BadInput",
    "BeadStore",
    "Broker",
    "ChainFault",
    "ClearedOrder",
    "Clock",
    "Command",
    "CommandId",
    "Complains",
    "Conflict",
    "Desk",
    "DurableStore",
    "Fault",
    "Flaw",
    "Frame",
    "Head",
    "Incoming",
    "Initialise",
    "Lie",
    "Line",
    "Link",
    "Lock",
    "Message",
    "Moment",
    "Notifier",
    "Propose",
    "Reason",
    "Refusal",
    "Ruling",
    "Run",
    "Sealed",
    "Seam",
    "Signer",
    "Standing",
    "State",
    "StateSnapshot",
    "StoreFault",
    "TakeLease",
    "Verifier",
    "World",
    "bead_of",
    "clear",
    "decide",
    "due",
    "evolve",
    "react",
    "read_signal",
    "sealed",
    "verify_chain",
]
