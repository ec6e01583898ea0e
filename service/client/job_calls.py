"""Requests about jobs; see `service.client.calls`."""

from collections.abc import Sequence
from typing import TypedDict

import httpx

from service.client.calls import (
    Call,
    Fields,
    no_content,
    once,
    parse_as,
    path_segment,
    sendable,
    texts,
)
from service.client.connection import EVENTS_TIMEOUT, LONG_TIMEOUT
from service.client.packing import JobImages, pack
from service.schemas import (
    Absent,
    CocoSegmentation,
    Format,
    Instances,
    JobResponse,
    JobsResponse,
    LookMode,
    Threshold,
)


class JobOptions(TypedDict, total=False):
    """Keyword arguments of `create_job`."""

    classes: Sequence[str]
    threshold: Threshold
    absent: Absent
    mode: LookMode
    formats: Sequence[Format]
    instances: Instances
    segmentation: CocoSegmentation
    min_area: int


def create_job(
    session_id: str,
    images: JobImages,
    *,
    classes: Sequence[str] = (),
    threshold: Threshold = None,
    absent: Absent = "keep",
    mode: LookMode = "auto",
    formats: Sequence[Format] = (),
    instances: Instances = "component",
    segmentation: CocoSegmentation = "rle",
    min_area: int = 0,
) -> Call[JobResponse]:
    """Segment any number of images in the background.

    Args:
        session_id: of the session, which the job copies: it may end or change afterwards.
        images: a folder, a zip file, or images in any form.
        classes: as for `service.client.calls.segment`; likewise the next three.
        threshold: least probability of a foreground pixel.
        absent: whether absent classes are left out.
        mode: how images are looked at.
        formats: of the results; none: all.
        instances: what one object is: a connected part, or all of a class in an image.
        segmentation: of COCO JSON.
        min_area: pixels; connected parts of a mask that have fewer are left out, except of label
            maps.
    """
    fields: Fields = {
        "session_id": session_id,
        "absent": absent,
        "mode": mode,
        "instances": instances,
        "segmentation": segmentation,
        "classes": texts("classes", classes),
        "formats": texts("formats", formats),
    }
    if threshold is not None:
        fields["threshold"] = str(threshold)
    if min_area:  # services of an earlier version do not know it
        fields["min_area"] = str(min_area)
    data, archive = sendable(fields), pack(images)
    return Call(
        "POST",
        "/jobs",
        parse_as(JobResponse),
        long=True,
        session_id=session_id,
        options={
            "headers": once(),
            "data": data,
            "files": [("archive", ("images.zip", archive))],
            "timeout": LONG_TIMEOUT,
        },
        open_file=archive,
    )


def jobs() -> Call[list[JobResponse]]:
    """One's own jobs, newest first."""
    return Call("GET", "/jobs", lambda response: parse_as(JobsResponse)(response).jobs)


def status(job_id: str) -> Call[JobResponse]:
    """How far the job is, and what failed."""
    return Call("GET", _path(job_id), parse_as(JobResponse))


def cancel(job_id: str) -> Call[JobResponse]:
    """Stop the job after the image at work; what is done stays."""
    return Call("POST", f"{_path(job_id)}/cancel", parse_as(JobResponse))


def resume(job_id: str) -> Call[JobResponse]:
    """Go on with a job that was cancelled, and try again what failed."""
    return Call("POST", f"{_path(job_id)}/resume", parse_as(JobResponse), repeatable=False)


def delete(job_id: str) -> Call[None]:
    """Forget the job, its images and results."""
    return Call("DELETE", _path(job_id), no_content, repeatable=False)


def events(job_id: str, seen: str | None) -> Call[httpx.Response]:
    """The job each time that it has moved on; `seen` is the last event's id, if there was one."""
    headers = {"Accept": "text/event-stream"} | ({} if seen is None else {"Last-Event-ID": seen})
    options = {"headers": headers, "timeout": EVENTS_TIMEOUT}
    return Call("GET", f"{_path(job_id)}/events", lambda got: got, options=options)


def results(job_id: str) -> Call[httpx.Response]:
    """A zip of what is done, once the job has ended; packed before its first byte comes."""
    path = f"{_path(job_id)}/results"
    return Call("GET", path, lambda got: got, long=True, options={"timeout": LONG_TIMEOUT})


def _path(job_id: str) -> str:
    return f"/jobs/{path_segment(job_id)}"
