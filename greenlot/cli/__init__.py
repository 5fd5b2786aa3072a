"""The command ``greenlot``: results on stdout, progress and errors on stderr.

Exit status: 0 done, 1 a failure of the program, 2 a mistake in the input, 130 interrupted.
"""

import os
import sys

import click
import typer

import parking.errors
import traffic.errors
from greenlot.cli import bandwidth, demo, parking as parking_commands, serve, signals

app = typer.Typer(
    name="greenlot",
    help="Green waves for a city's signals and one big lot for its parking.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
signals.app.command("bandwidth")(bandwidth.bandwidth)
app.add_typer(signals.app, name="signals", help="Time traffic signals.")
app.add_typer(parking_commands.app, name="parking", help="Allocate parking.")


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except click.exceptions.Abort:
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (traffic.errors.TrafficError, parking.errors.ParkingError) as error:
        print(f"greenlot: {error}", file=sys.stderr)
        broken = traffic.errors.SolverError | parking.errors.SolverError
        status = 1 if isinstance(error, broken) else 2
    except KeyboardInterrupt:
        print("greenlot: interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        print(f"greenlot: {error}", file=sys.stderr)
        status = 1
    raise SystemExit(status)
