"""Time never runs backwards."""

from greenlot.clock import SimulatedClock, system_clock


def test_the_simulated_clock_stands_still_until_it_is_moved_and_never_goes_back() -> None:
    clock = SimulatedClock(1_000)
    assert clock() == clock() == 1_000
    clock.advance_to(2_500)
    clock.advance_to(2_000)
    assert clock() == 2_500


def test_the_system_clock_counts_milliseconds_since_1970() -> None:
    assert 1_700_000_000_000 < system_clock() < 10_000_000_000_000
