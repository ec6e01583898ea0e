"""The files of a job's images, wherever they lie."""

from service.errors import BodyTooLargeError
from service.jobs.folders import Folders
from service.jobs.store import JobStore


class JobImages:
    """Reads images as they are worked on; blocks, so call it in threads.

    Args:
        store: of the jobs, whose folders hold what was uploaded.
        folders: which hold what was not.
        max_bytes: of one file.
    """

    def __init__(self, store: JobStore, folders: Folders, *, max_bytes: int) -> None:
        self._store = store
        self._folders = folders
        self._max_bytes = max_bytes

    def read(self, job_id: str, number: int) -> bytes:
        """The file of an image.

        Raises:
            BodyTooLargeError, ImageMissingError, ImageChangedError.
            OSError: it is gone from the job's folder, or the machine cannot read it for now.
        """
        source = self._store.source(job_id, number)
        if source is not None:
            return self._folders.read(source, max_bytes=self._max_bytes)
        path = self._store.folder(job_id) / str(number)
        if path.stat().st_size > self._max_bytes:
            raise BodyTooLargeError(f"the file exceeds {self._max_bytes} bytes")
        return path.read_bytes()
