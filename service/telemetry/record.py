"""What is logged and counted of a finished request; none of it is chosen by the client."""

from typing import NamedTuple

from service.telemetry.timing import StageTimes

OTHER_METHOD = "_OTHER"
HTTP_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class RequestRecord(NamedTuple):
    """One request for its log line, its metrics and its span.

    method: of HTTP, or `OTHER_METHOD`.
    route: the pattern of its path, never the path; None where no route matched.
    status: None when it ended without a response.
    problem: code of the problem in its response, if any.
    """

    method: str
    route: str | None
    status: int | None
    seconds: float
    stages: StageTimes
    problem: str | None


def known_method(method: str) -> str:
    """The method if it is a standard one: any token that a client sends would become a label."""
    return method if method in HTTP_METHODS else OTHER_METHOD
