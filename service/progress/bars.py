"""The bars: of a count, and of a job."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.schemas import JobResponse

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def progress_bar(
    label: str, total: int | None, *, done: int = 0, shown: bool = True
) -> Iterator[Callable[[], None]]:
    """A progress bar for the block; yields a function that advances it by one.

    Args:
        label: in front of it.
        total: None: unknown.
        done: of the total, when it begins.
        shown: whether there is a bar at all.
    """
    if not shown:
        yield lambda: None
        return
    with _bar() as progress:
        task = progress.add_task(label, total=total, completed=done, begun=done)
        yield lambda: progress.advance(task)


@contextmanager
def job_bar(*, shown: bool) -> Iterator[Callable[[JobResponse], None]]:
    """A progress bar for the block; yields a function that sets it to the progress of a job."""
    if not shown:
        yield lambda _: None
        return
    with _bar() as progress:
        task = progress.add_task("job", total=None)

        def show(job: JobResponse) -> None:
            completed = job.done + job.failed
            # What was done before the first event came did not take the time of this bar.
            begun = progress.tasks[task].fields.get("begun", completed)
            progress.update(
                task, total=job.total, completed=completed, description=job.state, begun=begun
            )

        yield show


def _bar() -> "Progress":
    # Imported here: most programs that import the client show no bar.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
    )

    from service.progress.rate import RateColumn, RemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        RemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
