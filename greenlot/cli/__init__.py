"""The command ``greenlot``: results on stdout, progress and errors on stderr.

Exit status: 0 done, 1 a failure of the program, 2 a mistake in the input, 130 interrupted.
"""

import os
import sys
from typing import NoReturn

import typer

import parking.errors
import traffic.errors
from greenlot.cli import (
    backup,
    bench,
    call,
    car_parks,
    controller,
    demo,
    doctor,
    serve,
    signals,
    token,
)
from greenlot.errors import GreenlotError
from greenlot.storage import StorageError
from parking.errors import ParkingError
from traffic.errors import TrafficError

INPUT_ERRORS = (
    traffic.errors.InvalidInputError,
    traffic.errors.NotFoundError,
    traffic.errors.UnsafePlanError,
    parking.errors.InvalidInputError,
    parking.errors.NotFoundError,
    GreenlotError,
)

app = typer.Typer(
    name="greenlot",
    help="Green waves for a city's signals and one big lot for its parking.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("call")(call.call)
app.command("doctor")(doctor.doctor)
app.command("controller")(controller.controller)
app.add_typer(token.app, name="token", help="Give tokens out to callers of a server.")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore_backup)
app.command("demo")(demo.demo)
app.add_typer(signals.app, name="signals", help="Time traffic signals.")
app.add_typer(car_parks.app, name="parking", help="Allocate parking.")
app.add_typer(bench.app, name="bench", help="Compare with what a user would take instead.")


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit status 2."""
    _keep_stdout_clean()
    try:
        app()
    except INPUT_ERRORS as error:
        _fail(error, 2)
    except (TrafficError, ParkingError, StorageError, RuntimeError, OSError) as error:
        _fail(error, 1)


def _keep_stdout_clean() -> None:
    """Keep stdout for results: solvers written in C print there whatever they are told.

    What is printed past Python goes to stderr; Python's own ``sys.stdout`` stays the real one.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(real, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _fail(error: Exception, status: int) -> NoReturn:
    print(f"greenlot: {error}", file=sys.stderr)
    raise SystemExit(status)
