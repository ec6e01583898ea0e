"""The column of a progress bar that says how many are done a second."""

from rich.progress import ProgressColumn, Task
from rich.text import Text


class RateColumn(ProgressColumn):
    """Such as `3.4/s`; empty until it is known."""

    def render(self, task: Task) -> Text:
        """The speed of the last seconds; once finished, that of the whole time."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")
