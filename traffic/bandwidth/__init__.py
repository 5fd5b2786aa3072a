"""Green bands: exact models, bounds, and measuring that shares nothing with the models."""

from traffic.bandwidth.arterial import Arterial, ArterialLink, ArterialSignal, Pattern
from traffic.bandwidth.certificate import Certificate, Status
from traffic.bandwidth.maxband import MaxbandResult, solve_maxband
from traffic.bandwidth.measure import Window, widest_band

__all__ = [
    "Arterial",
    "ArterialLink",
    "ArterialSignal",
    "Certificate",
    "MaxbandResult",
    "Pattern",
    "Status",
    "Window",
    "solve_maxband",
    "widest_band",
]
