"""``greenlot parking``: a city's car parks."""

from pathlib import Path
from typing import Annotated

import typer

from parking.inventory import SpaceClass
from parking.io.lots import read_lots

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _parking() -> None:
    """Look at a city's car parks."""


@app.command("check")
def check(lots: Annotated[Path, typer.Option(help="Lots as GeoJSON.")]) -> None:
    """Check a lots file and sum it up."""
    found = read_lots(lots)
    print(f"{lots}: {len(found)} lots")
    for kind in SpaceClass:
        pools = [pool for lot in found for pool in lot.pools if pool.space_class is kind]
        spaces, bookable = sum(p.capacity for p in pools), sum(p.bookable for p in pools)
        if pools:
            print(f"  {kind}: {spaces} spaces in {len(pools)} pools, {bookable} bookable")
