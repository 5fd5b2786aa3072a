"""A day in SUMO's own format, shown by SUMO second by second."""

import multiprocessing
import re
from pathlib import Path

import pytest

from tests.traffic.io.test_sumo_net import resco
from tests.traffic.test_transition import plan_of
from traffic.errors import InvalidInputError
from traffic.io.sumo_additional import check_file
from traffic.io.sumo_net import read_network
from traffic.io.sumo_schedule import write_timetables
from traffic.schedule import Timetable, timetables
from traffic.stages import stages_of

GRAPH = read_network(resco("cologne3"))
SWITCHES_S = (0, 500, 1000)


def _shown(
    net: str, additional: str, ids: list[str], begin_s: int, seconds: int
) -> list[dict[str, str]]:
    """What SUMO shows at each second; in a process of its own."""
    import libsumo

    libsumo.start(
        ["sumo", "-n", net, "-a", additional, "-b", str(begin_s), "--no-step-log", "true"]
    )
    states = []
    for _ in range(seconds):
        libsumo.simulationStep()
        states.append({key: libsumo.trafficlight.getRedYellowGreenState(key) for key in ids})
    libsumo.close()
    return states


def _days() -> tuple[Timetable, ...]:
    """Three plans for every signal, of other cycles and in another order of stages."""
    periods = []
    for n, at_s in enumerate(SWITCHES_S):
        plans = {}
        for k, (signal_id, signal) in enumerate(GRAPH.signals.items()):
            order = list(range(len(stages_of(signal))))
            order = order[::-1] if n == 1 else order
            greens = tuple(12 + 5 * n + 3 * j for j in order)
            plans[signal_id] = plan_of(signal, tuple(order), greens, 17 * k + 29 * n)
        periods.append((at_s, plans))
    return timetables(GRAPH.signals, periods)


# From the day's begin over all switches, and from the middle of a transition.
@pytest.mark.parametrize(("begin_s", "end_s"), [(0, 1400), (510, 1100)])
def test_sumo_shows_what_the_schedule_says(tmp_path: Path, begin_s: int, end_s: int) -> None:
    days = _days()
    assert any(part.in_step_s > 510 for day in days for part in day.parts[1:2])
    path = tmp_path / "day.add.xml"
    write_timetables(days, path, begin_s=begin_s, end_s=end_s)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        states = pool.apply(
            _shown,
            (
                str(resco("cologne3")),
                str(path),
                [day.signal_id for day in days],
                begin_s,
                end_s - begin_s,
            ),
        )
    for second, shown in enumerate(states):
        for day in days:
            assert shown[day.signal_id] == day.state_at(begin_s + second), begin_s + second


def test_what_is_shown_at_the_switches_of_the_file_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "day.add.xml"
    write_timetables(_days(), path)
    assert set(check_file(GRAPH, path).values()) == {()}
    # A switch that comes 5 s early cuts a transition short.
    text = path.read_text()
    early = re.sub(
        r'time="(\d+)" to="greenlot-3"', lambda m: f'time="{int(m[1]) - 5}" to="greenlot-3"', text
    )
    assert early != text
    path.write_text(early)
    assert any(check_file(GRAPH, path).values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('to="greenlot-3"', 'to="nothing"', "unknown program 'nothing'"),
        ("<wautJunction ", '<wautJunction procedure="Stretch" ', "procedure 'Stretch'"),
        ("startProg=", "start=", "no 'startProg'"),
        ('refTime="0"', 'refTime="x"', "'x'"),
    ],
)
def test_switches_that_nobody_could_follow_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "day.add.xml"
    write_timetables(_days(), path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InvalidInputError, match=message):
        check_file(GRAPH, path)


def test_windows_outside_a_day_are_refused(tmp_path: Path) -> None:
    for begin_s, end_s in ((-1, 5), (5, 5), (0, 86401)):
        with pytest.raises(InvalidInputError, match="within 0 to 86400"):
            write_timetables(_days(), tmp_path / "x", begin_s=begin_s, end_s=end_s)
