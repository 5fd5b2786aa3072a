"""Writes what an allocation answers, and its arcs, as CSV; see docs/parking-files.md."""

import csv
from collections.abc import Sequence
from typing import TextIO

from parking.allocation import AllocationResult, Arcs
from parking.requests import ParkingRequest

ASSIGNMENT_COLUMNS = (
    *("request_id", "status", "lot_id", "pool_id", "drive_s", "walk_s", "price_fen", "cost_fen"),
    "reason",
)
ARC_COLUMNS = ("request_id", "pool_id", "drive_s", "walk_s", "price_fen", "cost_fen")


def write_assignments(
    result: AllocationResult, requests: Sequence[ParkingRequest], stream: TextIO
) -> None:
    """Write one row a request, in the order of the requests."""
    rows: dict[str, tuple[object, ...]] = {}
    for given in result.assigned:
        rows[given.request_id] = (
            given.request_id,
            "assigned",
            given.lot_id,
            given.pool_id,
            given.drive_s,
            given.walk_s,
            given.price_fen,
            given.cost_fen,
            "",
        )
    for left in result.unserved:
        rows[left.request_id] = (left.request_id, "unserved", *([""] * 6), left.reason)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(ASSIGNMENT_COLUMNS)
    writer.writerows(rows[request.id] for request in requests)


def write_arcs(arcs: Arcs, requests: Sequence[ParkingRequest], stream: TextIO) -> None:
    """Write one row a feasible pair of request and pool, capacity aside."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(ARC_COLUMNS)
    request_ids = [request.id for request in requests]
    pool_ids = [pool.id for _, pool in arcs.pools]
    columns = (arcs.request, arcs.pool, arcs.drive_s, arcs.walk_s, arcs.price_fen, arcs.cost_fen)
    writer.writerows(
        (request_ids[k], pool_ids[j], *rest)
        for k, j, *rest in zip(*(column.tolist() for column in columns), strict=True)
    )
