"""``OptimizeBands`` over the wire: the command line's answer, cancelled, cut short, refused."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from greenlot.city import load_city
from greenlot.clock import SimulatedClock
from greenlot.server import ServerThread
from tests.greenlot.test_cli_bandwidth import greenlot
from tests.greenlot.test_server import CITY, NOW_MS, Clients, refusal
from tests.traffic.io.band_examples import hard, no_band, street
from traffic.v1 import signal_timing_pb2 as st

LINKS = "BAND_METHOD_MULTIBAND"


@pytest.fixture(scope="module")
def clients(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    directory = tmp_path_factory.mktemp("server")
    clock = SimulatedClock(NOW_MS)
    city = load_city(small_city, cache=directory)
    with ServerThread(city, data=directory / "data", clock=clock) as server:
        found = Clients(server.address, clock)
        yield found
        found.channel.close()


def request(document: dict[str, Any], **fields: Any) -> st.OptimizeBandsRequest:
    message = st.OptimizeBandsRequest(**({"parent": CITY} | fields))
    message.question.update(document)
    return message


def asked(clients: Clients, document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The one answer, which comes last."""
    steps = list(clients.signals.OptimizeBands(request(document, **fields), timeout=60))
    assert [s.HasField("answer") for s in steps] == [False] * (len(steps) - 1) + [True]
    return MessageToDict(steps[-1].answer)


def without_times(document: Any) -> Any:
    """The document without ``solve_s``, which differs from run to run."""
    if isinstance(document, dict):
        return {key: without_times(v) for key, v in document.items() if key != "solve_s"}
    if isinstance(document, list):
        return [without_times(item) for item in document]
    return document


@pytest.mark.parametrize("method", ["maxband", "multiband", "amband"])
def test_the_answer_is_that_of_the_command_line(
    clients: Clients, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "street.json"
    path.write_text(json.dumps(street()), encoding="utf-8")
    done = greenlot("signals", "bandwidth", path, "--method", method, "--cycle", "70:90")
    over_the_wire = asked(
        clients,
        street(),
        method=f"BAND_METHOD_{method.upper()}",
        min_cycle_s=70,
        max_cycle_s=90,
    )
    assert without_times(over_the_wire) == without_times(json.loads(done.stdout))


def test_progress_comes_before_the_answer(clients: Clients) -> None:
    steps = list(
        clients.signals.OptimizeBands(request(hard(), method=LINKS, time_limit_s=3), timeout=60)
    )
    assert len(steps) > 1
    for step in steps[:-1]:
        assert 0 <= step.progress.done_share <= 1
        assert step.progress.message


def test_no_band_is_an_answer_with_its_proof(clients: Clients) -> None:
    answer = asked(clients, no_band())
    assert answer["status"] == "no_band"
    assert answer["band_out_s"] is None
    assert answer["integer_plan"] is None
    assert "pair bound: a and b alone allow none" in answer["proof"]


def test_cancelling_stops_the_search(clients: Clients) -> None:
    """The next search, which waits for its turn, is answered long before the first's limit."""
    call = clients.signals.OptimizeBands(
        request(hard(), method=LINKS, time_limit_s=300), timeout=300
    )
    assert next(call).HasField("progress")
    call.cancel()
    began = time.monotonic()
    assert asked(clients, street())["status"] == "optimal"
    assert time.monotonic() - began < 60


def test_a_call_that_is_cancelled_in_the_queue_never_searches(clients: Clients) -> None:
    first = clients.signals.OptimizeBands(
        request(hard(), method=LINKS, time_limit_s=300), timeout=300
    )
    next(first)
    second = clients.signals.OptimizeBands(
        request(hard(), method=LINKS, time_limit_s=300), timeout=300
    )
    time.sleep(0.2)
    second.cancel()
    first.cancel()
    assert asked(clients, street())["status"] == "optimal"


def test_the_deadline_bounds_the_time_limit(clients: Clients) -> None:
    message = request(hard(), method=LINKS, time_limit_s=600)
    began = time.monotonic()
    *_, last = clients.signals.OptimizeBands(message, timeout=20)
    assert time.monotonic() - began < 20
    answer = MessageToDict(last.answer)
    assert answer["status"] in ("optimal", "feasible")
    assert answer["objective"] <= answer["bound"]


def changed(**edits: Any) -> dict[str, Any]:
    document = street()
    document["signals"][1] |= edits
    return document


@pytest.mark.parametrize(
    ("document", "fields", "field"),
    [
        (changed(green_out=1.2), {}, "question.signals[1].green_out"),
        (changed(green_out=math.nan), {}, "question.signals[1].green_out"),
        (changed(position_m=math.inf), {}, "question.signals[1].position_m"),
        (changed(greens=1), {}, "question.signals[1].greens"),
        (changed(position_m=-5), {}, "question.signals[1].position_m"),
        ({}, {}, "question.signals"),
        (street(), {"min_cycle_s": 1}, "min_cycle_s"),
        (street(), {"max_cycle_s": 90}, "min_cycle_s"),
        (street(), {"min_cycle_s": 90, "max_cycle_s": 60}, "max_cycle_s"),
        (street(), {"min_cycle_s": math.nan}, "min_cycle_s"),
        (street(), {"time_limit_s": -1}, "time_limit_s"),
        (street(), {"max_link_m": 5}, "max_link_m"),
        (street(), {"seed": -1}, "seed"),
        (street(), {"seed": 2**40}, "seed"),
        (street(), {"method": 9}, "method"),
    ],
)
def test_a_bad_question_is_refused_with_the_field(
    clients: Clients, document: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    got, info, where = refusal(clients.signals.OptimizeBands, request(document, **fields))
    assert (got, where) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert info.domain == "greenlot"


def test_another_city_is_not_found(clients: Clients) -> None:
    got, _, _ = refusal(clients.signals.OptimizeBands, request(street(), parent="cities/nowhere"))
    assert got is grpc.StatusCode.NOT_FOUND
