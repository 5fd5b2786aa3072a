"""What ``greenlot parking allocate`` says of its answer."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from parking.allocation import AllocationResult
from parking.districts import served_by_district
from parking.inventory import Lot
from parking.requests import ParkingRequest

# rich takes 80 columns where there is no terminal: too few for a table.
PLAIN_WIDTH = 120


def summary(result: AllocationResult) -> dict[str, Any]:
    """Return the figures of ``--json``; ``gap`` is null where the bound is 0 and not met."""
    return {
        "assigned": len(result.assigned),
        "served_bound": result.served_bound,
        "unserved": len(result.unserved),
        "total_cost_fen": result.total_cost_fen,
        "bound_fen": result.bound_fen,
        "gap": result.gap if math.isfinite(result.gap) else None,
        "proven": result.proven,
        "method": result.method,
        "build_s": result.build_s,
        "solve_s": result.solve_s,
        "candidates": result.candidates,
    }


def print_summary(
    result: AllocationResult, requests: Sequence[ParkingRequest], lots: Sequence[Lot], output: Path
) -> None:
    """Print the figures, why drivers are not served, and the share served by district."""
    bound = "proven best" if result.proven else f"at least {result.bound_fen}"
    gap = f"{result.gap:.3%}" if math.isfinite(result.gap) else "unknown"
    print(
        f"{len(result.assigned)} of {len(requests)} served, at most {result.served_bound}\n"
        f"cost {result.total_cost_fen} fen, {bound}, gap {gap}\n"
        f"{result.method}, {result.candidates} pairs, "
        f"{result.build_s:.2f} s to build, {result.solve_s:.2f} s to solve -> {output}"
    )
    reasons = Counter(left.reason for left in result.unserved)
    if reasons:
        found = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        print(f"{len(result.unserved)} not served: {found}")
    served = {given.request_id for given in result.assigned}
    table = _table("district", "requests", "served", "share")
    for row in served_by_district(requests, lots, served):
        table.add_row(row.district or "-", str(row.requests), str(row.served), f"{row.share:.1%}")
    if table.row_count:
        _console().print(table)


def explained(
    request_id: str, result: AllocationResult, requests: Sequence[ParkingRequest]
) -> dict[str, Any]:
    """Return one request's answer with its cost split and the pools that it was not given."""
    request = next(request for request in requests if request.id == request_id)
    for given in result.assigned:
        if given.request_id == request_id:
            value = request.value_of_time_fen_per_h
            return {
                "request_id": request_id,
                "status": "assigned",
                "lot_id": given.lot_id,
                "pool_id": given.pool_id,
                "drive_s": given.drive_s,
                "drive_fen": round(value * given.drive_s / 3600, 2),
                "walk_s": given.walk_s,
                "walk_fen": round(value * 2 * given.walk_s / 3600, 2),
                "price_fen": given.price_fen,
                "cost_fen": given.cost_fen,
                "passed_over": _passed_over(given.passed_over),
            }
    left = next(left for left in result.unserved if left.request_id == request_id)
    return {
        "request_id": request_id,
        "status": "unserved",
        "reason": left.reason,
        "passed_over": _passed_over(left.passed_over),
    }


def _passed_over(pools: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"lot_id": p.lot_id, "pool_id": p.pool_id, "walk_s": p.walk_s, "reason": p.reason}
        for p in pools
    ]


def print_explained(answer: dict[str, Any]) -> None:
    """Print one request's answer."""
    if answer["status"] == "assigned":
        print(
            f"{answer['request_id']}: pool {answer['pool_id']} of lot {answer['lot_id']}, cost "
            f"{answer['cost_fen']} fen = drive {answer['drive_s']} s ({answer['drive_fen']} fen) "
            f"+ walk {answer['walk_s']} s, twice ({answer['walk_fen']} fen) "
            f"+ price {answer['price_fen']} fen"
        )
    else:
        print(f"{answer['request_id']}: not served: {answer['reason']}")
    table = _table("not given", "lot", "walk s", "why")
    for pool in answer["passed_over"]:
        table.add_row(pool["pool_id"], pool["lot_id"], str(pool["walk_s"]), pool["reason"])
    if table.row_count:
        _console().print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="left" if name in {"lot", "why"} else "right")
    return table


def _console() -> Console:
    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, emoji=False, width=PLAIN_WIDTH)
    return console
