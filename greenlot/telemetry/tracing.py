"""Calls as OpenTelemetry spans; only where its packages are installed and it is asked for.

Where spans go is said in OpenTelemetry's own environment variables
(``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``, ...).
"""

from typing import Any

from greenlot.errors import StartError
from greenlot.telemetry.calls import Call

SERVICE = "greenlot"
NEEDED = "OpenTelemetry is not installed: pip install 'greenlot[otel]'"


class Tracing:
    """Tells calls as spans of kind SERVER, children of the caller's where it sends ``traceparent``.

    A span holds the method, the request id, the role and the code; nothing of what was asked.

    Parameters
    ----------
    provider
        Of OpenTelemetry's SDK.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)

    def begin(self, call: Call, parent: object) -> Any:
        """Begin a call's span."""
        context = None
        if isinstance(parent, str):
            context = self._propagator.extract({"traceparent": parent})
        service, _, name = call.method[1:].partition("/")
        return self._tracer.start_span(
            f"{service}/{name}",
            context=context,
            kind=self._trace.SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": name,
                "greenlot.request_id": call.request_id,
            },
        )

    def end(self, call: Call, code: str) -> None:
        """End it with the name of the call's code."""
        span = call.span
        span.set_attribute("rpc.grpc.status", code)
        span.set_attribute("greenlot.role", str(call.caller.role or "nobody"))
        if code in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def open_tracing() -> Tracing:
    """Return tracing to where the environment says.

    Raises
    ------
    StartError
        OpenTelemetry or its exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise StartError(f"--tracing: {NEEDED}") from error
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
