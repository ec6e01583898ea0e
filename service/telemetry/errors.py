"""Errors of telemetry, which need nothing of OpenTelemetry."""


class TracingError(ValueError):
    """The `OTEL_*` variables cannot be used; the message says why."""
