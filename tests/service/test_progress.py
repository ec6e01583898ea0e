"""The columns of progress bars, with a clock of their own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.progress import Progress, Task

from service.progress import bars, job_bar, progress_bar
from service.progress.rate import RateColumn, RemainingColumn
from service.schemas import JobResponse


class Bar:
    """The bar that was shown last, and the seconds that its clock shows."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.progress: Progress | None = None

    def make(self) -> Progress:
        self.progress = Progress(get_time=lambda: self.seconds, disable=True)
        return self.progress

    @property
    def task(self) -> Task:
        assert self.progress is not None
        return self.progress.tasks[0]

    def columns(self) -> tuple[str, str]:
        """The rate, and the time left."""
        return RateColumn().render(self.task).plain, RemainingColumn().render(self.task).plain


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> Bar:
    shown = Bar()
    monkeypatch.setattr(bars, "_bar", shown.make)
    return shown


def test_bursts_of_images_count_by_the_time_that_they_took(bar: Bar) -> None:
    with progress_bar("segment", 96) as advance:
        assert bar.columns() == ("", "")
        for _ in range(3):  # as requests of 16 images are answered
            bar.seconds += 2
            for _ in range(16):
                bar.seconds += 0.0001
                advance()
        assert bar.columns() == ("8.0/s", "0:00:07")
        for _ in range(48):
            advance()
        bar.seconds += 60
        assert bar.columns() == ("16.0/s", "0:00:00")


def test_what_was_done_before_took_no_time(bar: Bar) -> None:
    with progress_bar("label", 1000, done=900) as advance:
        bar.seconds += 2
        advance()
        assert bar.columns() == ("0.5/s", "0:03:18")


def test_a_job_that_has_run_for_long_is_no_faster_for_that(bar: Bar) -> None:
    def job(done: int) -> JobResponse:
        moment: Any = datetime(2026, 1, 1, tzinfo=UTC)
        return JobResponse(
            job_id="j", state="running", total=6000, done=done, failed=0, created=moment
        )

    with job_bar(shown=True) as show:
        show(job(5000))
        assert bar.columns() == ("", "")
        bar.seconds += 10
        show(job(5020))
        assert bar.columns() == ("2.0/s", "0:08:10")
