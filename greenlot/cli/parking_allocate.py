"""``greenlot parking allocate``: a batch of requests to the city's pools, from files to files."""

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from greenlot.cli.band_outputs import check_writable
from greenlot.cli.parking_report import explained, print_explained, print_summary, summary
from greenlot.cli.searches import interruptible, quiet_solvers
from parking.allocation import AllocationResult, allocate, find_arcs
from parking.errors import InvalidInputError
from parking.inventory import Lot
from parking.io.assignments_csv import write_arcs, write_assignments
from parking.io.lots import LotsWarning, read_lots
from parking.io.requests_csv import read_requests
from parking.io.whole_file import whole_files
from parking.requests import ParkingRequest
from parking.travel import GreatCircle, TravelTimes

GREAT_CIRCLE, NETWORK = "great-circle", "network"


def allocate_parking(
    lots: Annotated[Path, typer.Option(help="Lots: GeoJSON, or a ParkAPI v3 list.")],
    requests: Annotated[Path, typer.Option(help="Requests: CSV, one driver a row.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Assignments, as CSV.")],
    net: Annotated[
        Path | None, typer.Option(help="SUMO network to travel on: --travel network.")
    ] = None,
    travel: Annotated[
        str, typer.Option(help="great-circle or network; default: network where --net is given.")
    ] = "",
    costs: Annotated[
        Path | None, typer.Option(help="Also write every feasible pair, as CSV.")
    ] = None,
    explain: Annotated[
        str, typer.Option(help="Explain one request's answer: its id.", metavar="REQUEST_ID")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Give each driver the best space in the city, or the reason why there is none.

    First as many drivers as possible are served, then at the least total cost; the answer says
    how much of that is proven. Formats: docs/parking-files.md.
    """
    kind = _travel(travel, net)
    _check_outputs({"--lots": lots, "--requests": requests}, {"-o": output, "--costs": costs})
    city, asked = read_city(lots), read_requests(requests)
    if explain and explain not in {request.id for request in asked}:
        raise InvalidInputError(f"no request {explain!r} in {requests}", where="--explain")
    times = _network(net, city, asked) if kind == NETWORK and net is not None else GreatCircle()

    def work(should_stop: Callable[[], bool]) -> AllocationResult:
        return allocate(asked, city, travel=times)

    console = Console(stderr=True)
    with quiet_solvers(), console.status(f"{len(asked)} requests, {len(city)} lots"):
        result = interruptible(work)
    paths = [output] if costs is None else [output, costs]
    with whole_files(paths) as streams:
        write_assignments(result, asked, streams[0])
        for stream in streams[1:]:
            write_arcs(find_arcs(asked, city, travel=times), asked, stream)
    if as_json:
        document = summary(result)
        if explain:
            document["explained"] = explained(explain, result, asked)
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    print_summary(result, asked, city, output)
    if explain:
        print_explained(explained(explain, result, asked))


def _travel(text: str, net: Path | None) -> str:
    if not text:
        return GREAT_CIRCLE if net is None else NETWORK
    if text not in (GREAT_CIRCLE, NETWORK):
        raise InvalidInputError(f"{text!r}; expected {GREAT_CIRCLE}, {NETWORK}", where="--travel")
    if text == NETWORK and net is None:
        raise InvalidInputError("network needs --net", where="--travel")
    if text == GREAT_CIRCLE and net is not None:
        print("greenlot: --net is not read: --travel great-circle", file=sys.stderr)
    return text


def _check_outputs(inputs: dict[str, Path], outputs: dict[str, Path | None]) -> None:
    """Refuse what could not be written, or would overwrite what is read, before any work."""
    taken = {path.resolve(): name for name, path in inputs.items()}
    for name, path in outputs.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise InvalidInputError(f"{path} is {taken[path.resolve()]} as well", where=name)
        taken[path.resolve()] = name
        check_writable(path, name)


def read_city(path: Path) -> tuple[Lot, ...]:
    """Read lots; what could not be taken over goes to stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LotsWarning)
        found = read_lots(path)
    for warning in caught:
        print(f"greenlot: warning: {warning.message}", file=sys.stderr)
    return found


def _network(net: Path, lots: Sequence[Lot], requests: Sequence[ParkingRequest]) -> TravelTimes:
    """Read a network to travel on; who is out of its reach goes to stderr."""
    # Without a network none of this is loaded.
    import numpy as np

    from greenlot.travel import MAX_AWAY_M, NetworkTravel
    from traffic.io.sumo_net import read_network
    from traffic.io.sumo_projection import SumoProjection

    times = NetworkTravel(read_network(net), SumoProjection.read(net), lots)
    for name, points in (
        ("lots", [(lot.lon, lot.lat) for lot in lots]),
        ("origins", [(r.origin_lon, r.origin_lat) for r in requests]),
        ("destinations", [(r.dest_lon, r.dest_lat) for r in requests]),
    ):
        table = np.array(points, dtype=np.float64).reshape(-1, 2)
        far = int(times.too_far(table[:, 0], table[:, 1]).sum())
        if far:
            print(
                f"greenlot: warning: {far} of {len(points)} {name} are more than "
                f"{MAX_AWAY_M:.0f} m from every street of {net}: out of reach",
                file=sys.stderr,
            )
    return times
