"""A folder of images labelled by the engine in this process: no server, the same masks."""

from service.offline.errors import OfflineError, RunFailedError
from service.offline.folder import ImageFile, find_images
from service.offline.ledger import Entry, Ledger
from service.offline.options import LabelOptions, Supports
from service.offline.results import Exported
from service.offline.run import LabelInputs, LabelRun
from service.offline.sheet import write_sheet
from service.offline.work import offline_engine

__all__ = [
    "Entry",
    "Exported",
    "ImageFile",
    "LabelInputs",
    "LabelOptions",
    "LabelRun",
    "Ledger",
    "OfflineError",
    "RunFailedError",
    "Supports",
    "find_images",
    "offline_engine",
    "write_sheet",
]
