"""Travel on the road network, for the parking engine's ``TravelTimes``."""

from greenlot.travel.network import MAX_AWAY_M, NetworkTravel

__all__ = ["MAX_AWAY_M", "NetworkTravel"]
