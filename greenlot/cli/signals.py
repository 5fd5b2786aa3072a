"""``greenlot signals``: plans for the signals of any SUMO network."""

import typer

from greenlot.cli.bandwidth import bandwidth
from greenlot.cli.day import day
from greenlot.cli.evaluate import evaluate
from greenlot.cli.optimize import optimize_signals
from greenlot.cli.street import export, submit

app = typer.Typer(no_args_is_help=True)
app.command("optimize")(optimize_signals)
app.command("evaluate")(evaluate)
app.command("day")(day)
app.command("bandwidth")(bandwidth)
app.command("export")(export)
app.command("submit")(submit)


@app.callback()
def _signals() -> None:
    """Time traffic signals."""
