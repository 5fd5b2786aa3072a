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
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def backup(
    store: StoreOption,
    to: Annotated[Path, typer.Option(help="The file to be made; it must not exist.")],
    city: CityOption = "dongying",
    as_json: JsonOption = False,
) -> None:
    """Copy a ledger into a file while its server goes on, and check the copy.

    The file is an embedded store by itself. It holds the drivers' keyed digests too: keep it as
    safe as the store, and erase drivers from it as well.
    """
    _tell(back_up(store, to, city_id=city), as_json, "holds")


def restore_backup(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    store: StoreOption,
    city: CityOption = "dongying",
    as_json: JsonOption = False,
) -> None:
    """Put a backup where there is no ledger yet, after checking it."""
    _tell(restore(source, store, city_id=city), as_json, "restored:")


def _tell(report: BackupReport, as_json: bool, word: str) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "file": str(report.file),
                    "revision": report.revision,
                    "open_reservations": report.open_reservations,
                    "file_bytes": report.file_bytes,
                }
            )
        )
        return
    print(
        f"{report.file} {word} revision {report.revision}, {report.open_reservations} open "
        f"reservations, {report.file_bytes / 1e6:.1f} MB; replayed and sound"
    )
