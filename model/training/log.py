"""The run's log: a line of JSON for every window of steps, and the same for TensorBoard."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from model.contract import replace_text

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class RunLog:
    """Writes entries into `log.jsonl` and `tensorboard/` of a run's folder.

    Args:
        folder: the run's folder.
        step: the last one done; both drop what a stretch that was lost wrote behind it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / LOG_FILE
        if path.is_file():
            replace_text(path, "".join(_lines_until(path, step)))
        self._file = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(folder / TENSORBOARD_FOLDER, purge_step=step + 1)

    def write(self, entry: dict[str, float]) -> None:
        """Append an entry; its key `step` places the others in time."""
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        for name, value in entry.items():
            if name != "step":
                self._board.add_scalar(f"train/{name}", value, int(entry["step"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._board.close()


def _lines_until(path: Path, step: int) -> Iterator[str]:
    """The lines of a log up to a step, without one that was cut off."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            yield line
