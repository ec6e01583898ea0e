"""Masks in the words of labelling tools: Label Studio and X-AnyLabeling. No FastAPI."""

from service.labelling_tools.label_config import Control, LabelConfig, parse_label_config
from service.labelling_tools.mirror import ProjectMirror
from service.labelling_tools.prediction import predict_tasks
from service.labelling_tools.shapes import to_shapes
from service.labelling_tools.studio import LabelStudio

__all__ = [
    "Control",
    "LabelConfig",
    "LabelStudio",
    "ProjectMirror",
    "parse_label_config",
    "predict_tasks",
    "to_shapes",
]
