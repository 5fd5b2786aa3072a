import itertools

import pytest

from traffic.bandwidth import Corridor, CorridorSignal, Range, solve
from traffic.errors import InvalidInputError
from traffic.timespace_document import time_space_of_document

# The textbook's eight signals (数解法): spacings in m, green shares, 11.1 m/s, 80 s.
SPACINGS_M = (350, 400, 160, 540, 280, 280, 270)
GREENS = (0.55, 0.60, 0.65, 0.65, 0.60, 0.65, 0.70, 0.50)
SPEED_MPS, CYCLE_S = 11.1, 80.0


def textbook() -> tuple[dict, dict]:
    """The corridor's document and the optimum's."""
    positions_m = itertools.accumulate(SPACINGS_M, initial=0)
    asked = Corridor(
        tuple(
            CorridorSignal(f"S{k}", x, g, g)
            for k, (x, g) in enumerate(zip(positions_m, GREENS, strict=True))
        ),
        cycle_s=Range(CYCLE_S, CYCLE_S),
        speed_mps=Range(SPEED_MPS, SPEED_MPS),
    )
    starts = [green.start_s for green in solve(asked).real.plan.roads[0].green_out]
    corridor = {
        "signals": [
            {"id": f"S{k}", "name": f"第{k}路口", "position_m": x, "green_out": g, "green_in": g}
            for k, (x, g) in enumerate(
                zip(itertools.accumulate(SPACINGS_M, initial=0), GREENS, strict=True)
            )
        ]
    }
    windows = [[s, s + g * CYCLE_S] for s, g in zip(starts, GREENS, strict=True)]
    result = {
        "cycle_s": CYCLE_S,
        "links": [{"speed_out_mps": SPEED_MPS, "speed_in_mps": SPEED_MPS} for _ in SPACINGS_M],
        "signals": [
            {"id": f"S{k}", "offset_s": w[0], "green_out": w, "green_in": w}
            for k, w in enumerate(windows)
        ],
    }
    return corridor, result


def test_the_textbook_example_has_its_band():
    """22.45 s each way through all eight signals (0.2806 cycle)."""
    diagram = time_space_of_document(*textbook(), title="textbook")
    assert [(b.direction, b.first, b.last) for b in diagram.bands] == [("out", 0, 7), ("in", 0, 7)]
    for band in diagram.bands:
        assert band.width_s == pytest.approx(22.45, abs=0.005)
    assert diagram.partings == ()
    assert diagram.rows[3].name == "第3路口"


def test_links_have_bands_where_none_runs_through():
    """One signal is green only where the others' bands do not come: links keep theirs."""
    corridor, result = textbook()
    for key in ("green_out", "green_in"):
        end_s = result["signals"][4][key][1]
        result["signals"][4][key] = [end_s + 10, end_s + 20]
    diagram = time_space_of_document(corridor, result, title="parted")
    assert len(diagram.bands) > 2
    assert all(band.last == band.first + 1 for band in diagram.bands)


def test_lefts_stand_beside_the_opposing_through():
    """A leading outbound left ends where the inbound through begins; a lagging one follows it."""
    corridor = {
        "signals": [
            {"id": "a", "position_m": 0, "left_out": 0.1, "left_in": 0.2},
            {"id": "b", "position_m": 500},
        ]
    }
    result = {
        "cycle_s": 100,
        "links": [{"speed_out_mps": 10, "speed_in_mps": 10}],
        "signals": [
            {
                "id": "a",
                "offset_s": 20,
                "pattern": "lead-lag",
                "green_out": [0, 40],
                "green_in": [10, 60],
            },
            {"id": "b", "offset_s": 50, "green_out": [50, 90], "green_in": [50, 90]},
        ],
    }
    first, second = time_space_of_document(corridor, result, title="lefts").rows
    assert first.left_out == ((0.0, 10.0),)
    assert first.left_in == ((40.0, 60.0),)
    assert second.left_out == ()


def change(document, path, value):
    *way, last = path
    for step in way:
        document = document[step]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("cycle_s",), None, "cycle_s"),
        (("signals", 2, "id"), "X", "signals"),
        (("signals", 2, "green_out"), None, "signals[2].green_out"),
        (("signals", 2, "green_in"), [1, 2, 3], "signals[2].green_in"),
        (("links",), [], "links"),
        (("links",), "none", "links"),
        (("links", 1, "speed_in_mps"), None, "links[1].speed_in_mps"),
    ],
)
def test_what_does_not_fit_is_named(path, value, where):
    """The offending field stands in the error."""
    corridor, result = textbook()
    change(result, path, value)
    with pytest.raises(InvalidInputError) as caught:
        time_space_of_document(corridor, result, title="broken")
    assert caught.value.where == where


def plan(**parts):
    """Two signals 300 m apart at 10 m/s and 100 s, green for 50 s; the second from 25 s on."""
    corridor = {
        "signals": [
            {"id": "a", "position_m": 0, "queue_out_s": 9},
            {"id": "b", "position_m": 300, "queue_out_s": 5},
        ]
    }
    signals = [
        {"id": "a", "offset_s": 0, "green_out": [0, 50], "green_in": [0, 50]},
        {"id": "b", "offset_s": 25, "green_out": [25, 75], "green_in": [70, 120]},
    ]
    links = [{"speed_out_mps": 10, "speed_in_mps": 10}]
    return corridor, {"cycle_s": 100, "links": links, "signals": signals} | parts


def test_a_band_waits_for_the_queue_before_it():
    """The front leaves b at 25 s, where the queue goes first; the platoon comes at 30 s."""
    corridor, result = plan()
    out = time_space_of_document(corridor, result, title="queue").bands[0]
    assert (out.direction, out.width_s) == ("out", pytest.approx(45))
    assert out.front_s == pytest.approx((0, 25))
    assert out.came_s == pytest.approx((0, 30))


def test_bands_run_around_the_progression_lines_that_a_document_has():
    corridor, result = plan()
    for signal, line_out, line_in in zip(result["signals"], (10, 35), (120, 90), strict=True):
        signal |= {"line_out_s": line_out, "line_in_s": line_in}
    result["links"][0] |= {"before_out_s": 4, "after_out_s": 6, "before_in_s": 0, "after_in_s": 0}
    (band,) = time_space_of_document(corridor, result, title="lines").bands
    assert band.front_s == pytest.approx((6, 31))
    assert (band.width_s, band.line_s) == (10, 4)


def test_a_corridor_in_parts_has_its_bands_where_its_parts_are():
    corridor, result = plan()
    corridor["signals"].append({"id": "c", "position_m": 2000})
    part = {"id": "a - b", "links": result["links"], "signals": result["signals"]}
    diagram = time_space_of_document(corridor, {"cycle_s": 100, "corridors": [part]}, title="parts")
    assert {(band.first, band.last) for band in diagram.bands} == {(0, 1)}
    assert [(p.after, p.reason) for p in diagram.partings] == [(1, "not_coordinated")]


def test_of_a_direction_that_does_not_count_no_link_bands_are_drawn():
    corridor, result = textbook()
    end_s = result["signals"][4]["green_in"][1]
    result["signals"][4]["green_in"] = [end_s + 10, end_s + 20]
    both = time_space_of_document(corridor, result, title="both").bands
    assert [band.direction for band in both].count("in") > 1
    one = time_space_of_document(corridor | {"direction": "out"}, result, title="one").bands
    assert [band.direction for band in one] == ["out"]
