from phoenix_adapters.gateway.actions import ACTS, UnknownAct
from phoenix_adapters.gateway.core import Gateway, Setup
from phoenix_adapters.gateway.faults import MENU, Fault, Faults, UnknownFault
from phoenix_adapters.gateway.inputs import Inputs, StateError, kept
from phoenix_adapters.gateway.recorder import Frame, Recorder
from phoenix_adapters.gateway.script import ScriptError, Step, read
from phoenix_adapters.gateway.server import Clock, GatewayServer, WallClock
from phoenix_adapters.gateway.serving import CannotListen, serve
from phoenix_adapters.gateway.venue import Timing

__all__ = [
    "ACTS",
    "MENU",
    "CannotListen",
    "Clock",
    "Fault",
    "Faults",
    "Frame",
    "Gateway",
    "GatewayServer",
    "Inputs",
    "Recorder",
    "ScriptError",
    "Setup",
    "StateError",
    "Step",
    "Timing",
    "UnknownAct",
    "UnknownFault",
    "WallClock",
    "kept",
    "read",
    "serve",
]
