"""Prototypes and logits from a trained network, batched over all requests."""

from service.engine.base import Coverage, Engine, ImageU8, Predictions
from service.engine.bundle_folder import BundleFolder
from service.engine.bundle_watcher import REFUSALS, BundleWatcher, require_own_revision
from service.engine.cpu import available_cpus
from service.engine.devices import parse_devices
from service.engine.engine_resources import EngineResources
from service.engine.fake import FakeEngine
from service.engine.model_registry import ModelRegistry
from service.engine.onnx import OnnxEngine
from service.engine.options import EngineOptions
from service.engine.recovery import INFERENCE_ATTEMPTS

__all__ = [
    "INFERENCE_ATTEMPTS",
    "REFUSALS",
    "BundleFolder",
    "BundleWatcher",
    "Coverage",
    "Engine",
    "EngineOptions",
    "EngineResources",
    "FakeEngine",
    "ImageU8",
    "ModelRegistry",
    "OnnxEngine",
    "Predictions",
    "available_cpus",
    "parse_devices",
    "require_own_revision",
]
