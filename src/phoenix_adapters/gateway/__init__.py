from phoenix_adapters.gateway.core import Gateway, Setup
from phoenix_adapters.gateway.faults import MENU, Fault, Faults, UnknownFault
from phoenix_adapters.gateway.server import Clock, Frame, GatewayServer, WallClock
from phoenix_adapters.gateway.venue import Timing

__all__ = [
    "MENU",
    "Clock",
    "Fault",
    "Faults",
    "Frame",
    "Gateway",
    "GatewayServer",
    "Setup",
    "Timing",
    "UnknownFault",
    "WallClock",
]
