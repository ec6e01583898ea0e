"""What the service tells its operators: metrics, traces, structured logs, ids and stage times."""

from service.telemetry.engine_metrics import EngineMetrics, ModelMetrics
from service.telemetry.errors import TracingError
from service.telemetry.ids import (
    bind_request_id,
    bind_trace_id,
    current_request_id,
    current_trace_id,
    request_id_from,
)
from service.telemetry.job_metrics import JobMetrics
from service.telemetry.logs import configure_logging
from service.telemetry.metrics import CountedStore, Metrics
from service.telemetry.problem_code import collect_problem, note_problem
from service.telemetry.record import HTTP_METHODS, RequestRecord, known_method
from service.telemetry.timing import (
    StageName,
    StageTimes,
    add_stage,
    collect_stages,
    context_without_request,
    current_stages,
    stage,
)

__all__ = [
    "HTTP_METHODS",
    "CountedStore",
    "EngineMetrics",
    "JobMetrics",
    "Metrics",
    "ModelMetrics",
    "RequestRecord",
    "StageName",
    "StageTimes",
    "TracingError",
    "add_stage",
    "bind_request_id",
    "bind_trace_id",
    "collect_problem",
    "collect_stages",
    "configure_logging",
    "context_without_request",
    "current_request_id",
    "current_stages",
    "current_trace_id",
    "known_method",
    "note_problem",
    "request_id_from",
    "stage",
]
