"""Use cases; the only place where engine, stores and imaging meet."""

from service.sessions.archive import export_archive, import_archive
from service.sessions.inspection import describe_class, describe_model, describe_session
from service.sessions.learning import learn_shot
from service.sessions.pixel_gate import PixelGate
from service.sessions.pool import CodecPool
from service.sessions.registration import register
from service.sessions.resources import Resources, model_name
from service.sessions.segmentation import LabelMap, require_classes, segment, segment_to_label_map

__all__ = [
    "CodecPool",
    "LabelMap",
    "PixelGate",
    "Resources",
    "describe_class",
    "describe_model",
    "describe_session",
    "export_archive",
    "import_archive",
    "learn_shot",
    "model_name",
    "register",
    "require_classes",
    "segment",
    "segment_to_label_map",
]
