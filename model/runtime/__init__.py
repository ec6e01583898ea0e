"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.bundle import BundleRuntime, Encoded, HeadOutput
from model.runtime.precision import AskedPrecision, resolve_precision
from model.runtime.refit import fit_refit, support_cells

__all__ = [
    "AskedPrecision",
    "BundleRuntime",
    "Encoded",
    "HeadOutput",
    "fit_refit",
    "resolve_precision",
    "support_cells",
]
