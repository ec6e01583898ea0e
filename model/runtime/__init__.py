"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.adaptation import Adaptation, adapt_to
from model.runtime.bundle import BundleRuntime, CellsOutput, DeviceUnavailableError, HeadOutput
from model.runtime.close_up import Window, find_close_up, find_portrait, find_windows
from model.runtime.device import Device
from model.runtime.encoded import Encoded, consecutive
from model.runtime.familiarity import are_familiar, image_vectors
from model.runtime.leave_one_out import (
    LeaveOneOutPredictions,
    SupportImages,
    cell_shares,
    first_of_image,
    mirrored,
    originals,
    predict_left_out,
)
from model.runtime.pixel_classifier import PixelColours, correct
from model.runtime.precision import AskedPrecision, resolve_precision
from model.runtime.refit import Adapt

__all__ = [
    "Adapt",
    "Adaptation",
    "AskedPrecision",
    "BundleRuntime",
    "CellsOutput",
    "Device",
    "DeviceUnavailableError",
    "Encoded",
    "HeadOutput",
    "LeaveOneOutPredictions",
    "PixelColours",
    "SupportImages",
    "Window",
    "adapt_to",
    "are_familiar",
    "cell_shares",
    "consecutive",
    "correct",
    "find_close_up",
    "find_portrait",
    "find_windows",
    "first_of_image",
    "image_vectors",
    "mirrored",
    "originals",
    "predict_left_out",
    "resolve_precision",
]
