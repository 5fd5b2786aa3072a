"""``greenlot parking``: a city's car parks."""

from pathlib import Path
from typing import Annotated

import typer

from greenlot.cli.parking_allocate import allocate_parking, read_city
from greenlot.cli.parking_day import play_days
from parking.inventory import SpaceClass

app = typer.Typer(no_args_is_help=True)
app.command("allocate")(allocate_parking)
app.command("day")(play_days)


@app.callback()
def _parking() -> None:
    """Look at a city's car parks, and give drivers their spaces."""


@app.command("check")
def check(lots: Annotated[Path, typer.Option(help="Lots: GeoJSON, or a ParkAPI v3 list.")]) -> None:
    """Check a lots file and sum it up."""
    found = read_city(lots)
    print(f"{lots}: {len(found)} lots")
    for kind in SpaceClass:
        pools = [pool for lot in found for pool in lot.pools if pool.space_class is kind]
        spaces, bookable = sum(p.capacity for p in pools), sum(p.bookable for p in pools)
        if pools:
            print(f"  {kind}: {spaces} spaces in {len(pools)} pools, {bookable} bookable")
