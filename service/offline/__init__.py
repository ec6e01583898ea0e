"""A folder of images labelled by the engine in this process: no server, the same masks."""

from service.offline.errors import OfflineError
from service.offline.folder import ImageFile, find_images
from service.offline.ledger import Entry, Ledger
from service.offline.options import LabelOptions, run_identity
from service.offline.origin import claim
from service.offline.results import export_results
from service.offline.sheet import MAX_CARDS, write_sheet
from service.offline.support_warnings import keep_warnings, kept_warnings
from service.offline.work import (
    images_at_once,
    label_images,
    offline_engine,
    register_supports,
    running_engine,
)

__all__ = [
    "MAX_CARDS",
    "Entry",
    "ImageFile",
    "LabelOptions",
    "Ledger",
    "OfflineError",
    "claim",
    "export_results",
    "find_images",
    "images_at_once",
    "keep_warnings",
    "kept_warnings",
    "label_images",
    "offline_engine",
    "register_supports",
    "run_identity",
    "running_engine",
    "write_sheet",
]
