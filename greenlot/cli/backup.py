"""``greenlot backup`` and ``greenlot restore``: a ledger into a file, and back."""

import json
from pathlib import Path
from typing import Annotated

import typer

from greenlot.backups import BackupReport, back_up, restore

StoreOption = Annotated[
    str,
    typer.Option(
        envvar="GREENLOT_STORE", help="sqlite:PATH (the ledger's file) or postgresql://..."
    ),
]
CityOption = Annotated[
    str, typer.Option(help="Id of the city; a database can hold several, a file holds one.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        envvar="GREENLOT_DATA",
        help="Where a server with an embedded store keeps its signal plans; without it only the "
        "ledger is copied.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def backup(
    store: StoreOption,
    to: Annotated[Path, typer.Option(help="The file to be made; it must not exist.")],
    city: CityOption = "dongying",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a ledger into a file while its server goes on, and check the copy.

    The signal plans go into a second file beside it (FILE-plans). The ledger's file is an
    embedded store by itself. It holds the drivers' keyed digests too: keep it as safe as the
    store, and erase drivers from it as well.
    """
    _tell(back_up(store, to, city_id=city, data=data), as_json, "holds")


def restore_backup(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    store: StoreOption,
    city: CityOption = "dongying",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup, and the plans beside it, where there are none yet, after checking it."""
    _tell(restore(source, store, city_id=city, data=data), as_json, "restored:")


def _tell(report: BackupReport, as_json: bool, word: str) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "file": str(report.file),
                    "revision": report.revision,
                    "open_reservations": report.open_reservations,
                    "file_bytes": report.file_bytes,
                    "plans": None if report.plans is None else str(report.plans),
                }
            )
        )
        return
    print(
        f"{report.file} {word} revision {report.revision}, {report.open_reservations} open "
        f"reservations, {report.file_bytes / 1e6:.1f} MB; replayed and sound"
        + (f"; signal plans: {report.plans}" if report.plans is not None else "")
    )
