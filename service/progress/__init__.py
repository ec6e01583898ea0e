"""Progress bars on standard error."""

from service.progress.bars import job_bar, progress_bar

__all__ = ["job_bar", "progress_bar"]
