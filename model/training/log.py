"""The run's log: a line of JSON for every window of steps, and the same for TensorBoard."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class RunLog:
    """Writes entries into `log.jsonl` and `tensorboard/` of a run's folder.

    Args:
        folder: the run's folder.
        step: first step to come; TensorBoard drops what an earlier, lost stretch wrote behind it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._file = (folder / LOG_FILE).open("a", encoding="utf-8")
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
