"""Calls as OpenTelemetry spans: children of the caller's, and nothing of what was asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenlot.errors import StartError
from greenlot.telemetry import tracing
from parking.v1 import parking_pb2 as pk
from tests.greenlot.secured import Secured, code_of, secured
from tests.greenlot.test_server import CITY, booking_request

sdk = pytest.importorskip("opentelemetry.sdk.trace")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def traced(
    small_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Secured, Any]]:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("greenlot.city_server.open_tracing", lambda: tracing.Tracing(provider))
    with secured(small_city, tmp_path, is_traced=True) as server:
        yield server, exporter


def test_each_call_is_a_span_with_its_code(traced: tuple[Secured, Any]) -> None:
    server, exporter = traced
    app = server.as_("app").parking
    request = booking_request(driver_id="secret-driver")
    app.RequestAssignment(request, timeout=20, metadata=[("traceparent", PARENT)])
    code_of(app.GetLot, pk.GetLotRequest(name=f"{CITY}/lots/none"))
    code_of(server.as_(None).parking.ListLots, pk.ListLotsRequest())
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert {name: span.attributes["rpc.grpc.status"] for name, span in spans.items()} == {
        "parking.v1.ParkingService/RequestAssignment": "OK",
        "parking.v1.ParkingService/GetLot": "NOT_FOUND",
        "parking.v1.ParkingService/ListLots": "UNAUTHENTICATED",
    }
    booked = spans["parking.v1.ParkingService/RequestAssignment"]
    assert f"{booked.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{booked.parent.span_id:016x}" == PARENT.split("-")[2]
    assert booked.attributes["greenlot.role"] == "app"
    said = " ".join(span.to_json() for span in spans.values())
    for secret in (*server.tokens.values(), "secret-driver", request.request_id):
        assert secret not in said


def test_without_its_packages_it_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None
    )
    with pytest.raises(StartError, match=r"pip install 'greenlot\[otel\]'"):
        tracing.open_tracing()
