"""`fss job`: images segmented in the background by a running service."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.choices import (
    Absent,
    FormatName,
    Formats,
    InstancesChoice,
    MinArea,
    Mode,
    SegmentationChoice,
    ThresholdText,
    Url,
    chosen,
    threshold_of,
)
from service.cli.failure import CommandError, client_errors_as_messages
from service.cli.skipped import note_skipped

if TYPE_CHECKING:
    from service.client import Job, JobResponse

app = typer.Typer(
    help="Segment many images in the background, by a running service.", rich_markup_mode=None
)
JobId = Annotated[str, typer.Argument(metavar="ID", help="As `fss job create` printed it.")]


@app.command()
def create(
    images: Annotated[Path, typer.Argument(help="A folder or a zip file.")],
    session: Annotated[str, typer.Option(help="As `fss register` printed it.")],
    formats: Formats = [FormatName.PNG, FormatName.COCO],  # noqa: B006 - typer copies it
    mode: Mode = "auto",
    threshold: ThresholdText = None,
    absent: Absent = "drop",
    instances: InstancesChoice = "component",
    segmentation: SegmentationChoice = "rle",
    min_area: MinArea = 0,
    url: Url = None,
) -> None:
    """Send images, and print the job."""
    from service.client import Client
    from service.image_files import files_of

    with client_errors_as_messages(), Client(url) as client:
        if images.is_dir():
            found = files_of(images)
            note_skipped(found.others, found.linked)
        job = client.session(session).create_job(
            images,
            formats=chosen(formats),
            mode=mode,
            threshold=threshold_of(threshold),
            absent=absent,
            instances=instances,
            segmentation=segmentation,
            min_area=min_area,
        )
        print(job.id)


@app.command("list")
def list_jobs(url: Url = None) -> None:
    """Show one's own jobs, newest first."""
    from service.client import Client

    with client_errors_as_messages(), Client(url) as client:
        for job in client.jobs():
            print(f"{job.job_id}  {job.created:%Y-%m-%d %H:%M}  {_standing(job)}")


@app.command()
def wait(
    job_id: JobId,
    out: Annotated[
        Path | None, typer.Option(help="Then fetch the results: a folder, or a name in .zip.")
    ] = None,
    url: Url = None,
) -> None:
    """Wait until a job has ended, and fetch its results.

    The exit status is 1 if images failed, or if it was cancelled.
    """
    with _job(job_id, url, out) as job:
        ended = job.wait(progress=sys.stderr.isatty())
        if out is not None:
            job.results(out)
    print(_standing(ended))
    lines = [f"{each.file_name}: {each.detail}" for each in ended.errors]
    if ended.failed:
        lines.append(f"{ended.failed} of {ended.total} failed")
    if ended.state != "done":
        lines.append(f"the job was {ended.state}; `fss job resume {job_id}` goes on with it")
    if lines:
        raise CommandError("\n".join(lines))


@app.command()
def cancel(job_id: JobId, url: Url = None) -> None:
    """Stop a job; what is done stays."""
    with _job(job_id, url) as job:
        print(_standing(job.cancel()))


@app.command()
def resume(job_id: JobId, url: Url = None) -> None:
    """Go on with a job that was cancelled, and try again what failed."""
    with _job(job_id, url) as job:
        print(_standing(job.resume()))


@app.command()
def delete(job_id: JobId, url: Url = None) -> None:
    """Forget a job, its images and results."""
    with _job(job_id, url) as job:
        job.delete()


@contextmanager
def _job(job_id: str, url: str | None, out: Path | None = None) -> "Iterator[Job]":
    from service.client import Client

    with client_errors_as_messages(out), Client(url) as client:
        yield client.job(job_id)


def _standing(job: "JobResponse") -> str:
    failed = f", {job.failed} failed" if job.failed else ""
    return f"{job.state}: {job.done} of {job.total} done{failed}"
