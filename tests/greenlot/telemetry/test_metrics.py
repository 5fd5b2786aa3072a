"""Metrics as Prometheus reads them, from a server that is at work."""

import re
import time
import urllib.request
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from greenlot.errors import StartError
from greenlot.server import ServerThread
from greenlot.telemetry.metrics import MetricsEndpoint, ServerCollector
from greenlot.telemetry.statistics import Durations
from parking.v1 import parking_pb2 as pk
from tests.greenlot.secured import code_of, secured
from tests.greenlot.test_server import CITY, booking_request
from traffic.io.protobuf import timestamp_from_ms
from traffic.v1 import signal_timing_pb2 as st

CODE = grpc.StatusCode
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(thread: ServerThread) -> tuple[str, Samples]:
    with urllib.request.urlopen(f"http://{thread.metrics_address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a sample stands twice"
            found[key] = sample.value
    return text, found


def value(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    hits = [v for (n, has), v in samples.items() if n == name and wanted <= has]
    assert len(hits) == 1, (name, labels, hits)
    return hits[0]


def test_what_a_server_does_is_counted_and_nothing_of_callers_is_told(
    small_city: Path, tmp_path: Path
) -> None:
    with secured(small_city, tmp_path, metrics="0") as server:
        app = server.as_("app").parking
        plate, phone = "鲁E12345", "13812345678"
        app.RegisterDriver(
            pk.RegisterDriverRequest(
                parent=CITY, request_id=booking_request().request_id, plates=[plate], phones=[phone]
            ),
            timeout=20,
        )
        held = app.RequestAssignment(booking_request(driver_id="secret-driver"), timeout=20)
        watch = app.WatchReservation(pk.WatchReservationRequest(name=held.name), timeout=60)
        next(watch)
        for name in (held.name, f"{CITY}/reservations/none", f"{CITY}/reservations/none"):
            code_of(app.GetReservation, pk.GetReservationRequest(name=name))
        assert code_of(server.as_(None).parking.ListLots, pk.ListLotsRequest()) is (
            CODE.UNAUTHENTICATED
        )
        text, samples = scrape(server.thread)
        watch.cancel()
        for secret in (*server.tokens.values(), plate, phone, "secret-driver", held.name, "glt_"):
            assert secret not in text
        get = {"service": "parking.v1.ParkingService", "method": "GetReservation"}
        assert value(samples, "greenlot_calls_total", **get, code="OK") == 1
        assert value(samples, "greenlot_calls_total", **get, code="NOT_FOUND") == 2
        assert value(samples, "greenlot_call_seconds_count", **get) == 3
        assert value(samples, "greenlot_call_seconds_bucket", **get, le="+Inf") == 3
        assert value(samples, "greenlot_calls_in_flight", **get) == 0
        assert value(samples, "greenlot_streams_open", method="WatchReservation") == 1
        assert value(samples, "greenlot_refused_total", reason="NO_TOKEN") == 1
        assert value(samples, "greenlot_allocation_seconds_count") == 1
        assert value(samples, "greenlot_store_condition", condition="ok") == 1
        assert value(samples, "greenlot_store_condition", condition="read_only") == 0
        assert value(samples, "greenlot_ledger_revision") >= held.revision
        assert value(samples, "greenlot_tokens", role="operator") == 2
        assert value(samples, "greenlot_draining") == 0
        assert value(samples, "process_open_fds") > 0
        labels = {label for _, has in samples for label, _ in has}
        assert labels <= {
            *("service", "method", "code", "le", "reason", "condition", "role", "version", "city"),
            *("kind", "state"),
        }


def test_how_the_street_is_is_told(small_city: Path, tmp_path: Path) -> None:
    with secured(small_city, tmp_path, metrics="0") as server:
        controller = server.as_("controller").signals
        report = st.ReportStatusRequest(
            signal=f"{CITY}/signals/A1",
            mode=st.CONTROLLER_MODE_OWN_PLAN,
            time=timestamp_from_ms(server.clock()),
            faults=["lamp 3"],
        )
        controller.ReportStatus(report, timeout=10)
        end = time.monotonic() + 20
        while True:
            _, samples = scrape(server.thread)
            if value(samples, "greenlot_alarms", kind="fault") or time.monotonic() > end:
                break
            time.sleep(0.2)
        assert value(samples, "greenlot_alarms", kind="fault") == 1
        assert value(samples, "greenlot_alarms", kind="silent") == 0
        assert value(samples, "greenlot_controllers", state="known") == 1
        assert value(samples, "greenlot_controllers", state="out_of_step") == 1
        assert value(samples, "greenlot_controllers", state="silent") == 0
        assert value(samples, "greenlot_switches", state="open") == 0
        assert value(samples, "greenlot_plan_store_condition", condition="ok") == 1
        assert value(samples, "greenlot_plan_revision") >= 1


def test_a_histogram_has_each_duration_in_its_bucket() -> None:
    durations = Durations((0.1, 1.0))
    for took_s in (0.05, 0.1, 0.100001, 1.0, 5.0):
        durations.add(took_s)
    assert durations.buckets == [2, 2, 1]
    assert durations.sum_s == pytest.approx(6.250001)


@pytest.mark.parametrize("listen", ["nonsense", "70000", "1.2.3.4.5:1", ":", "127.0.0.1:x"])
def test_metrics_that_cannot_be_listened_on_are_refused(listen: str) -> None:
    nothing: ServerCollector = ServerCollector.__new__(ServerCollector)
    with pytest.raises(StartError, match="--metrics"):
        MetricsEndpoint(listen, nothing)


def test_metrics_are_on_loopback_unless_a_host_is_given(small_city: Path, tmp_path: Path) -> None:
    with secured(small_city, tmp_path, metrics="0") as server:
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", server.thread.metrics_address)
        port = server.thread.metrics_address.rpartition(":")[2]
        with pytest.raises(StartError, match="cannot listen on"):
            MetricsEndpoint(port, ServerCollector.__new__(ServerCollector))
