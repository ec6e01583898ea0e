"""Prototypes and logits from a trained network, batched over all requests."""

from service.engine.admission import Admission
from service.engine.base import Coverage, Engine, EngineCounters, ImageU8, Predictions
from service.engine.bundle_folder import BundleFolder
from service.engine.cpu import available_cpus
from service.engine.devices import parse_devices
from service.engine.fake import FakeEngine
from service.engine.library import REFUSALS, Library, require_own_revision
from service.engine.models import Models
from service.engine.onnx import OnnxEngine
from service.engine.options import EngineOptions
from service.engine.shared import Shared

__all__ = [
    "REFUSALS",
    "Admission",
    "BundleFolder",
    "Coverage",
    "Engine",
    "EngineCounters",
    "EngineOptions",
    "FakeEngine",
    "ImageU8",
    "Library",
    "Models",
    "OnnxEngine",
    "Predictions",
    "Shared",
    "available_cpus",
    "parse_devices",
    "require_own_revision",
]
