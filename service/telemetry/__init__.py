"""What the service tells its operators: request ids, stage times and structured logs."""

from service.telemetry.logs import configure_logging
from service.telemetry.request_id import bind_request_id, current_request_id, request_id_from
from service.telemetry.timing import StageTimes, collect_stages, count_stage, stage

__all__ = [
    "StageTimes",
    "bind_request_id",
    "collect_stages",
    "configure_logging",
    "count_stage",
    "current_request_id",
    "request_id_from",
    "stage",
]
