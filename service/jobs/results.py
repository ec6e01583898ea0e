"""The results of a job as a zip of the formats that were asked for."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

from service.formats import ExportOptions, LabelledImage, ZipSink, export_dataset
from service.jobs.forms import JobForm
from service.jobs.job import Job
from service.jobs.job_files import read_result, read_snapshot
from service.jobs.store import JobStore
from service.stores import decode_session


def write_results(store: JobStore, job: Job, cancelled: threading.Event) -> IO[bytes]:
    """A temporary file, which the caller closes, with a zip of the images done.

    Args:
        store: of the jobs.
        job: whose results.
        cancelled: is set once nobody wants them.

    Raises:
        FileNotFoundError: of a job that was deleted meanwhile.
        InterruptedError: `cancelled` was set.
    """
    form = JobForm.model_validate_json(job.form)
    folder = store.folder(job.job_id)
    known = decode_session(read_snapshot(folder), {}).classes
    classes = [name for name in known if not form.classes or name in form.classes]
    with ExitStack() as cleanup:
        target = cleanup.enter_context(tempfile.TemporaryFile(dir=folder))
        with ZipSink(target) as sink:
            options = ExportOptions(form.instances, form.segmentation, form.min_area)
            export_dataset(
                _labelled(store, job, cancelled),
                classes,
                form.formats,
                sink,
                options,
                scratch=folder,
            )
        cleanup.pop_all()
    target.seek(0)
    return target


def _labelled(store: JobStore, job: Job, cancelled: threading.Event) -> Iterator[LabelledImage]:
    """The images done; raises `InterruptedError` once the request is cancelled."""
    folder = store.folder(job.job_id)
    for image in store.images(job.job_id, "done"):
        if cancelled.is_set():
            raise InterruptedError
        yield LabelledImage.from_result(image.name, read_result(folder, image.number))
