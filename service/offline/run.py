"""A run: what is done to a folder of images, each step only after the one before it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from service.engine import Engine
from service.formats import ExportOptions
from service.image_files import shown_name
from service.offline.folder import ImageFile
from service.offline.ledger import Ledger
from service.offline.options import LabelOptions, Supports, run_identity
from service.offline.origin import claim
from service.offline.results import Exported, export_results
from service.offline.sheet import write_sheet
from service.offline.support_warnings import keep_warnings, kept_warnings
from service.offline.work import images_at_once, label_images, register_supports, running_engine
from service.progress import progress_bar
from service.schemas import Format
from service.settings import Settings

_SHEET = "contact-sheet.html"
_STATE = ".fss-label"
_LEDGER = "ledger.jsonl"


class LabelInputs(NamedTuple):
    """What is labelled, and by what; `images` are those of the `folder`."""

    folder: Path
    images: Sequence[ImageFile]
    supports: Supports
    options: LabelOptions


class LabelRun:
    """A run that has begun; its steps are `label_missing`, `export` and `write_sheet`.

    Args:
        inputs: of the run.
        out: folder of the results, which also keeps the state of the run.
        engine: from `offline_engine`.
        settings: that the engine was made by.
        ledger: of the run, open.

    Attributes:
        images: all of the folder.
        sheet: the contact sheet's path.
    """

    def __init__(
        self, inputs: LabelInputs, out: Path, engine: Engine, settings: Settings, ledger: Ledger
    ) -> None:
        self._inputs, self._out = inputs, out
        self._engine, self._settings = engine, settings
        self.ledger, self.images = ledger, inputs.images
        self.sheet, self._state = out / _SHEET, out / _STATE

    @classmethod
    @contextmanager
    def begin(
        cls, inputs: LabelInputs, out: Path, engine: Engine, settings: Settings
    ) -> Iterator[Self]:
        """A block with a run, which goes on where an earlier one of the same inputs was stopped.

        The folder of results is the inputs' from then on, and one run's at a time.

        Raises:
            OfflineError: the results are those of another folder.
            RunFailedError: another run writes there.
            UnusableInputError: a support cannot be read.
        """
        state = out / _STATE
        claim(state, inputs.folder)
        identity = run_identity(engine, inputs.supports, inputs.options, settings)
        with Ledger(state / _LEDGER, identity) as ledger:
            yield cls(inputs, out, engine, settings, ledger)

    async def label_missing(self, warn: Callable[[str], None], *, progress: bool = False) -> None:
        """Label the images that have no result as they are now.

        Args:
            warn: called with what there is to warn of the supports, before the first image.
            progress: show a bar on standard error.

        Raises:
            OfflineError: a support is not valid. RunFailedError: the engine failed.
            OSError: the ledger cannot be written.
        """
        missing = [image for image in self.images if not self.ledger.has(image)]
        if not missing:
            for text in self._warnings():
                warn(text)
            return
        async with running_engine(self._settings, self._engine) as resources:
            supports, options = self._inputs.supports, self._inputs.options
            session_id, warnings = await register_supports(resources, supports, options)
            for text in warnings:
                warn(text)
            keep_warnings(self._state, self.ledger.identity, warnings)
            total = len(self.images)
            with progress_bar("label", total, done=total - len(missing), shown=progress) as advance:
                await label_images(
                    resources,
                    missing,
                    session_id,
                    options,
                    self.ledger,
                    at_once=images_at_once(self._settings, self._engine),
                    done=advance,
                )

    def export(self, formats: Collection[Format], written_as: ExportOptions) -> Exported:
        """Write the dataset, as `export_results` does."""
        return export_results(
            self.ledger,
            self.images,
            list(self._inputs.supports),
            formats,
            self._out,
            self._state,
            written_as,
        )

    def write_sheet(self) -> None:
        """Write the contact sheet, with the warnings of the supports at its top."""
        write_sheet(
            self.sheet,
            self.ledger,
            self.images,
            list(self._inputs.supports),
            title=shown_name(Path(self._inputs.folder.resolve().name)),
            presence_threshold=self._engine.manifest.presence_threshold,
            warnings=self._warnings(),
        )

    def _warnings(self) -> list[str]:
        return kept_warnings(self._state, self.ledger.identity)
