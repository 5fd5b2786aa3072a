"""The server's numbers for Prometheus. No label holds anything of a caller, driver or car."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from greenlot.errors import StartError
from greenlot.telemetry.statistics import Durations, Statistics
from traffic.street.figures import StreetFigures


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is so at this moment.

    Parameters
    ----------
    store_condition
        Of the parking store: ``ok``, ``read_only``, ``unreachable``, ``broken``.
    ledger_revision
        Of what is on the disk.
    plan_store_condition
        Of the plans' store, likewise.
    street
        How controllers and switches are.
    certificate_ends_s
        When the server's certificate ends, s since 1970; None = no TLS.
    certificate_failures
        New certificates that could not be used.
    tokens
        Valid ones by role.
    is_draining
        It is about to stop.
    """

    store_condition: str
    ledger_revision: int
    plan_store_condition: str
    street: StreetFigures
    certificate_ends_s: float | None
    certificate_failures: int
    tokens: dict[str, int]
    is_draining: bool


class ServerCollector(Collector):
    """Turns the server's numbers into metrics when it is asked.

    Asked on a thread of its own, while the event loop goes on counting: a figure may be a call
    older than its neighbour, but none is wrong.
    """

    def __init__(self, statistics: Statistics, gauges: Callable[[], Gauges], city: str) -> None:
        self._statistics = statistics
        self._gauges = gauges
        self._city = city

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client``."""
        yield InfoMetricFamily(
            "greenlot", "The server", value={"version": version("greenlot"), "city": self._city}
        )
        yield from self._calls()
        refused = CounterMetricFamily(
            "greenlot_refused", "Calls not let in, or ended, by why", labels=["reason"]
        )
        for reason, count in list(self._statistics.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        allocation = HistogramMetricFamily(
            "greenlot_allocation_seconds", "Time that a batch of parking requests took to solve"
        )
        _fill(allocation, [], self._statistics.allocation)
        yield allocation
        lag = GaugeMetricFamily(
            "greenlot_loop_lag_seconds", "How late the event loop last came to its timer"
        )
        lag.add_metric([], self._statistics.loop_lag_s)
        yield lag
        yield from _now(self._gauges())

    def _calls(self) -> Iterable[Metric]:
        names = ["service", "method"]
        calls = CounterMetricFamily(
            "greenlot_calls", "Calls that ended, by code", labels=[*names, "code"]
        )
        seconds = HistogramMetricFamily(
            "greenlot_call_seconds", "Time from a unary call's headers to its answer", labels=names
        )
        unary = GaugeMetricFamily("greenlot_calls_in_flight", "Unary calls under way", labels=names)
        streams = GaugeMetricFamily(
            "greenlot_streams_open", "Open streams; of Watch...: watchers", labels=names
        )
        for full, method in list(self._statistics.methods.items()):
            service, _, name = full[1:].partition("/")
            for code, count in list(method.by_code.items()):
                calls.add_metric([service, name, code], count)
            (streams if method.is_stream else unary).add_metric([service, name], method.in_flight)
            if not method.is_stream:
                _fill(seconds, [service, name], method.durations)
        return calls, seconds, unary, streams


def _now(gauges: Gauges) -> Iterator[Metric]:
    for metric, store, now in (
        ("greenlot_store_condition", "parking", gauges.store_condition),
        ("greenlot_plan_store_condition", "plans'", gauges.plan_store_condition),
    ):
        are = {name: float(now == name) for name in ("ok", "read_only", "unreachable", "broken")}
        yield _gauges(metric, f"1 for what the {store} store is", "condition", are)
    yield from _street(gauges.street)
    yield GaugeMetricFamily(
        "greenlot_ledger_revision", "Last revision on the disk", value=gauges.ledger_revision
    )
    yield GaugeMetricFamily(
        "greenlot_draining", "1 when the server is about to stop", value=gauges.is_draining
    )
    if gauges.certificate_ends_s is not None:
        yield GaugeMetricFamily(
            "greenlot_certificate_not_after_seconds",
            "When the server's certificate ends, s since 1970",
            value=gauges.certificate_ends_s,
        )
        yield CounterMetricFamily(
            "greenlot_certificate_failures",
            "New certificates that could not be used",
            value=gauges.certificate_failures,
        )
    yield _gauges("greenlot_tokens", "Valid tokens", "role", gauges.tokens)


def _street(street: StreetFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "greenlot_plan_revision", "Last revision of the plans' log", value=street.revision
    )
    alarms = {str(kind): count for kind, count in street.alarms.items()}
    yield _gauges("greenlot_alarms", "Open alarms of signals", "kind", alarms)
    controllers = {
        "known": street.known,
        "silent": street.silent,
        "out_of_step": street.out_of_step,
    }
    yield _gauges("greenlot_controllers", "Controllers, by how they are", "state", controllers)
    switches = {"open": street.open_switches, "postponed": street.postponed_switches}
    yield _gauges("greenlot_switches", "Switches that are still to be decided", "state", switches)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _fill(family: HistogramMetricFamily, labels: list[str], durations: Durations) -> None:
    counts, total = [], 0
    names = [*(str(bound) for bound in durations.bounds), "+Inf"]
    for bound, count in zip(names, list(durations.buckets), strict=True):
        total += count
        counts.append((bound, float(total)))
    family.add_metric(labels, counts, durations.sum_s)


class MetricsEndpoint:
    """``http://HOST:PORT/metrics``, on a thread of its own.

    Parameters
    ----------
    listen
        ``PORT`` (on the loopback interface) or ``HOST:PORT``; port 0 picks a free one.
    collector
        What it tells.

    Raises
    ------
    StartError
        The address cannot be listened on.
    """

    def __init__(self, listen: str, collector: Collector) -> None:
        host, colon, port = listen.rpartition(":")
        host = host.strip("[]") if colon else "127.0.0.1"
        if not host or not port.isdigit() or int(port) > 65535:
            raise StartError(f"--metrics {listen}: expected PORT or HOST:PORT, port 0 to 65535")
        registry = CollectorRegistry()
        registry.register(collector)
        ProcessCollector(registry=registry)
        try:
            started: tuple[WSGIServer, Thread] = start_http_server(
                int(port), host, registry=registry
            )
        except OSError as error:
            raise StartError(f"--metrics: cannot listen on {listen}: {error.strerror}") from error
        self._server, self._thread = started
        self.address = f"{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
