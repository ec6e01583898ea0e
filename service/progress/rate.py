"""The columns of a progress bar that say how many are done a second, and when the rest will be."""

from datetime import timedelta
from math import ceil

from rich.progress import ProgressColumn, Task
from rich.text import Text


def rate(task: Task) -> float | None:
    """How many were done a second since the task began; None until it is known.

    Not rich's own speed of the last seconds: images come in bursts, up to 16 of a request at once.
    """
    done = task.completed - task.fields.get("begun", 0)
    elapsed_s = task.finished_time if task.finished else task.elapsed
    return done / elapsed_s if done > 0 and elapsed_s else None


class RateColumn(ProgressColumn):
    """Such as `3.4/s`; empty until it is known."""

    def render(self, task: Task) -> Text:
        speed = rate(task)
        return Text("" if speed is None else f"{speed:.1f}/s")


class RemainingColumn(ProgressColumn):
    """Such as `0:01:20`, at that rate; empty until it is known."""

    max_refresh = 0.5  # seconds; so that it can be read

    def render(self, task: Task) -> Text:
        speed = rate(task)
        if speed is None or task.remaining is None:
            return Text("")
        return Text(str(timedelta(seconds=ceil(task.remaining / speed))))
