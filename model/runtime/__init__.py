"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.bundle import BundleRuntime, CellsOutput, DeviceUnavailableError, HeadOutput
from model.runtime.device import Device
from model.runtime.encoded import Encoded, consecutive
from model.runtime.familiarity import are_familiar, image_vectors
from model.runtime.precision import AskedPrecision, resolve_precision
from model.runtime.refit import Adapt, choose_refit
from model.runtime.seen import (
    SeenSupports,
    cell_shares,
    leave_one_out,
    mirrored,
    originals,
    see_supports,
    with_mirrored,
)

__all__ = [
    "Adapt",
    "AskedPrecision",
    "BundleRuntime",
    "CellsOutput",
    "Device",
    "DeviceUnavailableError",
    "Encoded",
    "HeadOutput",
    "SeenSupports",
    "are_familiar",
    "cell_shares",
    "choose_refit",
    "consecutive",
    "image_vectors",
    "leave_one_out",
    "mirrored",
    "originals",
    "resolve_precision",
    "see_supports",
    "with_mirrored",
]
