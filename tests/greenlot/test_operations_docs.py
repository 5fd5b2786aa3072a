"""What the page on operation, the unit and the container file name is really there."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from greenlot import driver_secrets
from greenlot.city import load_city
from greenlot.cli import app
from greenlot.security.access import UNARY_S
from greenlot.security.callers import Caller, Role
from greenlot.server import CityServer, Protection

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
UNIT = (DOCS / "operations" / "greenlot.service").read_text()
CONTAINER = (DOCS / "operations" / "Containerfile").read_text()


def options(command: Any) -> tuple[set[str], set[str]]:
    """Options and environment variables of a command and those below it."""
    names, variables = set(), set()
    for parameter in command.params:
        if parameter.param_type_name == "option":
            names |= set(parameter.opts)
            found = parameter.envvar
            variables |= {found} if isinstance(found, str) else set(found or ())
    for each in getattr(command, "commands", {}).values():
        more_names, more_variables = options(each)
        names |= more_names
        variables |= more_variables
    return names, variables


NAMES, VARIABLES = options(typer.main.get_command(app))


def test_options_and_variables_are_there() -> None:
    for text in (PAGE, UNIT, CONTAINER):
        named = set(re.findall(r"\bGREENLOT_[A-Z_]+\b", text))
        assert named <= VARIABLES | {driver_secrets.CURRENT}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= NAMES


def test_what_serves_and_what_checks_take_the_same_variables() -> None:
    group: Any = typer.main.get_command(app)
    _, serve = options(group.commands["serve"])
    _, doctor = options(group.commands["doctor"])
    assert doctor <= serve
    assert serve - doctor == {"GREENLOT_LOG_FORMAT", "GREENLOT_LOG_CALLS", "GREENLOT_TRACING"}


def test_the_unit_gives_a_drain_its_time_and_files_enough() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT)
    service = unit["Service"]
    assert service["ExecStart"].endswith("/greenlot serve")
    assert service["ExecStartPre"].endswith("/greenlot doctor")
    assert float(service["TimeoutStopSec"]) > UNARY_S + 10
    assert int(service["LimitNOFILE"]) >= 5500
    assert service["NoNewPrivileges"] == "yes"


def test_the_container_does_not_run_as_root_and_is_stopped_gently() -> None:
    assert re.search(r"^USER greenlot$", CONTAINER, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", CONTAINER, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINER, re.MULTILINE):
        for name in source.split():
            assert (DOCS.parent / name).exists(), name


@pytest.mark.parametrize("role", list(Role))
def test_each_role_and_its_pace_is_on_the_page(role: Role) -> None:
    assert f"| `{role}` |" in PAGE
    caller = Caller("c", role, signals=frozenset())
    assert f"{caller.pace_per_s:,.0f}" in PAGE


async def test_the_metrics_on_the_page_are_those_of_a_server(
    small_city: Path, tmp_path: Path
) -> None:
    server = CityServer(
        load_city(small_city, cache=tmp_path),
        listen="127.0.0.1:0",
        data=tmp_path / "data",
        protection=Protection(),
    )
    await server.start()
    told = {metric.name for metric in server._collector.collect()} - {"greenlot"}
    await server.stop()
    named = set(re.findall(r"`(greenlot_[a-z_]+)", PAGE.partition("## Metrics")[2]))
    named = {name.removesuffix("_total") for name in named}
    with_tls = {"greenlot_certificate_not_after_seconds", "greenlot_certificate_failures"}
    assert named == told | with_tls
