"""Speed advice from a server: greens of the plans in force, as far as signals follow them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from greenlot.city import City, load_city
from greenlot.clock import SimulatedClock
from greenlot.server import ServerThread
from tests.greenlot.test_server import CITY, Clients, refusal
from tests.greenlot.test_server_street import (
    LISTED,
    NOW_MS,
    SIGNALS,
    activate,
    approved,
    plans,
    report,
)
from traffic.io.protobuf import timestamp_from_ms
from traffic.street.calendar import civil_date, midnight_ms
from traffic.v1 import signal_timing_pb2 as st


@pytest.fixture(scope="module")
def city(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> City:
    return load_city(small_city, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def clients(city: City, tmp_path: Path) -> Iterator[Clients]:
    clock = SimulatedClock(NOW_MS)
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        found = Clients(server.address, clock)
        yield found
        found.channel.close()


def unadvised(clients: Clients, ask: st.AdviseSpeedRequest) -> str:
    """Why there is no advice."""
    with pytest.raises(grpc.RpcError) as caught:
        clients.signals.AdviseSpeed(ask, timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    return str(caught.value.details())


def test_speed_advice_meets_the_greens_of_the_plans_in_force(clients: Clients, city: City) -> None:
    ask = st.AdviseSpeedRequest(corridor=f"{CITY}/corridors/EW", position_m=-250)
    assert refusal(clients.signals.AdviseSpeed, ask)[0] is grpc.StatusCode.NOT_FOUND
    activate(clients, plan_set=approved(clients, plans(city)).name)
    # Just gone over: who knows what they show.
    ask.time.CopyFrom(timestamp_from_ms(NOW_MS + 60_000))
    assert "A1: has just gone over" in unadvised(clients, ask)
    begin_ms = NOW_MS + 400_000
    clients.clock.advance_to(begin_ms)
    corridor = city.corridors["EW"]
    places = [250 + at_m for at_m in corridor.positions_m]
    midnight_s = midnight_ms(civil_date(NOW_MS)) / 1000
    limits = [
        min(city.graph.edges[edge].speed_limit_mps for edge in link.edges_out)
        for link in corridor.links
    ]
    texts, most_met = set(), 0
    for k in range(90):
        ask.time.CopyFrom(timestamp_from_ms(begin_ms + 1000 * k))
        answer = clients.signals.AdviseSpeed(ask, timeout=5)
        texts.add(answer.sign_text)
        assert list(answer.signals) == [f"{CITY}/signals/{key}" for key in ("A1", "B1", "C1")]
        assert bool(answer.windows) == bool(answer.greens_met)
        most_met = max(most_met, answer.greens_met)
        for window in answer.windows:
            assert 0 < window.from_mps <= window.to_mps
            assert window.to_mps <= min([window.to_mps, *limits[: answer.greens_met - 1]]) + 1e-6
            # Driven as advised, every light that was promised is green.
            for speed in (window.from_mps, window.to_mps):
                for n in range(answer.greens_met):
                    at_s = begin_ms / 1000 + k + places[n] / speed - midnight_s
                    shown = plans(city)[SIGNALS.index(("A1", "B1", "C1")[n])].state_at(at_s)
                    assert {shown[link] for link in corridor.crossings[n].through_out} <= {"G", "g"}
    assert any(text.startswith("绿波车速") for text in texts), texts
    assert "前方红灯 减速慢行" in texts
    assert most_met > 1, "more than the first light was looked at"


def test_speed_advice_ends_at_signals_that_may_show_something_else(
    clients: Clients, city: City
) -> None:
    ask = st.AdviseSpeedRequest(corridor=f"{CITY}/corridors/EW", position_m=-250)
    activate(clients, plan_set=approved(clients, plans(city)).name)
    switches = {
        name: row.name
        for row in clients.signals.ListSwitches(LISTED, timeout=5).switches
        for name in row.signals
    }
    clients.clock.advance_to(NOW_MS + 400_000)
    in_step = {"switch": switches[f"{CITY}/signals/B1"], "mode": st.CONTROLLER_MODE_PLAN}

    def says(**fields: Any) -> None:
        message = report("B1", 400_000, **(in_step | fields))
        clients.signals.ReportStatus(message, timeout=5)

    def most_met() -> int:
        met = 0
        for k in range(60):
            ask.time.CopyFrom(timestamp_from_ms(NOW_MS + 400_000 + 1000 * k))
            met = max(met, clients.signals.AdviseSpeed(ask, timeout=5).greens_met)
        return met

    says()
    assert most_met() > 1
    for wrong in (
        {"in_step": False},
        {"mode": st.CONTROLLER_MODE_FLASHING},
        {"mode": st.CONTROLLER_MODE_MANUAL_HOLD},
        {"switch": ""},
    ):
        says(**wrong)
        assert most_met() == 1, wrong
    says()
    assert most_met() > 1
    # Nothing is heard of it any more; of a signal at the place itself, nothing can be said.
    clients.clock.advance_to(NOW_MS + 500_000)
    ask.time.CopyFrom(timestamp_from_ms(NOW_MS + 500_000))
    ask.position_m = 1.0
    assert "B1: " in unadvised(clients, ask)


def test_speed_advice_ends_at_a_signal_for_which_nothing_was_ever_put_in_force(
    clients: Clients, city: City
) -> None:
    first = [plan for plan in plans(city) if plan.signal_id == "A1"]
    activate(clients, plan_set=approved(clients, first).name)
    clients.clock.advance_to(NOW_MS + 400_000)
    ask = st.AdviseSpeedRequest(corridor=f"{CITY}/corridors/EW", position_m=-250)
    met = 0
    for k in range(90):
        ask.time.CopyFrom(timestamp_from_ms(NOW_MS + 400_000 + 1000 * k))
        met = max(met, clients.signals.AdviseSpeed(ask, timeout=5).greens_met)
    assert met == 1
    ask.position_m = 1.0
    assert unadvised(clients, ask) == "B1: no plan is in force at that time"
