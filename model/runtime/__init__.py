"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.bundle import BundleRuntime, DeviceUnavailableError, HeadOutput
from model.runtime.device import Device
from model.runtime.encoded import Encoded, consecutive
from model.runtime.precision import AskedPrecision, resolve_precision
from model.runtime.refit import cell_shares, fit_refit, leave_one_out, mirrored, support_cells

__all__ = [
    "AskedPrecision",
    "BundleRuntime",
    "Device",
    "DeviceUnavailableError",
    "Encoded",
    "HeadOutput",
    "cell_shares",
    "consecutive",
    "fit_refit",
    "leave_one_out",
    "mirrored",
    "resolve_precision",
    "support_cells",
]
