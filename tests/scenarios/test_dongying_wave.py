"""Green waves on Dongying's corridors: safe at every second, and no wider than claimed."""

import pytest

from greenlot.city import City, load_city
from scenarios.dongying import build
from traffic.bandwidth import Status
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.greenwave import GreenWave, Progress, optimize


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder = tmp_path_factory.mktemp("dongying")
    return load_city(build(folder / "city"), cache=folder)


@pytest.fixture(scope="module")
def wave(city: City) -> GreenWave:
    return _optimize(city)


def _optimize(city: City, **options: object) -> GreenWave:
    return optimize(
        city.graph,
        list(city.corridors.values()),
        turn_flows=city.turn_flows["morning"],
        seed=3,
        **options,  # type: ignore[arg-type]
    )


def test_every_signal_of_the_corridors_has_one_plan(city: City, wave: GreenWave) -> None:
    wanted = {key for corridor in city.corridors.values() for key in corridor.signal_ids}
    assert [plan.signal_id for plan in wave.plans] == sorted(wanted)
    assert len(wanted) == 56
    assert {plan.cycle_s for plan in wave.plans} == {wave.cycle_s}
    assert wave.kept == {}


def test_no_second_shows_a_conflict_and_no_green_is_cut_short(city: City, wave: GreenWave) -> None:
    """Each plan played second by second, against the network's own conflict matrix."""
    patterns = set()
    for plan in wave.plans:
        signal = city.graph.signals[plan.signal_id]
        shown = [plan.state_at(t_s) for t_s in range(plan.cycle_s)]
        patterns.add(len(plan.stages))
        for t_s, state in enumerate(shown):
            before = shown[t_s - 1]
            for link in range(signal.link_count):
                if state[link] == "G":
                    assert not any(state[foe] in "Gy" for foe in signal.foes[link])
                if before[link] == "G" and state[link] != "G":
                    assert state[link] == "y"
                if before[link] == "y" and state[link] != "y":
                    assert state[link] == "r"
                    ahead = [shown[t_s - k][link] for k in range(1, 4)]
                    assert ahead == ["y"] * 3
        for link in range(signal.link_count):
            for start_s, end_s in plan.greens(link):
                assert end_s - start_s >= 5
    assert len(patterns) > 1, "some signals show a split left-turn pattern"


def test_a_car_in_a_band_meets_every_green(city: City, wave: GreenWave) -> None:
    """Drive the middle of every band through the plans, outbound and inbound."""
    plans = {plan.signal_id: plan for plan in wave.plans}
    driven = 0
    for key, corridor in city.corridors.items():
        for part in wave.bands[key]:
            crossings = corridor.crossings[part.first : part.last + 1]
            links = corridor.links[part.first : part.last]
            out_s = [x.length_out_m / v for x, v in zip(links, part.speed_out_mps, strict=True)]
            in_s = [x.length_in_m / v for x, v in zip(links, part.speed_in_mps, strict=True)]
            for start_s, width_s, way, times_s, side in (
                (part.start_out_s, part.band_out_s, crossings, out_s, "through_out"),
                (part.start_in_s, part.band_in_s, crossings[::-1], in_s[::-1], "through_in"),
            ):
                if width_s <= 0:
                    continue
                driven += 1
                for share in (0.01, 0.5, 0.99):
                    t_s = start_s + share * width_s
                    for crossing, ahead_s in zip(way, [*times_s, 0.0], strict=True):
                        state = plans[crossing.signal_id].state_at(t_s)
                        assert all(state[link] == "G" for link in getattr(crossing, side))
                        t_s += ahead_s
    assert driven > 20


def test_the_certificate_is_honest(wave: GreenWave) -> None:
    measured = sum(
        2 * min(p.band_out_s, p.band_in_s) for parts in wave.bands.values() for p in parts
    )
    certificate = wave.certificate
    assert certificate.value == pytest.approx(measured / wave.cycle_s)
    assert certificate.value <= certificate.bound + 1e-9
    assert certificate.status in {Status.OPTIMAL, Status.FEASIBLE}
    assert certificate.gap < 0.15


def test_the_same_seed_gives_the_same_plans(city: City, wave: GreenWave) -> None:
    assert _optimize(city).plans == wave.plans


def test_a_search_that_is_stopped_still_gives_safe_plans(city: City) -> None:
    told: list[Progress] = []
    wave = _optimize(city, progress=told.append, should_stop=lambda: len(told) >= 1)
    assert len(wave.plans) == 56
    assert told[-1].message == "done"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cycle_s": (120, 60)}, "cycle_s: 120:60"),
        ({"cycle_s": (5, 60)}, "expected 10 <="),
        ({"speed_mps": 0.0}, "speed_mps"),
        ({"max_link_m": -1.0}, "max_link_m"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    city: City, options: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        _optimize(city, **options)


def test_a_cycle_too_short_for_the_minimum_greens_is_refused_with_the_reason(
    city: City,
) -> None:
    with pytest.raises(UnsafePlanError, match="minimum greens and intergreens need"):
        _optimize(city, cycle_s=(20, 25))


def test_the_long_links_part_their_corridors(city: City, wave: GreenWave) -> None:
    for key, corridor in city.corridors.items():
        for part in wave.bands[key]:
            for link in corridor.links[part.first : part.last]:
                assert link.length_m <= 1200
