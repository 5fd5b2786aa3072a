"""Green bands: exact models, bounds, and measuring that shares nothing with the models."""

from traffic.bandwidth.certificate import Certificate, Status
from traffic.bandwidth.corridor import Corridor, CorridorLink, CorridorSignal, Pattern, Range
from traffic.bandwidth.measure import Band, Measured, Window, measure, widest_band
from traffic.bandwidth.network import JunctionBlock, Network, NetworkCorridor, NetworkJunction
from traffic.bandwidth.problem import Method
from traffic.bandwidth.solve import BandPlan, Solved, solve

__all__ = [
    "Band",
    "BandPlan",
    "Certificate",
    "Corridor",
    "CorridorLink",
    "CorridorSignal",
    "JunctionBlock",
    "Measured",
    "Method",
    "Network",
    "NetworkCorridor",
    "NetworkJunction",
    "Pattern",
    "Range",
    "Solved",
    "Status",
    "Window",
    "measure",
    "solve",
    "widest_band",
]
