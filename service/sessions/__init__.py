"""Use cases; the only place where engine, stores and imaging meet."""

from service.sessions.archive import export_archive, import_archive
from service.sessions.decoded import DecodedImages
from service.sessions.inspection import describe_class, describe_models, describe_session
from service.sessions.learning import learn_as_registered, read_support
from service.sessions.pixel_budget import PixelBudget
from service.sessions.pool import CodecPool, codec_client
from service.sessions.registration import register
from service.sessions.resources import ModelResources, Resources, ShotSpecs
from service.sessions.segmentation import LabelMap, segment, segment_to_label_map
from service.sessions.selection import require_classes
from service.sessions.uploads import ImageReader, Support

__all__ = [
    "CodecPool",
    "DecodedImages",
    "ImageReader",
    "LabelMap",
    "ModelResources",
    "PixelBudget",
    "Resources",
    "ShotSpecs",
    "Support",
    "codec_client",
    "describe_class",
    "describe_models",
    "describe_session",
    "export_archive",
    "import_archive",
    "learn_as_registered",
    "read_support",
    "register",
    "require_classes",
    "segment",
    "segment_to_label_map",
]
