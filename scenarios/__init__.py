"""Simulated cities, played in SUMO by clients of the gRPC services."""
