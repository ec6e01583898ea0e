"""Formats of Label Studio and X-AnyLabeling, and sessions in step with Label Studio's projects."""

from service.labelling_tools.label_config import Control, LabelConfig, parse_label_config
from service.labelling_tools.mirror import ProjectKey, ProjectMirror, model_version
from service.labelling_tools.prediction import predict_tasks
from service.labelling_tools.shapes import to_shapes
from service.labelling_tools.studio import FIRST_ERROR, ImageTask, LabelStudio

__all__ = [
    "FIRST_ERROR",
    "Control",
    "ImageTask",
    "LabelConfig",
    "LabelStudio",
    "ProjectKey",
    "ProjectMirror",
    "model_version",
    "parse_label_config",
    "predict_tasks",
    "to_shapes",
]
